//! Half a minute of everything at once; `cargo xtask churn` goes on for as long as it is told.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use interceptor_tests::churn::{self, Plan};

#[test]
fn everything_at_once_leaks_nothing_hangs_nowhere_and_leaves_nothing() -> Result<()> {
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let plan = Plan {
        seed: clock.as_secs(),
        time: Duration::from_secs(25),
        docker: true,
    };
    let report = churn::run(&plan, |line| println!("{line}"))?;
    let violations = report.violations();
    assert!(violations.is_empty(), "{}\n{report}", violations.join("\n"));
    assert!(report.right() > 50, "{report}");
    Ok(())
}

//! Clients that call on and on, and what became of each call.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

use crate::netns::Netns;
use crate::{Client, World};

/// Any call ends within this time, whatever happens to the agent meanwhile.
pub(super) const BOUND: f64 = 15.0;

/// One call, as the client has it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// Who: each makes one call after another.
    pub(super) client: String,
    /// As in `tests/clients/churn.py`, or `docker`.
    pub(super) kind: String,
    pub(super) outcome: Outcome,
    /// Seconds of the wall clock.
    pub(super) began: f64,
    pub(super) ended: f64,
    pub(super) detail: String,
}

/// How it ended; `tests/clients/churn.py` says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Right,
    Refused,
    Closed,
    Cut,
    Own,
    Stuck,
    Wrong,
}

impl Call {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let mut word = || words.next();
        Some(Self {
            client: word()?.to_owned(),
            kind: word()?.to_owned(),
            outcome: match word()? {
                "right" => Outcome::Right,
                "refused" => Outcome::Refused,
                "closed" => Outcome::Closed,
                "cut" => Outcome::Cut,
                "own" => Outcome::Own,
                "stuck" => Outcome::Stuck,
                "wrong" => Outcome::Wrong,
                _ => return None,
            },
            began: word()?.parse().ok()?,
            ended: word()?.parse().ok()?,
            detail: word().unwrap_or_default().to_owned(),
        })
    }
}

/// Starts clients, and tells of their calls.
pub(super) struct Caller<'w> {
    world: &'w World,
    roots: PathBuf,
    over: PathBuf,
    told: Sender<Call>,
}

impl<'w> Caller<'w> {
    pub(super) fn new(world: &'w World, roots: PathBuf, told: Sender<Call>) -> Self {
        let over = world.dir().join("churn-is-over");
        Self {
            world,
            roots,
            over,
            told,
        }
    }

    /// The clients that call from the first to the last.
    pub(super) fn lasting(&self) -> Result<()> {
        let kinds = [
            "plain", "plain", "streamed", "streamed", "kept", "kept", "passing", "passing",
        ];
        let options = json!({ "name": "host", "kinds": kinds, "over": self.over });
        let client = self.world.client(&self.roots);
        self.run(&client, &options)
    }

    /// One client in a container, for a few calls.
    pub(super) fn short(&self, netns: &Netns, name: &str) -> Result<()> {
        let kinds = ["plain", "streamed", "kept", "passing"];
        let options = json!({ "name": name, "kinds": kinds, "over": self.over, "calls": 6 });
        let client = self.world.client_in(netns, &self.roots).uid(1000);
        self.run(&client, &options)
    }

    pub(super) fn tell(&self, call: Call) -> Result<()> {
        self.told.send(call).context("nobody listens to calls")
    }

    /// No call begins from here on.
    pub(super) fn end(&self) -> Result<()> {
        Ok(fs::write(&self.over, "")?)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.exists()
    }

    /// Tells of each call as it ends. A client that does not end in time after the last is an error.
    fn run(&self, client: &Client<'_>, options: &serde_json::Value) -> Result<()> {
        let mut child = client.spawn_python("churn.py", options)?;
        let lines = BufReader::new(child.stdout.take().context("no pipe")?).lines();
        thread::scope(|scope| {
            let reader = scope.spawn(|| -> Result<()> {
                for line in lines {
                    let line = line?;
                    let call = Call::parse(&line);
                    self.tell(call.with_context(|| format!("a client printed {line:?}"))?)?;
                }
                Ok(())
            });
            let mut over = None;
            while child.try_wait()?.is_none() {
                thread::sleep(Duration::from_millis(20));
                if self.is_over()
                    && over
                        .get_or_insert_with(Instant::now)
                        .elapsed()
                        .as_secs_f64()
                        > BOUND + 5.0
                {
                    child.kill()?;
                    child.wait()?;
                    bail!("client {} did not come to its end", options["name"]);
                }
            }
            let read = reader.join();
            read.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            let ended = child.wait_with_output()?;
            ensure!(
                ended.status.success(),
                "{}",
                String::from_utf8_lossy(&ended.stderr)
            );
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, Outcome};

    #[test]
    fn a_line_is_a_call() {
        let call = Call::parse("host-3 kept cut 1.250 2.500 IncompleteRead(7 bytes read)").unwrap();
        assert_eq!(
            (call.client.as_str(), call.outcome),
            ("host-3", Outcome::Cut)
        );
        assert_eq!((call.began, call.ended), (1.25, 2.5));
        assert_eq!(call.detail, "IncompleteRead(7 bytes read)");
        assert!(Call::parse("host-3 kept lost 1.250 2.500 ").is_none());
        assert!(Call::parse("host-3 kept right 1.250").is_none());
    }
}

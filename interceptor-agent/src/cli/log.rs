//! The agent's own log: standard error, for people or as JSON lines.

mod lines;

use std::io;

use tracing_subscriber::{
    filter::LevelFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::{Log, LogFormat};
use lines::{Flush, Lines};

/// Sets the log up, once a process. What still waits is written when the guard is dropped.
pub(super) fn init(log: &Log) -> io::Result<Flush> {
    let (lines, flush) = Lines::write_to(io::stderr())?;
    let level = LevelFilter::from_level(log.level);
    let registry = tracing_subscriber::registry().with(level);
    match log.format {
        LogFormat::Text => registry
            .with(fmt::layer().with_writer(lines).with_target(false))
            .init(),
        LogFormat::Json => registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(lines)
                    .with_target(false),
            )
            .init(),
    }
    Ok(flush)
}

//! The agent's own log: standard error, for people or as JSON lines.

use std::io;

use tracing_subscriber::{
    filter::LevelFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::{Log, LogFormat};

/// Sets the log up, once a process.
pub(super) fn init(log: &Log) {
    let level = LevelFilter::from_level(log.level);
    let registry = tracing_subscriber::registry().with(level);
    match log.format {
        LogFormat::Text => registry
            .with(fmt::layer().with_writer(io::stderr).with_target(false))
            .init(),
        LogFormat::Json => registry
            .with(
                fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_writer(io::stderr)
                    .with_target(false),
            )
            .init(),
    }
}

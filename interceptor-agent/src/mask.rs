//! Finding what policy names in text and replacing it by tokens, and the way back. Knows no HTTP and no TLS.

pub mod decode;
pub mod detector;
pub mod request;
pub mod response;
pub mod token;
pub mod unmask;
pub mod watch;

/// What the agent does with findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Findings are replaced; what can't be masked is refused.
    #[default]
    Enforce,
    /// Findings are counted and audited; bytes leave as they came.
    ReportOnly,
    /// The whole pipeline runs and is measured; bytes leave as they came.
    DryRun,
}

impl Mode {
    /// Its name in the config, the log and the audit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::ReportOnly => "report-only",
            Self::DryRun => "dry-run",
        }
    }
}

#[cfg(test)]
mod golden;

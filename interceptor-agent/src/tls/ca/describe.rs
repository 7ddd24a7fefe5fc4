//! What a CA is, for people and scripts; needs no access to the key.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::time::ASN1Time;

use super::{
    BUNDLE, CaError, INTERMEDIATE, INTERMEDIATE_KEY, ROOT, certificates, parse, permitted_names,
};

/// A CA as its public files show it.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// What clients trust.
    pub root: CertificateInfo,
    /// What leaves are signed under, each for some of the names.
    pub intermediates: Vec<CertificateInfo>,
    /// DNS suffixes that they may vouch for.
    pub permitted: Vec<String>,
    /// File of the root.
    pub ca: PathBuf,
    /// File of the public roots and ours.
    pub bundle: PathBuf,
    /// File of the intermediates' key.
    pub key: PathBuf,
}

/// One certificate.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateInfo {
    /// Distinguished name.
    pub subject: String,
    /// Start of validity, UTC, RFC 3339.
    pub not_before: String,
    /// End of validity, UTC, RFC 3339.
    pub not_after: String,
    /// Whether it is valid now.
    pub valid: bool,
    /// SHA-256 of the DER, in upper-case hex with colons, as browsers and openssl show it.
    pub sha256: String,
}

impl Description {
    /// Reads the public files of a CA.
    ///
    /// # Errors
    /// When one is missing or malformed.
    pub fn read(dir: &Path) -> Result<Self, CaError> {
        let (root, intermediates) = (certificates(dir, ROOT)?, certificates(dir, INTERMEDIATE)?);
        let parsed = intermediates
            .iter()
            .map(|der| parse(dir, INTERMEDIATE, der));
        let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            root: CertificateInfo::of(&parse(dir, ROOT, &root[0])?),
            intermediates: parsed.iter().map(CertificateInfo::of).collect(),
            permitted: parsed.iter().flat_map(permitted_names).collect(),
            ca: dir.join(ROOT),
            bundle: dir.join(BUNDLE),
            key: dir.join(INTERMEDIATE_KEY),
        })
    }
}

impl CertificateInfo {
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let digest = Sha256::digest(certificate.as_raw());
        let validity = certificate.validity();
        Self {
            subject: certificate.subject().to_string(),
            not_before: rfc3339(validity.not_before),
            not_after: rfc3339(validity.not_after),
            valid: validity.is_valid(),
            sha256: digest
                .iter()
                .map(|byte| format!("{byte:02X}"))
                .collect::<Vec<_>>()
                .join(":"),
        }
    }
}

fn rfc3339(time: ASN1Time) -> String {
    let utc = time.to_datetime();
    let (hour, minute, second) = utc.to_hms();
    format!(
        "{}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
        utc.year(),
        u8::from(utc.month()),
        utc.day()
    )
}

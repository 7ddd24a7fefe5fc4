//! The CA that clients trust: a root whose key is gone, and an intermediate that may vouch for LLM hosts only.
//!
//! [`init`] makes it, [`Ca::load`] is what the agent signs leaves with, [`Description`] is what people look at.
//! The constraint sits on the intermediate because Java ignores one on a trust anchor.

mod bundle;
mod describe;
mod init;
mod trust;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{Issuer, KeyPair, PublicKeyData};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use crate::private_file::{self, Unfit};

pub use describe::{CertificateInfo, Description};
pub(super) use init::{BACKDATED, serial};
pub use init::{Options, init};
pub use trust::trust_variables;

/// The root, for clients to trust.
pub const ROOT: &str = "ca.pem";
/// The public roots, the configured extra roots and ours: for variables that replace a client's roots.
pub const BUNDLE: &str = "bundle.pem";
/// The intermediate's certificate, sent with each leaf.
pub const INTERMEDIATE: &str = "intermediate.pem";
/// The intermediate's private key, readable by the agent's user only.
pub const INTERMEDIATE_KEY: &str = "intermediate.key";

/// What went wrong with the CA's files. The operator is at fault, and the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Nothing there yet.
    #[error("there is no CA in {}: make one with `interceptor ca init`", .0.display())]
    Missing(PathBuf),
    /// Clients trust the one that is there; replacing it must be asked for.
    #[error("{} already holds a CA that clients may trust: replace it with `--force`, and have clients trust the new one", .0.display())]
    Exists(PathBuf),
    /// The root's key is written once and never replaced.
    #[error("{} exists already: name a new file for the root's key", .0.display())]
    RootKeyExists(PathBuf),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("{}: {what}; make a new CA with `interceptor ca init --force`", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Others than the owner can read the key.
    #[error("{} can be read by others (mode {mode:o}): whoever has it can pose as any LLM host here; `chmod 600` it, or make a new CA", path.display())]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Outside its validity.
    #[error("{}: valid from {from} to {to}, which is not now; check the clock, or make a new CA with `interceptor ca init --force`", path.display())]
    NotValidNow {
        /// The certificate.
        path: PathBuf,
        /// Start of validity, UTC.
        from: String,
        /// End of validity, UTC.
        to: String,
    },
    /// The extra roots could not be put into the bundle.
    #[error(transparent)]
    Roots(#[from] super::upstream::RootsError),
    /// Making a key or a certificate failed.
    #[error("making the CA failed: {0}")]
    Sign(#[from] rcgen::Error),
}

/// A loaded CA, ready to sign leaves.
#[derive(Debug)]
pub struct Ca {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) intermediate: CertificateDer<'static>,
    pub(super) not_after: SystemTime,
    root: CertificateDer<'static>,
    permitted: Vec<String>,
}

impl Ca {
    /// Reads the intermediate and its key, and checks that they belong together, to this root, to the present and
    /// under a name constraint.
    ///
    /// # Errors
    /// When a file is missing, exposed, malformed or out of date.
    pub fn load(dir: &Path) -> Result<Self, CaError> {
        let root = certificate(dir, ROOT)?;
        let intermediate = certificate(dir, INTERMEDIATE)?;
        let key = key(&dir.join(INTERMEDIATE_KEY))?;
        let malformed = |what| CaError::Malformed {
            path: dir.join(INTERMEDIATE),
            what,
        };

        let parsed = parse(&intermediate).ok_or(malformed("not a certificate"))?;
        let parsed_root = parse(&root).ok_or(CaError::Malformed {
            path: dir.join(ROOT),
            what: "not a certificate",
        })?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(malformed(
                "the key beside it belongs to another certificate",
            ));
        }
        if parsed
            .verify_signature(Some(parsed_root.public_key()))
            .is_err()
        {
            return Err(malformed("not signed by the root beside it"));
        }
        let permitted = permitted_names(&parsed);
        if permitted.is_empty() {
            return Err(malformed("no name constraint: it could vouch for any host"));
        }
        for (name, parsed) in [(ROOT, &parsed_root), (INTERMEDIATE, &parsed)] {
            if !parsed.validity().is_valid() {
                let info = CertificateInfo::of(parsed);
                return Err(CaError::NotValidNow {
                    path: dir.join(name),
                    from: info.not_before,
                    to: info.not_after,
                });
            }
        }
        let expiry = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
        Ok(Self {
            issuer: Issuer::from_ca_cert_der(&intermediate, key)?,
            not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(expiry),
            permitted,
            root,
            intermediate,
        })
    }

    /// The root that clients trust.
    #[must_use]
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// DNS suffixes that the CA may vouch for.
    #[must_use]
    pub fn permitted(&self) -> &[String] {
        &self.permitted
    }

    /// Whether clients would accept a certificate of this CA for a host name in lower case.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        covers(&self.permitted, host)
    }

    /// Those of `names` (from [`crate::hosts::Hosts::names`]) that were configured after the CA was made: connections
    /// to them are refused until a new one is.
    #[must_use]
    pub fn uncovered(&self, names: &[String]) -> Vec<String> {
        names
            .iter()
            .filter(|name| !self.covers(name))
            .cloned()
            .collect()
    }
}

/// RFC 5280, section 4.2.1.10: a permitted name stands for itself and for every name below it.
fn covers(permitted: &[String], host: &str) -> bool {
    permitted.iter().any(|suffix| {
        host.strip_suffix(suffix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// The permitted DNS names, of a critical extension only: clients may ignore another.
fn permitted_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let constraints =
        certificate
            .extensions()
            .iter()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::NameConstraints(constraints) if extension.critical => {
                    Some(constraints)
                }
                _ => None,
            });
    let subtrees = constraints
        .and_then(|c| c.permitted_subtrees.as_ref())
        .into_iter()
        .flatten();
    subtrees
        .filter_map(|subtree| match subtree.base {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

fn certificate(dir: &Path, name: &str) -> Result<CertificateDer<'static>, CaError> {
    let path = dir.join(name);
    let pem = read(&path)?;
    CertificateDer::from_pem_slice(&pem).map_err(|_| CaError::Malformed {
        path,
        what: "not a certificate in PEM",
    })
}

fn key(path: &Path) -> Result<KeyPair, CaError> {
    let mut file = private_file::open(path).map_err(|unfit| match unfit {
        Unfit::File(source) => unread(path, source),
        Unfit::Readable(mode) => CaError::KeyExposed {
            path: path.to_owned(),
            mode,
        },
    })?;
    let mut pem = Vec::new();
    file.read_to_end(&mut pem)
        .map_err(|source| unread(path, source))?;
    std::str::from_utf8(&pem)
        .ok()
        .and_then(|pem| KeyPair::from_pem(pem).ok())
        .ok_or(CaError::Malformed {
            path: path.to_owned(),
            what: "not a private key in PEM",
        })
}

fn read(path: &Path) -> Result<Vec<u8>, CaError> {
    std::fs::read(path).map_err(|source| unread(path, source))
}

fn unread(path: &Path, source: io::Error) -> CaError {
    match source.kind() {
        io::ErrorKind::NotFound => CaError::Missing(path.parent().unwrap_or(path).to_owned()),
        _ => CaError::File {
            path: path.to_owned(),
            source,
        },
    }
}

fn parse<'a>(der: &'a CertificateDer<'static>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(der)
        .ok()
        .map(|(_, certificate)| certificate)
}

#[cfg(test)]
pub(super) mod tests;

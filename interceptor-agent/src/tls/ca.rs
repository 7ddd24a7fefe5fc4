//! The CA that clients trust: a root whose key is gone, and intermediates that may each vouch for one LLM host.
//!
//! [`init`] makes it, [`Ca::load`] is what the agent signs leaves with, [`Description`] is what people look at.
//! The constraint sits on intermediates because Java ignores one on a trust anchor. They share a key, and are many because
//! one with every host's name would be 8 KiB that every handshake sends and every client goes through.

mod bundle;
mod describe;
mod init;
mod trust;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{KeyPair, PublicKeyData};
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
/// The intermediates' certificates: the one that may vouch for a host is sent with its leaf.
pub const INTERMEDIATE: &str = "intermediate.pem";
/// Their private key, readable by the agent's user only.
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
    root: CertificateDer<'static>,
    intermediates: Vec<Intermediate>,
    pub(super) key: KeyPair,
    permitted: Vec<String>,
}

/// A certificate that leaves are signed under.
#[derive(Debug)]
pub(super) struct Intermediate {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) not_after: SystemTime,
    permitted: Vec<String>,
}

impl Ca {
    /// Reads the intermediates and their key, and checks that they belong together, to this root, to the present and
    /// under a name constraint each.
    ///
    /// # Errors
    /// When a file is missing, exposed, malformed or out of date.
    pub fn load(dir: &Path) -> Result<Self, CaError> {
        let [root] = &certificates(dir, ROOT)?[..] else {
            return Err(malformed(dir, ROOT, "more than one certificate"));
        };
        let key = key(&dir.join(INTERMEDIATE_KEY))?;
        let parsed_root = parse(dir, ROOT, root)?;
        is_valid_now(dir, ROOT, &parsed_root)?;
        let load = |certificate: CertificateDer<'static>| {
            let parsed = parse(dir, INTERMEDIATE, &certificate)?;
            let malformed = |what| Err(malformed(dir, INTERMEDIATE, what));
            if parsed.public_key().raw != key.subject_public_key_info() {
                return malformed("the key beside it belongs to another certificate");
            }
            let signed = parsed.verify_signature(Some(parsed_root.public_key()));
            if signed.is_err() {
                return malformed("not signed by the root beside it");
            }
            let permitted = permitted_names(&parsed);
            if permitted.is_empty() {
                return malformed("no name constraint: it could vouch for any host");
            }
            is_valid_now(dir, INTERMEDIATE, &parsed)?;
            let expiry = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
            drop(parsed);
            Ok(Intermediate {
                certificate,
                not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(expiry),
                permitted,
            })
        };
        let intermediates = certificates(dir, INTERMEDIATE)?.into_iter().map(load);
        let intermediates = intermediates.collect::<Result<Vec<_>, _>>()?;
        let permitted = intermediates.iter().flat_map(|one| &one.permitted);
        let permitted = permitted.cloned().collect();
        drop(parsed_root);
        Ok(Self {
            root: root.clone(),
            permitted,
            intermediates,
            key,
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

    /// The one that may vouch for a host name in lower case.
    pub(super) fn intermediate(&self, host: &str) -> Option<&Intermediate> {
        let mut intermediates = self.intermediates.iter();
        intermediates.find(|one| covers(&one.permitted, host))
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

/// At least one.
fn certificates(dir: &Path, name: &str) -> Result<Vec<CertificateDer<'static>>, CaError> {
    let pem = read(&dir.join(name))?;
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(malformed(dir, name, "not a certificate in PEM")),
    }
}

fn is_valid_now(dir: &Path, name: &str, parsed: &X509Certificate<'_>) -> Result<(), CaError> {
    if parsed.validity().is_valid() {
        return Ok(());
    }
    let info = CertificateInfo::of(parsed);
    Err(CaError::NotValidNow {
        path: dir.join(name),
        from: info.not_before,
        to: info.not_after,
    })
}

fn malformed(dir: &Path, name: &str, what: &'static str) -> CaError {
    CaError::Malformed {
        path: dir.join(name),
        what,
    }
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

fn parse<'a>(
    dir: &Path,
    name: &str,
    der: &'a CertificateDer<'static>,
) -> Result<X509Certificate<'a>, CaError> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(_) => Err(malformed(dir, name, "not a certificate")),
    }
}

#[cfg(test)]
pub(super) mod tests;

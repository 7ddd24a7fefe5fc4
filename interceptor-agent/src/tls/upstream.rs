//! Verifying the real LLM host: which roots are trusted, and the TLS client that trusts them. There is no switch to
//! turn verification off.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, pem, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};

/// What is wrong with a file of extra roots. The operator is at fault.
#[derive(Debug, thiserror::Error)]
#[error("tls.extra_roots: {}: {what}", path.display())]
pub struct RootsError {
    path: PathBuf,
    what: String,
}

/// The roots that an upstream's certificate must lead to.
#[derive(Clone, Debug)]
pub struct Roots(Vec<CertificateDer<'static>>);

impl Roots {
    /// The system's roots, or Mozilla's where the system has none, and those in the PEM files `extra`.
    ///
    /// # Errors
    /// When a file can't be read or holds no certificate that can be a root; the error names it.
    pub fn load(extra: &[PathBuf]) -> Result<Self, RootsError> {
        let mut roots = rustls_native_certs::load_native_certs().certs;
        if roots.is_empty() {
            roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec();
        }
        for path in extra {
            roots.extend(extra_roots(path).map_err(|what| RootsError {
                path: path.clone(),
                what,
            })?);
        }
        Ok(Self(roots))
    }

    /// Without one certificate: the agent must not believe an upstream that its own CA vouches for, wherever that CA
    /// was installed for clients.
    #[must_use]
    pub fn without(mut self, root: &CertificateDer<'_>) -> Self {
        self.0.retain(|other| other != root);
        self
    }

    /// Every root, in DER.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }
}

/// A TLS client that verifies against `roots`, resumes sessions, and offers `alpn` in that order.
#[must_use]
pub fn client_config(roots: &Roots, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    // System stores hold old roots that webpki does not understand; the good ones are enough.
    store.add_parsable_certificates(roots.0.iter().cloned());
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

fn extra_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| match error {
            pem::Error::Io(error) => error.to_string(),
            other => format!("not PEM: {other:?}"),
        })?;
    if certificates.is_empty() {
        return Err(
            "holds no certificate in PEM (a block that begins with -----BEGIN CERTIFICATE-----)"
                .into(),
        );
    }
    let mut store = RootCertStore::empty();
    for (at, certificate) in certificates.iter().enumerate() {
        store
            .add(certificate.clone())
            .map_err(|error| format!("certificate {} can't be a root: {error}", at + 1))?;
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests;

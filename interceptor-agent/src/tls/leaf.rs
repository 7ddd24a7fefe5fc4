//! Leaves: the certificate that a client sees for one LLM host, minted when first needed and kept until it grows old.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};

use super::ca::{BACKDATED, Ca, serial};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Most leaves kept. LLM hosts are few; only names below a `*` pattern could be more.
const MAX_KEPT: usize = 1024;

/// Why there is no certificate for a host.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// The host was configured after the CA was made, or is no LLM host at all.
    #[error("the CA may not vouch for {0}: make one that may with `interceptor ca init --force`")]
    NotPermitted(String),
    /// The host's intermediate has run out while the agent was running.
    #[error("the CA's intermediate has expired: make a new CA with `interceptor ca init --force`")]
    Expired,
    /// Making the certificate failed.
    #[error("making a certificate failed: {0}")]
    Sign(#[from] rcgen::Error),
    /// The TLS library refused what was made.
    #[error("preparing TLS failed: {0}")]
    Tls(#[from] rustls::Error),
}

/// Mints and keeps leaves. One key, made at start, serves them all; it never touches the disk.
#[derive(Debug)]
pub struct Leaves {
    ca: Ca,
    key: KeyPair,
    signer: Arc<dyn SigningKey>,
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    leaf: Arc<CertifiedKey>,
    renew_at: SystemTime,
    used_at: SystemTime,
}

impl Leaves {
    /// Starts with no leaf and a new key.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(ca: Ca) -> Result<Arc<Self>, LeafError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let signer =
            aws_lc_rs::sign::any_ecdsa_type(&PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
        Ok(Arc::new(Self {
            ca,
            key,
            signer,
            kept: Mutex::default(),
        }))
    }

    /// The CA behind them.
    #[must_use]
    pub fn ca(&self) -> &Ca {
        &self.ca
    }

    /// The leaf and chain for a host name, minted at most once however many ask at the same time.
    ///
    /// # Errors
    /// When the CA may not vouch for the host, or has expired.
    pub fn certified_key(&self, host: &str) -> Result<Arc<CertifiedKey>, LeafError> {
        self.certified_key_at(host, SystemTime::now())
    }

    /// A TLS server for every host that the CA covers: h2 and http/1.1, TLS 1.2 and 1.3, tickets for resumption. The
    /// caller decides from the ClientHello whether to answer at all.
    ///
    /// # Errors
    /// When no ticket key can be made.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, LeafError> {
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(BySni(Arc::clone(self))));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Arc::new(config))
    }

    /// Minting takes some 0.1 ms, so it happens under the lock: that is what makes it happen once.
    fn certified_key_at(
        &self,
        host: &str,
        now: SystemTime,
    ) -> Result<Arc<CertifiedKey>, LeafError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = kept.get_mut(host).filter(|entry| now < entry.renew_at) {
            entry.used_at = now;
            return Ok(Arc::clone(&entry.leaf));
        }
        let (leaf, not_after) = self.mint(host, now)?;
        if kept.len() >= MAX_KEPT {
            let oldest = kept
                .iter()
                .min_by_key(|(_, entry)| entry.used_at)
                .map(|(host, _)| host.clone());
            oldest.and_then(|host| kept.remove(&host));
        }
        let renew_at = not_after - DAY.min((not_after.duration_since(now).unwrap_or_default()) / 2);
        kept.insert(
            host.to_owned(),
            Kept {
                leaf: Arc::clone(&leaf),
                renew_at,
                used_at: now,
            },
        );
        Ok(leaf)
    }

    fn mint(
        &self,
        host: &str,
        now: SystemTime,
    ) -> Result<(Arc<CertifiedKey>, SystemTime), LeafError> {
        let Some(intermediate) = self.ca.intermediate(host) else {
            return Err(LeafError::NotPermitted(host.to_owned()));
        };
        if now >= intermediate.not_after {
            return Err(LeafError::Expired);
        }
        let not_after = intermediate.not_after.min(now + LIFE);
        let mut params = CertificateParams::new([host.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        // A common name has 64 characters at most (RFC 5280, appendix A.1); clients go by the SAN.
        params.distinguished_name.push(
            DnType::CommonName,
            if host.len() <= 64 {
                host
            } else {
                "interceptor leaf"
            },
        );
        params.serial_number = Some(SerialNumber::from_slice(&serial()));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = (now - BACKDATED).into();
        params.not_after = not_after.into();
        let issuer = Issuer::from_ca_cert_der(&intermediate.certificate, &self.ca.key)?;
        let certificate = params.signed_by(&self.key, &issuer)?;
        let chain = vec![certificate.der().clone(), intermediate.certificate.clone()];
        Ok((
            Arc::new(CertifiedKey::new(chain, Arc::clone(&self.signer))),
            not_after,
        ))
    }
}

/// Answers a handshake with the leaf for its SNI.
#[derive(Debug)]
struct BySni(Arc<Leaves>);

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name()?.to_ascii_lowercase();
        self.0
            .certified_key(&host)
            .inspect_err(|error| tracing::warn!(%host, %error, "no certificate for a client"))
            .ok()
    }
}

#[cfg(test)]
mod tests;

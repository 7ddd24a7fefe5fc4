//! One CA for everything that the bench itself ends TLS with, and a leaf for the hosts it asks.

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

/// A CA's certificate and a leaf with its key.
pub struct Certs {
    /// The CA, as PEM.
    pub ca: String,
    leaf: rcgen::Certificate,
    key: KeyPair,
}

impl Certs {
    /// P-256 keys, as the agent's own.
    pub fn new(hosts: &[&str]) -> Result<Self> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "Bench CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let names: Vec<_> = hosts.iter().copied().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &issuer)?;
        Ok(Self {
            ca: issuer.pem(),
            leaf,
            key,
        })
    }

    /// Leaf and key in one file, as HAProxy wants them.
    pub fn leaf_and_key(&self) -> String {
        self.leaf.pem() + &self.key.serialize_pem()
    }

    /// A TLS server with the leaf, for HTTP/1.1.
    pub fn server_config(&self) -> Result<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).map_err(anyhow::Error::msg)?;
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![self.leaf.der().clone()], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

//! Makes the CA: key pairs, the certificates, and the files.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints,
    PKCS_ECDSA_P256_SHA256, SerialNumber,
};

use super::{BUNDLE, CaError, INTERMEDIATE, INTERMEDIATE_KEY, ROOT, bundle};
use crate::tls::upstream::Roots;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Certificates are valid from an hour ago, for clients whose clock is behind.
pub(in crate::tls) const BACKDATED: Duration = Duration::from_secs(60 * 60);

/// How to make a CA.
#[derive(Clone, Debug)]
pub struct Options {
    /// Replace a CA that is there already.
    pub force: bool,
    /// Life of the root.
    pub root_days: u32,
    /// Life of the intermediates; never beyond the root's.
    pub intermediate_days: u32,
    /// Where to keep the root's key. Without it the key is never written, and is gone when this process ends.
    pub root_key_out: Option<PathBuf>,
    /// PEM files of further roots for the bundle, beside the system's.
    pub extra_roots: Vec<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            force: false,
            root_days: 3650,
            intermediate_days: 730,
            root_key_out: None,
            extra_roots: Vec::new(),
        }
    }
}

/// Makes a root, and an intermediate for each of `names` that may vouch for it and what is below it, and writes the files of
/// a CA.
///
/// # Errors
/// When a CA is there already and `force` isn't set, an extra root can't be read, or a file can't be written.
pub fn init(dir: &Path, names: &[String], options: &Options) -> Result<(), CaError> {
    if !options.force
        && [ROOT, INTERMEDIATE_KEY]
            .iter()
            .any(|file| dir.join(file).exists())
    {
        return Err(CaError::Exists(dir.to_owned()));
    }
    if let Some(path) = options.root_key_out.as_ref().filter(|path| path.exists()) {
        return Err(CaError::RootKeyExists(path.clone()));
    }
    let roots = Roots::load(&options.extra_roots)?;
    let now = SystemTime::now();

    let root = CertifiedIssuer::self_signed(root_params(now, options), key_pair()?)?;
    let intermediate_key = key_pair()?;
    let mut intermediates = String::new();
    for name in names {
        let params = intermediate_params(now, name, options);
        intermediates += &params.signed_by(&intermediate_key, &root)?.pem();
    }

    create_dir(dir)?;
    if let Some(path) = &options.root_key_out {
        write(path, &root.key().serialize_pem(), 0o600)?;
    }
    write(
        &dir.join(INTERMEDIATE_KEY),
        &intermediate_key.serialize_pem(),
        0o600,
    )?;
    write(&dir.join(INTERMEDIATE), &intermediates, 0o644)?;
    write(&dir.join(ROOT), &root.pem(), 0o644)?;
    write(
        &dir.join(BUNDLE),
        &bundle::text(roots.certificates(), root.der()),
        0o644,
    )
}

fn key_pair() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

fn root_params(now: SystemTime, options: &Options) -> CertificateParams {
    let mut params = ca_params("root", now, options.root_days);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params
}

fn intermediate_params(now: SystemTime, name: &str, options: &Options) -> CertificateParams {
    let mut params = ca_params(
        "intermediate",
        now,
        options.intermediate_days.min(options.root_days),
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // A constraint on DNS names alone says nothing about IP addresses in a certificate.
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(name.to_owned())],
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                Ipv4Addr::UNSPECIFIED.into(),
                0,
            )),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                Ipv6Addr::UNSPECIFIED.into(),
                0,
            )),
        ],
    });
    params
}

fn ca_params(role: &str, now: SystemTime, days: u32) -> CertificateParams {
    let serial = serial();
    let mut params = CertificateParams::default();
    // Two CAs of one name would confuse clients that look issuers up by name, so a part of the serial is in it.
    let id: String = serial[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "interceptor");
    params
        .distinguished_name
        .push(DnType::CommonName, format!("interceptor {role} {id}"));
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + DAY * days).into();
    params
}

/// A random positive serial number. rcgen's default is a hash of the subject's key, the same for every leaf of ours,
/// and NSS refuses two certificates of one issuer and serial.
pub(in crate::tls) fn serial() -> [u8; 16] {
    let mut serial = [0; 16];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random
        .fill(&mut serial)
        .expect("aws-lc's generator does not fail after start-up");
    serial[0] = serial[0] & 0x7f | 0x40;
    serial
}

/// Every folder on the way that is missing, passable for ordinary users whatever the umask: clients read the root.
fn create_dir(dir: &Path) -> Result<(), CaError> {
    let missing: Vec<_> = dir
        .ancestors()
        .take_while(|folder| !folder.exists())
        .collect();
    for folder in missing
        .into_iter()
        .rev()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir(folder)
            .and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o755)))
            .map_err(|source| CaError::File {
                path: folder.to_owned(),
                source,
            })?;
    }
    Ok(())
}

/// Writes beside the file and renames: a client never reads half a bundle, and a key is never readable by others.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CaError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    written.map_err(|source| {
        let _ = fs::remove_file(&beside);
        CaError::File {
            path: path.to_owned(),
            source,
        }
    })
}

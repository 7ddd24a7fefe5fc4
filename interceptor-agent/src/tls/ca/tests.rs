//! The files of a CA, what may be loaded, and what clients would make of the constraint.

use std::fs::{self, Permissions};
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A folder of its own, removed at the end.
pub(in crate::tls) struct Folder(PathBuf);

impl Folder {
    pub(in crate::tls) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "interceptor-ca-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(in crate::tls) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A CA for these names, made and loaded.
pub(in crate::tls) fn made(folder: &Folder, names: &[&str]) -> Ca {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    init(
        folder.path(),
        &names,
        &Options {
            force: true,
            ..Options::default()
        },
    )
    .unwrap();
    Ca::load(folder.path()).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn init_writes_readable_certificates_and_a_private_key() {
    let folder = Folder::new();
    let dir = folder.path().join("lib/ca");
    init(&dir, &["api.openai.com".into()], &Options::default()).unwrap();
    assert_eq!((mode(&dir), mode(dir.parent().unwrap())), (0o755, 0o755));
    for (file, expected) in [
        (ROOT, 0o644),
        (BUNDLE, 0o644),
        (INTERMEDIATE, 0o644),
        (INTERMEDIATE_KEY, 0o600),
    ] {
        assert_eq!(mode(&dir.join(file)), expected, "{file}");
    }
    assert_eq!(
        fs::read_dir(&dir).unwrap().count(),
        4,
        "nothing else is left, the root's key least of all"
    );
    let bundle: Vec<_> = CertificateDer::pem_file_iter(dir.join(BUNDLE))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(bundle.len() > 20, "the public roots are in it");
    assert_eq!(bundle.last(), Some(Ca::load(&dir).unwrap().root()));
}

#[test]
fn the_certificates_say_what_they_must() {
    let folder = Folder::new();
    let ca = made(&folder, &["api.openai.com", "corp.example"]);
    let parsed = |der| X509Certificate::from_der(der).unwrap().1;
    let root = parsed(&ca.root);
    let [intermediate, other] = &ca.intermediates[..] else {
        panic!("one for each name");
    };
    let intermediate = parsed(&intermediate.certificate);
    assert_ne!(intermediate.subject(), parsed(&other.certificate).subject());
    let basic = |c: &X509Certificate<'_>| {
        let basic = c.basic_constraints().unwrap().unwrap();
        (
            basic.critical,
            basic.value.ca,
            basic.value.path_len_constraint,
        )
    };
    assert_eq!(basic(&root), (true, true, Some(1)));
    assert_eq!(basic(&intermediate), (true, true, Some(0)));
    assert!(root.name_constraints().unwrap().is_none());
    let constraints = intermediate.name_constraints().unwrap().unwrap();
    assert!(constraints.critical);
    assert_eq!(permitted_names(&intermediate), ["api.openai.com"]);
    let excluded: Vec<_> = constraints
        .value
        .excluded_subtrees
        .iter()
        .flatten()
        .map(|s| s.base.clone())
        .collect();
    assert_eq!(
        excluded,
        [
            GeneralName::IPAddress(&[0; 8]),
            GeneralName::IPAddress(&[0; 32])
        ]
    );
    assert_eq!(ca.permitted(), ["api.openai.com", "corp.example"]);
    let usage = intermediate.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.key_cert_sign() && !usage.value.digital_signature());
    let extension = |c: &X509Certificate<'_>,
                     wanted: fn(&ParsedExtension<'_>) -> Option<Vec<u8>>| {
        c.extensions()
            .iter()
            .find_map(|e| wanted(e.parsed_extension()))
    };
    let subject = |e: &ParsedExtension<'_>| match e {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    };
    let authority = |e: &ParsedExtension<'_>| match e {
        ParsedExtension::AuthorityKeyIdentifier(id) => {
            id.key_identifier.as_ref().map(|id| id.0.to_vec())
        }
        _ => None,
    };
    assert!(extension(&root, subject).is_some());
    assert_eq!(
        extension(&root, subject),
        extension(&intermediate, authority)
    );
    assert_ne!(
        extension(&intermediate, subject),
        extension(&intermediate, authority)
    );
}

#[test]
fn an_existing_ca_is_replaced_only_by_force() {
    let folder = Folder::new();
    let first = made(&folder, &["api.openai.com"]);
    let again = init(folder.path(), &["api.x.ai".into()], &Options::default());
    assert!(again.unwrap_err().to_string().contains("--force"));
    assert_eq!(Ca::load(folder.path()).unwrap().root(), first.root());
    let second = made(&folder, &["api.x.ai"]);
    assert_ne!(second.root(), first.root());
    let subject = |ca: &Ca| {
        X509Certificate::from_der(ca.root())
            .unwrap()
            .1
            .subject()
            .to_string()
    };
    assert_ne!(subject(&second), subject(&first));
}

#[test]
fn the_root_key_is_kept_only_on_request_and_never_over_another() {
    let folder = Folder::new();
    let key_file = folder.path().join("root.key");
    let options = Options {
        root_key_out: Some(key_file.clone()),
        force: true,
        ..Options::default()
    };
    init(folder.path(), &["api.openai.com".into()], &options).unwrap();
    assert_eq!(mode(&key_file), 0o600);
    let kept = KeyPair::from_pem(&fs::read_to_string(&key_file).unwrap()).unwrap();
    let ca = Ca::load(folder.path()).unwrap();
    assert_eq!(
        X509Certificate::from_der(ca.root())
            .unwrap()
            .1
            .public_key()
            .raw,
        kept.subject_public_key_info()
    );
    let again = init(folder.path(), &["api.openai.com".into()], &options);
    assert!(matches!(again, Err(CaError::RootKeyExists(_))));
}

#[test]
fn what_does_not_fit_is_refused_with_the_file_and_the_remedy() {
    let folder = Folder::new();
    let error = || Ca::load(folder.path()).unwrap_err().to_string();
    assert!(error().contains("interceptor ca init"), "{}", error());

    made(&folder, &["api.openai.com"]);
    let key = folder.path().join(INTERMEDIATE_KEY);
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    assert!(
        error().contains("640") && error().contains("chmod 600"),
        "{}",
        error()
    );

    let other = Folder::new();
    made(&other, &["api.openai.com"]);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::copy(other.path().join(INTERMEDIATE_KEY), &key).unwrap();
    assert!(error().contains("another certificate"), "{}", error());
    fs::copy(
        other.path().join(INTERMEDIATE),
        folder.path().join(INTERMEDIATE),
    )
    .unwrap();
    assert!(error().contains("not signed by the root"), "{}", error());
    fs::write(folder.path().join(ROOT), "nothing").unwrap();
    assert!(error().contains("ca.pem: not a certificate"), "{}", error());
}

#[test]
fn an_expired_ca_is_named_with_its_dates() {
    let folder = Folder::new();
    let options = Options {
        root_days: 0,
        ..Options::default()
    };
    init(folder.path(), &["api.openai.com".into()], &options).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    let error = Ca::load(folder.path()).unwrap_err();
    assert!(matches!(error, CaError::NotValidNow { .. }), "{error}");
}

#[test]
fn names_added_later_are_not_covered() {
    let folder = Folder::new();
    let ca = made(&folder, &["api.openai.com", "corp.example"]);
    for (host, covered) in [
        ("api.openai.com", true),
        ("a.api.openai.com", true),
        ("x.corp.example", true),
        ("xcorp.example", false),
        ("openai.com", false),
    ] {
        assert_eq!(ca.covers(host), covered, "{host}");
    }
    assert_eq!(
        ca.uncovered(&["corp.example".into(), "new.example".into()]),
        ["new.example"]
    );
}

#[test]
fn a_description_shows_dates_fingerprints_and_files() {
    let folder = Folder::new();
    made(&folder, &["api.openai.com"]);
    let shown = Description::read(folder.path()).unwrap();
    assert!(
        shown.root.subject.contains("interceptor root"),
        "{}",
        shown.root.subject
    );
    assert!(shown.root.valid && shown.intermediates[0].valid);
    assert_eq!(shown.root.sha256.len(), 32 * 3 - 1);
    assert_eq!(shown.root.not_before.len(), "2026-01-01T00:00:00Z".len());
    assert!(shown.root.not_after > shown.intermediates[0].not_after);
    assert_eq!(shown.permitted, ["api.openai.com"]);
}

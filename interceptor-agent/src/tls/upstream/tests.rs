//! Which roots are taken, and what is said of files that can't be.

use std::fs;

use super::*;
use crate::tls::ca::{
    ROOT,
    tests::{Folder, made},
};

#[test]
fn extra_roots_join_the_systems_and_our_own_can_be_left_out() {
    let folder = Folder::new();
    let ca = made(&folder, &["api.openai.com"]);
    let system = Roots::load(&[]).unwrap();
    let with_extra = Roots::load(&[folder.path().join(ROOT)]).unwrap();
    assert!(system.certificates().len() > 20);
    assert_eq!(
        with_extra.certificates().len(),
        system.certificates().len() + 1
    );
    assert_eq!(
        with_extra.without(ca.root()).certificates(),
        system.certificates()
    );
}

#[test]
fn a_bad_file_is_named_with_what_is_wrong() {
    let folder = Folder::new();
    made(&folder, &["api.openai.com"]);
    let good = fs::read_to_string(folder.path().join(ROOT)).unwrap();
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, reason) in [
        (None, "No such file"),
        (Some(""), "holds no certificate"),
        (Some("-----BEGIN CERTIFICATE-----\nAAAA"), "not PEM"),
        (Some(&format!("{good}{not_der}")[..]), "certificate 2"),
    ] {
        let file = folder.path().join("corp.pem");
        let _ = fs::remove_file(&file);
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let error = Roots::load(&[file]).unwrap_err().to_string();
        assert!(
            error.contains("tls.extra_roots") && error.contains("corp.pem"),
            "{error}"
        );
        assert!(error.contains(reason), "{error} / {reason}");
    }
}

#[test]
fn the_client_offers_what_it_is_told() {
    let config = client_config(&Roots::load(&[]).unwrap(), &[b"h2", b"http/1.1"]);
    assert_eq!(config.alpn_protocols, [&b"h2"[..], b"http/1.1"]);
}

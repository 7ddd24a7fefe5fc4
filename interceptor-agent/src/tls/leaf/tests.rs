//! Leaves as a client with only `ca.pem` sees them.

use std::collections::HashSet;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection};
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

use super::*;
use crate::tls::ca::tests::{Folder, made};

fn leaves(names: &[&str]) -> (Folder, Arc<Leaves>) {
    let folder = Folder::new();
    let ca = made(&folder, names);
    (folder, Leaves::new(ca).unwrap())
}

/// A client that trusts the root alone.
fn client(leaves: &Leaves) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(leaves.ca().root().clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Shakes hands in memory.
fn handshake(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: &str,
) -> Result<ClientConnection, rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name)?;
    let mut server = ServerConnection::new(Arc::clone(server))?;
    for _ in 0..4 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(client)
}

#[test]
fn a_client_that_trusts_the_root_accepts_the_leaf_and_resumes() {
    let (_folder, leaves) = leaves(&["api.openai.com"]);
    let (client, server) = (client(&leaves), leaves.server_config().unwrap());
    let first = handshake(&client, &server, "api.openai.com").unwrap();
    assert_eq!(first.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(first.peer_certificates().unwrap().len(), 2);
    assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
    let second = handshake(&client, &server, "api.openai.com").unwrap();
    assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed));
}

#[test]
fn tls_1_2_clients_are_served_too() {
    let (_folder, leaves) = leaves(&["api.openai.com"]);
    let mut roots = RootCertStore::empty();
    roots.add(leaves.ca().root().clone()).unwrap();
    let old = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = handshake(
        &Arc::new(old),
        &leaves.server_config().unwrap(),
        "api.openai.com",
    )
    .unwrap();
    assert_eq!(connection.alpn_protocol(), None);
}

#[test]
fn a_host_outside_the_constraint_gets_no_certificate() {
    let (_folder, leaves) = leaves(&["api.openai.com"]);
    assert!(matches!(
        leaves.certified_key("bank.example"),
        Err(LeafError::NotPermitted(_))
    ));
    let error = handshake(
        &client(&leaves),
        &leaves.server_config().unwrap(),
        "bank.example",
    )
    .unwrap_err();
    assert!(matches!(error, rustls::Error::General(_)), "{error}");
}

/// What a thief of the intermediate's key could do: sign anything, and be refused.
#[test]
fn clients_refuse_what_a_stolen_key_signs_for_other_hosts() {
    let (_folder, leaves) = leaves(&["api.openai.com", "api.anthropic.com"]);
    for name in [
        "bank.example",
        "api.anthropic.com",
        "192.0.2.1",
        "2001:db8::1",
    ] {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        let intermediate = &leaves
            .ca
            .intermediate("api.openai.com")
            .unwrap()
            .certificate;
        let issuer = Issuer::from_ca_cert_der(intermediate, &leaves.ca.key).unwrap();
        let stolen = params.signed_by(&leaves.key, &issuer).unwrap();
        let chain = vec![stolen.der().clone(), intermediate.clone()];
        let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                chain,
                PrivatePkcs8KeyDer::from(leaves.key.serialize_der()).into(),
            )
            .unwrap();
        let error = handshake(&client(&leaves), &Arc::new(server), name).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("NameConstraint"), "{name}: {text}");
    }
}

#[test]
fn many_threads_mint_once_and_every_leaf_has_its_own_serial() {
    let (_folder, leaves) = leaves(&["corp.example"]);
    let minted: Vec<_> = std::thread::scope(|scope| {
        let ask = || leaves.certified_key("a.corp.example").unwrap();
        let threads: Vec<_> = (0..32).map(|_| scope.spawn(ask)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        minted.iter().all(|leaf| Arc::ptr_eq(leaf, &minted[0])),
        "32 threads saw more than one leaf"
    );
    let serial = |host: &str| {
        let leaf = leaves.certified_key(host).unwrap();
        let (_, parsed) = X509Certificate::from_der(&leaf.cert[0]).unwrap();
        parsed.raw_serial().to_vec()
    };
    let serials: HashSet<_> = (0..50)
        .map(|n| serial(&format!("h{n}.corp.example")))
        .collect();
    assert_eq!(serials.len(), 50);
}

#[test]
fn a_leaf_is_renewed_before_it_runs_out_and_never_outlives_the_ca() {
    let (_folder, leaves) = leaves(&["api.openai.com"]);
    let now = SystemTime::now();
    let at = |time| leaves.certified_key_at("api.openai.com", time).unwrap();
    let first = at(now);
    assert!(Arc::ptr_eq(&first, &at(now + 5 * DAY)));
    assert!(!Arc::ptr_eq(
        &first,
        &at(now + 6 * DAY + Duration::from_secs(60))
    ));

    let ca_ends = leaves.ca.intermediate("api.openai.com").unwrap().not_after;
    let last_hour = ca_ends - Duration::from_secs(3600);
    let last = at(last_hour);
    let (_, parsed) = X509Certificate::from_der(&last.cert[0]).unwrap();
    let expiry = u64::try_from(parsed.validity().not_after.timestamp()).unwrap();
    assert_eq!(
        SystemTime::UNIX_EPOCH + Duration::from_secs(expiry),
        ca_ends
    );
    assert!(
        Arc::ptr_eq(&last, &at(last_hour + Duration::from_secs(60))),
        "short leaves are kept as well"
    );
    let after = leaves.certified_key_at("api.openai.com", ca_ends);
    assert!(matches!(after, Err(LeafError::Expired)));
}

#[test]
fn the_number_of_leaves_is_bounded_and_the_used_ones_stay() {
    let (_folder, leaves) = leaves(&["corp.example"]);
    let start = SystemTime::now();
    let ask = |host: &str, second| {
        leaves
            .certified_key_at(host, start + Duration::from_secs(second))
            .unwrap()
    };
    let used = ask("used.corp.example", 0);
    for n in 0..=MAX_KEPT as u64 {
        ask(&format!("h{n}.corp.example"), 2 * n + 1);
        assert!(Arc::ptr_eq(&used, &ask("used.corp.example", 2 * n + 2)));
    }
    assert_eq!(leaves.kept.lock().unwrap().len(), MAX_KEPT);
}

#[test]
fn a_leaf_says_what_clients_want() {
    let (_folder, leaves) = leaves(&["corp.example"]);
    let long = format!("{}.{}.corp.example", "a".repeat(60), "b".repeat(60));
    for host in ["x.corp.example", &long] {
        let leaf = leaves.certified_key(host).unwrap();
        let (_, parsed) = X509Certificate::from_der(&leaf.cert[0]).unwrap();
        let basic = parsed.basic_constraints().unwrap().unwrap();
        assert!(basic.critical && !basic.value.ca);
        let usage = parsed.key_usage().unwrap().unwrap();
        assert!(usage.value.digital_signature() && !usage.value.key_cert_sign());
        assert!(
            parsed
                .extended_key_usage()
                .unwrap()
                .unwrap()
                .value
                .server_auth
        );
        let san = parsed.subject_alternative_name().unwrap().unwrap();
        assert_eq!(
            san.value.general_names,
            [x509_parser::extensions::GeneralName::DNSName(host)]
        );
        let has = |wanted: fn(&ParsedExtension<'_>) -> bool| {
            parsed
                .extensions()
                .iter()
                .any(|e| wanted(e.parsed_extension()))
        };
        assert!(has(|e| matches!(
            e,
            ParsedExtension::SubjectKeyIdentifier(_)
        )));
        assert!(has(|e| matches!(
            e,
            ParsedExtension::AuthorityKeyIdentifier(_)
        )));
        let now = i64::try_from(
            SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_secs(),
        )
        .unwrap();
        assert!(parsed.validity().not_before.timestamp() <= now - 3590);
        let (_, intermediate) = X509Certificate::from_der(&leaf.cert[1]).unwrap();
        assert_ne!(
            parsed.public_key().raw,
            intermediate.public_key().raw,
            "never the CA's key"
        );
    }
}

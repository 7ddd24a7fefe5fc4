//! The combined bundle: variables like `SSL_CERT_FILE` replace a client's roots, so ours has to hold the public ones.

use std::collections::HashSet;

use rustls::pki_types::CertificateDer;

/// The roots in PEM, each once, and `ours` last. Each ends with a newline: clients append to such files.
pub(super) fn text(roots: &[CertificateDer<'_>], ours: &CertificateDer<'_>) -> String {
    let mut seen = HashSet::from([ours.as_ref()]);
    let others = roots
        .iter()
        .map(AsRef::as_ref)
        .filter(|root| seen.insert(root));
    others
        .collect::<Vec<_>>()
        .into_iter()
        .chain([ours.as_ref()])
        .map(pem)
        .collect()
}

fn pem(der: &[u8]) -> String {
    let base64 = base64(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in base64.as_bytes().chunks(64) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = |at: usize| match at <= three.len() {
            true => char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]),
            false => '=',
        };
        [digit(0), digit(1), digit(2), digit(3)]
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn the_test_vectors_of_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (plain, encoded) in vectors {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn what_is_written_reads_back_each_once_ours_last() {
        let certificates: Vec<_> = (1..5u8)
            .map(|n| CertificateDer::from(vec![n; 60 * usize::from(n)]))
            .collect();
        let roots = [&certificates[..], &certificates[..2]].concat();
        let text = text(&roots, &certificates[1]);
        let back: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
            .map(Result::unwrap)
            .collect();
        assert_eq!(back, [0, 2, 3, 1].map(|at| certificates[at].clone()));
        assert!(text.ends_with("-----\n") && text.lines().all(|line| line.len() <= 64));
    }
}

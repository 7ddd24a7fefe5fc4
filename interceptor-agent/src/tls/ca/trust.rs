//! How clients come to trust the CA. Which client reads what was measured, not guessed: docs/config.md has the table.

use std::path::{Path, PathBuf};

use super::{BUNDLE, ROOT};

/// Environment variables that make clients trust the CA in `dir`, with their values.
///
/// `NODE_EXTRA_CA_CERTS` adds to a client's roots. All the others replace them, and so name the combined bundle.
#[must_use]
pub fn trust_variables(dir: &Path) -> [(&'static str, PathBuf); 6] {
    [
        ("SSL_CERT_FILE", BUNDLE),
        ("REQUESTS_CA_BUNDLE", BUNDLE),
        ("CURL_CA_BUNDLE", BUNDLE),
        ("AWS_CA_BUNDLE", BUNDLE),
        ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", BUNDLE),
        ("NODE_EXTRA_CA_CERTS", ROOT),
    ]
    .map(|(name, file)| (name, dir.join(file)))
}

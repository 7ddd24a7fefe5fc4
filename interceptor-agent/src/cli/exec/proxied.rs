//! What one command needs where nothing can be steered: a listener of its own on loopback, a CA, and the variables that lead
//! programs there. No privilege, nothing to write to but a temporary folder.

use std::{fs, net::Ipv4Addr};

use anyhow::Context as _;

use super::folder::Folder;
use crate::{
    config::{Backend, Config, Endpoint, Listener, Others},
    sys,
    tls::ca,
};

const PREFIX: &str = "interceptor-exec-";

/// A command's own surroundings.
pub(super) struct Proxied {
    config: Config,
    _folder: Option<Temporary>,
}

impl Proxied {
    /// Makes them; with `own_ca` a CA that is gone with them.
    pub(super) fn begin(mut config: Config, own_ca: bool) -> anyhow::Result<Self> {
        config.steering.backend = Backend::Off;
        config.admin.listen = None;
        let user = sys::user();
        config.listeners = vec![Listener {
            others: Others::Pass,
            // What root runs may become anybody.
            only: (user != 0).then_some(user),
            ..Listener::at(Endpoint::Address((Ipv4Addr::LOCALHOST, 0).into()))
        }];
        let folder = own_ca.then(Temporary::make).transpose()?;
        if let Some(folder) = &folder {
            config.tls.ca_dir = folder.0.path().join("ca");
            let names = config.hosts.names();
            ca::init(&config.tls.ca_dir, &names, &ca::Options::default())?;
        }
        Ok(Self {
            config,
            _folder: folder,
        })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

/// What leads programs to the listener. Nobody follows a proxy to loopback, and it would go nowhere; Node's own `fetch` does
/// what the others do when it is told.
pub(super) fn variables(listener: &Endpoint) -> [(&'static str, String); 6] {
    const DIRECT: &str = "localhost,127.0.0.1,::1";
    let url = format!("http://{listener}");
    [
        ("HTTPS_PROXY", url.clone()),
        ("https_proxy", url.clone()),
        ("NO_PROXY", DIRECT.to_owned()),
        ("no_proxy", DIRECT.to_owned()),
        ("NODE_USE_ENV_PROXY", "1".to_owned()),
        ("INTERCEPTOR_URL", url),
    ]
}

/// The CA's folder, which is gone with it.
struct Temporary(Folder);

impl Temporary {
    fn make() -> anyhow::Result<Self> {
        let parent = std::env::temp_dir();
        Folder::left_behind(&parent, PREFIX).for_each(|folder| drop(Self(folder)));
        let folder = Folder::make(&parent, PREFIX);
        Ok(Self(folder.with_context(|| parent.display().to_string())?))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(self.0.path()) {
            eprintln!("interceptor: {}: {error}", self.0.path().display());
        }
    }
}

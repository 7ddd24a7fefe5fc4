//! What one command needs where nothing can be steered: a listener of its own on loopback, a CA, and the variables that lead
//! programs there. No privilege, nothing to write to but a temporary folder.

use std::{
    fs, io,
    net::Ipv4Addr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    config::{Backend, Config, Endpoint, Listener, Others},
    sys,
    tls::ca,
};

const PREFIX: &str = "interceptor-exec-";

/// A command's own surroundings.
pub(super) struct Proxied {
    config: Config,
    _folder: Option<Folder>,
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
        let folder = own_ca.then(Folder::make).transpose()?;
        if let Some(folder) = &folder {
            config.tls.ca_dir = folder.0.join("ca");
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

/// A folder for the CA, named after the process, so that what a killed `exec` left behind is swept up by the next one.
struct Folder(PathBuf);

impl Folder {
    fn make() -> anyhow::Result<Self> {
        let temporary = std::env::temp_dir();
        sweep(&temporary);
        let path = temporary.join(format!("{PREFIX}{}", std::process::id()));
        // Fails where something is there already, which could be somebody else's.
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("interceptor: {}: {error}", self.0.display());
        }
    }
}

/// Removes this user's folders of processes that are gone.
fn sweep(temporary: &Path) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let is_dead = pid.is_some_and(|pid| {
            pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists()
        });
        let is_own = || entry.metadata().is_ok_and(|it| it.uid() == sys::user());
        if is_dead
            && is_own()
            && let Err(error) = fs::remove_dir_all(entry.path())
            && error.kind() != io::ErrorKind::NotFound
        {
            eprintln!("interceptor: {}: {error}", entry.path().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_dead_processes_are_removed_and_others_are_not() {
        let temporary = std::env::temp_dir().join(format!("sweep-{}", std::process::id()));
        let alive = format!("{PREFIX}{}", std::process::id());
        let dead = format!("{PREFIX}{}", u32::MAX);
        let other = format!("{PREFIX}notes");
        for name in [&alive, &dead, &other] {
            fs::create_dir_all(temporary.join(name).join("ca")).unwrap();
        }
        sweep(&temporary);
        let left = |name: &str| temporary.join(name).exists();
        assert_eq!(
            [left(&alive), left(&dead), left(&other)],
            [true, false, true]
        );
        fs::remove_dir_all(temporary).unwrap();
    }
}

//! SIGHUP: the config is read and checked whole, and takes effect whole or not at all.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;

use super::{Agent, Policy};
use crate::{
    config::{Config, Listener},
    steering::{KnownHosts, Scope},
};

impl Agent {
    /// Takes over what `file` says now, for all exchanges that begin from here on. One with an error changes nothing;
    /// the log has every problem with its line, key, value and remedy.
    pub async fn reload(&mut self, file: &Path) {
        // Whoever rotates logs sends this signal, whatever the config says now.
        self.app.audit.reopen();
        let done = self.try_reload(file).await;
        self.app.metrics.reloaded(done.is_ok());
        match done {
            Ok(()) => {
                tracing::info!(mode = ?self.config.mode, hosts = self.app.policy().hosts.iter().count(), "config reloaded");
            }
            Err(error) => tracing::error!(
                error = format!("{error:#}"),
                next_step =
                    "correct the config (`interceptor check` says the same), then reload again",
                "the config was not reloaded: what was in force stays"
            ),
        }
    }

    async fn try_reload(&mut self, file: &Path) -> anyhow::Result<()> {
        let (file, steering) = (file.to_owned(), Arc::clone(&self.app.steering));
        let listening = self.config.listeners.clone();
        // Files may be slow to read, and an agent that gives no sign of life counts as hung.
        let reading = tokio::task::spawn_blocking(move || {
            let config = Config::load(&file)?;
            let mut in_force = config.clone();
            in_force.listeners = same_places(&listening, &config.listeners);
            let policy = Policy::new(&in_force, steering)?;
            anyhow::Ok((config, policy))
        });
        let (config, policy) = reading.await.context("reading the config")??;
        for key in needs_restart(&self.config, &config) {
            tracing::warn!(
                key,
                next_step = "restart the agent",
                "changed in the config, and can't be reloaded: the old value stays"
            );
        }
        let scope = Scope {
            tls_ports: config.steering.ports.clone(),
            plain_ports: config.steering.plain_ports.clone(),
            never: config.steering.never.clone(),
            known_hosts: self
                .scope
                .known_hosts
                .as_ref()
                .map(|_| KnownHosts::of(&config.hosts)),
            ..self.scope.clone()
        };
        let (kernel, resolving) = (&self.app.steering, Arc::clone(&self.app.resolving));
        let steers_more = match kernel.configure(&scope) {
            Ok(steers_more) => steers_more,
            Err(error) => {
                let steers_more = kernel.configure(&self.scope)?;
                self.app.end_past(steers_more);
                return Err(error.into());
            }
        };
        self.app.replace(policy);
        self.scope = scope;
        self.config = in_force(&self.config, config);
        self.warn_of_blind_policies();
        let app = Arc::clone(&self.app);
        tokio::spawn(async move {
            app.end_past(steers_more);
            app.resolve().await;
            // A host's addresses may be known only now.
            drop(resolving);
            app.end_past(steers_more);
        });
        Ok(())
    }
}

/// Keys whose new value has to wait for a restart.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (from, to) = (&old.steering, &new.steering);
    let keys = [
        ("steering.backend", from.backend != to.backend),
        ("steering.scope", from.scope != to.scope),
        ("steering.cgroup", from.cgroup != to.cgroup),
        ("steering.listen_port", from.listen_port != to.listen_port),
        ("steering.pin_dir", from.pin_dir != to.pin_dir),
        ("steering.heartbeat", from.heartbeat != to.heartbeat),
        (
            "limits.connections",
            old.limits.connections != new.limits.connections,
        ),
        ("audit", old.audit != new.audit),
        ("vault", old.vault != new.vault),
        ("admin.listen", old.admin != new.admin),
        ("listeners", !are_alike(&old.listeners, &new.listeners)),
        ("log", old.log != new.log),
    ];
    let changed = keys.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(key, _)| key).collect()
}

/// The new config with the old values of all that has to wait, so that the next reload says so again.
fn in_force(old: &Config, new: Config) -> Config {
    let mut config = new;
    let steering = old.steering.clone();
    config.steering.backend = steering.backend;
    config.steering.scope = steering.scope;
    config.steering.cgroup = steering.cgroup;
    config.steering.listen_port = steering.listen_port;
    config.steering.pin_dir = steering.pin_dir;
    config.steering.heartbeat = steering.heartbeat;
    config.limits.connections = old.limits.connections;
    config.audit = old.audit.clone();
    config.vault = old.vault.clone();
    config.admin = old.admin.clone();
    config.listeners = same_places(&old.listeners, &config.listeners);
    config.log = old.log.clone();
    config
}

/// Whether they listen at the same places, with the same rights.
fn are_alike(old: &[Listener], new: &[Listener]) -> bool {
    old.len() == new.len() && same_places(old, new).iter().all(|kept| new.contains(kept))
}

/// The listeners that are there, with what the new config says of each: all but where it is and who may open its file. One
/// that is no longer in the config stays as it is.
fn same_places(old: &[Listener], new: &[Listener]) -> Vec<Listener> {
    let now = |old: &Listener| match new.iter().find(|new| new.at == old.at) {
        Some(new) => Listener {
            mode: old.mode,
            group: old.group.clone(),
            ..new.clone()
        },
        None => old.clone(),
    };
    old.iter().map(now).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_a_restart_is_named_until_it_comes() {
        let old = Config::default();
        let text = "\
version = 1
mode = \"dry-run\"
[steering]
backend = \"ebpf\"
scope = \"known-hosts\"
cgroup = \"/a\"
ports = [8443]
listen_port = 16000
pin_dir = \"/sys/fs/bpf/other\"
heartbeat = \"9s\"
[tls]
ca_dir = \"/ca\"
[limits]
connections = 7
request_body = \"1MiB\"
[audit]
file = \"/var/log/audit.jsonl\"
[vault]
key_file = \"/key\"
[admin]
listen = \"127.0.0.1:1234\"
[log]
level = \"debug\"
[[listeners]]
path = \"/new.sock\"
";
        let new = Config::parse(text).unwrap();
        let waiting = needs_restart(&old, &new);
        assert_eq!(
            waiting,
            [
                "steering.backend",
                "steering.scope",
                "steering.cgroup",
                "steering.listen_port",
                "steering.pin_dir",
                "steering.heartbeat",
                "limits.connections",
                "audit",
                "vault",
                "admin.listen",
                "listeners",
                "log"
            ]
        );
        let now = in_force(&old, new.clone());
        assert_eq!(needs_restart(&now, &new), waiting);
        assert_eq!(needs_restart(&old, &now), [""; 0]);
        assert_eq!(
            (now.mode, &now.steering.ports),
            (new.mode, &new.steering.ports)
        );
        assert_eq!(now.limits.request_body, 1 << 20);
    }
}

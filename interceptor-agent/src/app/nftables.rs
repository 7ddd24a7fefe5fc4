//! The start of an agent that steers by nftables: bind, then redirect, in this network namespace alone.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::{Agent, App, Handover, bind_admin, listeners::Listeners, scope, tasks};
use crate::{
    admin,
    config::Config,
    listener,
    steering::{Steering as _, netns::Netns, nftables::Nftables},
};

impl Agent {
    pub(super) async fn on_nftables(
        config: &Config,
        nftables: Arc<Nftables>,
    ) -> anyhow::Result<Self> {
        let steering = &config.steering;
        let app = Arc::new(App::new(config, nftables.clone())?);
        let admin = bind_admin(config, |_| None).await?;
        let proxies = Listeners::bind(&config.listeners, &mut Handover::default(), 0)?;
        let addresses = proxies.addresses()?;
        let port = steering.listen_port;
        let listeners = listener::bind(port, |socket| nftables.mark(socket))
            .with_context(|| format!("127.0.0.1:{port}: steering.listen_port chooses the port"))?;
        let port = listeners[0].local_addr()?.port();
        let listeners = listeners
            .into_iter()
            .map(TcpListener::from_std)
            .collect::<Result<Vec<_>, _>>()?;
        let scope = scope(config, port);
        nftables.configure(&scope)?;

        if steering.cgroup != Path::new("/") {
            tracing::warn!(
                cgroup = %steering.cgroup.display(),
                "nftables steers every process of this network namespace, not only those of steering.cgroup"
            );
        }
        tasks::spawn_on_nftables(&app, nftables, steering.heartbeat);
        if let Some(listener) = admin {
            app.drain.spawn(admin::serve(Arc::clone(&app), listener));
        }
        let here = Arc::new(Netns::only());
        for listener in listeners {
            app.drain
                .spawn(tasks::accept(Arc::clone(&app), Arc::clone(&here), listener));
        }
        proxies.serve(&app, Netns::only())?;
        tracing::info!(
            backend = "nftables",
            mode = ?config.mode,
            hosts = app.policy().hosts.iter().count(),
            "steering"
        );
        Ok(Self {
            app,
            kernel: None,
            config: config.clone(),
            scope,
            listeners: addresses,
        })
    }
}

//! The start of an agent that steers nothing and only listens.

use std::sync::Arc;

use super::{Agent, App, Handover, bind_admin, listeners::Listeners, scope, tasks};
use crate::{
    admin,
    config::Config,
    steering::{netns::Netns, off::Off},
};

impl Agent {
    pub(super) async fn on_nothing(
        config: &Config,
        mut handover: Handover,
    ) -> anyhow::Result<Self> {
        let app = Arc::new(App::new(config, Arc::new(Off))?);
        // Only a successor has to know its namespace by name, which not every kernel tells everybody.
        let here = match handover.is_none() {
            true => Netns::only(),
            false => Netns::own()?,
        };
        let admin = bind_admin(config, |address| handover.at(here.cookie(), address)).await?;
        let listeners = Listeners::bind(&config.listeners, &mut handover, here.cookie())?;
        let addresses = listeners.addresses()?;

        tasks::spawn_on_nothing(&app);
        listeners.serve(&app, here)?;
        if let Some(listener) = admin {
            app.drain.spawn(admin::serve(Arc::clone(&app), listener));
        }
        handover.done()?;
        tracing::info!(
            backend = "off",
            mode = ?config.mode,
            hosts = app.policy().hosts.iter().count(),
            "serving listeners; nothing is steered"
        );
        Ok(Self {
            app,
            kernel: None,
            scope: scope(config, config.steering.listen_port),
            config: config.clone(),
            listeners: addresses,
        })
    }
}

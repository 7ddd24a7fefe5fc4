//! What an agent does beside serving: give signs of life, read the kernel's events, keep addresses and pools fresh.

use std::{collections::HashSet, io, net::SocketAddr, sync::Arc, time::Duration};

use interceptor_common::{Counter, Event};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{self, MissedTickBehavior},
};

use super::{App, refusals};
use crate::{
    connection,
    original_dst::{ClientAddr, LocalAddr},
    refusal::Reason,
    steering::{
        SteeringError,
        ebpf::{Ebpf, Ring},
        netns::Netns,
        nftables::Nftables,
    },
};

/// How often LLM hosts are resolved again.
const RESOLVE_EVERY: Duration = Duration::from_secs(300);

/// The same as long as none of them has an address: the machine boots, most likely.
const RESOLVE_AGAIN: Duration = Duration::from_secs(10);

/// How often idle connections and kernel counters are looked at.
const TEND_EVERY: Duration = Duration::from_secs(5);

/// Starts the background tasks. They end with the drain, the heartbeat last: while open exchanges finish, new connects
/// get the agent's own refusal.
pub(super) fn spawn(app: &Arc<App>, ebpf: &Arc<Ebpf>, refused: Ring<Event>, stale_after: Duration) {
    let kernel = Arc::clone(ebpf);
    tokio::spawn(beat(
        Arc::clone(app),
        move || kernel.beat(),
        stale_after / 6,
    ));
    app.refusals.begin(|counter| ebpf.counter(counter));
    tokio::spawn(refusals::report(Arc::clone(app), refused));
    tokio::spawn(resolve(Arc::clone(app)));
    tokio::spawn(tend(Arc::clone(app), Arc::clone(ebpf)));
}

/// The tasks of an agent whose kernel side tells nothing.
pub(super) fn spawn_on_nftables(app: &Arc<App>, nftables: Arc<Nftables>, stale_after: Duration) {
    tokio::spawn(beat(
        Arc::clone(app),
        move || nftables.beat(),
        stale_after / 6,
    ));
    spawn_on_nothing(app);
}

/// The tasks of an agent that has no kernel side.
pub(super) fn spawn_on_nothing(app: &Arc<App>) {
    tokio::spawn(resolve(Arc::clone(app)));
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let mut clock = time::interval(TEND_EVERY);
        loop {
            clock.tick().await;
            app.policy().upstream.sweep();
        }
    });
}

/// Accepts until the drain begins.
pub(super) async fn accept(app: Arc<App>, netns: Arc<Netns>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.drain.begun() => return,
        };
        match accepted {
            Ok((client, from)) => {
                if let Err(error) = take(&app, &netns, client, from) {
                    tracing::debug!(%error, "a connection was gone before it was served");
                }
            }
            Err(error) => {
                // Out of descriptors, most likely: the backlog holds the others until some are free.
                tracing::warn!(%error, "accept");
                time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Hands a steered connection over to a worker.
fn take(app: &Arc<App>, netns: &Arc<Netns>, client: TcpStream, from: SocketAddr) -> io::Result<()> {
    let (at, client) = (client.local_addr()?, client.into_std()?);
    let (own, netns) = (Arc::clone(app), Arc::clone(netns));
    on_worker(app, client, move |client| {
        connection::serve(own, netns, client, ClientAddr(from), LocalAddr(at))
    });
    Ok(())
}

/// Has a worker serve a connection; the worker's epoll instance is what it belongs to from then on. Without a free slot the
/// connection ends.
pub(super) fn on_worker<F: Future<Output = ()> + Send>(
    app: &Arc<App>,
    client: std::net::TcpStream,
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) {
    let Ok(slot) = Arc::clone(&app.slots).try_acquire_owned() else {
        return app.metrics.refused(Reason::Busy.as_str());
    };
    // Small writes of a stream must not wait for one another; failing only costs speed.
    let _ = client.set_nodelay(true);
    let (worker, open) = app.workers.least_busy();
    app.drain.spawn_on(worker, async move {
        match TcpStream::from_std(client) {
            Ok(client) => serve(client).await,
            Err(error) => tracing::error!(%error, "a connection can't be watched"),
        }
        drop((slot, open));
    });
}

/// On the runtime, not on a thread of its own, and only while the workers answer: an agent that hangs must look hung.
async fn beat(
    app: Arc<App>,
    sign_of_life: impl Fn() -> Result<(), SteeringError>,
    every: Duration,
) {
    let mut clock = time::interval(every);
    // After a standstill once is enough: the workers need a moment, too.
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        if is_succeeded(&app) {
            // A successor that hangs must look hung.
            return;
        }
        if !app.workers.alive() {
            tracing::warn!("a worker does not answer: if that lasts, connects will be refused");
        } else if let Err(error) = sign_of_life() {
            tracing::error!(%error, "no sign of life reaches the kernel: connects will be refused");
        }
    }
}

/// Whether a successor serves in this agent's place.
fn is_succeeded(app: &App) -> bool {
    app.hands_over() && app.drain.has_begun()
}

async fn resolve(app: Arc<App>) {
    let mut clock = time::interval(RESOLVE_EVERY);
    loop {
        clock.tick().await;
        if is_succeeded(&app) {
            return;
        }
        app.resolve().await;
        if app.addresses.is_empty() {
            clock.reset_after(RESOLVE_AGAIN);
        }
    }
}

async fn tend(app: Arc<App>, ebpf: Arc<Ebpf>) {
    let mut clock = time::interval(TEND_EVERY);
    let mut handoffs = HashSet::new();
    loop {
        clock.tick().await;
        app.policy().upstream.sweep();
        refusals::tell_rest(&app, &ebpf);
        if app.hands_over() {
            // What is old to this agent may be new to a successor, who has the same maps from its first moment on.
            continue;
        }
        app.metrics.handoffs(ebpf.sweep(&mut handoffs));
        app.metrics.known(ebpf.known().unwrap_or_default());
        for counter in Counter::ALL {
            app.metrics.kernel(counter, ebpf.counter(counter));
        }
    }
}

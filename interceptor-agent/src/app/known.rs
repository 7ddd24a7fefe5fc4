//! The scope `known-hosts`: addresses are learnt from DNS answers that anybody got, and from streams that were caught on
//! their way to one that was not known.

use std::{net::IpAddr, sync::Arc};

use interceptor_common::{Answer, Miss, Reason};

use super::App;
use crate::{
    dns,
    original_dst::Steered,
    steering::{Source, ebpf::Ring, netns::Netns, sock_diag},
};

/// Learns from DNS answers, for ever. They make an address steered, and not one that serves an LLM host: anybody can forge
/// them.
pub(super) async fn overhear(app: Arc<App>, answers: Ring<Answer>) {
    let ended = answers.each(|answer| {
        let length = usize::try_from(answer.length).unwrap_or(usize::MAX);
        let message = answer.bytes.get(..length).unwrap_or(&answer.bytes);
        let policy = app.policy();
        let is_llm_host = |name: &str| policy.hosts.lookup(name).is_some();
        for address in dns::addresses(message, is_llm_host) {
            app.steering.learn(address, Source::Overheard);
        }
    });
    if let Err(error) = ended.await {
        tracing::error!(%error, "DNS answers can't be read: addresses are learnt later");
    }
}

/// Has the next connect to where a stream was caught steered; the name in it has yet to be verified.
pub(super) fn learn(app: &App, miss: &Miss) {
    let call = Steered::from(miss.original);
    app.steering.learn(call.original.0.ip(), Source::Caught);
    let reason = Reason::Caught.counter().as_str();
    app.metrics.refused(reason);
    if !app.refusals.take(Reason::Caught) {
        return;
    }
    tracing::info!(
        reason,
        original = %call.original.0,
        named = miss.named != 0,
        pid = call.process.known_pid(),
        uid = call.process.known_uid(),
        comm = call.process.comm,
        "a stream to an unknown address was stopped at its first bytes: the next one there is steered"
    );
}

/// Ends the stream, so that its client knows at once. It is in one of these namespaces, if they are all.
pub(super) fn end<'n>(miss: &Miss, mut namespaces: impl Iterator<Item = &'n Netns>) {
    let source = (IpAddr::from(miss.source), miss.source_port).into();
    let to = Steered::from(miss.original).original.0;
    let ended = namespaces.any(|netns| {
        [0, netns.cookie()].contains(&miss.original.netns)
            && netns
                .run(|| sock_diag::end(source, to, miss.cookie, miss.device))
                .is_ok()
    });
    if !ended {
        // It is stopped all the same; its client finds out when it has waited long enough.
        tracing::debug!(%source, %to, "a stream that was caught can't be ended");
    }
}

//! Names resolved for the clients of a listener, and which of their addresses are for them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{net::lookup_host, time::timeout};

use crate::{
    original_dst::OrigDstAddr,
    refusal::{Reason, Refusal},
    steering::{is_local, netns::Netns, route},
};

/// As long as a pooled connection is worth something, and shorter than what providers' names are good for.
const KEPT: Duration = Duration::from_secs(30);

/// Patterns stand for any number of names.
const MOST: usize = 1024;

/// Names that were asked for lately: a pooled connection can be used again only at the same address.
#[derive(Default)]
pub(super) struct Names(Mutex<HashMap<Asked, Found>>);

/// A name and a port.
type Asked = (String, u16);

/// Its addresses, and since when they are known.
type Found = (Vec<SocketAddr>, Instant);

impl Names {
    /// The addresses of a name, or of an address as text; in the order in which they are to be tried.
    pub(super) async fn of(
        &self,
        host: &str,
        port: u16,
        patience: Duration,
    ) -> Result<Vec<SocketAddr>, Refusal> {
        let key = (host.to_owned(), port);
        if let Some((addresses, since)) = self.kept().get(&key)
            && since.elapsed() < KEPT
        {
            return Ok(addresses.clone());
        }
        let unknown = |why: &str| Refusal::new(Reason::Unreachable, why);
        let found: Vec<_> = timeout(patience, lookup_host((host, port)))
            .await
            .map_err(|_| unknown("its name was not resolved in time"))?
            .map_err(|_| unknown("its name does not resolve"))?
            .collect();
        let mut kept = self.kept();
        if kept.len() >= MOST {
            kept.retain(|_, (_, since)| since.elapsed() < KEPT);
        }
        if kept.len() < MOST {
            kept.insert(key, (found.clone(), Instant::now()));
        }
        Ok(found)
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Asked, Found>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where an LLM host is: the first address that is not loopback or link-local, which is not steered either.
pub(super) fn first(addresses: &[SocketAddr]) -> Result<OrigDstAddr, Refusal> {
    let mut others = addresses.iter().filter(|address| !is_local(address.ip()));
    let first = others.next().ok_or(Reason::ThisMachine)?;
    Ok(OrigDstAddr(*first))
}

/// Those that are not this machine, whichever of its addresses they are.
pub(super) fn elsewhere(
    addresses: &[SocketAddr],
    netns: &Netns,
) -> Result<Vec<OrigDstAddr>, Refusal> {
    let mut elsewhere = Vec::new();
    for address in addresses {
        let is_own = || netns.run(|| route::is_own(address.ip())).unwrap_or(true);
        if !is_local(address.ip()) && !is_own() {
            elsewhere.push(OrigDstAddr(*address));
        }
    }
    match elsewhere.is_empty() {
        true => Err(Reason::ThisMachine.into()),
        false => Ok(elsewhere),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_of_this_machine_are_not_passed_on() {
        let names = Names::default();
        let patience = Duration::from_secs(5);
        let netns = Netns::only();
        // However they are written.
        for host in [
            "127.0.0.1",
            "127.1",
            "::1",
            "0.0.0.0",
            "169.254.169.254",
            "localhost",
        ] {
            // Some resolvers know fewer forms.
            let Ok(found) = names.of(host, 443, patience).await else {
                continue;
            };
            let refused = elsewhere(&found, &netns).unwrap_err();
            assert_eq!(refused.reason, Reason::ThisMachine, "{host}");
            assert!(first(&found).is_err(), "{host}");
        }
        let found = names.of("127.0.0.1", 443, patience).await.unwrap();
        assert_eq!(found, [SocketAddr::from(([127, 0, 0, 1], 443))]);
        let documentation = SocketAddr::from(([198, 51, 100, 7], 443));
        assert_eq!(
            elsewhere(&[found[0], documentation], &netns),
            Ok(vec![OrigDstAddr(documentation)])
        );
        assert_eq!(
            first(&[found[0], documentation]),
            Ok(OrigDstAddr(documentation))
        );
    }
}

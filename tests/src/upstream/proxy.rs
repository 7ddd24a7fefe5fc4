//! Somebody's proxy: what a CONNECT asks for is connected. A name that it doesn't know leads to an LLM host, as one can that
//! anybody has registered.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use crate::netns::HOSTS;

/// Says yes, and carries on whatever comes.
pub(super) fn connect(
    mut request: Request<Incoming>,
) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let uri = request.uri();
    let host = uri.host().unwrap_or_default();
    let to = SocketAddr::new(address(host), uri.port_u16().unwrap_or(443));
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let (Ok(client), Ok(mut server)) = (upgrade.await, TcpStream::connect(to).await) else {
            return;
        };
        // Whichever end goes first, that is the clients' to report.
        let _ = copy_bidirectional(&mut TokioIo::new(client), &mut server).await;
    });
    Response::new(Empty::new().boxed_unsync())
}

fn address(host: &str) -> IpAddr {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse().unwrap_or_else(|_| {
        let known = HOSTS.iter().find(|(name, _)| *name == host);
        Ipv4Addr::new(198, 51, 100, known.map_or(11, |(_, number)| *number)).into()
    })
}

//! `[analyzer]`: a Presidio-compatible service that finds names and the like.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use toml::de::DeValue;

use super::{
    Cidr, Steering,
    detectors::{label, thousandths},
    section::{Bad, Section},
    values::{choice, count, duration, text},
};
use crate::mask::detector::{Action, Class, rules::intern};

/// `[analyzer]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analyzer {
    /// Where it is asked.
    pub at: Place,
    /// What texts are written in, as the analyzer calls it.
    pub language: String,
    /// What it is asked for, each a class: labels are the analyzer's own names.
    pub entities: Vec<Class>,
    /// Least score, in thousandths.
    pub least: u16,
    /// Time for one text.
    pub timeout: Duration,
    /// Texts at once, of all requests.
    pub concurrency: usize,
    /// Failures in a row after which it is left alone.
    pub failures: u32,
    /// How long it is left alone.
    pub rest: Duration,
    /// What becomes of requests that it did not look at.
    pub on_failure: Unanalyzed,
}

impl Analyzer {
    /// Least score, from 0 to 1.
    pub fn score(&self) -> f32 {
        f32::from(self.least) / 1000.0
    }
}

/// Where an analyzer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On loopback or in a private network.
    Tcp {
        /// Its address.
        address: SocketAddr,
        /// What `/analyze` stands below; empty or beginning with a slash.
        base: String,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl Place {
    /// The request's path.
    pub fn path(&self) -> String {
        match self {
            Self::Tcp { base, .. } => format!("{base}/analyze"),
            Self::Unix(_) => "/analyze".to_owned(),
        }
    }

    /// The request's `host`.
    pub fn host(&self) -> String {
        match self {
            Self::Tcp { address, .. } => address.to_string(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// `analyzer.on_failure`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanalyzed {
    /// Refused, where a class of the analyzer's is masked or blocked.
    Block,
    /// Sent without; counted.
    Skip,
}

const ON_FAILURE: &[(&str, Unanalyzed)] =
    &[("block", Unanalyzed::Block), ("skip", Unanalyzed::Skip)];

/// `classes` are all others.
pub(super) fn analyzer(
    section: &mut Section<'_>,
    steering: &Steering,
    classes: &[&str],
) -> Option<Analyzer> {
    let at = section.required("url", place);
    let entity = |value: &DeValue<'_>| {
        let label = label(value)?;
        let class = Class {
            name: intern(&label.to_ascii_lowercase()),
            label: intern(&label),
            action: Action::Mask,
        };
        match classes.contains(&class.name) {
            true => Err(Bad::new(
                "an entity whose name in lower case is no other class",
                "leave it to the detectors that the agent has for it",
            )),
            false => Ok(class),
        }
    };
    let empty = Bad::new(
        "at least one entity, as the analyzer calls it",
        "write one, like \"PERSON\"",
    );
    let entities = section.filled_list("entities", entity, empty);
    if !section.has("entities") {
        let missing = |_: &DeValue<'_>| Err::<(), _>(Bad::new("names, like [\"PERSON\"]", ""));
        section.required("entities", missing);
    }
    let time = |most| duration(Duration::from_millis(10), Duration::from_secs(most));
    let analyzer = Analyzer {
        language: section
            .get("language", text)
            .unwrap_or_else(|| "en".to_owned()),
        least: section.get("score", thousandths(1.0)).unwrap_or(500),
        timeout: section
            .get("timeout", time(60))
            .unwrap_or(Duration::from_secs(2)),
        concurrency: section.get("concurrency", count(1, 256)).unwrap_or(4),
        failures: section
            .get("failures", count(1, 1000))
            .map_or(5, |most| most as u32),
        rest: section
            .get("rest", time(3600))
            .unwrap_or(Duration::from_secs(30)),
        on_failure: section
            .get("on_failure", choice(ON_FAILURE))
            .unwrap_or(Unanalyzed::Block),
        entities: entities?,
        at: at?,
    };
    if let Place::Tcp { address, .. } = &analyzer.at
        && !address.ip().is_loopback()
        && (steering.ports.contains(&address.port())
            || steering.plain_ports.contains(&address.port()))
    {
        section.reject(
            "url",
            Bad::new(
                "a port that is not steered",
                "have it listen on another port",
            ),
        );
    }
    Some(analyzer)
}

/// `http://` and an address, or `unix:` and a path. It gets texts unmasked and in clear, so it is no name, which could come to
/// mean another machine, and no address of the Internet.
fn place(value: &DeValue<'_>) -> Result<Place, Bad> {
    let bad = |remedy: &str| {
        Bad::new(
            "\"http://ADDRESS:PORT\" on loopback or in a private network, or \"unix:/path\"",
            remedy,
        )
    };
    let url = text(value)?;
    if let Some(path) = url.strip_prefix("unix:") {
        return match path.starts_with('/') {
            true => Ok(Place::Unix(path.into())),
            false => Err(bad("write the whole path of the socket")),
        };
    }
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(bad(
            "ask it directly, without TLS, where nobody is in between",
        ));
    };
    let (host, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let local = host
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    let address: Result<SocketAddr, _> = local.as_deref().unwrap_or(host).parse();
    let base = base.trim_end_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    match address {
        Ok(address) if !is_near(address) => Err(bad(
            "it would get unmasked texts in clear: run it on this machine or in a private network",
        )),
        Ok(address) if base.bytes().all(is_plain) => Ok(Place::Tcp {
            address,
            base: base.to_owned(),
        }),
        _ => Err(bad(
            "write its address and port, like \"http://127.0.0.1:5002\"",
        )),
    }
}

/// Loopback and private networks (RFC 1918, RFC 4193).
fn is_near(address: SocketAddr) -> bool {
    const NEAR: [([u8; 4], u8); 3] = [
        ([10, 0, 0, 0], 8),
        ([172, 16, 0, 0], 12),
        ([192, 168, 0, 0], 16),
    ];
    let ip = address.ip().to_canonical();
    let unique_local = Cidr {
        addr: std::net::Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0).into(),
        prefix: 7,
    };
    let mut near = NEAR.iter().map(|(addr, prefix)| Cidr {
        addr: (*addr).into(),
        prefix: *prefix,
    });
    ip.is_loopback() || unique_local.contains(ip) || near.any(|range| range.contains(ip))
}

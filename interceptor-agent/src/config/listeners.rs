//! `[[listeners]]`: where clients that nothing steers come by themselves.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::Steering;
use super::section::{Bad, Section};
use super::values::{choice, mode, path, socket, text};

/// One of `[[listeners]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it is.
    pub at: Endpoint,
    /// Access rights of a Unix socket's file.
    pub mode: u32,
    /// Group of a Unix socket's file, by name or number; the agent's own without it.
    pub group: Option<String>,
    /// What clients have to know.
    pub token_file: Option<PathBuf>,
    /// What becomes of a CONNECT to hosts that are no LLM hosts.
    pub others: Others,
    /// The only user who may connect. No key sets it.
    pub only: Option<u32>,
}

impl Listener {
    /// With the defaults of every other key.
    pub fn at(at: Endpoint) -> Self {
        Self {
            at,
            mode: 0o660,
            group: None,
            token_file: None,
            others: Others::Refuse,
            only: None,
        }
    }
}

/// Where a listener is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// TCP.
    Address(SocketAddr),
    /// A Unix socket.
    Path(PathBuf),
}

impl Endpoint {
    /// Whether nobody beyond this machine can come to it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().to_canonical().is_loopback(),
            Self::Path(_) => true,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// `listeners.others`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Refused: the agent may reach what the client may not.
    Refuse,
    /// Passed, as a steered connection is, but never to this machine itself.
    Pass,
}

const OTHERS: &[(&str, Others)] = &[("refuse", Others::Refuse), ("pass", Others::Pass)];

/// All of them.
pub(super) fn listeners(root: &mut Section<'_>, steering: &Steering) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    root.sections("listeners", |section| {
        let Some(listener) = listener(section, steering) else {
            return;
        };
        match listeners.iter().any(|other| other.at == listener.at) {
            true => section.reject(
                key(&listener.at),
                Bad::new("each listener once", "remove one of the two [[listeners]]"),
            ),
            false => listeners.push(listener),
        }
    });
    listeners
}

/// `None`: it is nowhere.
fn listener(section: &mut Section<'_>, steering: &Steering) -> Option<Listener> {
    let both = section.has("address") && section.has("path");
    let neither = !section.has("address") && !section.has("path");
    let address = section.get("address", socket);
    let file = section.get("path", path);
    let (mode, group) = (section.get("mode", mode), section.get("group", text));
    let token_file = section.get("token_file", path);
    let others = section.get("others", choice(OTHERS));
    if both || neither {
        let remedy =
            "write `address = \"127.0.0.1:15480\"` or `path = \"/run/interceptor/proxy.sock\"`";
        section.reject("address", Bad::new("an address, or a path instead", remedy));
        return None;
    }
    let at = match (address, file) {
        (Some(address), _) => Endpoint::Address(address),
        (_, path) => Endpoint::Path(path?),
    };
    check(section, &at, steering);
    let default = Listener::at(at);
    Some(Listener {
        mode: mode.unwrap_or(default.mode),
        others: others.unwrap_or(default.others),
        group,
        token_file,
        ..default
    })
}

fn check(section: &Section<'_>, at: &Endpoint, steering: &Steering) {
    /// `sun_path` of unix(7), without its last zero.
    const LONGEST: usize = 107;
    match at {
        Endpoint::Address(address) if is_taken(address.port(), steering) => section.reject(
            "address",
            Bad::new(
                "a port that is not 0, not steered and not steering.listen_port",
                "choose another, like 15480",
            ),
        ),
        Endpoint::Path(path) if path.as_os_str().len() > LONGEST => section.reject(
            "path",
            Bad::new(format!("at most {LONGEST} bytes"), "choose a shorter path"),
        ),
        _ => {}
    }
    for key in ["mode", "group"] {
        if matches!(at, Endpoint::Address(_)) && section.has(key) {
            section.reject(
                key,
                Bad::new(
                    "nothing beside `address`",
                    "remove the key: it is for the file of a `path`",
                ),
            );
        }
    }
    if !at.is_local() && !section.has("token_file") {
        section.reject(
            "token_file",
            Bad::new(
                "a file with a token, since others than this machine can reach the address",
                "add `token_file = …`, or listen on 127.0.0.1",
            ),
        );
    }
}

fn is_taken(port: u16, steering: &Steering) -> bool {
    let mut steered = steering.ports.iter().chain(&steering.plain_ports);
    port == 0 || port == steering.listen_port || steered.any(|steered| *steered == port)
}

fn key(at: &Endpoint) -> &'static str {
    match at {
        Endpoint::Address(_) => "address",
        Endpoint::Path(_) => "path",
    }
}

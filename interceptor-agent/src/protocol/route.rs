//! What to do with a request, by its method and path. The paths themselves are data of each provider.

use std::borrow::Cow;

use super::{Endpoint, Protocol, bedrock};

/// What a path means for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The body is masked and the answer unmasked.
    Body(&'static Endpoint),
    /// The same, but there may be no body.
    OptionalBody(&'static Endpoint),
    /// A known path that takes no body, answered as this endpoint answers; a request that has one is refused.
    NoBody(&'static Endpoint),
    /// Traffic of a coding agent that is not LLM API: telemetry, feature flags. Policy decides.
    SidePath,
    /// A WebSocket whose messages are masked and unmasked, as this endpoint's bodies and events are.
    WebSocket(&'static Endpoint),
    /// A WebSocket that clients give up for SSE when answered 426.
    UpgradeRequired,
    /// Nothing is known about what such a request carries.
    Unknown,
}

impl Route {
    /// Its name in the audit: paths themselves can hold anything.
    pub fn name(self) -> &'static str {
        match self {
            Self::Body(endpoint) | Self::OptionalBody(endpoint) | Self::WebSocket(endpoint) => {
                endpoint.name
            }
            Self::NoBody(_) => "no_body",
            Self::SidePath => "side_path",
            Self::UpgradeRequired => "websocket",
            Self::Unknown => "unknown_path",
        }
    }
}

/// One line of a provider's table: methods, path, meaning.
///
/// A path is compared segment by segment, literally, but for
/// - `a|b`, which is either;
/// - `{}`, any one segment;
/// - `{}:verb`, any one segment with this behind its only colon;
/// - a last `*`, any rest.
pub(super) type Row = (&'static [&'static str], &'static str, Route);

/// Rows, and the path that they stand below; its segments are read as those of a row.
pub(super) type Mount = (&'static str, &'static [Row]);

/// A path that a configuration adds to its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    method: String,
    path: String,
    route: Route,
}

/// Not a path that can be added; the text says what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a path like /v1/chat or /models/{{}}:run: {{}} stands for one segment; no dots, query or escapes"
)]
pub struct BadPath;

impl Extra {
    /// Requests of this method to this path, below the host's base path, in the syntax of the tables without `*`.
    ///
    /// # Errors
    /// When no request could have such a path.
    pub fn new(method: &str, path: &str, route: Route) -> Result<Self, BadPath> {
        let sample = path.replace("{}", "x").replace('|', "-");
        let mut parts = path.split(['/', '|']);
        let reads = parts.all(|part| {
            let verb = part.strip_prefix("{}");
            verb.is_none_or(|verb| verb.is_empty() || verb.starts_with(':'))
                && part.matches("{}").count() <= usize::from(verb.is_some())
        });
        match is_plain(&sample) && reads {
            true => Ok(Self {
                method: method.to_owned(),
                path: path.to_owned(),
                route,
            }),
            false => Err(BadPath),
        }
    }
}

/// Looks up a request, first among the `extra` paths of its host. `path` is without query, the host's base path already
/// stripped.
///
/// Paths that a server could read in two ways (empty or dot segments, percent escapes) are [`Route::Unknown`].
pub fn route(
    protocol: Protocol,
    extra: &[Extra],
    method: &str,
    path: &str,
    is_websocket_upgrade: bool,
) -> Route {
    let path = &*match protocol {
        Protocol::Bedrock => bedrock::with_plain_model(path),
        _ => Cow::Borrowed(path),
    };
    if !is_plain(path) {
        return Route::Unknown;
    }
    let added = extra.iter().filter(|extra| extra.method == method);
    let added = added.map(|extra| ("", extra.path.as_str(), extra.route));
    let built_in = protocol.mounts().iter().flat_map(|(mount, rows)| {
        let rows = rows.iter().filter(|row| row.0.contains(&method));
        rows.map(|row| (*mount, row.1, row.2))
    });
    let mut known = added.chain(built_in).filter(|(mount, pattern, route)| {
        let upgrades = matches!(route, Route::WebSocket(_) | Route::UpgradeRequired);
        upgrades == is_websocket_upgrade && matches(mount, pattern, path)
    });
    known.next().map_or(Route::Unknown, |(.., route)| route)
}

/// The endpoints that a protocol's paths lead to.
pub(super) fn endpoints(protocol: Protocol) -> impl Iterator<Item = &'static Endpoint> {
    let rows = protocol.mounts().iter().flat_map(|mount| mount.1);
    rows.filter_map(|row| match row.2 {
        Route::Body(endpoint)
        | Route::OptionalBody(endpoint)
        | Route::NoBody(endpoint)
        | Route::WebSocket(endpoint) => Some(endpoint),
        _ => None,
    })
}

/// Whether a path of a provider leads a body to this endpoint.
#[cfg(test)]
pub fn takes_body(endpoint: &Endpoint) -> bool {
    let mounts = Protocol::all().flat_map(Protocol::mounts);
    mounts.flat_map(|mount| mount.1).any(
        |row| matches!(row.2, Route::Body(known) | Route::OptionalBody(known) if known == endpoint),
    )
}

fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte);
    path.strip_prefix('/').is_some_and(|segments| {
        let mut segments = segments.split('/');
        segments.all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain))
    })
}

fn matches(mount: &str, pattern: &str, path: &str) -> bool {
    let mut wanted = mount.split('/').skip(1).chain(pattern.split('/').skip(1));
    let mut segments = path.split('/').skip(1);
    loop {
        match (wanted.next(), segments.next()) {
            (Some("*"), Some(_)) | (None, None) => return true,
            (Some(wanted), Some(segment)) if is_segment(wanted, segment) => {}
            _ => return false,
        }
    }
}

fn is_segment(wanted: &str, segment: &str) -> bool {
    wanted
        .split('|')
        .any(|wanted| match wanted.strip_prefix("{}") {
            Some("") => true,
            // `{}:verb`
            Some(verb) => segment
                .strip_suffix(verb)
                .is_some_and(|name| !name.is_empty() && !name.contains(':')),
            None => wanted == segment,
        })
}

#[cfg(test)]
mod tests;

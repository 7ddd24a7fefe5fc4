//! What to do with a request, by its method and path. The paths themselves are data of each provider.

use super::{Endpoint, Protocol, anthropic, openai};

/// What a path means for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The body is masked and the answer unmasked.
    Body(Endpoint),
    /// A known path that takes no body; a request that has one is refused.
    NoBody,
    /// Traffic of a coding agent that is not LLM API: telemetry, feature flags. Policy decides.
    SidePath,
    /// A WebSocket that clients give up for SSE when answered 426.
    UpgradeRequired,
    /// Nothing is known about what such a request carries.
    Unknown,
}

impl Route {
    /// Its name in the audit: paths themselves can hold anything.
    pub fn name(self) -> &'static str {
        match self {
            Self::Body(endpoint) => endpoint.name(),
            Self::NoBody => "no_body",
            Self::SidePath => "side_path",
            Self::UpgradeRequired => "websocket",
            Self::Unknown => "unknown_path",
        }
    }
}

/// One line of a provider's table: methods, path, meaning.
///
/// A path is compared literally, but a last segment `{}` stands for any one segment and `*` for any rest.
pub(super) type Row = (&'static [&'static str], &'static str, Route);

/// Looks up a request. `path` is without query, the host's base path already stripped.
///
/// Paths that a server could read in two ways (empty or dot segments, percent escapes) are [`Route::Unknown`].
pub fn route(protocol: Protocol, method: &str, path: &str, is_websocket_upgrade: bool) -> Route {
    let rows = match protocol {
        Protocol::Anthropic => anthropic::ROUTES,
        Protocol::OpenAi => openai::ROUTES,
        Protocol::None => return Route::Unknown,
    };
    if !is_plain(path) {
        return Route::Unknown;
    }
    let mut known = rows.iter().filter(|(methods, pattern, route)| {
        let upgrades = *route == Route::UpgradeRequired;
        upgrades == is_websocket_upgrade && methods.contains(&method) && matches(pattern, path)
    });
    known.next().map_or(Route::Unknown, |(_, _, route)| *route)
}

fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte);
    path.strip_prefix('/').is_some_and(|segments| {
        let mut segments = segments.split('/');
        segments.all(|segment| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain))
    })
}

fn matches(pattern: &str, path: &str) -> bool {
    let rest = |prefix: &str| path.strip_prefix(prefix);
    if let Some(prefix) = pattern.strip_suffix('*') {
        rest(prefix).is_some()
    } else if let Some(prefix) = pattern.strip_suffix("{}") {
        rest(prefix).is_some_and(|segment| !segment.contains('/'))
    } else {
        pattern == path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(protocol: Protocol, method: &str, path: &str) -> Route {
        route(protocol, method, path, false)
    }

    #[test]
    fn anthropic_paths() {
        let anthropic = |method, path| plain(Protocol::Anthropic, method, path);
        assert_eq!(
            anthropic("POST", "/v1/messages"),
            Route::Body(Endpoint::AnthropicMessages)
        );
        assert_eq!(
            anthropic("POST", "/v1/messages/count_tokens"),
            Route::Body(Endpoint::AnthropicCountTokens)
        );
        for (method, path) in [
            ("GET", "/v1/models"),
            ("GET", "/v1/models/claude-x"),
            ("HEAD", "/api/hello"),
        ] {
            assert_eq!(anthropic(method, path), Route::NoBody, "{path}");
        }
        for path in [
            "/api/claude_code/metrics",
            "/api/eval/sdk-a1",
            "/api/event_logging/v2/batch",
        ] {
            assert_eq!(anthropic("POST", path), Route::SidePath, "{path}");
        }
        for (method, path) in [
            ("GET", "/v1/messages"),
            ("POST", "/v1/messages/batches"),
            ("OPTIONS", "/v1/messages"),
        ] {
            assert_eq!(anthropic(method, path), Route::Unknown, "{method} {path}");
        }
    }

    #[test]
    fn openai_paths() {
        let openai = |method, path| plain(Protocol::OpenAi, method, path);
        assert_eq!(
            openai("POST", "/v1/chat/completions"),
            Route::Body(Endpoint::OpenAiChat)
        );
        assert_eq!(openai("GET", "/v1/models/gpt-5:latest"), Route::NoBody);
        assert_eq!(openai("GET", "/v1/models/a/b"), Route::Unknown);
        assert_eq!(openai("GET", "/v1/responses"), Route::Unknown);
        assert_eq!(
            route(Protocol::OpenAi, "GET", "/v1/responses", true),
            Route::UpgradeRequired
        );
        assert_eq!(
            route(Protocol::OpenAi, "POST", "/v1/chat/completions", true),
            Route::Unknown
        );
    }

    #[test]
    fn a_path_that_reads_in_two_ways_is_unknown() {
        for path in [
            "",
            "v1/messages",
            "//v1/messages",
            "/v1//messages",
            "/v1/./messages",
            "/v1/x/../messages",
            "/v1/messages/",
            "/v1/messages/.",
            "/v1/m%65ssages",
            "/v1/messages%2f",
            "/v1/messages;x",
            "/v1\\messages",
            "/v1/messages?x",
            "/api/claude_code/../../v1/messages",
            "/api/claude_code/",
            "/V1/messages",
            "/v1/messages#",
        ] {
            assert_eq!(
                plain(Protocol::Anthropic, "POST", path),
                Route::Unknown,
                "{path}"
            );
        }
    }

    #[test]
    fn a_host_without_an_adapter_has_no_paths() {
        assert_eq!(
            plain(Protocol::None, "POST", "/v1/messages"),
            Route::Unknown
        );
    }
}

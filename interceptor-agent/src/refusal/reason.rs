//! Why something is refused: one row a reason.

use http::StatusCode;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $label:literal $status:literal $what:literal $next:literal;)*) => {
        /// Why a connection or a request is refused. Also a metric label, so the set is closed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in metrics, logs and error codes.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }

            /// What is wrong, in words.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }

            /// What to do about it.
            pub const fn next_step(self) -> &'static str {
                match self { $(Self::$name => $next,)* }
            }

            const fn number(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
        }
    };
}

reasons! {
    /// ECH hides the host name, towards an address of an LLM host.
    Ech "ech" 403 "Encrypted ClientHello hides the host" "Turn ECH off in the client.";
    /// TLS without a host name, towards an address of an LLM host.
    NoSni "no_sni" 403 "the ClientHello names no host" "Connect by host name, with SNI.";
    /// Plain HTTP to an LLM host.
    PlainHttp "plain_http" 403 "plain HTTP to an LLM host" "Use https.";
    /// An LLM host, through a proxy of somebody else's.
    Proxied "proxied" 403 "an LLM host is called through a proxy" "Call it directly: name it in NO_PROXY.";
    /// Neither TLS nor HTTP, towards an address of an LLM host.
    NotHttp "not_http" 403 "an unknown protocol towards an LLM host" "Use https.";
    /// A ClientHello or a request head that is broken or doesn't go on.
    BadOpening "bad_opening" 400 "the connection opens with a broken or unfinished head" "Send the ClientHello, or a well-formed head of at most 64 KiB, whole and at once.";
    /// The CA may not vouch for the host, or no more.
    NoCertificate "no_certificate" 500 "the agent has no certificate for this host" "Ask your platform team; `interceptor ca init --force` makes a CA that covers every configured host.";
    /// SNI, `:authority` and `Host` don't agree.
    HostMismatch "host_mismatch" 421 "CONNECT, SNI, :authority and Host do not name one host" "Send the request on a connection of its own host.";
    /// Nothing is known about this path of an LLM host.
    UnknownPath "unknown_path" 403 "nothing is known about what this path carries" "Ask your platform team; they can set mask.unknown_path.";
    /// A path of a coding agent's side traffic.
    SidePath "side_path" 404 "telemetry of a coding agent is not let out" "Nothing to do: the agent works without it. mask.side_path = \"allow\" lets it pass, masked.";
    /// A WebSocket where the same is to be had over SSE.
    UpgradeRequired "upgrade_required" 426 "WebSockets are not masked on this path" "Use the HTTP API with streaming.";
    /// The request can be read in two ways, or is malformed.
    BadRequest "bad_request" 400 "the request is malformed" "Send one well-formed HTTP request.";
    /// The body is not JSON.
    NotJson "not_json" 400 "the body is not JSON" "Send a JSON body in UTF-8.";
    /// The body is a form that can't be cut into parts without doubt.
    NotForm "not_form" 400 "the form can't be cut into its parts without doubt" "Send it as RFC 7578 has it: nothing before or behind the parts, and names without quotes.";
    /// The body is no gRPC that can be read.
    NotGrpc "not_grpc" 400 "the body is not plain gRPC" "Send whole messages without compression.";
    /// Content that can't be read, where policy doesn't let it pass.
    Unreadable "unreadable" 415 "it has content that can't be read, and so can't be masked" "Send text as UTF-8, or ask your platform team; they can set mask.unreadable.";
    /// The body's content coding can't be undone.
    Undecodable "undecodable" 415 "the body can't be decoded" "Send it with gzip, br, zstd, deflate or no Content-Encoding.";
    /// The body is longer than is held.
    BodyTooLarge "body_too_large" 413 "the body is longer than the limit" "Send less, or ask your platform team to raise limits.request_body.";
    /// A session holds more values than are kept apart.
    TooManyValues "too_many_values" 413 "the session has shown too many values" "Open a new one.";
    /// The request's head stopped arriving.
    HeadTimeout "head_timeout" 408 "the request's head stopped arriving" "Send it at once.";
    /// The body stopped arriving.
    BodyTimeout "body_timeout" 408 "the body stopped arriving" "Send it without a pause.";
    /// A class that policy blocks was found.
    BlockedClass "blocked_class" 403 "it holds a value of a class that policy blocks" "Remove the value and send again.";
    /// The policy for this process doesn't list the host.
    HostNotAllowed "host_not_allowed" 403 "policy does not let this process call this host" "Use a host that it may call, or ask your platform team; they can add this one to the policy's hosts.";
    /// No record of it could be written.
    Audit "audit_unwritable" 503 "no record of it could be written" "Try again; if that lasts, ask your platform team to see to the file of [audit].";
    /// What stands behind its tokens could not be kept or looked up.
    Vault "vault_unavailable" 503 "the vault, which keeps what tokens stand for, does not answer" "Try again; if that lasts, ask your platform team to see to the store of [vault].";
    /// Something that must be masked is where nothing can be replaced.
    Unmaskable "unmaskable" 403 "a value that must be masked stands where it can't be replaced" "Move it into the body's text, or remove it.";
    /// A signed request that masking changed.
    Signed "signed" 403 "it is signed, and masking changed it" "Use a bearer token, or ask your platform team to set bedrock.credentials_file: then the agent signs it again.";
    /// The scan of the masked body found something.
    Incomplete "incomplete" 500 "the masked request still shows a value of a masked class" "Report this with the id; nothing was sent.";
    /// The analyzer that policy asks gave no answer.
    Analyzer "analyzer" 503 "what is in it could not be found out" "Try again; if that lasts, ask your platform team to see to the service of [analyzer].";
    /// The agent could not mask.
    Internal "internal" 500 "the agent failed" "Report this with the id; nothing was sent.";
    /// No connection to the provider.
    Unreachable "upstream_unreachable" 502 "the provider can't be reached" "Check the network between this machine and the provider.";
    /// The agent's own sockets have taken every ephemeral port.
    NoPort "no_port" 503 "the agent has no free port to connect from" "Try again, or ask your platform team to widen net.ipv4.ip_local_port_range.";
    /// The provider's certificate doesn't verify.
    Untrusted "upstream_untrusted" 502 "the provider's TLS certificate was not accepted" "If a proxy re-signs TLS here, add its CA to tls.extra_roots.";
    /// The provider closed the connection.
    UpstreamBroken "upstream_broken" 502 "the provider broke the connection" "Try again.";
    /// The provider took too long to accept a connection.
    UpstreamTimeout "upstream_timeout" 504 "the provider did not answer in time" "Try again.";
    /// The provider's answer can't be read, so values can't be put back.
    BadAnswer "bad_answer" 502 "the provider's answer can't be read" "Report this with the id.";
    /// The answer has a class that policy blocks in answers.
    BlockedAnswer "blocked_answer" 502 "the answer holds a value of a class that policy blocks" "Ask for something else: the answer was not passed on.";
    /// As many connections as the limit allows are open.
    Busy "busy" 503 "too many connections are open" "Try again, or ask your platform team to raise limits.connections.";
    /// A listener's token is missing or wrong.
    ProxyAuth "proxy_auth" 407 "the listener's token is missing or wrong" "Give it as the proxy's password, as in http://any:TOKEN@HOST:PORT.";
    /// A listener that is for one user alone.
    OtherUser "other_user" 403 "this listener is for another user" "Use one of your own: `interceptor exec` makes it.";
    /// A listener was asked for a host that is no LLM host.
    OtherHost "other_host" 403 "this listener goes to LLM hosts only" "Connect directly (NO_PROXY), or ask your platform team to set listeners.others.";
    /// A listener was asked for a port that is not steered.
    OtherPort "other_port" 403 "the port is not one of steering.ports" "Connect directly (NO_PROXY), or ask your platform team to add it there.";
    /// A listener was asked for the agent's own machine.
    ThisMachine "this_machine" 403 "the host is the agent's own machine" "Connect directly: set NO_PROXY for it.";
    /// A whole URL as the request target: plain HTTP through a proxy.
    PlainProxy "plain_proxy" 403 "plain HTTP is not proxied" "Use https; for http:// set no proxy.";
    /// A path that names no LLM host.
    NoTarget "no_target" 404 "the path does not begin with an LLM host" "Begin it with one, as in /api.openai.com/v1/chat/completions.";
    /// A base URL on a listener that others than this machine can reach.
    InTheClear "in_the_clear" 403 "a base URL is served on loopback and Unix sockets only: elsewhere prompts would be read on the way" "Use this listener as a proxy: set HTTPS_PROXY.";
    /// A browser's request, or one for a name that is not the listener's.
    WebPage "web_page" 403 "it may come from a web page" "Call from a program, without Origin, and name the listener by its address or as localhost.";
    /// The connection was not steered here.
    Lost "lost" 403 "the connection was not steered here" "Connect to the provider, not to the agent.";
}

impl Reason {
    /// The HTTP status that tells it.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.number()).unwrap_or(StatusCode::FORBIDDEN)
    }

    /// Whether the SDKs' own retry can help.
    pub const fn retry(self) -> &'static str {
        match self {
            Self::Unreachable
            | Self::NoPort
            | Self::UpstreamBroken
            | Self::UpstreamTimeout
            | Self::Busy
            | Self::Audit
            | Self::Analyzer
            | Self::Vault => "true",
            _ => "false",
        }
    }
}

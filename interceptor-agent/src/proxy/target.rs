//! Whom a request to a listener is for: the target of a CONNECT, or the first part of a path.

use std::net::SocketAddr;

use http::{
    HeaderValue, Request, Uri,
    header::{self, HeaderName},
    uri::{Authority, PathAndQuery},
};

use crate::http::authority;

/// What a request's path says in front of the path that is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Based {
    /// In lower case.
    pub(super) host: String,
    pub(super) port: u16,
    path: PathAndQuery,
}

/// Host, in lower case, and port of a CONNECT.
pub(super) fn of_connect(uri: &Uri) -> Option<(String, u16)> {
    let authority = uri.authority()?;
    let host = authority::host(authority.as_str())?;
    (!authority.as_str().contains('@')).then_some((host, authority.port_u16()?))
}

/// `/HOST/PATH`, `/HOST:PORT/PATH` or `/https://HOST/PATH`.
pub(super) fn of_base_url(uri: &Uri) -> Option<Based> {
    let rest = uri.path_and_query()?.as_str().strip_prefix('/')?;
    let rest = rest.strip_prefix("https://").unwrap_or(rest);
    let (authority, path) = rest.split_at(rest.find('/')?);
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, 443),
    };
    Some(Based {
        host: authority::name(host)?,
        port,
        path: path.parse().ok()?,
    })
}

impl Based {
    /// Makes the request the one that the client would have sent to the host itself.
    pub(super) fn apply(self, request: &mut Request<impl Sized>) {
        let host = match self.port {
            443 => self.host,
            port => format!("{}:{port}", self.host),
        };
        if let Ok(host) = HeaderValue::from_maybe_shared(host) {
            request.headers_mut().insert(header::HOST, host);
        }
        *request.uri_mut() = self.path.into();
    }
}

/// Whether a web page may have sent it: browsers say so, other clients have no reason to. A page can reach a listener on
/// loopback as everybody on this machine can.
pub(super) fn is_of_a_page(request: &Request<impl Sized>) -> bool {
    const SENT_BY_BROWSERS: [HeaderName; 2] =
        [header::ORIGIN, HeaderName::from_static("sec-fetch-site")];
    let headers = request.headers();
    SENT_BY_BROWSERS
        .iter()
        .any(|name| headers.contains_key(name))
}

/// Whether the request names the listener itself as its host: a page's own name may have come to resolve to loopback (DNS
/// rebinding).
pub(super) fn is_for(request: &Request<impl Sized>, own: SocketAddr) -> bool {
    let mut named = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else {
        return false;
    };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    let is_own = name.eq_ignore_ascii_case("localhost") || name.parse() == Ok(own.ip());
    is_own && authority.port_u16().unwrap_or(80) == own.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_names_host_and_port() {
        let of = |target: &str| {
            let uri = Uri::builder().authority(target).build().ok()?;
            of_connect(&uri)
        };
        let is = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(of("API.openai.com.:443"), is("api.openai.com", 443));
        assert_eq!(of("[2001:db8::1]:443"), is("2001:db8::1", 443));
        assert_eq!(of("198.51.100.1:8443"), is("198.51.100.1", 8443));
        for wrong in [
            "api.openai.com",
            "user@api.openai.com:443",
            "a%2fb:443",
            "a:99999",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_path_begins_with_its_host() {
        let of = |path: &str| of_base_url(&path.parse().unwrap());
        let is = |host: &str, port, path: &str| {
            Some(Based {
                host: host.to_owned(),
                port,
                path: path.parse().unwrap(),
            })
        };
        assert_eq!(
            of("/Api.openai.com/v1/x?y=/z"),
            is("api.openai.com", 443, "/v1/x?y=/z")
        );
        assert_eq!(
            of("/https://api.openai.com/v1"),
            is("api.openai.com", 443, "/v1")
        );
        assert_eq!(of("/api.openai.com:8443/"), is("api.openai.com", 8443, "/"));
        for none in [
            "/",
            "/v1",
            "//v1/messages",
            "/api.openai.com",
            "/api.openai.com?x=/y",
            "/http://api.openai.com/v1",
            "/user@api.openai.com/v1",
            "/api.openai.com:x/v1",
            "/a%2eb/v1",
            "*",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_rewritten_request_is_the_host_s_own() {
        let mut request = Request::new(());
        *request.uri_mut() = "/api.openai.com:8443/v1?a".parse().unwrap();
        let host = HeaderValue::from_static("localhost:15480");
        request.headers_mut().append(header::HOST, host.clone());
        request.headers_mut().append(header::HOST, host);
        of_base_url(request.uri()).unwrap().apply(&mut request);
        assert_eq!(request.uri(), "/v1?a");
        let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().collect();
        assert_eq!(hosts, ["api.openai.com:8443"]);
    }

    #[test]
    fn only_the_listener_s_own_names_are_its() {
        let is_own = |hosts: &[&str], own: &str| {
            let mut request = Request::new(());
            for host in hosts {
                request
                    .headers_mut()
                    .append(header::HOST, host.parse().unwrap());
            }
            is_for(&request, own.parse().unwrap())
        };
        let (v4, v6) = ("127.0.0.1:15480", "[::1]:15480");
        assert!(is_own(&[v4], v4) && is_own(&[v6], v6));
        assert!(is_own(&["LocalHost:15480"], v4) && is_own(&["localhost"], "127.0.0.1:80"));
        for hosts in [
            &[][..],
            &[v4, v4],
            &["evil.example:15480"],
            &["localhost.evil.example:15480"],
            &["127.0.0.1:80"],
            &["127.0.0.1"],
            &["localhost:15480@evil.example:15480"],
            &[v6],
        ] {
            assert!(!is_own(hosts, v4), "{hosts:?}");
        }
    }
}

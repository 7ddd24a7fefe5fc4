//! The only place that decides whether a connection is intercepted, passed or blocked.

use crate::{
    hosts::{Host, Hosts},
    opening::Opening,
    refusal::Reason,
};

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'h> {
    /// It is for an LLM host: its TLS ends here.
    Intercept(&'h Host),
    /// It is no business of ours: bytes are copied both ways.
    Pass,
    /// It could carry an LLM request past us.
    Refuse(Reason),
}

/// Decides by how the connection opens. `known` says whether the original address is one that serves an LLM host:
/// towards such an address, what can't be read is refused.
pub fn decide<'h>(hosts: &'h Hosts, known: bool, opening: &Opening) -> Verdict<'h> {
    match opening {
        Opening::Tls(hello) => match hello.sni.as_deref().map(|name| hosts.lookup(name)) {
            Some(Some(host)) => Verdict::Intercept(host),
            // The name outside an ECH is the provider's front, not the host that is called.
            Some(None) if known && hello.ech => Verdict::Refuse(Reason::Ech),
            None if known => Verdict::Refuse(Reason::NoSni),
            _ => Verdict::Pass,
        },
        Opening::Http { host: Some(host) } if hosts.lookup(host).is_some() => {
            Verdict::Refuse(Reason::PlainHttp)
        }
        Opening::Http { .. } if known => Verdict::Refuse(Reason::PlainHttp),
        Opening::Other | Opening::Silent if known => Verdict::Refuse(Reason::NotHttp),
        // A ClientHello that dribbles in could be for any host.
        Opening::Broken => Verdict::Refuse(Reason::BadOpening),
        _ => Verdict::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::client_hello::ClientHello;

    fn tls(sni: Option<&str>, ech: bool) -> Opening {
        Opening::Tls(ClientHello {
            sni: sni.map(str::to_owned),
            alpn: vec![],
            ech,
        })
    }

    fn plain(host: Option<&str>) -> Opening {
        Opening::Http {
            host: host.map(str::to_owned),
        }
    }

    #[test]
    fn llm_hosts_are_intercepted_wherever_they_are() {
        let hosts = Hosts::builtin();
        for known in [false, true] {
            for ech in [false, true] {
                let opening = tls(Some("API.anthropic.com"), ech);
                assert!(matches!(
                    decide(&hosts, known, &opening),
                    Verdict::Intercept(_)
                ));
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_only_towards_llm_addresses() {
        let hosts = Hosts::builtin();
        let cases = [
            (tls(None, false), Verdict::Refuse(Reason::NoSni)),
            (tls(None, true), Verdict::Refuse(Reason::NoSni)),
            (
                tls(Some("front.example"), true),
                Verdict::Refuse(Reason::Ech),
            ),
            (tls(Some("front.example"), false), Verdict::Pass),
            (plain(None), Verdict::Refuse(Reason::PlainHttp)),
            (
                plain(Some("other.example")),
                Verdict::Refuse(Reason::PlainHttp),
            ),
            (Opening::Other, Verdict::Refuse(Reason::NotHttp)),
            (Opening::Silent, Verdict::Refuse(Reason::NotHttp)),
        ];
        for (opening, towards_llm) in cases {
            assert_eq!(decide(&hosts, true, &opening), towards_llm, "{opening:?}");
            assert_eq!(
                decide(&hosts, false, &opening),
                Verdict::Pass,
                "{opening:?}"
            );
        }
    }

    #[test]
    fn half_an_opening_is_refused_anywhere() {
        let hosts = Hosts::builtin();
        for known in [false, true] {
            assert_eq!(
                decide(&hosts, known, &Opening::Broken),
                Verdict::Refuse(Reason::BadOpening)
            );
        }
    }

    #[test]
    fn plain_http_to_an_llm_host_is_refused_anywhere() {
        let hosts = Hosts::builtin();
        let opening = plain(Some("api.openai.com"));
        assert_eq!(
            decide(&hosts, false, &opening),
            Verdict::Refuse(Reason::PlainHttp)
        );
    }
}

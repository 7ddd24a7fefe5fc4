//! The only place that decides whether a connection is intercepted, passed or blocked.

use std::net::IpAddr;

use crate::{
    config::Others,
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
    let any = |named: &[String]| named.iter().any(|name| hosts.lookup(name).is_some());
    match opening {
        Opening::Tls(hello) => match hello.sni.as_deref().map(|name| hosts.lookup(name)) {
            Some(Some(host)) => Verdict::Intercept(host),
            // The name outside an ECH is the provider's front, not the host that is called.
            Some(None) if known && hello.ech => Verdict::Refuse(Reason::Ech),
            None if known => Verdict::Refuse(Reason::NoSni),
            _ => Verdict::Pass,
        },
        Opening::Connect { hosts: named, .. } if any(named) => Verdict::Refuse(Reason::Proxied),
        Opening::Http { hosts: named, .. } if any(named) => Verdict::Refuse(Reason::PlainHttp),
        Opening::Http { .. } | Opening::Connect { .. } if known => {
            Verdict::Refuse(Reason::PlainHttp)
        }
        Opening::Other | Opening::Silent if known => Verdict::Refuse(Reason::NotHttp),
        // A ClientHello that dribbles in could be for any host.
        Opening::Broken => Verdict::Refuse(Reason::BadOpening),
        _ => Verdict::Pass,
    }
}

/// What a client asked a listener for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// A name in lower case, or an address.
    pub host: String,
    /// What the listener does with hosts that are no LLM hosts.
    pub others: Others,
}

/// Whether a listener's client may have a tunnel at all: `true` is one to an LLM host.
pub fn admit(hosts: &Hosts, asked: &Asked) -> Result<bool, Reason> {
    match (hosts.lookup(&asked.host), asked.others) {
        (Some(_), _) => Ok(true),
        (None, Others::Pass) => Ok(false),
        (None, Others::Refuse) => Err(Reason::OtherHost),
    }
}

/// Decides for a tunnel, as [`decide`]: what is said in it has to agree with what was asked for. Who asked for an address asked
/// for any name that is there, as one whose connection was steered here.
pub fn decide_asked<'h>(
    hosts: &'h Hosts,
    asked: &Asked,
    known: bool,
    opening: &Opening,
) -> Verdict<'h> {
    let is_llm = match admit(hosts, asked) {
        Ok(is_llm) => is_llm,
        Err(reason) => return Verdict::Refuse(reason),
    };
    match opening {
        Opening::Tls(hello) if !agrees(&asked.host, hello.sni.as_deref()) => {
            Verdict::Refuse(Reason::HostMismatch)
        }
        _ => decide(hosts, known || is_llm, opening),
    }
}

/// Decides for what is said behind a CONNECT to somebody else's proxy, as [`decide`]; `known` is about the address that was asked
/// for. Where that proxy leads for a name it alone knows, so a handshake has to show a name too: that one, or with it in the open.
pub fn decide_proxied<'h>(
    hosts: &'h Hosts,
    asked: &str,
    known: bool,
    opening: &Opening,
) -> Verdict<'h> {
    let asked = asked.strip_suffix('.').unwrap_or(asked);
    let is_name = asked.parse::<IpAddr>().is_err();
    let verdict = match opening {
        Opening::Tls(hello) if is_name => {
            let hides = hello.ech && !agrees(asked, hello.sni.as_deref());
            decide(hosts, hides || hello.sni.is_none(), opening)
        }
        // Nothing was said yet, so nothing is decided by it.
        Opening::Silent => Verdict::Refuse(Reason::NotHttp),
        _ => decide(hosts, known, opening),
    };
    match verdict {
        // Its TLS could be ended here, and the proxy not be asked for another connection.
        Verdict::Intercept(_) => Verdict::Refuse(Reason::Proxied),
        verdict => verdict,
    }
}

fn agrees(asked: &str, sni: Option<&str>) -> bool {
    let same = |sni: &str| {
        sni.strip_suffix('.')
            .unwrap_or(sni)
            .eq_ignore_ascii_case(asked)
    };
    asked.parse::<IpAddr>().is_ok() || sni.is_none_or(same)
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

    fn plain(hosts: &[&str]) -> Opening {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        Opening::Http {
            hosts,
            request: None,
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
            (plain(&[]), Verdict::Refuse(Reason::PlainHttp)),
            (
                plain(&["other.example"]),
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
        for named in [&["api.openai.com"][..], &["a.example", "api.openai.com"]] {
            assert_eq!(
                decide(&hosts, false, &plain(named)),
                Verdict::Refuse(Reason::PlainHttp)
            );
        }
    }

    #[test]
    fn behind_a_connect_no_llm_host_is_reached() {
        let hosts = Hosts::builtin();
        let decide =
            |asked: &str, known, opening: &Opening| decide_proxied(&hosts, asked, known, opening);
        let refuse = Verdict::Refuse;
        let other = tls(Some("www.example.com"), false);
        let grease = tls(Some("www.example.com"), true);
        let nested = |host: &str| Opening::Connect {
            hosts: vec!["a.example".to_owned(), host.to_owned()],
            length: 9,
        };
        for asked in [
            "www.example.com",
            "198.51.100.11",
            "2001:db8::11",
            "3325256715",
            "",
        ] {
            for ech in [false, true] {
                let llm = tls(Some("api.openai.com"), ech);
                assert_eq!(decide(asked, false, &llm), refuse(Reason::Proxied));
            }
            for (opening, expected) in [
                (&other, Verdict::Pass),
                (&Opening::Other, Verdict::Pass),
                (&plain(&["www.example.com"]), Verdict::Pass),
                (&nested("www.example.com"), Verdict::Pass),
                (&nested("api.openai.com"), refuse(Reason::Proxied)),
                (&Opening::Broken, refuse(Reason::BadOpening)),
                (&Opening::Silent, refuse(Reason::NotHttp)),
            ] {
                assert_eq!(
                    decide(asked, false, opening),
                    expected,
                    "{asked} {opening:?}"
                );
            }
        }
        // An address says itself whether it is known, and a name nothing.
        for (known, unnamed, ech, odd) in [
            (false, Verdict::Pass, Verdict::Pass, Verdict::Pass),
            (
                true,
                refuse(Reason::NoSni),
                refuse(Reason::Ech),
                refuse(Reason::NotHttp),
            ),
        ] {
            let decide = |opening: &Opening| decide("198.51.100.11", known, opening);
            assert_eq!(decide(&tls(None, false)), unnamed);
            assert_eq!(decide(&grease), ech);
            assert_eq!(decide(&Opening::Other), odd);
            assert_eq!(decide(&other), Verdict::Pass);
        }
        let made_up = |opening: &Opening| decide("made-up.example", false, opening);
        assert_eq!(made_up(&tls(None, false)), refuse(Reason::NoSni));
        assert_eq!(made_up(&grease), refuse(Reason::Ech));
        for asked in ["www.example.com", "www.example.com."] {
            assert_eq!(decide(asked, false, &grease), Verdict::Pass);
        }
    }

    #[test]
    fn a_tunnel_is_for_the_host_that_was_asked_for() {
        let hosts = Hosts::builtin();
        let decide = |host: &str, others, opening: &Opening| {
            let host = host.to_owned();
            decide_asked(&hosts, &Asked { host, others }, false, opening)
        };
        let llm = tls(Some("Api.openai.com."), false);
        let other = tls(Some("www.example.com"), false);
        let refuse = Verdict::Refuse;
        for others in [Others::Refuse, Others::Pass] {
            let openai = |opening: &Opening| decide("api.openai.com", others, opening);
            assert!(matches!(openai(&llm), Verdict::Intercept(_)));
            assert_eq!(openai(&other), refuse(Reason::HostMismatch));
            assert_eq!(
                openai(&tls(Some("api.anthropic.com"), false)),
                refuse(Reason::HostMismatch)
            );
            assert_eq!(openai(&tls(None, false)), refuse(Reason::NoSni));
            assert_eq!(openai(&plain(&[])), refuse(Reason::PlainHttp));
            assert_eq!(openai(&Opening::Other), refuse(Reason::NotHttp));
            assert_eq!(openai(&Opening::Silent), refuse(Reason::NotHttp));
            assert_eq!(openai(&Opening::Broken), refuse(Reason::BadOpening));
        }
        let example = |opening: &Opening| decide("www.example.com", Others::Pass, opening);
        assert_eq!(example(&other), Verdict::Pass);
        assert_eq!(example(&tls(None, false)), Verdict::Pass);
        assert_eq!(example(&Opening::Silent), Verdict::Pass);
        assert_eq!(example(&llm), refuse(Reason::HostMismatch));
        assert_eq!(
            decide("www.example.com", Others::Refuse, &other),
            refuse(Reason::OtherHost)
        );
        for address in ["198.51.100.12", "2001:db8::12"] {
            assert!(matches!(
                decide(address, Others::Pass, &llm),
                Verdict::Intercept(_)
            ));
            assert_eq!(
                decide(address, Others::Refuse, &llm),
                refuse(Reason::OtherHost)
            );
        }
    }
}

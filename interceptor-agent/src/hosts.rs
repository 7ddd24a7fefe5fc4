//! Which host names are LLM hosts, what they speak, and which names the CA may vouch for.

mod builtin;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::config::Cidr;
use crate::protocol::{Extra, Protocol};

/// One LLM host, or a family of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A name, or one with a single `*`, in lower case.
    pub pattern: String,
    /// What the host speaks. [`Protocol::None`]: known, but with no adapter, so every path is an unknown path.
    pub protocol: Protocol,
    /// Path prefix in front of the protocol's own paths, like `/api`; empty for none.
    pub base_path: String,
    /// Paths that the configuration adds to the protocol's own.
    pub paths: Vec<Extra>,
    /// Addresses that are published for this host, or known to whoever runs it.
    pub ranges: Vec<Cidr>,
    /// DNS suffixes that a certificate for this host falls under.
    names: Vec<String>,
}

/// Why a host can't be added. The operator is at fault; the text says what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Not a DNS name, or one for which no certificate can be made.
    #[error(
        "a DNS name like llm.corp.example, or *.llm.corp.example for every name below it; no scheme, port, path or IP address"
    )]
    Name,
    /// `*.com`: the CA would be allowed to vouch for a whole top-level domain.
    #[error("at least two labels after `*.`: the CA's constraint is to stay narrow")]
    TooWide,
    /// Not a plain path prefix.
    #[error("a path like /api: a `/` in front, none at the end, no `.` segments, query or escapes")]
    BasePath,
}

impl Host {
    /// A host from configuration: an exact name, or `*.` and a name, which stands for every name below it.
    ///
    /// # Errors
    /// When the name or the base path is malformed.
    pub fn new(pattern: &str, protocol: Protocol, base_path: &str) -> Result<Self, HostError> {
        let pattern = normal(pattern).into_owned();
        let suffix = pattern.strip_prefix("*.").unwrap_or(&pattern).to_owned();
        if !is_dns_name(&suffix) {
            return Err(HostError::Name);
        }
        if suffix.len() < pattern.len() && !suffix.contains('.') {
            return Err(HostError::TooWide);
        }
        if !is_base_path(base_path) {
            return Err(HostError::BasePath);
        }
        Ok(Self {
            pattern,
            protocol,
            base_path: base_path.to_owned(),
            paths: Vec::new(),
            ranges: Vec::new(),
            names: vec![suffix],
        })
    }

    /// The path as the protocol knows it, or `None` when it does not stand below this host's base path.
    #[must_use]
    pub fn api_path<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.base_path.as_str())?;
        (rest.starts_with('/') || self.base_path.is_empty()).then_some(rest)
    }

    /// A `*` also stands for several labels: a name too many is refused, a name too few would leak.
    fn matches(&self, host: &str) -> bool {
        self.pattern.split_once('*').is_some_and(|(before, after)| {
            host.len() > before.len() + after.len()
                && host.starts_with(before)
                && host.ends_with(after)
        })
    }
}

/// Every LLM host: the built-in ones and those of the configuration.
#[derive(Clone, Debug)]
pub struct Hosts {
    exact: BTreeMap<String, Host>,
    /// Longest first, so that the most specific one answers.
    patterns: Vec<Host>,
}

impl Hosts {
    /// The hosts known without configuration.
    #[must_use]
    pub fn builtin() -> Self {
        let mut hosts = Self {
            exact: BTreeMap::new(),
            patterns: Vec::new(),
        };
        builtin::hosts().for_each(|host| hosts.insert(host));
        hosts
    }

    /// Adds a host; one with the same pattern is replaced.
    pub fn insert(&mut self, host: Host) {
        if host.pattern.contains('*') {
            self.patterns.retain(|old| old.pattern != host.pattern);
            self.patterns.push(host);
            self.patterns
                .sort_by_key(|host| std::cmp::Reverse(host.pattern.len()));
        } else {
            self.exact.insert(host.pattern.clone(), host);
        }
    }

    /// The entry for a host name in any case, with or without a trailing dot. Exact names win over patterns.
    #[must_use]
    pub fn lookup(&self, host: &str) -> Option<&Host> {
        let host = normal(host);
        let exact = self.exact.get(host.as_ref());
        exact.or_else(|| {
            self.patterns
                .iter()
                .find(|candidate| candidate.matches(&host))
        })
    }

    /// DNS suffixes that the CA must be allowed to vouch for, sorted; none that another stands for.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let names: BTreeSet<_> = self.iter().flat_map(|host| &host.names).collect();
        let above = |name: &str| {
            let parents = name.match_indices('.').map(|(at, _)| &name[at + 1..]);
            parents
                .map(str::to_owned)
                .any(|parent| names.contains(&parent))
        };
        let widest = names.iter().filter(|name| !above(name));
        widest.map(|name| (*name).clone()).collect()
    }

    /// Names that can be resolved: exact ones first, then what patterns are known to stand for.
    pub fn to_resolve(&self) -> impl Iterator<Item = &str> {
        let exact = self.exact.keys();
        let listed = self.patterns.iter().flat_map(|host| {
            let names = host.names.iter();
            names.filter(|name| host.matches(name))
        });
        exact.chain(listed).map(String::as_str)
    }

    /// Every host, exact names first.
    pub fn iter(&self) -> impl Iterator<Item = &Host> {
        self.exact.values().chain(&self.patterns)
    }
}

/// Lower case, without the trailing dot of a fully qualified name.
fn normal(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// RFC 1123 labels in lower case. A last label of digits only makes an IP address.
fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
    };
    let numeric = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    name.len() <= 253
        && name.split('.').all(is_label)
        && !name.rsplit('.').next().is_some_and(numeric)
}

fn is_base_path(path: &str) -> bool {
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
    };
    path.is_empty()
        || path
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(is_segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_hosts_are_found_in_any_spelling() {
        let hosts = Hosts::builtin();
        for (name, protocol, base) in [
            ("api.anthropic.com", Protocol::Anthropic, ""),
            ("API.OpenAI.com.", Protocol::OpenAi, ""),
            ("api.groq.com", Protocol::OpenAi, "/openai"),
            ("openrouter.ai", Protocol::OpenAi, "/api"),
            ("corp.openai.azure.com", Protocol::Azure, ""),
            ("a.b.openai.azure.com", Protocol::Azure, ""),
            (
                "europe-west4-aiplatform.googleapis.com",
                Protocol::Vertex,
                "",
            ),
            (
                "bedrock-runtime.eu-central-1.amazonaws.com",
                Protocol::Bedrock,
                "",
            ),
            (
                "bedrock-runtime.xx-newregion-1.amazonaws.com",
                Protocol::Bedrock,
                "",
            ),
            ("eu.api.openai.com", Protocol::OpenAi, ""),
            ("eu.openrouter.ai", Protocol::OpenAi, "/api"),
            ("us-east-1.api.x.ai", Protocol::OpenAi, ""),
            (
                "bedrock-runtime-fips.us-east-1.amazonaws.com",
                Protocol::Bedrock,
                "",
            ),
            ("bedrock-runtime.us-east-1.api.aws", Protocol::Bedrock, ""),
            (
                "vpce-1-2.bedrock-runtime.eu-west-1.vpce.amazonaws.com",
                Protocol::Bedrock,
                "",
            ),
            ("bedrock-mantle.us-east-1.api.aws", Protocol::OpenAi, ""),
            ("corp.services.ai.azure.com", Protocol::Azure, ""),
            ("aiplatform.eu.rep.googleapis.com", Protocol::Vertex, ""),
            (
                "generativelanguage.mtls.googleapis.com",
                Protocol::Gemini,
                "",
            ),
            ("cloudcode-pa.googleapis.com", Protocol::None, ""),
        ] {
            let host = hosts
                .lookup(name)
                .unwrap_or_else(|| panic!("{name} is not known"));
            assert_eq!(
                (host.protocol, host.base_path.as_str()),
                (protocol, base),
                "{name}"
            );
        }
    }

    #[test]
    fn neighbours_are_not_llm_hosts() {
        let hosts = Hosts::builtin();
        for name in [
            "anthropic.com",
            "api.anthropic.com.evil.example",
            "xapi.anthropic.com",
            "openai.azure.com",
            ".openai.azure.com",
            "s3.eu-central-1.amazonaws.com",
            "storage.googleapis.com",
            "storage.eu.rep.googleapis.com",
            "vpce-1-2.s3.eu-west-1.vpce.amazonaws.com",
            "corp.cognitiveservices.azure.com",
            "s3.us-east-1.api.aws",
            "-aiplatform.googleapis.com",
            "bedrock-runtime.amazonaws.com",
            "",
            ".",
        ] {
            assert_eq!(hosts.lookup(name), None, "{name}");
        }
    }

    #[test]
    fn what_patterns_stand_for_is_resolved_where_it_is_known() {
        let mut hosts = Hosts::builtin();
        hosts.insert(Host::new("*.llm.corp.example", Protocol::OpenAi, "").unwrap());
        let names: Vec<_> = hosts.to_resolve().collect();
        for name in [
            "api.anthropic.com",
            "bedrock-runtime.eu-central-1.amazonaws.com",
            "europe-west4-aiplatform.googleapis.com",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        assert!(names.iter().all(|name| hosts.lookup(name).is_some()));
        let is_exact = |name: &&&str| hosts.exact.contains_key(**name);
        let exact = names.iter().take_while(is_exact).count();
        assert_eq!(exact, hosts.exact.len());
    }

    #[test]
    fn certificate_names_stay_narrow_and_cover_each_exact_host() {
        let hosts = Hosts::builtin();
        let names = hosts.names();
        for wide in [
            "amazonaws.com",
            "vpce.amazonaws.com",
            "api.aws",
            "googleapis.com",
            "azure.com",
            "ai.azure.com",
            "com",
        ] {
            assert!(!names.iter().any(|name| name == wide), "{wide} is too wide");
        }
        assert!(names.iter().all(|name| is_dns_name(name)), "{names:?}");
        assert!(names.contains(&"bedrock-runtime.eu-central-1.amazonaws.com".into()));
        assert!(names.contains(&"openai.azure.com".into()));
        let stands_for =
            |name: &str, host: &str| host == name || host.ends_with(&format!(".{name}"));
        for host in hosts.to_resolve() {
            let standing = names.iter().filter(|name| stands_for(name, host));
            assert_eq!(standing.count(), 1, "{host}");
        }
    }

    #[test]
    fn configured_hosts_replace_and_the_most_specific_answers() {
        let mut hosts = Hosts::builtin();
        for (pattern, base) in [
            ("*.corp.example", "/a"),
            ("*.llm.corp.example", "/b"),
            ("one.llm.corp.example", "/c"),
        ] {
            hosts.insert(Host::new(pattern, Protocol::OpenAi, base).unwrap());
        }
        hosts.insert(Host::new("Api.Groq.com", Protocol::None, "").unwrap());
        let base = |name: &str| hosts.lookup(name).map(|host| host.base_path.as_str());
        assert_eq!(base("x.corp.example"), Some("/a"));
        assert_eq!(base("x.llm.corp.example"), Some("/b"));
        assert_eq!(base("one.llm.corp.example"), Some("/c"));
        assert_eq!(base("corp.example"), None);
        assert_eq!(base("api.groq.com"), Some(""));
        assert!(hosts.names().contains(&"corp.example".into()));
    }

    #[test]
    fn malformed_hosts_are_named() {
        let error = |pattern, base| Host::new(pattern, Protocol::OpenAi, base).unwrap_err();
        for pattern in [
            "",
            "*",
            "https://x.example",
            "x.example:443",
            "x.example/v1",
            "192.0.2.1",
            "::1",
            "bücher.example",
            "a..b",
            "a.*.example",
            "*x.example",
        ] {
            assert_eq!(error(pattern, ""), HostError::Name, "{pattern}");
        }
        assert_eq!(error("*.com", ""), HostError::TooWide);
        for base in ["api", "/", "/api/", "/a/../b", "/a?b", "/%61", "/a//b"] {
            assert_eq!(error("x.example", base), HostError::BasePath, "{base}");
        }
    }

    #[test]
    fn the_base_path_is_stripped_at_a_segment() {
        let host = Host::new("x.example", Protocol::OpenAi, "/api").unwrap();
        assert_eq!(host.api_path("/api/v1/models"), Some("/v1/models"));
        assert_eq!(host.api_path("/apix/v1"), None);
        assert_eq!(host.api_path("/api"), None);
        assert_eq!(host.api_path("/v1/models"), None);
        let bare = Host::new("x.example", Protocol::OpenAi, "").unwrap();
        assert_eq!(bare.api_path("/v1/models"), Some("/v1/models"));
    }
}

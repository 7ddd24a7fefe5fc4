//! The LLM hosts known without configuration. A new host is one line here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Host;
use crate::config::Cidr;
use crate::protocol::Protocol::{self, Anthropic, Azure, Bedrock, Cohere, Gemini, OpenAi, Vertex};

/// `pattern`, what it speaks, its base path, and what the `*` stands for in the CA's constraint. Without a list the
/// constraint is the name behind `*.`.
type Row = (
    &'static str,
    Protocol,
    &'static str,
    &'static [&'static str],
);

/// chatgpt.com is left out on purpose: a browser product with pages, logins and downloads, not an API host. Codex
/// with an API key calls api.openai.com.
const ROWS: &[Row] = &[
    ("api.anthropic.com", Anthropic, "", &[]),
    ("api.openai.com", OpenAi, "", &[]),
    ("api.mistral.ai", OpenAi, "", &[]),
    ("api.deepseek.com", OpenAi, "", &[]),
    ("api.x.ai", OpenAi, "", &[]),
    ("api.groq.com", OpenAi, "/openai", &[]),
    ("openrouter.ai", OpenAi, "/api", &[]),
    ("api.cohere.com", Cohere, "", &[]),
    ("generativelanguage.googleapis.com", Gemini, "", &[]),
    ("aiplatform.googleapis.com", Vertex, "", &[]),
    ("*-aiplatform.googleapis.com", Vertex, "", VERTEX_REGIONS),
    ("*.openai.azure.com", Azure, "", &[]),
    (
        "bedrock-runtime.*.amazonaws.com",
        Bedrock,
        "",
        BEDROCK_REGIONS,
    ),
];

/// Addresses that providers publish for their hosts. Others have none of their own, but a network's front.
const RANGES: &[(&str, &[Cidr])] = &[(
    "api.anthropic.com",
    // platform.claude.com/docs/en/api/ip-addresses, "Inbound IP addresses"
    &[
        Cidr {
            addr: IpAddr::V4(Ipv4Addr::new(160, 79, 104, 0)),
            prefix: 23,
        },
        Cidr {
            addr: IpAddr::V6(Ipv6Addr::new(0x2607, 0x6bc0, 0, 0, 0, 0, 0, 0)),
            prefix: 48,
        },
    ],
)];

// A constraint is a DNS suffix, and `amazonaws.com` or `googleapis.com` would let a stolen key speak for every bucket
// and every service: so regions are listed. A region missing here is still recognised, and refused for want of a
// certificate.

/// Regions of the Amazon Bedrock runtime endpoint (AWS General Reference, "Amazon Bedrock endpoints and quotas").
#[rustfmt::skip]
const BEDROCK_REGIONS: &[&str] = &[
    "af-south-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
    "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
    "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1",
    "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1",
    "me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2", "us-gov-east-1",
    "us-gov-west-1", "us-west-1", "us-west-2",
];

/// Regions of generative AI on Vertex AI (Google Cloud, "Generative AI on Vertex AI locations").
#[rustfmt::skip]
const VERTEX_REGIONS: &[&str] = &[
    "africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast3", "asia-south1",
    "asia-southeast1", "asia-southeast2", "australia-southeast1", "australia-southeast2", "europe-central2",
    "europe-north1", "europe-southwest1", "europe-west1", "europe-west2", "europe-west3", "europe-west4",
    "europe-west6", "europe-west8", "europe-west9", "europe-west12", "me-central1", "me-central2", "me-west1",
    "northamerica-northeast1", "northamerica-northeast2", "southamerica-east1", "southamerica-west1",
    "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1", "us-west2", "us-west3", "us-west4",
];

pub(super) fn hosts() -> impl Iterator<Item = Host> {
    ROWS.iter()
        .map(|(pattern, protocol, base_path, regions)| Host {
            pattern: (*pattern).to_owned(),
            protocol: *protocol,
            base_path: (*base_path).to_owned(),
            paths: Vec::new(),
            ranges: ranges(pattern),
            names: match regions {
                [] => vec![pattern.trim_start_matches("*.").to_owned()],
                regions => regions
                    .iter()
                    .map(|region| pattern.replace('*', region))
                    .collect(),
            },
        })
}

fn ranges(pattern: &str) -> Vec<Cidr> {
    let published = RANGES.iter().filter(|(host, _)| *host == pattern);
    published.flat_map(|(_, ranges)| *ranges).copied().collect()
}

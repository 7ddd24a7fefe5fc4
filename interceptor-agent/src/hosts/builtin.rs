//! The LLM hosts known without configuration. A new host is one line here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Host;
use crate::config::Cidr;
use crate::protocol::Protocol::{self, Anthropic, Azure, Bedrock, Cohere, Gemini, OpenAi, Vertex};

/// `pattern`, what it speaks, its base path, and what its last `*` stands for in the CA's constraint and in look-ups. Without a
/// list the constraint is the name behind `*.`.
type Row = (
    &'static str,
    Protocol,
    &'static str,
    &'static [&'static str],
);

/// chatgpt.com is left out on purpose: a browser product with pages, logins and downloads, not an API host. Codex
/// with an API key calls api.openai.com. So is \*.cognitiveservices.azure.com, where Azure has speech and vision too.
const ROWS: &[Row] = &[
    ("api.anthropic.com", Anthropic, "", &[]),
    ("api.openai.com", OpenAi, "", &[]),
    ("*.api.openai.com", OpenAi, "", OPENAI_REGIONS),
    ("api.mistral.ai", OpenAi, "", &[]),
    ("codestral.mistral.ai", OpenAi, "", &[]),
    ("api.deepseek.com", OpenAi, "", &[]),
    ("api.x.ai", OpenAi, "", &[]),
    ("*.api.x.ai", OpenAi, "", &[]),
    ("api.groq.com", OpenAi, "/openai", &[]),
    ("openrouter.ai", OpenAi, "/api", &[]),
    ("eu.openrouter.ai", OpenAi, "/api", &[]),
    ("us.openrouter.ai", OpenAi, "/api", &[]),
    ("api.cohere.com", Cohere, "", &[]),
    ("api.cohere.ai", Cohere, "", &[]),
    ("generativelanguage.googleapis.com", Gemini, "", &[]),
    ("generativelanguage.mtls.googleapis.com", Gemini, "", &[]),
    // Gemini CLI with a Google login. Its requests are Gemini's inside another one.
    ("cloudcode-pa.googleapis.com", Protocol::None, "", &[]),
    ("aiplatform.googleapis.com", Vertex, "", &[]),
    ("aiplatform.mtls.googleapis.com", Vertex, "", &[]),
    ("aiplatform.*.rep.googleapis.com", Vertex, "", &["eu", "us"]),
    ("*-aiplatform.googleapis.com", Vertex, "", VERTEX_REGIONS),
    ("*.openai.azure.com", Azure, "", &[]),
    ("*.openai.azure.us", Azure, "", &[]),
    ("*.services.ai.azure.com", Azure, "", &[]),
    (
        "bedrock-runtime.*.amazonaws.com",
        Bedrock,
        "",
        BEDROCK_REGIONS,
    ),
    (
        "bedrock-runtime-fips.*.amazonaws.com",
        Bedrock,
        "",
        FIPS_REGIONS,
    ),
    ("bedrock-runtime.*.api.aws", Bedrock, "", BEDROCK_REGIONS),
    ("bedrock-runtime-fips.*.api.aws", Bedrock, "", FIPS_REGIONS),
    ("bedrock-mantle.*.api.aws", OpenAi, "", MANTLE_REGIONS),
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

/// Those of [`BEDROCK_REGIONS`] that have FIPS endpoints (the same page).
const FIPS_REGIONS: &[&str] = &[
    "ca-central-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// Regions of Bedrock's OpenAI-compatible endpoint (Amazon Bedrock, "Regional availability by endpoints").
#[rustfmt::skip]
const MANTLE_REGIONS: &[&str] = &[
    "ap-northeast-1", "ap-south-1", "ap-southeast-2", "ap-southeast-3", "eu-central-1", "eu-north-1", "eu-south-1",
    "eu-west-1", "eu-west-2", "sa-east-1", "us-east-1", "us-east-2", "us-west-2",
];

/// Regions of OpenAI's API (OpenAI, "Data residency").
const OPENAI_REGIONS: &[&str] = &["ae", "au", "ca", "eu", "gb", "in", "jp", "kr", "sg", "us"];

pub(super) fn hosts() -> impl Iterator<Item = Host> {
    let rows = ROWS.iter().map(|(pattern, protocol, base_path, regions)| {
        let names = match (regions, pattern.rsplit_once('*')) {
            ([_, ..], Some((before, after))) => regions
                .iter()
                .map(|region| format!("{before}{region}{after}"))
                .collect(),
            _ => vec![pattern.trim_start_matches("*.").to_owned()],
        };
        Host {
            pattern: (*pattern).to_owned(),
            protocol: *protocol,
            base_path: (*base_path).to_owned(),
            paths: Vec::new(),
            ranges: ranges(pattern),
            names,
        }
    });
    rows.chain(BEDROCK_REGIONS.iter().map(|region| endpoint(region)))
}

/// Bedrock by AWS PrivateLink: every customer's endpoints have names of their own.
fn endpoint(region: &str) -> Host {
    let name = format!("bedrock-runtime.{region}.vpce.amazonaws.com");
    Host {
        pattern: format!("*.{name}"),
        protocol: Bedrock,
        base_path: String::new(),
        paths: Vec::new(),
        ranges: Vec::new(),
        names: vec![name],
    }
}

fn ranges(pattern: &str) -> Vec<Cidr> {
    let published = RANGES.iter().filter(|(host, _)| *host == pattern);
    published.flat_map(|(_, ranges)| *ranges).copied().collect()
}

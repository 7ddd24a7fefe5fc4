//! The labelled samples, from gzipped JSON lines, each file in its own form.

use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result};
use interceptor_tests::coding;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One text that has something to be found, or nothing.
pub struct Sample {
    pub corpus: &'static str,
    pub class: String,
    pub text: String,
    /// Where the secrets stand, in bytes; none where nobody said.
    pub secrets: Vec<Range<usize>>,
    pub positive: bool,
}

/// Every sample of every corpus.
pub fn read(folder: &Path) -> Result<Vec<Sample>> {
    if !folder.is_dir() {
        anyhow::bail!(
            "{}: there are no corpora; name their folder with --corpora",
            folder.display()
        );
    }
    let mut samples = Vec::new();
    samples.extend(
        lines(folder, "gitleaks-dev.jsonl.gz")?
            .into_iter()
            .filter_map(gitleaks),
    );
    samples.extend(
        lines(folder, "detect-secrets-dev.jsonl.gz")?
            .into_iter()
            .map(detect_secrets),
    );
    samples.extend(
        lines(folder, "presidio-dev.jsonl.gz")?
            .into_iter()
            .map(presidio),
    );
    samples.extend(
        lines(folder, "aws-values.jsonl.gz")?
            .into_iter()
            .filter_map(aws),
    );
    samples.extend(haechi(&unpacked(folder, "haechi-cases.json.gz")?)?);
    Ok(samples)
}

fn unpacked(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    let packed = fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime
        .block_on(coding::decoded("gzip", &packed))
        .with_context(|| format!("{} is no gzip", path.display()))
}

fn lines<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Vec<T>> {
    let unpacked = unpacked(folder, name)?;
    let lines = unpacked
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(serde_json::from_slice)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{name} is not of the expected form"))
}

#[derive(Deserialize)]
struct Gitleaks {
    label: String,
    rule: String,
    spans_bytes: Vec<(usize, usize)>,
    text: String,
}

fn gitleaks(row: Gitleaks) -> Option<Sample> {
    // One rule looks at a file's name only: there is nothing to find in no text.
    (!row.text.is_empty()).then(|| Sample {
        corpus: "gitleaks",
        class: row.rule,
        secrets: row
            .spans_bytes
            .into_iter()
            .map(|(start, end)| trimmed(&row.text, start..end, false))
            .collect(),
        positive: row.label == "tp",
        text: row.text,
    })
}

#[derive(Deserialize)]
struct DetectSecrets {
    class: String,
    text: String,
    label: String,
    secret: Option<String>,
}

fn detect_secrets(row: DetectSecrets) -> Sample {
    let place = row.secret.and_then(|secret| {
        let start = row.text.find(&secret)?;
        Some(start..start + secret.len())
    });
    Sample {
        corpus: "detect-secrets",
        class: row.class,
        secrets: place.into_iter().collect(),
        positive: row.label == "pos",
        text: row.text,
    }
}

/// The recognisers of Presidio whose classes the detectors are for; what the others find is counted apart.
const PRESIDIO_CLASSES: [&str; 23] = [
    "credit_card",
    "crypto",
    "de_passport",
    "de_tax_id",
    "email",
    "es_nie",
    "es_nif",
    "es_passport",
    "in_aadhaar",
    "in_passport",
    "ip",
    "it_fiscal_code",
    "it_passport",
    "kr_passport",
    "kr_rrn",
    "mac",
    "phone",
    "sg_fin",
    "uk_nino",
    "uk_passport",
    "us_passport",
    "us_ssn",
    "iban",
];

#[derive(Deserialize)]
struct Presidio {
    class: String,
    text: String,
    label: String,
    positions: Option<Vec<(usize, usize)>>,
}

fn presidio(row: Presidio) -> Sample {
    let ours = PRESIDIO_CLASSES.contains(&row.class.as_str());
    // Positions are in characters.
    let byte = |at: usize| {
        row.text
            .char_indices()
            .nth(at)
            .map_or(row.text.len(), |(byte, _)| byte)
    };
    let positions = row.positions.unwrap_or_default().into_iter();
    let secret = |(start, end)| trimmed(&row.text, byte(start)..byte(end), row.class == "ip");
    Sample {
        corpus: if ours { "presidio" } else { "presidio, other" },
        secrets: positions.map(secret).collect(),
        class: row.class,
        positive: row.label == "pos",
        text: row.text,
    }
}

/// A label without the spaces and quotes at its ends, and without what is behind an IP address and stays on purpose: prefix length, zone.
fn trimmed(text: &str, label: Range<usize>, is_address: bool) -> Range<usize> {
    let whole = &text[label.clone()];
    let beside = |char: char| char.is_whitespace() || "\"'`".contains(char);
    let start = label.start + whole.len() - whole.trim_start_matches(beside).len();
    let value = whole.trim_matches(beside);
    let length = match value.find(['/', '%']) {
        Some(behind) if is_address => behind,
        _ => value.len(),
    };
    start..start + length
}

#[derive(Deserialize)]
struct Aws {
    key: String,
    value: String,
}

/// What a value is, by the end of its field's name and what it starts with: other values of such a field are names.
const AWS_FIELDS: [(&str, &[&str], &str); 6] = [
    ("instance", &["instanceid", "instanceids"], "i-"),
    ("vpc", &["vpcid", "vpcids"], "vpc-"),
    (
        "subnet",
        &["subnetid", "subnetids", "subnets", "subnetidentifier"],
        "subnet-",
    ),
    (
        "security group",
        &["groupid", "groupids", "groups", "securitygroupid"],
        "sg-",
    ),
    ("ARN's account", &["arn", "arns", "role"], "arn:"),
    (
        "private IP",
        &["privateip", "privateipaddress", "privateipaddresses"],
        "",
    ),
];

fn aws(row: Aws) -> Option<Sample> {
    let field = row.key.to_ascii_lowercase();
    let is = |&&(_, ends, starts): &&(&str, &[&str], &str)| {
        ends.iter().any(|end| field.ends_with(end)) && row.value.starts_with(starts)
    };
    let &(class, ..) = AWS_FIELDS.iter().find(is)?;
    let start = row.key.len() + r#""": ""#.len();
    let secret = match row.value.strip_prefix("arn:") {
        None => 0..row.value.len(),
        Some(_) => {
            let account = row.value.split(':').nth(4)?;
            let is_account =
                account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
            let before: usize = row
                .value
                .split(':')
                .take(4)
                .map(|part| part.len() + 1)
                .sum();
            is_account.then(|| before..before + account.len())?
        }
    };
    (!row.value.is_empty()).then(|| Sample {
        corpus: "aws",
        class: class.to_owned(),
        text: format!(r#""{}": "{}""#, row.key, row.value),
        secrets: std::iter::once(start + secret.start..start + secret.end).collect(),
        positive: true,
    })
}

#[derive(Deserialize)]
struct Haechi {
    cases: Vec<HaechiCase>,
}

#[derive(Deserialize)]
struct HaechiCase {
    text: String,
    expect: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(rename = "type")]
    class: String,
    present: bool,
}

fn haechi(json: &[u8]) -> Result<impl Iterator<Item = Sample> + use<>> {
    let file: Haechi =
        serde_json::from_slice(json).context("haechi-cases.json is not of the expected form")?;
    Ok(file.cases.into_iter().filter_map(|case| {
        let present = case.expect.iter().find(|expected| expected.present);
        let expected = present.or(case.expect.first())?;
        Some(Sample {
            corpus: "haechi",
            class: expected.class.clone(),
            text: case.text,
            secrets: Vec::new(),
            positive: present.is_some(),
        })
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_its_account_as_secret() {
        let of = |key: &str, value: &str| {
            aws(Aws {
                key: key.to_owned(),
                value: value.to_owned(),
            })
        };
        let sample = of("RoleArn", "arn:aws:iam::123456789012:role/x").unwrap();
        assert_eq!(&sample.text[sample.secrets[0].clone()], "123456789012");
        let sample = of("VpcId", "vpc-1122aabb").unwrap();
        assert_eq!(&sample.text[sample.secrets[0].clone()], "vpc-1122aabb");
        assert!(of("BucketArn", "arn:aws:s3:::b").is_none());
        assert!(of("GroupId", "a-name").is_none());
    }

    #[test]
    fn labels_have_the_value_only() {
        assert_eq!(trimmed("at 10.0.0.0/8", 3..13, true), 3..11);
        assert_eq!(trimmed("at  fe80::1%eth0", 3..16, true), 4..11);
        assert_eq!(trimmed("at \"a/b\" ", 2..9, false), 4..7);
    }

    #[test]
    fn positions_in_characters_become_bytes() {
        let sample = presidio(Presidio {
            class: "es_nie".to_owned(),
            text: "Número X".to_owned(),
            label: "pos".to_owned(),
            positions: Some(vec![(7, 8)]),
        });
        assert_eq!(&sample.text[sample.secrets[0].clone()], "X");
    }
}

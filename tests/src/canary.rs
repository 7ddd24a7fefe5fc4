//! Values that must never leave: one for each kind of class, and the search for them in whatever form they may take.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// A text in which something must be masked.
#[derive(Clone, Debug)]
pub struct Canary {
    /// The class that finds it, by its config key.
    pub class: String,
    /// What a user might write, the value in it.
    pub text: String,
    /// The value.
    pub value: String,
}

/// Prefixes of AWS resource ids; the digits behind them are all alike, so these are made rather than listed.
const RESOURCES: [(&str, &str); 43] = [
    ("ec2_instance", "i-"),
    ("vpc", "vpc-"),
    ("subnet", "subnet-"),
    ("security_group", "sg-"),
    ("security_group_rule", "sgr-"),
    ("ami", "ami-"),
    ("ebs_volume", "vol-"),
    ("ebs_snapshot", "snap-"),
    ("network_interface", "eni-"),
    ("network_interface_attachment", "eni-attach-"),
    ("internet_gateway", "igw-"),
    ("egress_gateway", "eigw-"),
    ("nat_gateway", "nat-"),
    ("route_table", "rtb-"),
    ("route_table_association", "rtbassoc-"),
    ("network_acl", "acl-"),
    ("network_acl_association", "aclassoc-"),
    ("vpn_gateway", "vgw-"),
    ("vpn_connection", "vpn-"),
    ("customer_gateway", "cgw-"),
    ("transit_gateway", "tgw-"),
    ("transit_gateway_attachment", "tgw-attach-"),
    ("transit_gateway_route_table", "tgw-rtb-"),
    ("vpc_peering", "pcx-"),
    ("vpc_endpoint", "vpce-"),
    ("vpc_endpoint_service", "vpce-svc-"),
    ("elastic_ip_allocation", "eipalloc-"),
    ("elastic_ip_association", "eipassoc-"),
    ("launch_template", "lt-"),
    ("dhcp_options", "dopt-"),
    ("prefix_list", "pl-"),
    ("flow_log", "fl-"),
    ("ec2_reservation", "r-"),
    ("ec2_spot_request", "sir-"),
    ("dedicated_host", "h-"),
    ("capacity_reservation", "cr-"),
    ("placement_group", "pg-"),
    ("key_pair", "key-"),
    ("carrier_gateway", "cagw-"),
    ("local_gateway", "lgw-"),
    ("efs_file_system", "fs-"),
    ("efs_access_point", "fsap-"),
    ("efs_mount_target", "fsmt-"),
];

/// A canary for each class.
pub fn all() -> &'static [Canary] {
    static ALL: LazyLock<Vec<Canary>> = LazyLock::new(|| listed().chain(resources()).collect());
    &ALL
}

/// The value of a class.
///
/// # Panics
/// When there is no such class.
pub fn of(class: &str) -> &'static str {
    let canary = all().iter().find(|canary| canary.class == class);
    &canary.expect("a class with a canary").value
}

/// The canaries of a haystack: class and form of each that shows, and nothing where all is well.
pub fn leaks(haystack: &[u8]) -> Vec<String> {
    // Hex digits come in both cases, and no value depends on its case to be secret.
    let haystack = haystack.to_ascii_lowercase();
    let mut shown = std::collections::BTreeSet::new();
    for (at, start) in haystack.windows(START).enumerate() {
        for (needle, name) in NEEDLES.get(start).into_iter().flatten() {
            if haystack[at..].starts_with(needle) {
                shown.insert(name);
            }
        }
    }
    shown.into_iter().cloned().collect()
}

/// Every form is longer than this; its first bytes lead to it, so that one pass over a haystack finds all.
const START: usize = 6;

/// What to look for, and what to call it.
type Needle = (Vec<u8>, String);

static NEEDLES: LazyLock<HashMap<Vec<u8>, Vec<Needle>>> = LazyLock::new(|| {
    let mut needles: HashMap<_, Vec<Needle>> = HashMap::new();
    for canary in all() {
        for (form, needle) in forms(&canary.value) {
            let needle = needle.to_ascii_lowercase();
            let name = format!("{} ({form})", canary.class);
            needles
                .entry(needle[..START].to_vec())
                .or_default()
                .push((needle, name));
        }
    }
    needles
});

fn listed() -> impl Iterator<Item = Canary> {
    include_str!("../canaries.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let line = line.replace('¦', "").replace("\\n", "\n");
            let (class, text) = line.split_once(' ').expect("a class and a text");
            let value = text.split(['»', '«']).nth(1).expect("a marked value");
            let text = text.trim_start().replace(['»', '«'], "");
            Canary {
                class: class.to_owned(),
                text,
                value: value.to_owned(),
            }
        })
}

fn resources() -> impl Iterator<Item = Canary> {
    (0_u64..).zip(RESOURCES).map(|(number, (class, prefix))| {
        let value = format!("{prefix}0c4a1a57e{:08x}", 0x9b3d_51f7 ^ (number << 20));
        Canary {
            class: class.to_owned(),
            text: format!("see {value} for it"),
            value,
        }
    })
}

/// The spellings that a leak could hide behind.
fn forms(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let each =
        |format: fn(u8) -> String| value.bytes().map(format).collect::<String>().into_bytes();
    let mut forms = vec![
        ("plain", value.as_bytes().to_vec()),
        ("hex", each(|byte| format!("{byte:02x}"))),
        ("percent, every byte", each(|byte| format!("%{byte:02x}"))),
        (
            "JSON, every character",
            each(|byte| format!("\\u{byte:04x}")),
        ),
        (
            "percent",
            each(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02x}"),
            }),
        ),
        (
            "JSON",
            each(|byte| {
                if byte == b'\n' {
                    "\\n".to_owned()
                } else {
                    char::from(byte).to_string()
                }
            }),
        ),
        ("reversed", value.bytes().rev().collect()),
    ];
    // Base64 of a text that the value stands in depends on where it starts, modulo three.
    for shift in 0..3 {
        let mut text = vec![0; shift];
        text.extend_from_slice(value.as_bytes());
        let whole = text.len() / 3 * 4;
        let code = base64(&text);
        let inner = code[[0, 2, 3][shift]..whole].to_owned();
        forms.push((
            "base64, URL-safe",
            inner.replace('+', "-").replace('/', "_").into_bytes(),
        ));
        forms.push(("base64", inner.into_bytes()));
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut code = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_u32, |group, index| {
            group << 8 | u32::from(*chunk.get(index).unwrap_or(&0))
        });
        for index in (0..=chunk.len()).map(|index| 18 - 6 * index as u32) {
            let _ = write!(
                code,
                "{}",
                char::from(ALPHABET[(group >> index & 63) as usize])
            );
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_canaries_share_a_class_or_a_value() {
        let mut seen = std::collections::BTreeSet::new();
        for canary in all() {
            assert!(
                seen.insert(&canary.class) && seen.insert(&canary.value),
                "{canary:?}"
            );
            assert!(
                canary.text.contains(&canary.value) && canary.value.len() >= 8,
                "{canary:?}"
            );
        }
    }

    /// Of keys by the hundred that differ by a prefix alone there is one; the agent's own tests have samples of each.
    #[test]
    fn every_canary_is_found_as_what_it_is() {
        let detectors = interceptor_agent::mask::detector::Detectors::builtin();
        let is_found = |canary: &&Canary| {
            let mut findings = Vec::new();
            detectors.scan(&canary.text, &mut findings);
            findings.iter().any(|finding| {
                detectors.class(finding.class).name == canary.class
                    && canary.text[finding.start..finding.end] == canary.value
            })
        };
        let lost: Vec<_> = all().iter().filter(|canary| !is_found(canary)).collect();
        assert!(lost.is_empty(), "{lost:?}");
        assert!(all().len() > 90, "{}", all().len());
    }

    #[test]
    fn every_form_of_a_value_is_found_and_nothing_else() {
        let email = "ada.canary@corp-mail.example";
        assert_eq!(
            leaks(b"ada.canary at corp-mail.example, EMAIL_001"),
            [""; 0]
        );
        for haystack in [
            format!("<{email}>"),
            base64(format!("a{email}z").as_bytes()),
            base64(format!("ab{email}z").as_bytes()),
            base64(email.as_bytes()),
            email.replace('@', "%40"),
            email.bytes().map(|byte| format!("{byte:02X}")).collect(),
            email.bytes().map(|byte| format!("\\u{byte:04x}")).collect(),
        ] {
            assert!(
                leaks(haystack.as_bytes())
                    .iter()
                    .all(|leak| leak.starts_with("email (")),
                "{haystack}"
            );
            assert!(!leaks(haystack.as_bytes()).is_empty(), "{haystack}");
        }
    }

    #[test]
    fn base64_is_as_the_standard_has_it() {
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64(b"foob"), "Zm9vYg");
    }
}

//! The AWS family: resource ids, accounts, keys, hosts of services.

use std::ops::Range;

use crate::mask::detector::row::{Row, Site};

macro_rules! resource_ids {
    ($($name:literal $label:literal $prefix:literal)*) => {
        &[$(Row {
            patterns: &[concat!($prefix, "[0-9a-f]{8,17}")],
            check: resource_id,
            confidence: 0.98,
            hits: &[
                concat!("»", $prefix, "0a1b2c3d4e5f60718« and \"my_»", $prefix, "9f8e7d6c«\""),
                concat!(r"lines\n»", $prefix, r"0a1b2c3d«\nescaped once more"),
                concat!("\"»", $prefix, "0a1b2c3d4«\""),
            ],
            misses: &[
                concat!($prefix, "0a1b2c3 ", $prefix, "0a1b2c3d4 ", $prefix, "0a1b2c3dx ", $prefix, "0A1B2C3D"),
                concat!($prefix, "0a1b2c3d4e5f607189 q", $prefix, "0a1b2c3d ", $prefix, "0a1b2c3d-0a1b-4e5f-8071-aabbccddeeff"),
            ],
            ..Row::new($name, $label)
        }),*]
    };
}

/// Ids of EC2 and its neighbours: a prefix and 8 (old) or 17 (since 2016) hexadecimal digits.
pub const IDS: &[Row] = resource_ids! {
    "ec2_instance" "EC2" "i-"
    "vpc" "VPC" "vpc-"
    "subnet" "SUBNET" "subnet-"
    "security_group" "SG" "sg-"
    "security_group_rule" "SGR" "sgr-"
    "ami" "AMI" "ami-"
    "ebs_volume" "VOL" "vol-"
    "ebs_snapshot" "SNAP" "snap-"
    "network_interface" "ENI" "eni-"
    "network_interface_attachment" "ENI_ATTACH" "eni-attach-"
    "internet_gateway" "IGW" "igw-"
    "egress_gateway" "EIGW" "eigw-"
    "nat_gateway" "NAT" "nat-"
    "route_table" "RTB" "rtb-"
    "route_table_association" "RTBASSOC" "rtbassoc-"
    "network_acl" "ACL" "acl-"
    "network_acl_association" "ACLASSOC" "aclassoc-"
    "vpn_gateway" "VGW" "vgw-"
    "vpn_connection" "VPN" "vpn-"
    "customer_gateway" "CGW" "cgw-"
    "transit_gateway" "TGW" "tgw-"
    "transit_gateway_attachment" "TGW_ATTACH" "tgw-attach-"
    "transit_gateway_route_table" "TGW_RTB" "tgw-rtb-"
    "vpc_peering" "PCX" "pcx-"
    "vpc_endpoint" "VPCE" "vpce-"
    "vpc_endpoint_service" "VPCE_SVC" "vpce-svc-"
    "elastic_ip_allocation" "EIPALLOC" "eipalloc-"
    "elastic_ip_association" "EIPASSOC" "eipassoc-"
    "launch_template" "LT" "lt-"
    "dhcp_options" "DOPT" "dopt-"
    "prefix_list" "PL" "pl-"
    "flow_log" "FL" "fl-"
    "ec2_reservation" "RESERVATION" "r-"
    "ec2_spot_request" "SIR" "sir-"
    "dedicated_host" "DEDICATED_HOST" "h-"
    "capacity_reservation" "CR" "cr-"
    "placement_group" "PG" "pg-"
    "key_pair" "KEY_PAIR" "key-"
    "carrier_gateway" "CAGW" "cagw-"
    "local_gateway" "LGW" "lgw-"
    "efs_file_system" "FS" "fs-"
    "efs_access_point" "FSAP" "fsap-"
    "efs_mount_target" "FSMT" "fsmt-"
};

/// Accounts, keys and hosts.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &[r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}):"],
        confidence: 0.99,
        hits: &[
            "arn:aws:iam::»123456789012«:role/MyRole",
            "arn:aws-us-gov:ec2:us-gov-west-1:»123456789012«:instance/x, arn:aws-cn:sns:cn-north-1:»000000000012«:t",
        ],
        misses: &[
            "arn:aws:s3:::my-bucket",
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
            "arn:aws:iam::1234567890123:role/x",
        ],
        ..Row::new("arn_account", "ACCOUNT")
    },
    Row {
        patterns: &[r"\b\d{12}", r"\b\d{4}-\d{4}-\d{4}"],
        check: account,
        context: &[
            "account",
            "acct",
            "owner",
            "aws",
            "arn:",
            "registry",
            "principal",
            ".dkr.ecr.",
            "계정",
            "caller",
        ],
        confidence: 0.9,
        hits: &[
            "AWS account »123456789012« and \"OwnerId\": \"»210987654321«\"",
            "https://sqs.us-east-1.amazonaws.com/»123456789012«/queue",
            "acct_»123456789012« shown as »1234-5678-9012« in the console",
        ],
        misses: &[
            "order 123456789012 was shipped",
            "Account: Guid = from_u128(0x6997984e_797a_11d9_bed3_505054503030)",
            "account 1234567890123, account 0.123456789012, account 3e5f7b9d-1234-4321-abcd-123456789012",
        ],
        ..Row::new("aws_account", "ACCOUNT")
    },
    Row {
        patterns: &[
            "AKIA[A-Z0-9]{16}",
            "ASIA[A-Z0-9]{16}",
            "ABIA[A-Z0-9]{16}",
            "ACCA[A-Z0-9]{16}",
            "A3T[A-Z0-9]{17}",
        ],
        entropy: 2.5,
        hits: &[
            "AWS_ACCESS_KEY_ID=»AKIAIOSFODNN7EXAMPLE«",
            "\"»ASIAQ3EGRXVZ5LT7MNKA«\"",
        ],
        misses: &[
            "AKIAAAAAAAAAAAAAAAAA",
            "AKIA1234 AKIANOTLONGENOUGH",
            "akiaiosfodnn7example",
            "XAKIAIOSFODNN7EXAMPLE",
        ],
        ..Row::secret("aws_access_key", "AWS_KEY")
    },
    Row {
        patterns: &[
            "(?i)secret",
            "(?i)access[_-]?key",
            "AKIA[A-Z0-9]{16}",
            "ASIA[A-Z0-9]{16}",
        ],
        check: secret_key,
        entropy: 4.2,
        confidence: 0.9,
        hits: &[
            "aws_secret_access_key = »wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY«",
            "export AWS_SECRET_ACCESS_KEY=»wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY«\nAWS_REGION=",
            "AKIAIOSFODNN7EXAMPLE,»wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY«",
            "key »wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY« goes with AKIAIOSFODNN7EXAMPLE",
            r#"{\"SecretAccessKey\": \"»wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY«\"}"#,
        ],
        misses: &[
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "aws_secret_access_key = GoogleCloudMulticloudV1AwsProxyConfigKey",
            "the secret of commit 5f2e1c0a9b8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f",
            "secret=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY=",
            "secret/path/to/Some1/directory/with/many/parts/x",
        ],
        ..Row::secret("aws_secret_key", "AWS_SECRET")
    },
    Row {
        patterns: &[
            "ABSKQmVkcm9ja0FQSUtleS[A-Za-z0-9+/=]{90,}",
            "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t[A-Za-z0-9+/=]{0,4096}",
        ],
        hits: &[
            "AWS_BEARER_TOKEN_BEDROCK=»bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29tLz9BY3Rpb249Q2Fs«",
            concat!(
                "»ABSKQmVkcm9ja0FQSUtleS",
                "1kZXYtYXQtMTIzNDU2Nzg5MDEyOnZkR3FBbmRvbTEyMzQ1Njc4OTBhYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ek5vdFJlYWwxMjM0«"
            ),
        ],
        misses: &["bedrock-api-key-", "ABSKQmVkcm9ja0FQSUtleS1EXAMPLE"],
        ..Row::secret("bedrock_key", "SECRET_BEDROCK")
    },
    Row {
        patterns: &[
            r"\.amazonaws\.com",
            r"\.cloudfront\.net",
            r"\.lambda-url\.[a-z0-9-]+\.on\.aws",
        ],
        check: service_host,
        confidence: 0.95,
        hits: &[
            "psql -h »mydb.c9akciq32rgt.us-east-1.rds.amazonaws.com« -U me",
            "https://»8F7A.gr7.us-west-2.eks.amazonaws.com«/ »internal-a-152.us-west-2.elb.amazonaws.com«.",
            "»123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn«/app »my-bucket.s3.amazonaws.com« »d111111abcdef8.cloudfront.net«",
            "»ec2-203-0-113-12.compute-1.amazonaws.com« »abc123.lambda-url.us-east-1.on.aws«",
        ],
        misses: &[
            "https://sts.amazonaws.com",
            "ec2.us-east-1.amazonaws.com s3.eu-west-1.amazonaws.com",
            "*.cloudfront.net",
        ],
        ..Row::new("service_host", "HOST")
    },
    Row {
        patterns: &[r"ip-\d{1,3}-\d{1,3}-\d{1,3}-\d{1,3}"],
        check: internal_host,
        confidence: 0.95,
        hits: &[
            "»ip-10-0-1-2.ec2.internal«",
            "on »ip-172-31-7-9.us-west-2.compute.internal«, [ec2-user@»ip-10-0-1-2« ~]$",
        ],
        misses: &["ip-1-2-3-4", "ip-10-0-1-256.ec2.internal", "zip-10-0-1-2"],
        ..Row::new("internal_host", "HOST")
    },
];

fn resource_id(site: &Site<'_>) -> Option<Range<usize>> {
    let id = site.bytes(site.all.clone());
    let digits = id.iter().rev().take_while(|&&byte| byte != b'-').count();
    let in_uuid = matches!(site.after(6), [b'-', group @ .., b'-'] if group.iter().all(u8::is_ascii_hexdigit));
    // Documents have ids that were mistyped: in quotes, nothing else begins so.
    let quoted = || {
        let quote = site.before(1);
        matches!(quote, b"\"" | b"'") && quote == site.after(1)
    };
    ((digits == 8 && !in_uuid) || digits == 17 || quoted()).then(|| site.all.clone())
}

fn account(site: &Site<'_>) -> Option<Range<usize>> {
    let in_uuid = matches!(site.before(6), [b'-', group @ .., b'-'] | [b'_', group @ .., b'_'] if group.iter().all(u8::is_ascii_hexdigit));
    let in_number = matches!(site.before(2), [.., b'.'] | [b'0'..=b'9', b'-'])
        || matches!(site.after(2), [b'.' | b'-', b'0'..=b'9']);
    (!in_uuid && !in_number).then(|| site.all.clone())
}

/// The first run of exactly 40 base64 characters, unpadded, within reach: after a name, or on either side of a key id.
fn secret_key(site: &Site<'_>) -> Option<Range<usize>> {
    const REACH: usize = 100;
    let by_key_id = matches!(site.bytes(site.all.clone()), [b'A', _, _, b'A', ..]);
    let from = if by_key_id {
        site.all.start.saturating_sub(REACH)
    } else {
        site.all.end
    };
    let to = site.text.len().min(site.all.end + REACH);
    let mut at = from;
    while at < to {
        let length = site.text[at..]
            .iter()
            .take(REACH)
            .take_while(|&&byte| is_base64(byte))
            .count();
        let whole = at == 0 || !is_base64(site.text[at - 1]);
        let padded = site.text.get(at + length) == Some(&b'=');
        if length == 40 && whole && !padded && looks_random(&site.text[at..at + 40]) {
            return Some(at..at + 40);
        }
        at += length + 1;
    }
    None
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

fn looks_random(key: &[u8]) -> bool {
    let has = |of: fn(&u8) -> bool| key.iter().any(of);
    has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
        && key.iter().filter(|&&byte| byte == b'/').count() <= 4
        && !is_camel_case(key)
}

/// Whether it is words, each with a capital in front, and hardly a digit: the name of a class.
fn is_camel_case(key: &[u8]) -> bool {
    const WORD: usize = 4;
    let words = key
        .split(|byte| !byte.is_ascii_lowercase())
        .filter(|word| word.len() >= WORD);
    key.iter().filter(|byte| byte.is_ascii_digit()).count() <= 1
        && !key.contains(&b'/')
        && words.count() >= 3
}

/// Labels of services whose hosts carry a customer's name in front of them.
const SERVICES: &[&[u8]] = &[
    b"rds",
    b"eks",
    b"elb",
    b"s3",
    b"ecr",
    b"es",
    b"aoss",
    b"cache",
    b"redshift",
    b"redshift-serverless",
    b"execute-api",
    b"efs",
    b"kafka",
    b"mq",
    b"docdb",
    b"neptune",
    b"dax",
    b"compute",
    b"compute-1",
    b"vpce",
    b"s3-website",
    b"s3-accelerate",
    b"fsx",
    b"memorydb",
    b"iot",
];

fn service_host(site: &Site<'_>) -> Option<Range<usize>> {
    let host = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'-' | b'.' | b'_');
    let before = site.text[..site.all.start]
        .iter()
        .rev()
        .take(253)
        .take_while(host)
        .count();
    let start = site.all.start - before;
    let prefix = site.text[start..site.all.start].split(|&byte| byte == b'.');
    let named = if site.bytes(site.all.clone()) == b".amazonaws.com" {
        prefix.enumerate().any(|(index, label)| {
            index > 0 && (SERVICES.contains(&label) || label.starts_with(b"s3-"))
        })
    } else {
        before > 0
    };
    let china = site.after(3) == b".cn";
    named.then_some(start..site.all.end + if china { 3 } else { 0 })
}

fn internal_host(site: &Site<'_>) -> Option<Range<usize>> {
    let mut octets = site.bytes(site.all.clone())[3..]
        .split(|&byte| byte == b'-')
        .map(|octet| {
            octet
                .iter()
                .fold(0u32, |number, digit| number * 10 + u32::from(digit - b'0'))
        });
    let private = matches!(
        (octets.next()?, octets.next()?),
        (10, _) | (172, 16..=31) | (192, 168) | (100, 64..=127)
    );
    let domain = site.after(64);
    let suffix = domain
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        .count();
    let suffix = match domain[..suffix]
        .windows(9)
        .position(|window| window == b".internal")
    {
        Some(at) => at + 9,
        None => 0,
    };
    let in_range = site.bytes(site.all.clone())[3..]
        .split(|&byte| byte == b'-')
        .all(|octet| std::str::from_utf8(octet).is_ok_and(|octet| octet.parse::<u8>().is_ok()));
    ((private || suffix > 0) && in_range).then_some(site.all.start..site.all.end + suffix)
}

//! Keys of single vendors: a prefix of their own, a length, and entropy against placeholders.
//!
//! Samples are made up; they are written in two parts so that scanners of source code leave them alone.

use std::ops::Range;

use crate::mask::detector::{
    check::crc32,
    row::{Row, Site},
};

/// One row a vendor and kind of key.
pub const ROWS: &[Row] = &[
    Row {
        patterns: &["gh[pousr]_[A-Za-z0-9]{36,255}", r"github_pat_\w{82}"],
        proof: checksum,
        hits: &[
            concat!("»ghp_", "x3k9gxwzaj742wt03lk6ia7hzyfnhhcuogoh«"),
            concat!(
                "\"»github_pat_",
                "11ABCDEFG0a1b2c3d4e5f6_gHiJkLmNoPqRsTuVwXyZ0123456789aBcDeFgHiJkLmNoPqRsTuVwXyZ012«\""
            ),
        ],
        misses: &[
            "ghp_short",
            "ghu_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "github_pat_xxxxxxxxxxxxxxxxxxxxxx",
        ],
        ..Row::secret("github_token", "SECRET_GITHUB")
    },
    Row {
        patterns: &[
            r"glpat-[\w-]{20,}",
            r"glpat-[\w-]{27,}\.[0-9a-z]{2}\.?[0-9a-z]{7}",
            r"glrt-[\w-]{20,}",
            r"glrt-[\w-]{27,}\.[0-9a-z]{2}\.?[0-9a-z]{7}",
            r"gldt-[\w-]{20,}",
            r"glptt-[\w-]{40}",
            r"glcbt-[\w-]{20,}",
            r"glft-[\w-]{20,}",
            r"glimt-[\w-]{25}",
            r"glagent-[\w-]{50,}",
            r"glsoat-[\w-]{20,}",
            r"gloas-[\w-]{64}",
            r"glffct-[\w-]{20,}",
            r"GR1348941[\w-]{20,}",
            "_gitlab_session=([0-9a-z]{32})",
        ],
        hits: &[
            concat!(
                "»glpat-",
                "vwnw89sj9snts7cfjczt« »GR1348941",
                "3qd5g8p5posn8j8vjbbt«"
            ),
            concat!(
                "»glpat-",
                "yp6r6mm47jjg7pq3aq5lgz2nsax.fobzaksus«, »glrt-",
                "t4_g53nccbsnnvsek8empmbngi16s8.ug8nbn51x«"
            ),
        ],
        misses: &[
            "glpat-XXXXXXXXXXX-XXXXXXXX",
            "glpat-hellOWorld380 testin",
            "GR1348941helloWord0",
        ],
        ..Row::secret("gitlab_token", "SECRET_GITLAB")
    },
    Row {
        patterns: &[
            r"xox[a-z]-[\w-]{20,}",
            r"xoxe\.xox[bp]-[\w-]{20,}",
            r"xapp-[\w-]{20,}",
        ],
        entropy: 2.5,
        hits: &[
            concat!(
                "»xoxb-",
                "781236542736-2364535789652-GkwFDQoHqzXDVsC6GzqYUypD«"
            ),
            concat!("»xapp-", "1-A052FGTS2DL-5171572773297-610b6a11f4b7eb81«"),
        ],
        misses: &[
            "xoxb-xxxxxxxxx-xxxxxxxxxx-xxxxxxxxxxxx",
            "xoxb-Slack_BOT_TOKEN",
            "xoxe-1-xxx",
            "xapp-1-short",
        ],
        ..Row::secret("slack_token", "SECRET_SLACK")
    },
    Row {
        patterns: &[
            r"hooks\.slack\.com/services/([A-Za-z0-9+/]{40,60})",
            r"hooks\.slack\.com/workflows/([A-Za-z0-9+/]{40,80})",
            r"hooks\.slack\.com/triggers/([A-Za-z0-9+/]{40,80})",
        ],
        hits: &[concat!(
            "https://hooks.slack",
            ".com/services/»T024TTTTT/BBB72BBL/AZAAA9u0pA4ad666eMgbi555«"
        )],
        misses: &[
            "https://hooks.slack.com/services/",
            "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
        ],
        ..Row::secret("slack_webhook", "SECRET_SLACK")
    },
    Row {
        patterns: &[
            "[rs]k_live_[A-Za-z0-9]{10,}",
            "[rs]k_test_[A-Za-z0-9]{10,}",
            "[rs]k_prod_[A-Za-z0-9]{10,}",
            r"whsec_[A-Za-z0-9+/]{32,}",
        ],
        hits: &[concat!(
            "»sk_test",
            "_necxc7j1u5a10y8ajgs6hi0pgqad4d« »rk_live",
            "_ReTllpYQYfIZu2Jnf2lAPFjD«"
        )],
        misses: &[
            "task_test_rqpy7fo35yxdahnhph9ck97sd0y10g",
            "pk_live_j5krY8XTgIcDaHDb3YrsAfCl",
            "sk_live_xxxxxxxxxxxx",
        ],
        ..Row::secret("stripe_key", "SECRET_STRIPE")
    },
    Row {
        patterns: &[r"AIza[\w-]{35}"],
        hits: &[concat!("\"»AIza", "6PRiiV4hQst3Pz6pryUz80G0w2dKVV28nO2«\"")],
        misses: &[
            "AIzaShort",
            "AIZASYCO2CXRMC9ELSKLHLHRMBSWDEVEDZTLO2O",
            "xAIza6PRiiV4hQst3Pz6pryUz80G0w2dKVV28nO2",
        ],
        ..Row::secret("google_api_key", "SECRET_GOOGLE")
    },
    Row {
        patterns: &[
            r"ya29\.[\w-]{20,2048}",
            r"GOCSPX-[\w-]{28}",
            r"1//0[\w-]{40,}",
        ],
        hits: &[concat!(
            "»ya29.",
            "a0AfH6SMBx7kq3vT9Lr2Wd8Ke5Rf« »GOCSPX-",
            "q1Wd8Ke5Rf2Tg9Yh6Uj3Ik0Ol7Pa«"
        )],
        misses: &["ya29.short", "GOCSPX-xxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
        ..Row::secret("google_oauth", "SECRET_GOOGLE")
    },
    Row {
        patterns: &["npm_[A-Za-z0-9]{36}"],
        proof: checksum,
        hits: &[concat!(
            "_authToken=»npm_",
            "zmdkugbiwph62uwl0c8hdpx55zi5u92xvkdr«"
        )],
        misses: &[
            "npm_config_registry",
            "npm_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ],
        ..Row::secret("npm_token", "SECRET_NPM")
    },
    Row {
        patterns: &[r"pypi-Ag[\w-]{50,}"],
        hits: &[concat!(
            "»pypi-",
            "AgEIcHlwaS5vcmc1528280ac1beb5765b8e64d3735312b87bc9adbceacf13afcf7c576017a90cfd«"
        )],
        misses: &["pypi-AgEIcHlwaS5vcmc", "pypi-publish-action"],
        ..Row::secret("pypi_token", "SECRET_PYPI")
    },
    Row {
        patterns: &[r"SG\.[\w=-]{20,24}\.[\w=-]{39,50}", r"SG\.[\w=.-]{66}"],
        hits: &[concat!(
            "»SG.",
            "ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr«"
        )],
        misses: &[
            "SG.short.token",
            "MSG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr",
        ],
        ..Row::secret("sendgrid_key", "SECRET_SENDGRID")
    },
    Row {
        patterns: &["SK[0-9a-f]{32}", "AC[0-9a-f]{32}"],
        hits: &[concat!("TWILIO=»SK", "058b1c95b9d5471ee1cd63b294e53bdb«")],
        misses: &[
            "SK00000000000000000000000000000000",
            "TASK058b1c95b9d5471ee1cd63b294e53bdb",
            "SK058b1c95",
        ],
        ..Row::secret("twilio_key", "SECRET_TWILIO")
    },
    Row {
        patterns: &[r"\b\d{5,16}:A[\w-]{34}", r"bot(\d{5,16}:A[\w-]{34})"],
        check: telegram,
        hits: &[
            concat!("\"»110201543:", "AAHdqTcvCH1vGWJxfSe1ofSAs0K5PALDsaw«\""),
            concat!(
                "https://api.telegram.org/bot»110201543:",
                "AAHdqTcvCH1vGWJxfSe1ofSAs0K5PALDsaw«/getMe"
            ),
        ],
        misses: &[
            "34560688:A_0m5mmp63xdcdutqr18by6m3lv99onzycpz_",
            "foo:AAH1bjqpKKW3maRSPAxzIU-0v6xNuq2-NjM",
            "12345678:AGENCY",
        ],
        ..Row::secret("telegram_token", "SECRET_TELEGRAM")
    },
    Row {
        patterns: &[
            "(?i)AccountKey=([A-Za-z0-9+/]{40,}={0,2})",
            "(?i)SharedAccessKey=([A-Za-z0-9+/]{43}=)",
        ],
        hits: &[concat!(
            "AccountName=x;AccountKey=»lJzRc1YdHaAA2KCNJJ1tkYwF/+mKK6Ygw0NGe170Xu592euJv2wYUtBlV8z+qnlcN",
            "Bw1ZVQjTtbAsgwzO3RMMw==«;"
        )],
        misses: &["AccountKey=...", "AccountKey={key}"],
        ..Row::secret("azure_account_key", "SECRET_AZURE")
    },
    Row {
        patterns: &["[?&;]sig=([A-Za-z0-9%/+]{43,}=?)"],
        entropy: 3.5,
        hits: &[
            "https://x.blob.core.windows.net/c?sv=2022-11-02&sig=»q1Wd8Ke5Rf2Tg9Yh6Uj3Ik0Ol7Pa4Sz1Xd8Ce5Vr2B%2Bt%3D«&se=1",
        ],
        misses: &["?sig=short", "&sig={signature}"],
        ..Row::secret("azure_sas", "SECRET_AZURE")
    },
    Row {
        patterns: &[r"[\w~.]{3}\dQ~[\w~.-]{31,34}"],
        hits: &[concat!(
            "client_secret=»bP88",
            "Q~rcBcYjzzOhg1Hnn76Wm3jGgakZiZ.8vMgR«"
        )],
        misses: &["~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~", "abc8Q~short"],
        ..Row::secret("azure_client_secret", "SECRET_AZURE")
    },
    Row {
        patterns: &[r"hv[bsr]\.[\w-]{24,}", r"s\.[A-Za-z0-9]{24}"],
        check: vault,
        hits: &[concat!(
            "VAULT_TOKEN=»hvs.",
            "CAESIJ0kq3vT9Lr2Wd8Ke5Rf2Tg9Yh6Uj3« vault login »s.2nePBoXSIYZ9jKPHdHwaD3So«"
        )],
        misses: &[
            "hvs.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "hvs.short",
            "s.2nePBoXSIYZ9jKPHdHwaD3So",
        ],
        ..Row::secret("vault_token", "SECRET_VAULT")
    },
    Row {
        patterns: &[
            "(?i)datadog",
            r"(?i)dd[_-]ap[ip][_-]key",
            r"(?i)dd[_-]application[_-]key",
        ],
        check: datadog,
        confidence: 0.9,
        hits: &[
            "<datadogToken>\n    »6dqls27fx8ubo3urw86i94qj1y4nw1fgvjvr84zd«\n</datadogToken>",
            "DD_API_KEY=»0e6f44a47a05f1dad2ad7e88c4c1d6b7«",
        ],
        misses: &[
            "datadog agent 7.50",
            "0e6f44a47a05f1dad2ad7e88c4c1d6b7",
            "datadog: 00000000000000000000000000000000",
        ],
        ..Row::secret("datadog_key", "SECRET_DATADOG")
    },
];

/// GitHub and npm end a token with the CRC-32 of the thirty characters before, as six digits in base 62.
fn checksum(token: &[u8]) -> bool {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some([b'_', body @ ..]) = token.last_chunk::<37>() else {
        return false;
    };
    let (random, expected) = body.split_at(30);
    let mut crc = crc32(random);
    expected.iter().rev().all(|&digit| {
        let matches = digit == DIGITS[(crc % 62) as usize];
        crc /= 62;
        matches
    })
}

/// A key that goes on after its last character is none; bots today have 8 to 10 digits, others need the name near.
fn telegram(site: &Site<'_>) -> Option<Range<usize>> {
    let goes_on = site
        .after(1)
        .first()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let digits = site.value.len() - 36;
    (!goes_on && (matches!(digits, 8..=10) || site.has_near(&["telegr", "bot"])))
        .then(|| site.value.clone())
}

/// Tokens of Vault before 1.10 have only two characters of their own, so they need the name near.
fn vault(site: &Site<'_>) -> Option<Range<usize>> {
    let own_prefix = site.bytes(site.value.clone()).starts_with(b"hv");
    (own_prefix || site.has_near(&["vault"])).then(|| site.value.clone())
}

/// The first run of 32 (API key) or 40 (application key) letters and digits soon after the name.
fn datadog(site: &Site<'_>) -> Option<Range<usize>> {
    const REACH: usize = 60;
    let mut at = site.all.end;
    while at < site.text.len().min(site.all.end + REACH) {
        let run = &site.text[at..];
        let length = run
            .iter()
            .take(64)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        if matches!(length, 32 | 40) && run[..length].iter().any(u8::is_ascii_digit) {
            return Some(at..at + length);
        }
        at += length + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_checksum_is_proof() {
        let random = b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ";
        let mut crc = crc32(random);
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                [(crc % 62) as usize];
            crc /= 62;
        }
        let token = [&b"ghp_"[..], random, &digits].concat();
        assert!(checksum(&token));
        assert_eq!(&digits, b"0mLq17", "as published by GitHub for this token");
        let mut forged = token;
        forged[10] ^= 1;
        assert!(!checksum(&forged));
    }
}

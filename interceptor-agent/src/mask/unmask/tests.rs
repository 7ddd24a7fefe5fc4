//! Tokens in whole texts and in pieces.

use proptest::prelude::*;

use super::*;

const PEM: &str = "-----BEGIN \"A\"\\\n-----END";

pub(in crate::mask) fn map() -> Arc<TokenMap> {
    let map = [
        ("EC2_001", "i-0abc"),
        ("EC2_002", "i-0def"),
        ("EC2_0021", "i-0long"),
        ("IP_001", "203.0.113.9"),
        ("PRIVATE_IP_001", "10.1.2.3"),
        ("PEM_001", PEM),
    ];
    let owned = map.map(|(token, value)| (token.to_owned(), value.to_owned()));
    Arc::new(owned.into_iter().collect())
}

fn tokens() -> Tokens {
    Tokens::new(map())
}

/// What a plain text is to become.
pub(in crate::mask) fn whole(text: &str) -> String {
    String::from_utf8(
        tokens()
            .unmask(text.as_bytes(), Escaping::None)
            .into_owned(),
    )
    .unwrap()
}

fn pieces(tokens: &Tokens, escaping: Escaping, pieces: &[&[u8]]) -> String {
    let mut text = Pieces::new(escaping);
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(&text.push(tokens, piece));
    }
    out.extend_from_slice(&text.finish(tokens, b""));
    assert!(!text.is_holding());
    String::from_utf8(out).unwrap()
}

#[test]
fn a_token_counts_between_boundaries() {
    for (text, expected) in [
        ("EC2_001", "i-0abc"),
        ("(EC2_001, EC2_002)", "(i-0abc, i-0def)"),
        ("인스턴스EC2_001는", "인스턴스i-0abc는"),
        (
            "EC2_001s EC2_001_backup EC2_001.",
            "i-0abcs i-0abc_backup i-0abc.",
        ),
        ("PRIVATE_IP_001 IP_001", "10.1.2.3 203.0.113.9"),
        (
            "HOST_EC2_001 PRIVATE_PRIVATE_IP_001",
            "HOST_i-0abc PRIVATE_10.1.2.3",
        ),
        (
            r#"print("a\nEC2_001\tEC2_002")"#,
            r#"print("a\ni-0abc\ti-0def")"#,
        ),
        ("?id%3DEC2_001&x=%2fEC2_002", "?id%3Di-0abc&x=%2fi-0def"),
    ] {
        assert_eq!(whole(text), expected);
    }
    for text in [
        "EC2_0010", "EC2_003", "XEC2_001", "9EC2_001", "ec2_001", "EC2_0", "DEC2_001",
    ] {
        assert!(
            matches!(
                tokens().unmask(text.as_bytes(), Escaping::None),
                Cow::Borrowed(_)
            ),
            "{text}"
        );
    }
}

#[test]
fn the_longest_token_wins() {
    assert_eq!(
        whole("EC2_0021 EC2_002 EC2_00210"),
        "i-0long i-0def EC2_00210"
    );
}

#[test]
fn markdown_may_escape_any_underscore() {
    assert_eq!(
        whole(r"EC2\_001 PRIVATE\_IP\_001 PRIVATE_IP\_001 PRIVATE\_IP_001"),
        "i-0abc 10.1.2.3 10.1.2.3 10.1.2.3"
    );
    for text in [r"EC2\\_001", r"EC\2_001", r"EC2\", r"EC2\_\001"] {
        assert_eq!(whole(text), text);
    }
}

#[test]
fn values_are_escaped_as_deep_as_the_token_stood() {
    let at = |escaping, raw: &str| {
        String::from_utf8(tokens().unmask(raw.as_bytes(), escaping).into_owned()).unwrap()
    };
    let parse = |raw: &str| serde_json::from_str::<String>(&format!("\"{raw}\"")).unwrap();
    assert_eq!(
        parse(&at(Escaping::Json, r"\nPEM\u005f001")),
        format!("\n{PEM}")
    );
    assert_eq!(parse(&at(Escaping::Json, r"PEM\\_001")), PEM);
    let arguments = parse(&at(Escaping::JsonInJson, r#"{\"k\":\"\\n\\u0050EM_001\"}"#));
    let arguments: serde_json::Value = serde_json::from_str(&arguments).unwrap();
    assert_eq!(arguments["k"], format!("\n{PEM}"));
}

#[test]
fn only_what_may_become_a_token_is_held() {
    let tokens = tokens();
    for (text, out) in [
        ("plain", "plain"),
        ("see E", "see "),
        ("see EC2_00", "see "),
        ("see EC2_001", "see "),
        (r"see EC2\", "see "),
        ("see EC2_003", "see EC2_003"),
        ("see EX", "see EX"),
        ("seeE", "seeE"),
        ("see EC2_001 ", "see i-0abc "),
        (r"see \", r"see \"),
    ] {
        let mut pieces = Pieces::new(Escaping::None);
        assert_eq!(
            pieces.push(&tokens, text.as_bytes()),
            out.as_bytes(),
            "{text}"
        );
        assert_eq!(
            pieces.is_holding(),
            text.len() > out.len() && !text.ends_with(' '),
            "{text}"
        );
    }
    let mut arguments = Pieces::new(Escaping::JsonInJson);
    assert_eq!(arguments.push(&tokens, br"(\\u00"), &b"("[..]);
    assert_eq!(arguments.push(&tokens, br"45C2_001\\n"), &br"i-0abc\\n"[..]);
}

#[test]
fn a_boundary_is_remembered_between_pieces() {
    let tokens = tokens();
    assert_eq!(
        pieces(&tokens, Escaping::None, &[b"X", b"EC2_001"]),
        "XEC2_001"
    );
    assert_eq!(
        pieces(&tokens, Escaping::None, &[b"EC2_001", b"0"]),
        "EC2_0010"
    );
    assert_eq!(
        pieces(&tokens, Escaping::None, &[b"\\", b"n", b"EC2_001"]),
        r"\ni-0abc"
    );
}

/// Text made of what is likely to go wrong.
pub(in crate::mask) fn text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "EC2_001",
        "EC2_002",
        "EC2_0021",
        "EC2_",
        "EC2",
        "E",
        "PRIVATE_",
        "IP_001",
        r"EC2\_001",
        "PEM_001",
        r"\",
        r"\n",
        r"\_",
        "_",
        "1",
        "0",
        " ",
        "x",
        "\n",
        "\"",
        "é",
        "\u{2028}",
        "😀",
        "%3D",
    ]);
    prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

/// `text` as JSON text with `\u` escapes where `choice` says so.
pub(in crate::mask) fn json_escaped(text: &str, choice: u64) -> String {
    let mut out = String::new();
    for (number, c) in text.chars().enumerate() {
        if choice >> (number % 64) & 1 == 1 {
            let mut units = [0; 2];
            out.extend(
                c.encode_utf16(&mut units)
                    .iter()
                    .map(|unit| format!("\\u{unit:04x}")),
            );
        } else {
            let quoted = serde_json::to_string(&c.to_string()).unwrap();
            out.push_str(&quoted[1..quoted.len() - 1]);
        }
    }
    out
}

proptest! {
    #[test]
    fn any_cut_and_any_escaping_unmask_to_the_same(
        text in text(),
        escapes in any::<[u64; 2]>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let tokens = tokens();
        let expected = whole(&text);
        let parse = |raw: &str| serde_json::from_str::<String>(&format!("\"{raw}\"")).unwrap();
        let json = json_escaped(&text, escapes[0]);
        let nested = json_escaped(&json, escapes[1]);
        for (escaping, raw) in [(Escaping::None, &text), (Escaping::Json, &json), (Escaping::JsonInJson, &nested)] {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(raw.len() + 1)).collect();
            cuts.extend([0, raw.len()]);
            cuts.sort_unstable();
            let cut: Vec<&[u8]> = cuts.windows(2).map(|cut| &raw.as_bytes()[cut[0]..cut[1]]).collect();
            let out = pieces(&tokens, escaping, &cut);
            let decoded = match escaping {
                Escaping::None => out.clone(),
                Escaping::Json => parse(&out),
                Escaping::JsonInJson => parse(&parse(&out)),
            };
            prop_assert_eq!(&decoded, &expected);
            if expected == text {
                prop_assert_eq!(&out, raw);
            }
        }
    }
}

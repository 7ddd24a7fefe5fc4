//! The user's own objects within the API's structure, where a key says what its value is.

use super::*;
use crate::protocol::{bedrock, gemini, mcp};

const PASSWORD: &str = concat!("Tr0ub4", "dor&3");

/// Bodies with `OWN` where an object is the user's own.
const PLACES: &[(&Endpoint, &str)] = &[
    (
        &bedrock::CONVERSE,
        r#"{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"b","input":OWN}}]}]}"#,
    ),
    (
        &bedrock::COUNT_TOKENS,
        r#"{"input":{"converse":{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"b","input":OWN}}]}]}}}"#,
    ),
    (
        &bedrock::COUNT_TOKENS,
        r#"{"input":{"converse":{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"b","input":{"converse":OWN}}}]}]}}}"#,
    ),
    (
        &mcp::MESSAGE,
        r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":OWN}}"#,
    ),
    (
        &mcp::MESSAGE,
        r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{"arguments":{"_meta":OWN}}}"#,
    ),
    (&gemini::PREDICT, r#"{"instances":[OWN],"parameters":{}}"#),
    (&gemini::PREDICT, r#"{"instances":[{"content":[OWN]}]}"#),
];

#[test]
fn a_key_says_what_its_value_is() {
    for (endpoint, body) in PLACES {
        for own in [
            format!(r#"{{"password":"{PASSWORD}"}}"#),
            r#"{"id":4111111111111111}"#.to_owned(),
            format!(r#"{{"type":"other","password":"{PASSWORD}"}}"#),
        ] {
            let body = body.replace("OWN", &own);
            let (masked, tokens) = mask(endpoint, &body);
            assert_eq!(tokens.len(), 1, "{body}");
            assert!(
                !masked.contains(PASSWORD) && !masked.contains("4111"),
                "{masked}"
            );
        }
    }
}

#[test]
fn what_is_the_protocols_own_stays() {
    for body in [
        r#"{"jsonrpc":"2.0","id":4111111111111111,"method":"a","params":{"_meta":{"progressToken":4111111111111111}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":4111111111111111,"progress":1}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"role":"assistant","content":{"type":"image","mimeType":"image/png","data":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"}}}"#,
    ] {
        assert_eq!(mask(&mcp::MESSAGE, body).0, body);
    }
    let rows = r#"{"instances":[{"prompt":"a door","image":{"bytesBase64Encoded":"iVBORw0KGgo=","mimeType":"image/png"}}]}"#;
    assert_eq!(mask(&gemini::PREDICT, rows).0, rows);
}

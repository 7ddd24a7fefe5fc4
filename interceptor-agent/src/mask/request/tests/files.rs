//! Files that bodies carry in base64: text is masked as text, media stays.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::protocol::{bedrock, gemini, mcp};

const TEXT: &str = "host,id\nweb,i-0123456789abcdef0\n";
const MASKED: &str = "host,id\nweb,EC2_001\n";
/// The comment that tells transfers that it is binary, and a link in the clear.
const PDF: &[u8] =
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<</URI (mailto:ann@corp-mail.example)>>endobj\n";

/// Bodies with `FILE` where a file stands.
fn places() -> Vec<(&'static Endpoint, &'static str)> {
    vec![
        (
            &anthropic::MESSAGES,
            r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","media_type":"text/plain","data":"FILE"}}]}]}"#,
        ),
        (
            &gemini::GENERATE,
            r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"text/csv","data":"FILE"}}]}]}"#,
        ),
        (
            &gemini::GENERATE,
            r#"{"contents":[{"parts":[{"inline_data":{"mime_type":"image/png","data":"FILE"}}]}]}"#,
        ),
        (
            &openai::CHAT,
            r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.csv","file_data":"data:text/csv;base64,FILE"}}]}]}"#,
        ),
        (
            &openai::RESPONSES,
            r#"{"input":[{"role":"user","content":[{"type":"input_file","file_data":"data:text\/csv;base64,FILE"}]}]}"#,
        ),
        (
            &bedrock::CONVERSE,
            r#"{"messages":[{"role":"user","content":[{"document":{"format":"csv","name":"a","source":{"bytes":"FILE"}}}]}]}"#,
        ),
        (
            &mcp::MESSAGE,
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"resource","resource":{"uri":"a","blob":"FILE"}}]}}"#,
        ),
    ]
}

#[test]
fn a_file_of_text_is_masked_as_what_it_says() {
    for (endpoint, body) in places() {
        let of = |text: &str| body.replace("FILE", &STANDARD.encode(text));
        // It may begin as media does, under whatever type.
        for beginning in ["", "GIF89a;", "%PDF-1.7\n"] {
            let (masked, tokens) = mask(endpoint, &of(&format!("{beginning}{TEXT}")));
            let expected = of(&format!("{beginning}{MASKED}"));
            assert_eq!(masked, expected.replace(r"\/", "/"), "{endpoint:?}");
            assert_eq!(tokens.len(), 1);
        }
        let clean = of("nothing, to be found");
        assert_eq!(mask(endpoint, &clean).0, clean, "{endpoint:?}");
    }
}

#[test]
fn a_file_of_media_stays() {
    for (endpoint, body) in places() {
        let body = body.replace("text/csv", "application/pdf");
        let body = body.replace("text/plain", "application/pdf");
        let body = body.replace(r"text\/csv", r"application\/pdf");
        let body = body.replace("FILE", &STANDARD.encode(PDF));
        assert_eq!(mask(endpoint, &body).0, body, "{endpoint:?}");
    }
}

#[test]
fn media_that_calls_itself_text_is_looked_at() {
    for (endpoint, body) in places() {
        let body = body.replace("FILE", &STANDARD.encode(PDF));
        let said = body.contains("text/") || body.contains(r"text\/");
        assert_eq!(mask(endpoint, &body).0 != body, said, "{endpoint:?}");
    }
}

#[test]
fn a_file_shares_the_tokens_of_its_request_turn_after_turn() {
    let filler = "nothing to be found in this line\n".repeat(40);
    let file = STANDARD.encode(format!("{filler}{TEXT}"));
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":[{{"type":"text","text":"{OTHER} and {ID}"}},{{"type":"document","source":{{"type":"base64","media_type":"text/plain","data":"{file}"}}}}]}},{{"role":"user","content":"{OTHER}"}}]}}"#
    );
    let (masked, tokens) = mask(&anthropic::MESSAGES, &body);
    let encoded = STANDARD.encode(format!("{filler}{MASKED}"));
    assert!(masked.contains(&encoded), "the file has its token first");
    assert!(masked.contains("EC2_002 and EC2_001") && masked.contains(r#""content":"EC2_002""#));
    assert_eq!(tokens.len(), 2);
    assert_eq!(messages(&body), masked, "from what was remembered");
}

#[test]
fn a_class_to_block_is_seen_in_a_file() {
    let masker = with_action("ec2_instance", Action::Block, Mode::Enforce);
    for (endpoint, body) in places() {
        let body = Bytes::from(body.replace("FILE", &STANDARD.encode(TEXT)));
        let refused = masker.begin().body(endpoint, &body);
        assert!(matches!(refused, Err(MaskError::Blocked { .. })));
    }
}

//! Which spans a body has, in which order.

use super::*;
use crate::{
    json,
    protocol::{Endpoint, GENERIC, anthropic, cohere, openai},
};

/// The raw text of each span, unit by unit.
fn spans(endpoint: &Endpoint, body: &str) -> Vec<String> {
    let doc = json::parse(body.as_bytes()).unwrap();
    let mut units_seen = Vec::new();
    for unit in units(doc.root(), endpoint.request) {
        let mut seen: Vec<&str> = Vec::new();
        for entry in &unit {
            entry.walk(endpoint.request, &mut |span| {
                seen.push(match span {
                    Span::Text(value) | Span::Json(value) => &body[value.inner()],
                    Span::Member { key, value } => &body[key.range().start..value.range().end],
                    Span::File(value, _) => &body[value.range()],
                    Span::TokenIds => "IDS",
                });
            });
        }
        units_seen.push(seen.join(" "));
    }
    units_seen
}

#[test]
fn units_come_in_canonical_order() {
    let body = r#"{"model":"m","messages":[{"content":"u1","role":"user"},{"role":"assistant","content":[{"type":"text","text":"a1"}]}],
        "metadata":{"user_id":"x"},"tools":[{"name":"t","input_schema":{"properties":{"p":{"description":"d"}}}}],"system":"s"}"#;
    let seen = spans(&anthropic::MESSAGES, body);
    assert_eq!(
        seen,
        [
            "s",
            r#"t properties p "description":"d""#,
            "u1",
            "a1",
            r#"m "user_id":"x""#
        ]
    );
}

#[test]
fn the_users_own_data_has_no_opaque_keys() {
    let body = r#"{"messages":[{"role":"r","content":[{"type":"tool_use","id":"toolu","name":"n","input":{"id":"i","type":[1,"t"]}},
        {"type":"tool_result","tool_use_id":"toolu","content":[{"type":"text","text":"out"}]}]}]}"#;
    assert_eq!(
        spans(&anthropic::MESSAGES, body),
        [r#"toolu n "id":"i" type 1 t toolu out"#]
    );
}

#[test]
fn signed_and_binary_content_is_opaque_only_in_its_place() {
    let body = r#"{"messages":[{"content":[{"type":"thinking","thinking":"no","signature":"no"},{"type":"redacted_thinking","data":"no"},
        {"type":"text","thinking":"yes1"},{"type":"thinking","type":"text","thinking":"yes2"},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"yes 3"}},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"/+7dzA=="}},
        {"type":"document","source":{"type":"base64","media_type":"text/plain","data":"eWVz"}}]}]}"#;
    assert_eq!(
        spans(&anthropic::MESSAGES, body),
        [
            r#"yes1 yes2 base64 image/png base64 image/png yes 3 base64 image/png base64 text/plain "eWVz""#
        ]
    );
}

#[test]
fn openai_arguments_are_json_and_media_is_opaque() {
    let body = r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
        {"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}},{"type":"input_audio",
        "input_audio":{"data":"bm8=","format":"wav"}},{"type":"text","text":"t"}]}],"seed":7,"top_k":5,"new_field":{"type":"y"}}"#;
    assert_eq!(
        spans(&openai::CHAT, body),
        ["c f {}", "wav t", r#"5 "type":"y""#]
    );
}

#[test]
fn a_url_of_media_has_to_begin_as_media_and_stand_where_the_api_reads_it() {
    let png = "data:image/png;base64,iVBORw0KGgo=";
    let places = [
        (
            &openai::CHAT,
            r#"{"messages":[{"content":[{"image_url":{"url":"URL"}}]}]}"#,
        ),
        (
            &openai::RESPONSES,
            r#"{"input":[{"content":[{"image_url":"URL"}]}]}"#,
        ),
        (
            &openai::RESPONSES,
            r#"{"input":[{"output":{"image_url":"URL"}}]}"#,
        ),
        (&cohere::EMBED, r#"{"images":["URL"]}"#),
    ];
    for (endpoint, body) in places {
        for (url, seen) in [
            (png, ""),
            ("data:image/png;base64,AKIAIOSFODNN7EXAMPLE", "seen"),
            ("data:text/csv;base64,iVBORw0KGgo=", "seen"),
            ("data:image/png;base64,iVBORw0KGgo= and more", "seen"),
            ("iVBORw0KGgo=", "seen"),
        ] {
            let seen = seen.replace("seen", url);
            assert_eq!(spans(endpoint, &body.replace("URL", url)), [seen], "{url}");
        }
    }
    for body in [
        r#"{"messages":[{"content":"URL"}]}"#,
        r#"{"messages":[{"content":[{"text":"URL"}]}]}"#,
        r#"{"messages":[{"tool_calls":[{"function":{"arguments":{"image_url":"URL"}}}]}]}"#,
    ] {
        let seen = spans(&openai::CHAT, &body.replace("URL", png)).join("");
        assert!(seen.contains(png), "a text to the model: {seen}");
    }
}

#[test]
fn numbers_instead_of_a_text_are_told() {
    let of = |endpoint, body| spans(endpoint, body).join(" ");
    let embeddings = |body| of(&openai::EMBEDDINGS, body);
    assert_eq!(
        embeddings(r#"{"input":[[791,8],[2937]]}"#),
        "IDS 791 8 2937"
    );
    assert_eq!(embeddings(r#"{"input":["a",[7]]}"#), "IDS a 7");
    assert_eq!(embeddings(r#"{"in\u0070ut":791}"#), r"IDS in\u0070ut 791");
    assert_eq!(embeddings(r#"{"input":["a"],"prompt":[7]}"#), "a 7");
    assert_eq!(embeddings(r#"{"input":[{"n":7}]}"#), "7");
    let completions = |body| of(&openai::COMPLETIONS, body);
    assert_eq!(completions(r#"{"prompt":[791]}"#), "IDS 791");
    assert_eq!(completions(r#"{"prompt":"a","input":[7]}"#), "a 7");
}

#[test]
fn odd_shapes_are_text() {
    assert_eq!(
        spans(&anthropic::MESSAGES, r#"["a",{"role":"b"}]"#),
        [r#"a "role":"b""#]
    );
    assert_eq!(
        spans(
            &anthropic::MESSAGES,
            r#"{"messages":"m","type":{"id":"i"},"Odd Key":1}"#
        ),
        [r#"m "id":"i" Odd Key 1"#]
    );
    assert_eq!(
        spans(&GENERIC, r#"{"model":"m","messages":[{"role":"r"}]}"#),
        [r#""model":"m" messages "role":"r""#]
    );
}

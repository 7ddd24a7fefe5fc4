//! Requests to endpoints of which providers keep what is sent.

use http::Request;

use super::*;
use crate::{
    config::Config,
    mask::{detector::Detectors, request::Masker},
    protocol::{anthropic, openai},
    vault::{
        Desk,
        tests::{LONG, Scratch, map, open},
    },
};

const ID: &str = "i-0123456789abcdef0";

fn terms(mode: Mode) -> Arc<Terms> {
    Arc::new(Terms {
        name: None,
        masker: Masker::new(Detectors::builtin(), mode),
        decisions: Config::default().decisions(),
        watch: None,
        analyzer: None,
    })
}

/// What becomes of a request with this body; none is an empty one.
async fn sent(tenant: &Tenant, answered: &'static Endpoint, body: &str) -> Result<Masked, Refusal> {
    let way = Way {
        limit: 1 << 20,
        endpoint: (!body.is_empty()).then_some(answered),
        answered,
        names: Names::default(),
        handshake: false,
        credential: None,
        tenant: Some(tenant.clone()),
    };
    let (parts, ()) = Request::post("/").body(()).unwrap().into_parts();
    let body = Bytes::copy_from_slice(body.as_bytes());
    request(&terms(Mode::Enforce), way, parts, body).await
}

fn input(masked: &Masked) -> String {
    let body: serde_json::Value = serde_json::from_slice(masked.body.as_bytes()).unwrap();
    body["input"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_the_provider_keeps_decides_how_tokens_are_numbered() {
    let scratch = Scratch::new();
    let tenant = open(&scratch.config(LONG)).tenant(None);
    let (chat, responses, messages) = (&openai::CHAT, &openai::RESPONSES, &anthropic::MESSAGES);
    let runs = r#"{"tools":[{"type":"code_execution_20250825","name":"code_execution"}]}"#;
    for (answered, body, expected) in [
        (responses, r#"{"input":"x"}"#, "keyed"),
        (responses, "", "keyed"),
        (chat, r#"{"store":true}"#, "keyed"),
        (chat, r#"{"store":false}"#, "counted"),
        (chat, r#"{"store":false,"deferred":true}"#, "keyed"),
        (chat, r#"{"deferred":null}"#, "counted"),
        (chat, r#"{"messages":[{"store":true}]}"#, "counted"),
        (chat, r#"{"messages":[{"file_id":"f"}]}"#, "beside"),
        (chat, "", "beside"),
        (messages, r#"{"system":"x"}"#, "counted"),
        (messages, r#"{"messages":[{"file_id":"f"}]}"#, "beside"),
        (messages, r#"{"container":"c"}"#, "keyed"),
        (messages, runs, "keyed"),
        (messages, r#"{"mcp_servers":[]}"#, "keyed"),
        (&openai::EMBEDDINGS, r#"{"file_id":"x"}"#, "counted"),
    ] {
        let masked = sent(&tenant, answered, body).await.unwrap();
        let scheme = match masked.scheme {
            Scheme::Counted => "counted",
            Scheme::Beside => "beside",
            Scheme::Keyed(..) => "keyed",
        };
        assert_eq!(scheme, expected, "{answered:?} {body}");
    }
}

#[tokio::test]
async fn values_are_kept_before_the_request_is_handed_on() {
    let scratch = Scratch::new();
    let config = scratch.config(LONG);
    let tenant = open(&config).tenant(None);
    let body = format!(r#"{{"input":"{ID}"}}"#);
    let masked = sent(&tenant, &openai::RESPONSES, &body).await.unwrap();
    let token = input(&masked);
    let found = open(&config).tenant(None).find(vec![token.clone()]).await;
    assert_eq!(found.unwrap(), [(token, Some(ID.to_owned()))]);
    // Counted ones are not.
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{ID}"}}]}}"#);
    sent(&tenant, &openai::CHAT, &body).await.unwrap();
    assert_eq!(Desk::open(&config).unwrap().status().unwrap().entries, 1);
}

#[tokio::test]
async fn a_token_that_stands_for_another_value_is_not_used() {
    let scratch = Scratch::new();
    let config = scratch.config(LONG);
    let tenant = open(&config).tenant(None);
    let body = format!(r#"{{"input":"{ID}"}}"#);
    let first = input(&sent(&tenant, &openai::RESPONSES, &body).await.unwrap());
    let mut desk = Desk::open(&config).unwrap();
    desk.forget(&first, std::iter::once(None)).unwrap();
    tenant.keep(&map(&[(&first, "another")])).await.unwrap();

    let masked = sent(&tenant, &openai::RESPONSES, &body).await.unwrap();
    let second = input(&masked);
    assert_ne!(second, first);
    assert_eq!(masked.tokens.value(&second), Some(ID));
    assert_eq!(masked.tokens.len(), 1);
    let found = tenant.find(vec![first, second]).await.unwrap();
    let values: Vec<_> = found.iter().map(|(_, value)| value.as_deref()).collect();
    assert_eq!(values, [Some("another"), Some(ID)]);
}

#[tokio::test]
async fn a_literal_like_a_keyed_token_gets_one_itself() {
    let scratch = Scratch::new();
    let tenant = open(&scratch.config(LONG)).tenant(None);
    let literal = "EC2_123456789012345678";
    for (answered, body) in [
        (&openai::RESPONSES, format!(r#"{{"input":"{literal}"}}"#)),
        (
            &openai::CHAT,
            format!(r#"{{"file_id":"f","input":"{literal}"}}"#),
        ),
    ] {
        let masked = sent(&tenant, answered, &body).await.unwrap();
        let token = input(&masked);
        assert_ne!(token, literal);
        assert_eq!(masked.tokens.value(&token), Some(literal));
    }
    let body = format!(r#"{{"input":"{literal}"}}"#);
    let masked = sent(&tenant, &openai::EMBEDDINGS, &body).await.unwrap();
    assert_eq!(input(&masked), literal, "it means nothing there");
}

#[tokio::test]
async fn what_can_not_be_kept_is_refused() {
    let scratch = Scratch::new();
    let config = scratch.config(LONG);
    let tenant = open(&config).tenant(None);
    let body = format!(r#"{{"input":"{ID}"}}"#);
    sent(&tenant, &openai::RESPONSES, &body).await.unwrap();
    let crate::config::VaultStore::Embedded(folder) = &config.store else {
        panic!("embedded");
    };
    let other = rusqlite::Connection::open(folder.join("vault.db")).unwrap();
    other.execute_batch("DROP TABLE entries").unwrap();
    let refused = sent(&tenant, &openai::RESPONSES, &body)
        .await
        .err()
        .unwrap();
    assert_eq!(refused.reason, Reason::Vault);
    let plain = sent(&tenant, &openai::RESPONSES, r#"{"input":"x"}"#).await;
    assert!(plain.is_ok(), "there is nothing to keep");
}

//! Against a server that speaks as Presidio does, and knows names by a list; slow, broken and lying ones too.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixListener},
};

use super::*;
use crate::config::{Config, Place};

const NAMES: [&str; 2] = ["Ada Lovelace", "홍길동"];

/// What a server says to a text.
type Says = fn(&str) -> (u16, String);

/// Finds [`NAMES`], with offsets in code points.
fn honest(text: &str) -> (u16, String) {
    let mut found = Vec::new();
    for name in NAMES {
        for (at, _) in text.match_indices(name) {
            let start = text[..at].chars().count();
            let end = start + name.chars().count();
            found.push(serde_json::json!({ "entity_type": "PERSON", "start": start, "end": end, "score": 0.85, "analysis_explanation": null }));
        }
    }
    (200, serde_json::Value::from(found).to_string())
}

/// Serves connections, and counts texts.
async fn serve<S>(mut stream: S, says: Says, asked: Arc<AtomicUsize>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        assert!(text.starts_with("post /analyze "), "{text}");
        let length = text.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        while buffer.len() < head + length {
            stream.read_buf(&mut buffer).await.unwrap();
        }
        let body: serde_json::Value = serde_json::from_slice(&buffer[head..head + length]).unwrap();
        buffer.drain(..head + length);
        assert_eq!(
            (&body["language"], &body["entities"]),
            (&"ko".into(), &serde_json::json!(["PERSON", "LOCATION"]))
        );
        asked.fetch_add(1, Ordering::SeqCst);
        let text = body["text"].as_str().unwrap();
        if text.starts_with("slow") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (status, said) = says(text);
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{said}",
            said.len()
        );
        if status == 0 {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn config(url: &str, more: &str) -> config::Analyzer {
    let text = format!(
        "version = 1\n[analyzer]\nurl = \"{url}\"\nlanguage = \"ko\"\nentities = [\"PERSON\", \"LOCATION\"]\ntimeout = \"300ms\"\n{more}"
    );
    Config::parse(&text).unwrap().analyzer.unwrap()
}

async fn analyzer(says: Says, more: &str) -> (Arc<Analyzer>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, says, Arc::clone(&counter)));
        }
    });
    (Arc::new(Analyzer::new(&config(&url, more))), asked)
}

fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn names_are_found_where_they_stand_and_a_text_is_sent_once() {
    let (analyzer, asked) = analyzer(honest, "").await;
    let said = [
        "é 홍길동 met Ada Lovelace.",
        "nobody here",
        "42",
        "x",
        "😀홍길동",
    ];
    for _ in 0..2 {
        let outside = analyzer.ask(texts(&said)).await.unwrap();
        let masker = masker();
        let mut masking = masker.begin();
        masking.knows(outside);
        assert_eq!(
            masking.text(said[0]).unwrap().as_deref(),
            Some("é PERSON_001 met PERSON_002.")
        );
        assert_eq!(
            masking.text(said[4]).unwrap().as_deref(),
            Some("😀PERSON_001")
        );
        assert_eq!(
            asked.load(Ordering::SeqCst),
            3,
            "two say nothing, and nothing is asked again"
        );
    }
    let many: Vec<String> = (0..50).map(|number| format!("text {number}")).collect();
    analyzer.ask(many.into_iter().collect()).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 53);
}

fn masker() -> crate::mask::request::Masker {
    use crate::mask::{
        Mode,
        detector::{Detectors, rules::Rules},
        request::Masker,
    };
    let rules = Rules {
        analyzed: config("http://127.0.0.1:1", "").entities,
        ..Rules::default()
    };
    let detectors = Detectors::new(&Default::default(), &rules).unwrap();
    Masker::new(detectors, Mode::Enforce)
}

#[test]
fn the_texts_of_a_request_are_those_that_are_masked() {
    let masker = masker();
    let body = bytes::Bytes::from_static(br#"{"model":"m","system":"for Ada Lovelace","messages":[{"role":"user","content":[{"type":"text","text":"I am \ud64d\uae38\ub3d9"}]}]}"#);
    let mut masking = masker.collect();
    masking
        .body(&crate::protocol::anthropic::MESSAGES, &body)
        .unwrap();
    let collected = masking.into_texts();
    for text in ["for Ada Lovelace", "I am 홍길동"] {
        assert!(collected.contains(text), "{collected:?}");
    }
    let mut outside = Outside::default();
    for text in collected {
        let found = call::read(
            &config("http://127.0.0.1:1", ""),
            &text,
            honest(&text).1.as_bytes(),
        );
        outside.add(text, found.unwrap().into());
    }
    let mut masking = masker.begin();
    masking.knows(outside);
    let masked = masking
        .body(&crate::protocol::anthropic::MESSAGES, &body)
        .unwrap();
    let masked = masked.into_masked().into_bytes();
    let masked = String::from_utf8_lossy(&masked);
    assert!(
        masked.contains("for PERSON_001") && masked.contains("I am PERSON_002"),
        "{masked}"
    );
}

#[tokio::test]
async fn what_answers_badly_is_an_error() {
    let cases: [(Says, AnalyzerError); 7] = [
        (|_| (500, String::new()), AnalyzerError::Status(500)),
        (|_| (0, String::new()), AnalyzerError::Late),
        (|_| (200, "{}".into()), AnalyzerError::Nonsense),
        (|_| (200, "[".into()), AnalyzerError::Nonsense),
        (
            |_| {
                (
                    200,
                    r#"[{"entity_type":"PERSON","start":2,"end":999,"score":0.9}]"#.into(),
                )
            },
            AnalyzerError::Nonsense,
        ),
        (
            |_| {
                (
                    200,
                    r#"[{"entity_type":"PERSON","start":3,"end":2,"score":0.9}]"#.into(),
                )
            },
            AnalyzerError::Nonsense,
        ),
        (
            |_| {
                (
                    200,
                    r#"[{"entity_type":"PERSON","start":0,"end":2,"score":7}]"#.into(),
                )
            },
            AnalyzerError::Nonsense,
        ),
    ];
    for (says, expected) in cases {
        let (analyzer, _) = analyzer(says, "").await;
        let error = analyzer.ask(texts(&["some text"])).await.err();
        assert_eq!(error, Some(expected));
    }
    let gone = Arc::new(Analyzer::new(&config("http://127.0.0.1:9", "")));
    assert_eq!(
        gone.ask(texts(&["some text"])).await.err(),
        Some(AnalyzerError::Unreachable)
    );
}

#[tokio::test]
async fn after_failures_it_is_left_alone_for_a_while() {
    let (analyzer, asked) =
        analyzer(|_| (503, String::new()), "failures = 2\nrest = \"200ms\"").await;
    let ask = || analyzer.ask(texts(&["some text"]));
    for expected in [
        AnalyzerError::Status(503),
        AnalyzerError::Status(503),
        AnalyzerError::Resting,
    ] {
        assert_eq!(ask().await.err(), Some(expected));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 4, "a short one after each");
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(
        ask().await.err(),
        Some(AnalyzerError::Status(503)),
        "one tries"
    );
    assert_eq!(ask().await.err(), Some(AnalyzerError::Resting));
}

#[tokio::test]
async fn a_text_that_it_cannot_digest_does_not_make_it_rest() {
    let says: Says = |text| match text {
        "poison" => (500, String::new()),
        "endless poison" => (0, String::new()),
        "too large" => (413, String::new()),
        _ => honest(text),
    };
    let (analyzer, _) = analyzer(says, "failures = 2\nrest = \"60s\"").await;
    for (text, error) in [
        ("poison", AnalyzerError::Status(500)),
        ("endless poison", AnalyzerError::Late),
        ("too large", AnalyzerError::Status(413)),
    ] {
        for _ in 0..3 {
            assert_eq!(analyzer.ask(texts(&[text])).await.err(), Some(error));
        }
    }
    assert!(analyzer.ask(texts(&["Ada Lovelace"])).await.is_ok());
}

#[tokio::test]
async fn waiting_for_other_requests_does_not_make_it_rest() {
    let more = "failures = 1\nrest = \"60s\"\nconcurrency = 1";
    let (analyzer, _) = analyzer(honest, more).await;
    let many: BTreeSet<String> = (0..80).map(|number| format!("slow {number}")).collect();
    assert_eq!(analyzer.ask(many).await.err(), Some(AnalyzerError::Late));
    assert!(analyzer.ask(texts(&["Ada Lovelace"])).await.is_ok());
}

#[tokio::test]
async fn what_was_answered_is_kept_for_the_next_attempt() {
    let says: Says = |text| match text {
        "poison" => (500, String::new()),
        _ => honest(text),
    };
    let (analyzer, asked) = analyzer(says, "concurrency = 1").await;
    let all = ["a text", "another text", "poison"];
    assert!(analyzer.ask(texts(&all)).await.is_err());
    let before = asked.load(Ordering::SeqCst);
    assert!(analyzer.ask(texts(&all[..2])).await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn a_long_request_lets_a_short_one_between_its_texts() {
    let (analyzer, _) = analyzer(honest, "concurrency = 1").await;
    let long = Arc::clone(&analyzer);
    let many: BTreeSet<String> = (0..20).map(|number| format!("slow {number}")).collect();
    let long = tokio::spawn(async move { long.ask(many).await.is_ok() });
    while analyzer.slots.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(analyzer.ask(texts(&["Ada Lovelace"])).await.is_ok());
    assert!(!long.is_finished());
    assert!(long.await.unwrap());
}

#[tokio::test]
async fn a_server_may_close_its_connection_after_each_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                stream.read_buf(&mut request).await.unwrap();
            }
            let answer = b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n[]";
            stream.write_all(answer).await.unwrap();
        }
    });
    let analyzer = Arc::new(Analyzer::new(&config(&url, "concurrency = 1")));
    let asked = analyzer.ask(texts(&["one text", "another one"])).await;
    assert_eq!(asked.err(), None);
}

#[tokio::test]
async fn a_unix_socket_does_too() {
    let path = std::env::temp_dir().join(format!("interceptor-analyzer-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, honest, Arc::default()).await;
    });
    let analyzer = Arc::new(Analyzer::new(&config(
        &format!("unix:{}", path.display()),
        "",
    )));
    let asked = analyzer.ask(texts(&["Ada Lovelace"])).await;
    std::fs::remove_file(&path).unwrap();
    assert!(asked.is_ok());
}

#[test]
fn what_was_not_asked_for_or_is_unsure_is_left_out() {
    let config = config("http://127.0.0.1:1", "score = 0.6");
    assert!(matches!(config.at, Place::Tcp { .. }));
    let answer = br#"[{"entity_type":"EMAIL_ADDRESS","start":0,"end":2,"score":1.0},{"entity_type":"PERSON","start":0,"end":2,"score":0.5},
        {"entity_type":"LOCATION","start":2,"end":4,"score":0.6}]"#;
    let found = call::read(&config, "ab\u{1f600}d", answer).unwrap();
    let location = Named {
        class: "location",
        range: 2..7,
        confidence: 0.6,
    };
    assert_eq!(found, [location]);
}

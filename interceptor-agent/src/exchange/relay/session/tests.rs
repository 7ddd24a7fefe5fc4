//! One session: what goes up masked, what comes down with values, what ends it.

use super::*;
use crate::{
    analyzer::Analyzer,
    config::{Config, Unanalyzed},
    mask::{
        detector::{Action, Detectors},
        request::Masker,
    },
    protocol::openai::realtime::REALTIME,
};

const ID: &str = "i-0123456789abcdef0";

fn terms(mode: Mode, unreadable: PathPolicy) -> Terms {
    let mut decisions = Config::default().decisions();
    (decisions.mode, decisions.unreadable) = (mode, unreadable);
    Terms {
        name: None,
        masker: Masker::new(Detectors::builtin(), mode),
        decisions,
        watch: None,
        analyzer: None,
    }
}

fn text(text: impl Into<String>) -> Message {
    Message::Text(text.into())
}

/// What goes on of one message in a session of its own.
async fn up(terms: &Terms, message: Message) -> Result<Vec<Message>, Reason> {
    let mut up = Session::new(terms, &REALTIME, 1 << 20).up();
    up.pass(message).await.map_err(|refusal| refusal.reason)
}

fn create(said: &str) -> String {
    format!(
        r#"{{"type":"conversation.item.create","item":{{"type":"message","role":"user","content":[{{"type":"input_text","text":"{said}"}}]}}}}"#
    )
}

#[tokio::test]
async fn a_session_has_one_set_of_tokens() {
    let terms = terms(Mode::Enforce, PathPolicy::Block);
    let session = Session::new(&terms, &REALTIME, 1 << 20);
    let (mut up, mut down) = (session.up(), session.down());
    let other = "i-0123456789abcdef1";
    for (said, expected) in [(ID, "EC2_001"), (other, "EC2_002"), (ID, "EC2_001")] {
        let onward = up.pass(text(create(said))).await.unwrap();
        assert_eq!(onward, [text(create(expected))]);
    }
    let delta = |piece: &str| {
        format!(
            r#"{{"type":"response.output_text.delta","event_id":"e","item_id":"i","output_index":0,"content_index":0,"delta":"{piece}"}}"#
        )
    };
    let done = r#"{"type":"response.output_text.done","item_id":"i","output_index":0,"content_index":0,"text":"at EC2_001, EC2_002"}"#;
    let mut said = Vec::new();
    for event in [&delta("at EC2_0"), &delta("01, EC2"), &delta("_002"), done] {
        said.extend(down.pass(text(event)).await.unwrap());
    }
    let expected = [
        text(delta("at ")),
        text(delta(&format!("{ID}, "))),
        text(delta("")),
        text(delta(other)),
        text(done.replace("EC2_001", ID).replace("EC2_002", other)),
    ];
    assert_eq!(said, expected);
    assert_eq!(up.seen.report.masked, 3);
    assert!(up.seen.came > 0 && up.seen.went > 0 && down.bytes > 0);
}

/// As many values, each another one, or as many texts that look like tokens.
fn many(from: usize, count: usize, write: impl Fn(usize) -> String) -> Message {
    let all: Vec<_> = (from..from + count).map(write).collect();
    text(create(&all.join(" ")))
}

#[tokio::test]
async fn a_session_that_shows_too_much_ends() {
    let value = |number| format!("i-0123456789ab{number:05x}");
    let literal = |number| format!("EC2_{}", 1000 + number);
    let writes: [&dyn Fn(usize) -> String; 2] = [&value, &literal];
    for write in writes {
        let enforced = terms(Mode::Enforce, PathPolicy::Block);
        let dry = terms(Mode::DryRun, PathPolicy::Block);
        let mut up = Session::new(&enforced, &REALTIME, 1 << 20).up();
        let mut unenforced = Session::new(&dry, &REALTIME, 1 << 20).up();
        let mut shown = 0;
        let refused = loop {
            let message = many(shown, 1000, write);
            assert!(unenforced.pass(message.clone()).await.is_ok());
            if let Err(refused) = up.pass(message).await {
                break refused;
            }
            shown += 1000;
            assert!(shown < 100_000);
        };
        assert_eq!(refused.reason, Reason::TooManyValues);
        assert!(shown >= 4000, "{shown}");
        assert!(unenforced.masking.held() <= HELD);
    }
}

#[tokio::test]
async fn what_is_said_again_adds_nothing() {
    let terms = terms(Mode::Enforce, PathPolicy::Block);
    let session = Session::new(&terms, &REALTIME, 1 << 20);
    let mut up = session.up();
    let tokens = || Arc::clone(&session.tokens.lock().unwrap());
    up.pass(text(create(ID))).await.unwrap();
    let before = tokens();
    up.pass(text(create(ID))).await.unwrap();
    assert!(Arc::ptr_eq(&before, &tokens()));
    up.pass(text(create("i-0123456789abcdef1"))).await.unwrap();
    assert!(!Arc::ptr_eq(&before, &tokens()));
}

#[tokio::test]
async fn responses_that_run_at_once_have_their_own_texts() {
    let terms = terms(Mode::Enforce, PathPolicy::Block);
    let session = Session::new(&terms, &REALTIME, 1 << 20);
    let (mut up, mut down) = (session.up(), session.down());
    up.pass(text(create(ID))).await.unwrap();
    let delta = |response: &str, piece: &str| {
        text(format!(
            r#"{{"type":"response.output_text.delta","response_id":"{response}","item_id":"item_{response}","output_index":0,"content_index":0,"delta":"{piece}"}}"#
        ))
    };
    let heard = text(
        r#"{"type":"conversation.item.input_audio_transcription.delta","item_id":"u","content_index":0,"delta":"is EC2_0"}"#,
    );
    let done = text(r#"{"type":"response.done","response":{"id":"resp_2","output":[]}}"#);
    let mut onward = Vec::new();
    for message in [
        delta("resp_1", "at EC2_0"),
        heard.clone(),
        delta("resp_2", "Sum: 5, E"),
        done.clone(),
        delta("resp_1", "01."),
    ] {
        onward.extend(down.pass(message).await.unwrap());
    }
    let Message::Text(heard) = heard else {
        unreachable!("it is one");
    };
    let expected = [
        delta("resp_1", "at "),
        text(heard.replace("EC2_0", "")),
        delta("resp_2", "Sum: 5, "),
        delta("resp_2", "E"),
        done,
        delta("resp_1", &format!("{ID}.")),
    ];
    assert_eq!(onward, expected);
}

#[tokio::test]
async fn what_is_held_goes_out_before_the_end() {
    let terms = terms(Mode::Enforce, PathPolicy::Block);
    let session = Session::new(&terms, &REALTIME, 1 << 20);
    let (mut up, mut down) = (session.up(), session.down());
    up.pass(text(create(ID))).await.unwrap();
    let delta = r#"{"type":"response.output_audio_transcript.delta","delta":"EC2_001"}"#;
    assert_eq!(
        down.pass(text(delta)).await.unwrap(),
        [text(delta.replace("EC2_001", ""))]
    );
    let close = Message::Close(Some((1000, "over".to_owned())));
    let last = down.pass(close.clone()).await.unwrap();
    assert_eq!(last, [text(delta.replace("EC2_001", ID)), close]);
}

#[tokio::test]
async fn what_cannot_be_read_ends_the_session() {
    let terms = terms(Mode::Enforce, PathPolicy::Block);
    let speech = r#"{"type":"input_audio_buffer.append","audio":"bm8="}"#;
    let spoken = r#"{"type":"conversation.item.create","item":{"content":[{"type":"input_audio","audio":"bm8="}]}}"#;
    let payload = ID.as_bytes().to_vec();
    for (message, reason) in [
        (text(speech), Reason::Unreadable),
        (text(spoken), Reason::Unreadable),
        (Message::Binary(b"plain".to_vec()), Reason::Unreadable),
        (text("no json"), Reason::NotJson),
        (Message::Ping(payload.clone()), Reason::Unmaskable),
        (Message::Pong(payload), Reason::Unmaskable),
    ] {
        assert_eq!(
            up(&terms, message.clone()).await,
            Err(reason),
            "{message:?}"
        );
    }
    let close = |reason: &str| Message::Close(Some((1000, reason.to_owned())));
    assert_eq!(up(&terms, close(ID)).await, Ok(vec![close("EC2_001")]));
    for same in [
        Message::Ping(b"1".to_vec()),
        Message::Close(None),
        text(r#"{"type":"input_audio_buffer.commit","audio":""}"#),
        text(
            r#"{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcm","rate":24000}}}}}"#,
        ),
    ] {
        assert_eq!(up(&terms, same.clone()).await, Ok(vec![same]));
    }
}

#[tokio::test]
async fn speech_passes_by_policy_and_text_beside_it_is_masked() {
    let terms = terms(Mode::Enforce, PathPolicy::Allow);
    let event = |said: &str| {
        text(format!(
            r#"{{"type":"input_audio_buffer.append","event_id":"{said}","audio":"bm8="}}"#
        ))
    };
    assert_eq!(up(&terms, event(ID)).await, Ok(vec![event("EC2_001")]));
    let no_base64 = |said: &str| text(format!(r#"{{"audio":"at {said}"}}"#));
    assert_eq!(
        up(&terms, no_base64(ID)).await,
        Ok(vec![no_base64("EC2_001")])
    );
}

#[tokio::test]
async fn nothing_changes_where_nothing_is_enforced() {
    for mode in [Mode::ReportOnly, Mode::DryRun] {
        let terms = terms(mode, PathPolicy::Block);
        let session = Session::new(&terms, &REALTIME, 1 << 20);
        let (mut up, mut down) = (session.up(), session.down());
        for message in [
            text(create(ID)),
            text("no json"),
            Message::Binary(ID.into()),
            Message::Ping(ID.into()),
        ] {
            assert_eq!(up.pass(message.clone()).await.unwrap(), [message]);
        }
        let event = text(r#"{"delta":"EC2_001"}"#);
        assert_eq!(down.pass(event.clone()).await.unwrap(), [event]);
        assert!(!up.seen.report.findings.is_empty());
    }
}

#[tokio::test]
async fn an_answer_that_policy_blocks_ends_the_session() {
    let key = concat!("AKIA", "Z3QWXLV5RPT7NBSD");
    let blocked = [("aws_access_key".to_owned(), Action::Block)].into();
    let detectors = Arc::new(Detectors::with_actions(&blocked).unwrap());
    let mut terms = terms(Mode::Enforce, PathPolicy::Block);
    terms.watch = Some(Arc::new(Watch::new(detectors, Mode::Enforce)));
    let session = Session::new(&terms, &REALTIME, 1 << 20);
    let mut down = session.down();
    let delta = |piece: &str| {
        text(format!(
            r#"{{"type":"response.output_text.delta","event_id":"e","item_id":"i","output_index":0,"content_index":0,"delta":"{piece}"}}"#
        ))
    };
    assert_eq!(down.pass(delta("it is ")).await.unwrap(), [delta("it is ")]);
    assert_eq!(
        down.pass(delta(&key[..9])).await.unwrap(),
        [delta("")],
        "a word is held"
    );
    assert!(down.pass(delta(&key[9..])).await.is_ok());
    let refused = down.pass(delta(" now")).await.unwrap_err();
    assert_eq!(refused.reason, Reason::BlockedAnswer);
    let seen = session.watching().unwrap().report();
    assert_eq!((seen[0].class, seen[0].done), ("aws_access_key", "blocked"));
}

#[tokio::test]
async fn a_message_waits_for_the_analyzer() {
    let config = "version = 1\n[analyzer]\nurl = \"http://127.0.0.1:9\"\nentities = [\"PERSON\"]";
    let config = Config::parse(config).unwrap().analyzer.unwrap();
    let mut terms = terms(Mode::Enforce, PathPolicy::Block);
    let message = || text(create("somebody"));
    for (on_failure, expected) in [
        (Unanalyzed::Block, Err(Reason::Analyzer)),
        (Unanalyzed::Skip, Ok(vec![message()])),
    ] {
        terms.analyzer = Some((Arc::new(Analyzer::new(&config)), on_failure));
        assert_eq!(up(&terms, message()).await, expected);
    }
}

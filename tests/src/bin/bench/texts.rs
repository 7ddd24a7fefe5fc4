//! What is sent, answered and scanned: ordinary text of any length, requests with five findings, answers with tokens.

use anyhow::{Result, ensure};
use bytes::Bytes;
use interceptor_agent::mask::Mode;
use interceptor_agent::mask::detector::Detectors;
use interceptor_agent::mask::request::Masker;
use interceptor_agent::protocol::anthropic;
use serde_json::{Value, json};

/// What people and coding agents write, with nothing in it that must be masked.
const ORDINARY: &str = include_str!("ordinary.txt");

/// The question with the five findings: instance, private address, e-mail address, account in an ARN, access key.
const QUESTION: &str = "The instance i-0b7c2d9e41f6a8350 at 10.77.31.8 stopped answering after the deployment on Tuesday. \
     ada.lindqvist@corp-mail.example says that the role arn:aws:iam::499182736450:role/Deploy was changed, and the \
     job ran with AWS_ACCESS_KEY_ID=AKIAQ7X2MD5ZPT3WVLRB. What should we look at first?";

/// How many values [`QUESTION`] has.
const FINDINGS: usize = 5;

/// Bytes of a streamed answer's text in each event.
const DELTA: usize = 5;

/// Ordinary text of exactly `length` bytes, its paragraphs in an order that depends on `seed`.
pub fn ordinary(length: usize, mut seed: u64) -> String {
    let paragraphs: Vec<_> = ORDINARY.split_inclusive("\n\n").collect();
    let mut text = String::with_capacity(length + 1024);
    while text.len() < length {
        // Knuth's MMIX generator: any order will do, as long as it is the same in every run.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push_str(paragraphs[(seed >> 33) as usize % paragraphs.len()]);
    }
    text.truncate(length);
    text
}

/// A Messages request of exactly `length` bytes: a short conversation that ends in the question.
pub fn request(length: usize) -> Result<Bytes> {
    let empty = body("").len();
    let mut room = length.saturating_sub(empty);
    loop {
        let made = body(&ordinary(room, 1));
        match made.len() {
            exact if exact == length => return Ok(made.into()),
            // Escapes make the text longer; each round gives back what was too much.
            longer if longer > length => room -= longer - length,
            shorter => room += length - shorter,
        }
        ensure!(room > 0, "{length} bytes are too few for a request");
    }
}

fn body(history: &str) -> String {
    let request = json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 1024,
        "system": "You are a careful engineer who answers briefly.",
        "messages": [
            {"role": "user", "content": history},
            {"role": "assistant", "content": [{"type": "text", "text": "Understood. What happened then?"}]},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
        ],
    });
    request.to_string()
}

/// An answer that mentions every value, as the provider says it and as the client must get it.
pub struct Answer {
    /// With tokens.
    pub masked: String,
    /// With the values that the tokens stand for.
    pub plain: String,
}

impl Answer {
    /// Says what the masker itself makes of the question, so that the tokens are those of the requests.
    pub fn new() -> Result<Self> {
        let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
        let mut masking = masker.begin();
        let masked = masking.body(&anthropic::MESSAGES, &request(4096)?)?;
        let (tokens, _) = masking.finish();
        ensure!(
            tokens.len() == FINDINGS,
            "the request has {} findings",
            tokens.len()
        );
        let bytes = masked.into_masked().into_bytes();
        let seen: Value = serde_json::from_slice(&bytes)?;
        let question = seen["messages"][2]["content"][0]["text"]
            .as_str()
            .unwrap_or_default();
        let said = |question: &str| {
            format!(
                "You wrote: {question}\n\nI would begin with the role. {}",
                ordinary(600, 7)
            )
        };
        Ok(Self {
            masked: said(question),
            plain: said(QUESTION),
        })
    }
}

/// A whole Messages response that says this.
pub fn message(text: &str) -> String {
    let message = json!({
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 900, "output_tokens": 240},
    });
    message.to_string()
}

/// The text cut for streaming.
pub fn deltas(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(DELTA).map(String::from_iter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_their_length_and_the_answer_all_values() {
        for length in [4096, 65536] {
            assert_eq!(request(length).unwrap().len(), length);
        }
        let answer = Answer::new().unwrap();
        assert!(answer.plain.contains("AKIAQ7X2MD5ZPT3WVLRB"));
        assert!(!answer.masked.contains("AKIAQ7X2MD5ZPT3WVLRB"));
        assert_eq!(deltas(&answer.plain).concat(), answer.plain);
    }

    #[test]
    fn ordinary_text_has_nothing_to_mask() {
        let mut findings = Vec::new();
        Detectors::builtin().scan(ORDINARY, &mut findings);
        let found: Vec<_> = findings
            .iter()
            .map(|found| &ORDINARY[found.start..found.end])
            .collect();
        assert_eq!(found, [""; 0]);
        assert!(ORDINARY.is_ascii());
    }
}

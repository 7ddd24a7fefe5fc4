//! `wss /v1/realtime`: events both ways, each a message of its own. What was said aloud is not text.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use crate::{
    json::{Kind, Value},
    protocol::{
        Endpoint,
        response::{self, Answer, Channel, Ends, PieceEvent, Step, Stream, number},
        schema::{GENERIC, Looks, Place, Schema, opaque},
    },
};

/// A session.
pub static REALTIME: Endpoint = Endpoint {
    name: "openai_realtime",
    request: &EVENTS,
    answer: &ANSWERS,
};

const EVENTS: Schema = Schema {
    first: &[],
    turns: "",
    structure: &[
        "session",
        "response",
        "item",
        "input",
        "content",
        "tools",
        "audio",
        "output",
        "input",
        "format",
        "transcription",
        "turn_detection",
        "noise_reduction",
    ],
    opaque: &[
        opaque("type", Looks::Name, Place::Anywhere),
        opaque("role", Looks::Name, Place::Anywhere),
        opaque("image_url", Looks::Url, Place::Anywhere),
        // Where policy lets speech pass at all.
        opaque("audio", Looks::Base64, Place::Anywhere),
    ],
    json_text: &["arguments"],
    ..GENERIC
};

/// Whether a client's event carries speech, or leaves open whether it does.
pub fn has_speech(event: Value<'_>) -> bool {
    match event.kind() {
        Kind::Object => event.entries().any(|(name, value)| {
            let spoken = name.is_str("audio") && value.kind() == Kind::String;
            spoken && !value.inner().is_empty() || has_speech(value)
        }),
        Kind::Array => event.items().any(has_speech),
        _ => false,
    }
}

const ANSWERS: Answer = Answer {
    stream: Some(&STREAM),
    opaque: &["audio", "event_id"],
    json_text: &["arguments"],
    ..response::PLAIN
};

static STREAM: Stream = Stream {
    step,
    piece,
    gives_way: false,
    kinds: &[
        "response.output_text.delta",
        "response.output_text.done",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio_transcript.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call_arguments.delta",
        "response.output_item.done",
        "response.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "session.created",
        "error",
    ],
};

/// Events that carry a piece in `delta`, without `.delta`, and whether the text is JSON. Names of the beta among them.
const TEXTS: &[(&str, bool)] = &[
    ("response.output_text", false),
    ("response.text", false),
    ("response.output_audio_transcript", false),
    ("response.audio_transcript", false),
    ("response.function_call_arguments", true),
    ("response.mcp_call_arguments", true),
    (TRANSCRIPTION, false),
];

/// It ends by another word than others.
const TRANSCRIPTION: &str = "conversation.item.input_audio_transcription";

fn step<'d>(event: Value<'d>) -> Step<'d> {
    let mut step = Step::default();
    let kind = event.get("type").and_then(Value::text).unwrap_or_default();
    let (text, last) = kind.rsplit_once('.').unwrap_or((&kind, ""));
    match (channel(event, text), last) {
        (Some(channel), "delta") => step.piece(channel, event.get("delta")),
        (Some(channel), "done" | "completed" | "failed") => {
            step.ends.insert(Ends::Text(channel));
        }
        _ if kind == "response.output_item.done" => {
            // A response has one item after the other.
            step.ends
                .insert(Ends::Block(hash(&id(event, "response_id"))));
        }
        _ if kind == "response.done" => {
            let response = event
                .get("response")
                .and_then(|response| id(response, "id"));
            // And those that don't say whose they are.
            step.ends
                .extend([response, None].map(|response| Ends::Block(hash(&response))));
        }
        _ if kind == "error" => _ = step.ends.insert(Ends::All),
        _ => {}
    }
    step
}

/// The text that an event goes on with or ends. Several responses may run at once.
fn channel(event: Value<'_>, text: &str) -> Option<Channel> {
    let (field, nested) = *TEXTS.iter().find(|row| row.0 == text)?;
    let item = id(event, "item_id");
    let block = match field {
        // The user's, which no response owns.
        TRANSCRIPTION => hash(&item),
        _ => hash(&id(event, "response_id")),
    };
    Some(Channel {
        part: Some(hash(&(item, number(event, "content_index")))),
        nested,
        ..Channel::text(block, field)
    })
}

fn id(value: Value<'_>, name: &str) -> Option<String> {
    Some(value.get(name)?.text()?.into_owned())
}

fn hash(names: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    hasher.finish()
}

fn piece(_: Channel, like: Value<'_>, piece: Value<'_>) -> PieceEvent {
    let envelope = [
        "type",
        "event_id",
        "item_id",
        "response_id",
        "output_index",
        "content_index",
    ];
    response::like(like, piece, &envelope, &[])
}

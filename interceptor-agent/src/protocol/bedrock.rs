//! Amazon Bedrock's runtime: conversations in its own words, and other makers' in theirs.

pub mod stream;

use std::borrow::Cow;

use super::{
    Endpoint, anthropic, openai,
    response::{self, Answer},
    route::{Mount, Route::Body, Row},
    schema::{GENERIC, Looks, Place, Schema, opaque},
};

pub(super) const MOUNTS: &[Mount] = &[("/model/{}", MODEL), ("/openai/v1", openai::ROUTES)];

/// Below a model.
const MODEL: &[Row] = &[
    (&["POST"], "/converse", Body(&CONVERSE)),
    (&["POST"], "/converse-stream", Body(&CONVERSE)),
    (&["POST"], "/count-tokens", Body(&COUNT_TOKENS)),
    (&["POST"], "/invoke", Body(&INVOKE)),
    (&["POST"], "/invoke-with-response-stream", Body(&INVOKE)),
];

/// `POST /model/ID/converse`, `/converse-stream`
pub static CONVERSE: Endpoint = Endpoint {
    name: "bedrock_converse",
    request: &CONVERSATION,
    answer: &MESSAGE,
};

/// `POST /model/ID/count-tokens`
pub static COUNT_TOKENS: Endpoint = Endpoint {
    name: "bedrock_count_tokens",
    request: &Schema {
        turns: "",
        placed: &[
            ("input", Place::Top),
            ("converse", Place::Below("input")),
            ("invokeModel", Place::Below("input")),
        ],
        ..CONVERSATION
    },
    answer: &WHOLE,
};

/// `POST /model/ID/invoke`, `/invoke-with-response-stream`: bodies of the model's maker. What is known to be no text of
/// Anthropic's is none; other makers have nothing that is signed.
pub static INVOKE: Endpoint = Endpoint {
    name: "bedrock_invoke",
    request: anthropic::MESSAGES.request,
    answer: &Answer {
        stream: Some(&stream::CHUNKS),
        ..anthropic::WHOLE
    },
};

const CONVERSATION: Schema = Schema {
    first: &["system", "toolConfig"],
    turns: "messages",
    structure: &[
        "system",
        "toolConfig",
        "tools",
        "toolSpec",
        "toolChoice",
        "messages",
        "content",
        "cachePoint",
        "image",
        "video",
        "audio",
        "document",
        "source",
        "guardContent",
        "toolUse",
        "toolResult",
        "reasoningContent",
        "reasoningText",
    ],
    opaque: &[
        opaque("type", Looks::Name, Place::Anywhere),
        opaque("role", Looks::Name, Place::Anywhere),
        opaque("bytes", Looks::File, Place::Below("source")),
        // Counted as another maker's.
        opaque("body", Looks::File, Place::Below("invokeModel")),
        // Signed: the model refuses it changed.
        opaque("text", Looks::Any, Place::Below("reasoningText")),
        opaque("signature", Looks::Any, Place::Below("reasoningText")),
        opaque(
            "redactedContent",
            Looks::Base64,
            Place::Below("reasoningContent"),
        ),
    ],
    ..GENERIC
};

const MESSAGE: Answer = Answer {
    stream: Some(&stream::EVENTS),
    ..WHOLE
};

const WHOLE: Answer = Answer {
    opaque: &["reasoningContent", "stopReason", "toolUseId", "p"],
    free: &["input"],
    ..response::PLAIN
};

/// A path whose model's name is written with escapes, as the SDKs write it, with a name without any in its place. A name
/// that is none of Bedrock's stays.
pub(super) fn with_plain_model(path: &str) -> Cow<'_, str> {
    let parts = path
        .strip_prefix("/model/")
        .and_then(|rest| rest.split_once('/'));
    match parts {
        Some((name, rest)) if name.contains('%') && is_model(name) => {
            format!("/model/model/{rest}").into()
        }
        _ => path.into(),
    }
}

/// The account in the path of a request: Amazon's own word for who asks, which it knows by the signature.
pub fn account<'p>(endpoint: &Endpoint, path: &'p str) -> Option<&'p str> {
    if ![&CONVERSE, &COUNT_TOKENS, &INVOKE].contains(&endpoint) {
        return None;
    }
    let (name, _) = path.strip_prefix("/model/")?.split_once('/')?;
    let decoded = decoded(name)?;
    let account = decoded.split(':').nth(4)?;
    is_arn(&decoded).then(|| name.find(account).map(|at| &name[at..at + account.len()]))?
}

/// Whether the segment stands for one name however often its escapes are undone: an id, or the ARN of one.
fn is_model(segment: &str) -> bool {
    decoded(segment).is_some_and(|name| is_arn(&name) || is_id(&name))
}

fn is_id(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    !matches!(name, "" | "." | "..") && name.bytes().all(plain)
}

/// `arn:aws:bedrock:REGION:ACCOUNT:KIND/ID`, one slash and no more
fn is_arn(name: &str) -> bool {
    let parts: Vec<_> = name.splitn(6, ':').collect();
    let [arn, partition, service, region, account, resource] = parts[..] else {
        return false;
    };
    let word = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    arn == "arn"
        && partition.starts_with("aws")
        && ["bedrock", "sagemaker"].contains(&service)
        && word(partition)
        && word(region)
        && (account.is_empty() || account.len() == 12 && digits(account))
        && resource
            .split_once('/')
            .is_some_and(|(kind, id)| word(kind) && !kind.is_empty() && is_id(id))
}

/// Without escapes of the characters that a name has; `None`: it has others.
fn decoded(segment: &str) -> Option<String> {
    const ESCAPES: [(&str, &str); 4] = [("%3A", ":"), ("%3a", ":"), ("%2F", "/"), ("%2f", "/")];
    let plain = ESCAPES
        .iter()
        .fold(segment.to_owned(), |name, (escape, plain)| {
            name.replace(escape, plain)
        });
    (!plain.contains('%')).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Protocol, Route, route};

    #[test]
    fn models_are_named_by_id_or_arn() {
        let of = |name: &str, verb: &str| {
            route(
                Protocol::Bedrock,
                &[],
                "POST",
                &format!("/model/{name}/{verb}"),
                false,
            )
        };
        let arn =
            "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2";
        for name in [
            "anthropic.claude-3-haiku-20240307-v1:0",
            "anthropic.claude-3-haiku-20240307-v1%3A0",
            "us.amazon.nova-lite-v1%3a0",
            arn,
            "arn:aws:bedrock:us-east-1::foundation-model%2Famazon.nova-lite-v1:0",
        ] {
            assert_eq!(of(name, "converse"), Route::Body(&CONVERSE), "{name}");
            assert_eq!(
                of(name, "invoke-with-response-stream"),
                Route::Body(&INVOKE)
            );
            assert_eq!(of(name, "invokes"), Route::Unknown);
        }
        for name in [
            "a%2Fb",
            "a%252Fb",
            "..%2Fb",
            "%2e%2e",
            "a%00",
            "arn%3Aaws%3As3%3A%3A%3Abucket%2Fkey",
            "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Amodel%2F..",
            "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Amodel%2Fa%2Finvoke",
            "arn%3Aaws%3Abedrock%3Aeu-west-1%3A12345%3Amodel%2Fa",
            "",
        ] {
            assert_eq!(of(name, "converse"), Route::Unknown, "{name}");
        }
        assert_eq!(
            account(&INVOKE, &format!("/model/{arn}/invoke")),
            Some("123456789012")
        );
        assert_eq!(account(&INVOKE, "/model/123456789012/invoke"), None);
    }
}

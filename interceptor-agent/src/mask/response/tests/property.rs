//! Any cut of any stream, and any JSON escaping, gives the client the same texts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::Index};
use serde_json::Value;

use super::*;
use crate::mask::unmask::tests::{json_escaped, map, text, whole};
use crate::protocol::gemini;

/// One text of a stream, and how the provider happens to send it.
#[derive(Clone, Debug)]
struct Sent {
    /// A tool call's arguments are `{"k":text}`.
    tool: bool,
    text: String,
    cuts: Vec<Index>,
    escapes: [u64; 2],
}

/// How the bytes happen to look.
#[derive(Clone, Debug)]
struct Shape {
    order: Vec<Index>,
    line_end: &'static str,
    two_lines: bool,
    comments: bool,
    ends_with_text: bool,
    cuts: Vec<Index>,
}

/// What a client reads a text from: block or choice, tool call, field.
type Key = (u64, Option<u64>, &'static str);

fn sent(text: impl Strategy<Value = String>) -> impl Strategy<Value = Sent> {
    let cuts = prop::collection::vec(any::<Index>(), 0..6);
    (any::<bool>(), text, cuts, any::<[u64; 2]>()).prop_map(|(tool, text, cuts, escapes)| Sent {
        tool,
        text,
        cuts,
        escapes,
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    (
        prop::collection::vec(any::<Index>(), 32),
        prop::sample::select(vec!["\n", "\r\n", "\r"]),
        any::<[bool; 3]>(),
        prop::collection::vec(any::<Index>(), 0..12),
    )
        .prop_map(|(order, line_end, flags, cuts)| Shape {
            order,
            line_end,
            two_lines: flags[0],
            comments: flags[1],
            ends_with_text: flags[2],
            cuts,
        })
}

impl Sent {
    /// The pieces as they stand in the JSON of the events.
    fn pieces(&self) -> Vec<String> {
        let chars: Vec<char> = self.pieces_text().chars().collect();
        cut(&chars, &self.cuts)
            .iter()
            .map(|piece| json_escaped(&piece.iter().collect::<String>(), self.escapes[0]))
            .collect()
    }

    /// The text that the pieces make, itself not read as JSON.
    fn pieces_text(&self) -> String {
        match self.tool {
            true => format!(r#"{{"k":"{}"}}"#, json_escaped(&self.text, self.escapes[1])),
            false => self.text.clone(),
        }
    }

    fn expected(&self) -> Value {
        match self.tool {
            true => serde_json::json!({"k": whole(&self.text)}),
            false => whole(&self.text).into(),
        }
    }
}

fn cut<'t, T>(whole: &'t [T], cuts: &[Index]) -> Vec<&'t [T]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
    cuts.extend([0, whole.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cut| &whole[cut[0]..cut[1]]).collect()
}

/// The stream of events, each a name and its JSON.
fn stream(events: &[(Option<&str>, String)], shape: &Shape) -> String {
    let end = shape.line_end;
    let mut out = String::new();
    for (name, data) in events {
        if shape.comments {
            out += &format!(": {{\"EC2_001\"}}{end}{end}");
        }
        if let Some(name) = name {
            out += &format!("event: {name}{end}");
        }
        let data = match shape.two_lines {
            true => data.replacen(',', &format!(",{end}data: "), 1),
            false => data.clone(),
        };
        out += &format!("data: {data}{end}{end}");
    }
    out
}

fn anthropic(blocks: &[Sent]) -> Vec<(Option<&'static str>, String)> {
    let mut events = vec![(
        Some("message_start"),
        r#"{"type":"message_start","message":{}}"#.to_owned(),
    )];
    for (index, block) in blocks.iter().enumerate() {
        let (kind, field) = match block.tool {
            true => ("input_json_delta", "partial_json"),
            false => ("text_delta", "text"),
        };
        for piece in block.pieces() {
            let delta = format!(
                r#"{{"type":"content_block_delta", "index":{index},"delta":{{"type":"{kind}","{field}":"{piece}"}}}}"#
            );
            events.push((Some("content_block_delta"), delta));
        }
        let stop = format!(r#"{{"type":"content_block_stop","index":{index}}}"#);
        events.push((Some("content_block_stop"), stop));
    }
    events.push((
        Some("message_stop"),
        r#"{"type":"message_stop"}"#.to_owned(),
    ));
    events
}

/// Each of `choices` is a content and its tool calls; the chunks of different choices are mixed.
fn openai(choices: &[Vec<Sent>], shape: &Shape) -> Vec<(Option<&'static str>, String)> {
    let chunk = |choice: usize, delta: &str, finish: &str| {
        format!(
            r#"{{"id":"c1", "choices":[{{"index":{choice},"delta":{{{delta}}},"finish_reason":{finish}}}]}}"#
        )
    };
    let mut queues = Vec::new();
    for (choice, texts) in choices.iter().enumerate() {
        let mut deltas = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            deltas.extend(text.pieces().iter().map(|piece| match text.tool {
                true => format!(
                    r#""tool_calls":[{{"index":{index},"function":{{"arguments":"{piece}"}}}}]"#
                ),
                false => format!(r#""content":"{piece}""#),
            }));
        }
        let last = if shape.ends_with_text {
            deltas.pop()
        } else {
            None
        };
        let mut chunks: Vec<_> = deltas
            .iter()
            .map(|delta| chunk(choice, delta, "null"))
            .collect();
        chunks.push(chunk(choice, &last.unwrap_or_default(), "\"stop\""));
        queues.push(chunks);
    }
    let mut events = mixed(queues, shape);
    events.push((None, "[DONE]".to_owned()));
    events
}

/// An output item each, mixed, and its whole again when it is done.
fn responses(items: &[Sent], shape: &Shape) -> Vec<(Option<&'static str>, String)> {
    let mut queues = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let (kind, field) = match item.tool {
            true => ("function_call_arguments", "arguments"),
            false => ("output_text", "text"),
        };
        let event = |end: &str, field: &str, text: &str| {
            format!(
                r#"{{"type":"response.{kind}.{end}", "output_index":{index},"content_index":0,"{field}":"{text}"}}"#
            )
        };
        let pieces = item.pieces();
        let mut events: Vec<_> = pieces
            .iter()
            .map(|piece| event("delta", "delta", piece))
            .collect();
        events.push(event("done", field, &pieces.concat()));
        queues.push(events);
    }
    mixed(queues, shape)
}

/// A candidate each, which says something or calls a tool with it.
fn candidates(candidates: &[Sent], shape: &Shape) -> Vec<(Option<&'static str>, String)> {
    let mut queues = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let chunk = |part: &str, end: &str| {
            format!(
                r#"{{"candidates":[{{"content":{{"parts":[{part}]}}, "index":{index}{end}}}]}}"#
            )
        };
        let part = |piece: &String| match candidate.tool {
            true => format!(
                r#"{{"functionCall":{{"partialArgs":[{{"jsonPath":"$.k","stringValue":"{piece}","willContinue":true}}],"willContinue":true}}}}"#
            ),
            false => format!(r#"{{"text":"{piece}"}}"#),
        };
        let pieces = candidate.pieces();
        let mut chunks: Vec<_> = pieces.iter().map(|piece| chunk(&part(piece), "")).collect();
        chunks.push(chunk("", r#","finishReason":"STOP""#));
        queues.push(chunks);
    }
    mixed(queues, shape)
}

/// Events of several sequences, in an order that the shape says.
fn mixed(mut queues: Vec<Vec<String>>, shape: &Shape) -> Vec<(Option<&'static str>, String)> {
    queues.iter_mut().for_each(|queue| queue.reverse());
    let mut events = Vec::new();
    for pick in shape.order.iter().cycle() {
        queues.retain(|queue| !queue.is_empty());
        if queues.is_empty() {
            break;
        }
        let at = pick.index(queues.len());
        events.extend(queues[at].pop().map(|event| (None, event)));
    }
    events
}

/// The JSON of each event.
fn data(stream: &str) -> Vec<Value> {
    let lines = stream.replace("\r\n", "\n").replace('\r', "\n");
    let data = lines.split("\n\n").map(|event| {
        let data = event.lines().filter_map(|line| line.strip_prefix("data: "));
        data.collect::<Vec<_>>().join("\n")
    });
    data.filter(|data| !data.is_empty() && data != "[DONE]")
        .map(|data| serde_json::from_str(&data).unwrap())
        .collect()
}

/// Reads a stream as a client does: no piece may come after its text has ended.
fn read(stream: &str) -> BTreeMap<Key, String> {
    let mut texts = BTreeMap::<Key, String>::new();
    let mut ended = BTreeSet::new();
    for event in data(stream) {
        let mut add = |key: Key, piece: &Value| {
            let Some(piece) = piece.as_str() else { return };
            assert!(!ended.contains(&key.0), "{key:?} goes on after its end");
            texts.entry(key).or_default().push_str(piece);
        };
        let index = event["index"].as_u64().unwrap_or_default();
        add((index, None, "text"), &event["delta"]["text"]);
        add(
            (index, None, "partial_json"),
            &event["delta"]["partial_json"],
        );
        for choice in event["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().unwrap();
            add((index, None, "content"), &choice["delta"]["content"]);
            for call in choice["delta"]["tool_calls"]
                .as_array()
                .into_iter()
                .flatten()
            {
                add(
                    (index, call["index"].as_u64(), "arguments"),
                    &call["function"]["arguments"],
                );
            }
        }
        if event["type"] == "content_block_stop" {
            ended.insert(index);
        }
        for choice in event["choices"].as_array().into_iter().flatten() {
            if choice["finish_reason"].is_string() {
                ended.insert(choice["index"].as_u64().unwrap());
            }
        }
    }
    texts
}

fn unmask(endpoint: &'static Endpoint, stream: &str, shape: &Shape) -> String {
    unmask_as(endpoint, Framing::Sse, stream, shape)
}

fn unmask_as(endpoint: &'static Endpoint, framing: Framing, stream: &str, shape: &Shape) -> String {
    let mut unmasker = Unmasker::new(endpoint, framing, map());
    let mut out = BytesMut::new();
    for chunk in cut(stream.as_bytes(), &shape.cuts) {
        unmasker.push(chunk, &mut out).unwrap();
    }
    unmasker.finish(&mut out).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

/// Text without anything that a token may begin with: no capitals, and no escapes in arguments.
fn harmless() -> impl Strategy<Value = Sent> {
    sent(text().prop_map(|text| text.to_lowercase().replace(['\\', '"', '\n'], ""))).prop_map(
        |mut sent| {
            sent.escapes[1] = 0;
            sent
        },
    )
}

/// A content, if any, and tool calls.
fn choice(text: impl Strategy<Value = Sent>) -> impl Strategy<Value = Vec<Sent>> {
    prop::collection::vec(text, 1..4).prop_map(|mut texts| {
        for (index, text) in texts.iter_mut().enumerate() {
            text.tool |= index > 0;
        }
        texts
    })
}

proptest! {
    #[test]
    fn anthropic_streams(blocks in prop::collection::vec(sent(text()), 1..4), shape in shape()) {
        let stream = stream(&anthropic(&blocks), &shape);
        let texts = read(&unmask(&anthropic::MESSAGES, &stream, &shape));
        for (index, block) in (0..).zip(&blocks) {
            let field = if block.tool { "partial_json" } else { "text" };
            prop_assert_eq!(parsed(block, &texts[&(index, None, field)]), block.expected());
        }
    }

    #[test]
    fn openai_streams(choices in prop::collection::vec(choice(sent(text())), 1..4), shape in shape()) {
        let stream = stream(&openai(&choices, &shape), &shape);
        let texts = read(&unmask(&openai::CHAT, &stream, &shape));
        for (choice, sent) in (0..).zip(&choices) {
            for (index, text) in (0..).zip(sent) {
                let key = match text.tool {
                    true => (choice, Some(index), "arguments"),
                    false => (choice, None, "content"),
                };
                prop_assert_eq!(parsed(text, &texts[&key]), text.expected());
            }
        }
    }

    #[test]
    fn responses_streams(items in prop::collection::vec(sent(text()), 1..4), shape in shape()) {
        let stream = stream(&responses(&items, &shape), &shape);
        let unmasked = unmask(&openai::RESPONSES, &stream, &shape);
        let mut texts = vec![String::new(); items.len()];
        let mut done = 0;
        for event in data(&unmasked) {
            let index = usize::try_from(event["output_index"].as_u64().unwrap()).unwrap();
            if let Some(piece) = event["delta"].as_str() {
                texts[index].push_str(piece);
                continue;
            }
            // The whole agrees with its pieces, all of which are there by now.
            let whole = event["text"].as_str().or(event["arguments"].as_str());
            prop_assert_eq!(whole, Some(texts[index].as_str()));
            prop_assert_eq!(parsed(&items[index], &texts[index]), items[index].expected());
            done += 1;
        }
        prop_assert_eq!(done, items.len());
    }

    #[test]
    fn gemini_streams(sent in prop::collection::vec(sent(text()), 1..4), shape in shape(), as_array: bool) {
        let events = candidates(&sent, &shape);
        let chunks: Vec<Value> = if as_array {
            let items: Vec<_> = events.into_iter().map(|(_, item)| item).collect();
            let stream = format!("[{}\n]\n", items.join("\n,\r\n"));
            serde_json::from_str(&unmask_as(&gemini::STREAM, Framing::Items, &stream, &shape)).unwrap()
        } else {
            data(&unmask(&gemini::STREAM, &stream(&events, &shape), &shape))
        };
        let mut texts = vec![Some(String::new()); sent.len()];
        for candidate in chunks.iter().map(|chunk| &chunk["candidates"][0]) {
            let text = &mut texts[usize::try_from(candidate["index"].as_u64().unwrap()).unwrap()];
            let part = &candidate["content"]["parts"][0];
            let argument = &part["functionCall"]["partialArgs"][0]["stringValue"];
            if let Some(piece) = part["text"].as_str().or(argument.as_str()) {
                text.as_mut().unwrap().push_str(piece);
            }
            if candidate["finishReason"].is_string() {
                let sent = &sent[usize::try_from(candidate["index"].as_u64().unwrap()).unwrap()];
                let text = text.take().unwrap();
                match sent.tool {
                    // The pieces are of a text that happens to be JSON, in which values stand as they are.
                    true => prop_assert_eq!(text, whole(&sent.pieces_text())),
                    false => prop_assert_eq!(text, whole(&sent.text)),
                }
            }
        }
        prop_assert!(texts.iter().all(Option::is_none));
    }

    #[test]
    fn nothing_to_put_back_means_the_same_bytes(
        blocks in prop::collection::vec(harmless(), 1..4),
        choices in prop::collection::vec(choice(harmless()), 1..4),
        shape in shape(),
    ) {
        let anthropic = stream(&anthropic(&blocks), &shape);
        prop_assert_eq!(unmask(&anthropic::MESSAGES, &anthropic, &shape), anthropic);
        let openai = stream(&openai(&choices, &shape), &shape);
        prop_assert_eq!(unmask(&openai::CHAT, &openai, &shape), openai);
    }

    #[test]
    fn documents(text in text(), escapes in any::<[u64; 2]>(), size in 1..64_usize) {
        let plain = json_escaped(&text, escapes[0]);
        let nested = json_escaped(&format!("{{\"k\":\"{}\"}}", json_escaped(&text, escapes[1])), escapes[0]);
        let body = format!(
            r#"{{"n": 1.0,"choices":[{{"message":{{"content":"{plain}","tool_calls":[{{"function":{{"arguments":"{nested}"}}}}]}}}}]}}"#
        );
        let out = run(&openai::CHAT, Framing::Json, map(), body.as_bytes(), size);
        let value: Value = serde_json::from_str(&out).unwrap();
        let message = &value["choices"][0]["message"];
        prop_assert_eq!(&message["content"], &whole(&text));
        let arguments = message["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        prop_assert_eq!(&arguments["k"], &whole(&text));
        if whole(&text) == text {
            prop_assert_eq!(out, body);
        }
    }
}

fn parsed(sent: &Sent, received: &str) -> Value {
    match sent.tool {
        true => serde_json::from_str(received).unwrap(),
        false => received.into(),
    }
}

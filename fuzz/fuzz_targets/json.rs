//! Whatever the bytes: what is JSON and what it says is as serde_json has it, and every value's range is that value.
#![no_main]

use interceptor_agent::{
    json::{self, JsonError, Kind, Value},
    mask::decode::Decoded,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value as Theirs;

fuzz_target!(|raw: &[u8]| {
    let ours = json::parse(raw);
    let Ok(text) = std::str::from_utf8(raw) else {
        assert!(ours.is_err());
        return;
    };
    let doc = match ours {
        Err(JsonError::TooDeep { .. }) => return,
        ours => {
            assert_eq!(
                ours.is_ok(),
                is_json(text),
                "serde_json has it the other way"
            );
            let Ok(doc) = ours else { return };
            doc
        }
    };
    parts(text, doc.root());
    // Fails where a surrogate stands alone, a number is out of range, or the nesting is deep.
    if let Ok(theirs) = serde_json::from_str::<Theirs>(text) {
        same(doc.root(), &theirs);
    }
});

fn is_json(text: &str) -> bool {
    serde_json::from_str::<Ignored>(text).is_ok()
}

type Ignored = serde::de::IgnoredAny;

/// Ranges lie in one another with nothing but punctuation between them, and each is a value of its own.
fn parts(text: &str, value: Value<'_>) {
    let range = value.range();
    match value.kind() {
        Kind::Object => {
            let parts = value.entries().flat_map(|(key, value)| [key, value]);
            inside(text, value, parts);
        }
        Kind::Array => inside(text, value, value.items()),
        Kind::String => string(text, value),
        _ => assert!(is_json(&text[range]) && value.inner() == value.range()),
    }
}

fn inside<'d>(text: &str, container: Value<'d>, parts_of: impl Iterator<Item = Value<'d>>) {
    let between = |text: &str| {
        assert!(
            text.bytes().all(|byte| b" \t\r\n,:".contains(&byte)),
            "{text}"
        )
    };
    let mut from = container.inner().start;
    for part in parts_of {
        between(&text[from..part.range().start]);
        parts(text, part);
        from = part.range().end;
    }
    between(&text[from..container.inner().end]);
}

fn string(text: &str, value: Value<'_>) {
    let said = value.text().expect("a string has text");
    if let Ok(theirs) = serde_json::from_str::<String>(&text[value.range()]) {
        assert_eq!(said, theirs);
        assert!(value.is_str(&theirs));
    }
    // And its offsets map there and back.
    let decoded = Decoded::new(value.inner_raw());
    assert_eq!(decoded.text(), said);
    for (offset, char) in said.char_indices() {
        let raw = decoded.raw_range(offset..offset + char.len_utf8());
        let again = Decoded::new(&value.inner_raw()[raw.clone()])
            .text()
            .to_owned();
        assert_eq!(again, char.to_string());
        assert_eq!(decoded.decoded_offset(raw.start), offset);
    }
}

fn same(ours: Value<'_>, theirs: &Theirs) {
    match theirs {
        Theirs::Object(members) => {
            assert_eq!(ours.kind(), Kind::Object);
            for (key, value) in members {
                same(ours.get(key).expect("serde_json sees this key"), value);
            }
            for (key, _) in ours.entries() {
                assert!(members.contains_key(key.text().expect("a key is a string").as_ref()));
            }
        }
        Theirs::Array(items) => {
            assert_eq!(ours.kind(), Kind::Array);
            assert_eq!(ours.items().count(), items.len());
            ours.items()
                .zip(items)
                .for_each(|(ours, theirs)| same(ours, theirs));
        }
        Theirs::String(text) => assert!(ours.is_str(text)),
        Theirs::Number(number) => {
            assert_eq!(ours.kind(), Kind::Number);
            assert_eq!(
                serde_json::from_str(ours.inner_raw()).ok(),
                Some(number.clone())
            );
        }
        Theirs::Bool(true) => assert_eq!(ours.kind(), Kind::True),
        Theirs::Bool(false) => assert_eq!(ours.kind(), Kind::False),
        Theirs::Null => assert_eq!(ours.kind(), Kind::Null),
    }
}

//! Whatever the stream: objects are cut out the same however it arrives, nothing is lost, and what is JSON is cut where it ends.
#![no_main]

use interceptor_agent::json::split::{Part, Splitter};
use interceptor_fuzz::cuts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let whole = split(&[raw]);
    for chunks in cuts(raw) {
        assert_eq!(split(&chunks), whole);
    }
    assert_eq!(whole.concat(), raw);
    let mut documents =
        serde_json::Deserializer::from_slice(raw).into_iter::<serde_json::Map<_, _>>();
    let mut parts = whole.iter().filter(|part| part.starts_with(b"{"));
    let mut from = 0;
    while let Some(Ok(_)) = documents.next() {
        let document = raw[from..documents.byte_offset()].trim_ascii_start();
        from = documents.byte_offset();
        assert_eq!(parts.next().map(|part| &part[..]), Some(document));
    }
});

/// Everything that comes out, the rest last.
fn split(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut splitter = Splitter::new(1 << 20);
    let mut parts = Vec::new();
    for chunk in chunks {
        splitter.push(chunk);
        while let Some(part) = splitter.next_part().expect("the limit is not reached") {
            parts.push(match part {
                Part::Between(byte) => vec![byte],
                Part::Object(object) => object.to_vec(),
            });
        }
    }
    parts.push(splitter.rest());
    parts
}

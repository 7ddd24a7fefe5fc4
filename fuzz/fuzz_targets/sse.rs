//! Whatever the stream: events are the same however it arrives, nothing is lost, and one that is written again says the same.
#![no_main]

use bytes::BytesMut;
use interceptor_agent::sse::{Event, Events};
use interceptor_fuzz::cuts;
use libfuzzer_sys::fuzz_target;

/// Data and name.
type Said = (Option<Vec<u8>>, Option<String>);

fuzz_target!(|raw: &[u8]| {
    let whole = read(&[raw]);
    for chunks in cuts(raw) {
        assert_eq!(read(&chunks), whole);
    }
});

fn read(chunks: &[&[u8]]) -> Vec<Said> {
    let mut events = Events::new(1 << 20);
    let (mut seen, mut raw) = (Vec::new(), Vec::new());
    for chunk in chunks {
        events.push(chunk);
        while let Some(event) = events.next_event().expect("the limit is not reached") {
            raw.extend_from_slice(event.raw());
            see(event, &mut seen);
        }
    }
    let rest = events.rest();
    raw.extend_from_slice(rest.raw());
    see(rest, &mut seen);
    assert_eq!(raw, chunks.concat());
    seen
}

fn see(event: Event<'_>, seen: &mut Vec<Said>) {
    let said = said(event);
    if let Some(data) = &said.0 {
        let mut out = BytesMut::new();
        event.write_with(data, &mut out);
        let mut again = Events::new(1 << 20);
        again.push(&out);
        let read = again
            .next_event()
            .expect("the limit is not reached")
            .map(self::said);
        let read = read.unwrap_or_else(|| self::said(again.rest()));
        assert_eq!(read, said);
        // The lines of one value stand together.
        if !data.contains(&b'\n') {
            assert_eq!(out, event.raw());
        }
    }
    // A line feed that belongs to the carriage return before it may come as an event of its own.
    if event.raw() != b"\n" && !event.raw().is_empty() {
        seen.push(said);
    }
}

fn said(event: Event<'_>) -> Said {
    (
        event.data().map(|data| data.into_owned()),
        event.name().map(str::to_owned),
    )
}

//! Cutting streams into events.

use proptest::prelude::*;

use super::*;

/// Every event of `stream` cut into `chunks`, the rest included when there is one.
fn events(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut events = Events::new(1 << 20);
    let mut out = Vec::new();
    for chunk in chunks {
        events.push(chunk);
        while let Some(event) = events.next_event().unwrap() {
            out.push(event.raw().to_vec());
        }
    }
    out.extend(Some(events.rest().raw().to_vec()).filter(|rest| !rest.is_empty()));
    out
}

fn data(raw: &[u8]) -> Option<String> {
    Event(raw)
        .data()
        .map(|data| String::from_utf8(data.into_owned()).unwrap())
}

#[test]
fn events_end_at_a_blank_line_of_any_kind() {
    for end in ["\n", "\r\n", "\r"] {
        let first = format!("event: a{end}data: 1{end}{end}");
        let second = format!(": comment{end}{end}");
        let stream = format!("{first}{second}data: cut{end}");
        let expected = [first, second, format!("data: cut{end}")].map(String::into_bytes);
        assert_eq!(events(&[stream.as_bytes()]), expected, "{end:?}");
    }
}

#[test]
fn a_cr_ends_an_event_before_its_lf_comes() {
    assert_eq!(
        events(&[b"data: 1\r\n\r", b"\ndata: 2\n\n"]),
        [&b"data: 1\r\n\r"[..], b"\n", b"data: 2\n\n"]
    );
}

#[test]
fn data_is_joined_over_lines() {
    assert_eq!(
        data(b"data: a\ndata:b\r\nid: 7\rdata\ndata:  c\n\n").unwrap(),
        "a\nb\n\n c"
    );
    assert_eq!(data(b"\xef\xbb\xbfdata: a\n\n").unwrap(), "a");
    assert_eq!(
        data("data: a\u{2028}b\u{85}c\n\n".as_bytes()).unwrap(),
        "a\u{2028}b\u{85}c"
    );
    assert_eq!(data(b": data: a\ndatax: b\nevent: data\n\n"), None);
}

#[test]
fn other_data_keeps_the_other_lines_in_place() {
    let write = |raw: &[u8], data: &[u8]| {
        let mut out = BytesMut::new();
        Event(raw).write_with(data, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    };
    assert_eq!(
        write(b"event: a\r\ndata:1\r\nid: 7\r\n\r\n", b"2"),
        "event: a\r\ndata:2\r\nid: 7\r\n\r\n"
    );
    assert_eq!(
        write(b"data: 1\nid: 7\ndata: 2\n\n", b"3"),
        "data: 3\nid: 7\n\n"
    );
    assert_eq!(
        write(b"data: 1\n\n", b"2\n3\r\n4"),
        "data: 2\ndata: 3\ndata: 4\n\n"
    );
    assert_eq!(write(b"data: 1", b"2\n3"), "data: 2\ndata: 3");
}

#[test]
fn other_data_is_read_as_it_was_given() {
    for raw in [
        &b"data\ndata: 1\n\n"[..],
        b"data:1\n\n",
        b"\xef\xbb\xbfdata: 1\n\n",
    ] {
        for with in ["2", "", " 2", "2\n", "2\n\n 3", "\n2"] {
            let mut out = BytesMut::new();
            Event(raw).write_with(with.as_bytes(), &mut out);
            let read = data(&out).expect("there is a data line");
            assert_eq!(read, with, "{out:?}");
        }
    }
}

#[test]
fn a_line_end_is_known_from_the_first_line() {
    for (raw, end) in [
        ("data: 1\r\n\r\n", "\r\n"),
        ("a\r\r", "\r"),
        ("a\n\n", "\n"),
        ("", "\n"),
    ] {
        assert_eq!(Event(raw.as_bytes()).line_end(), end.as_bytes());
    }
}

#[test]
fn an_event_beyond_the_limit_is_an_error_finished_or_not() {
    let error = Some(EventTooLong { limit: 16 });
    let mut unfinished = Events::new(16);
    unfinished.push(&[b'x'; 16]);
    assert!(unfinished.next_event().unwrap().is_none());
    unfinished.push(b"x");
    assert_eq!(unfinished.next_event().err(), error);
    let mut finished = Events::new(16);
    finished.push(b"data: 0123456789abcdef\n\n");
    assert_eq!(finished.next_event().err(), error);
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_bytes_and_data(
        lines in prop::collection::vec(("(data|data:|data: |: |event: |id)[a-c]{0,2}|", "\n|\r\n|\r"), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let stream: String = lines.iter().flat_map(|(line, end)| [line.as_str(), end.as_str()]).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream.as_bytes()[cut[0]..cut[1]]).collect();

        let whole = events(&[stream.as_bytes()]);
        let cut = events(&chunks);
        prop_assert_eq!(cut.concat(), stream.as_bytes());
        let all_data = |events: &[Vec<u8>]| -> Vec<_> { events.iter().filter_map(|raw| data(raw)).collect() };
        prop_assert_eq!(all_data(&cut), all_data(&whole));
    }
}

//! What of a form is masked, what is left alone, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::mask::{Mode, detector::Detectors, request::Masker};

const ID: &str = "i-0123456789abcdef0";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe";

/// A form of one part each: the lines of its head behind the first, and its content.
fn form(parts: &[(&str, &[u8])]) -> Bytes {
    let mut raw = Vec::new();
    for (head, content) in parts {
        raw.extend(format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n").bytes());
        raw.extend_from_slice(content);
        raw.extend(b"\r\n");
    }
    raw.extend(b"--b--\r\n");
    raw.into()
}

fn masked_in(mode: Mode, raw: &Bytes, unread: bool) -> Result<Outcome, MaskError> {
    let boundary = Boundary::of_content_type("multipart/form-data; boundary=b");
    let masker = Masker::new(Detectors::builtin(), mode);
    let mut masking = masker.begin();
    masking.pass_unread(unread);
    masking.form(&boundary.unwrap().unwrap(), raw)
}

fn masked(parts: &[(&str, &[u8])]) -> Result<Bytes, MaskError> {
    masked_in(Mode::Enforce, &form(parts), false).map(|outcome| outcome.into_masked().into_bytes())
}

#[test]
fn fields_files_and_their_names_are_masked() {
    let text = format!("at {ID}\n");
    let masked = masked(&[
        ("name=\"purpose\"", b"assistants"),
        ("name=\"note\"", text.as_bytes()),
        (
            &format!(
                "name=\"file\"; filename=\"{ID}.csv\"\r\nContent-Type: application/octet-stream"
            ),
            format!("host,id\r\na,{ID}\r\nb,10.77.31.8\r\n").as_bytes(),
        ),
    ]);
    let expected = form(&[
        ("name=\"purpose\"", b"assistants"),
        ("name=\"note\"", b"at EC2_001\n"),
        (
            "name=\"file\"; filename=\"EC2_001.csv\"\r\nContent-Type: application/octet-stream",
            b"host,id\r\na,EC2_001\r\nb,PRIVATE_IP_001\r\n",
        ),
    ]);
    assert_eq!(masked.unwrap(), expected);
}

#[test]
fn a_parts_length_is_that_of_what_leaves() {
    let head =
        |length| format!("name=\"x\"\r\ncontent-length: {length}\r\nContent-Type: text/plain");
    let masked = masked(&[(&head(ID.len()), ID.as_bytes()), (&head(2), b"ok")]).unwrap();
    assert_eq!(masked, form(&[(&head(7), b"EC2_001"), (&head(2), b"ok")]));
}

#[test]
fn json_is_read_as_json_and_lines_of_a_batch_as_requests() {
    let file = "name=\"file\"; filename=\"a.jsonl\"\r\nContent-Type: application/octet-stream";
    let json = br#"{ "id" : "i-0123456789abcdef0", "n": [1.0, "\u0069-0123456789abcdef0"]
}"#;
    let out = masked(&[(file, json)]).unwrap();
    let expected = br#"{ "id" : "EC2_001", "n": [1.0, "EC2_001"]
}"#;
    assert_eq!(out, form(&[(file, expected)]));

    let line = |id: &str, name: &str| {
        format!(
            r#"{{"custom_id":"{name}","method":"POST","url":"/v1/chat/completions","body":{{"seed":4111111111111111,"messages":[{{"role":"user","content":"at {id} \u0061"}}]}}}}"#
        )
    };
    let lines = format!(
        "{}\r\n\n{}\n",
        line(ID, "one"),
        line("i-0123456789abcdef1", ID)
    );
    let expected = format!(
        "{}\r\n\n{}\n",
        line("EC2_001", "one"),
        line("EC2_002", "EC2_001")
    );
    let out = masked(&[(file, lines.as_bytes())]).unwrap();
    assert_eq!(out, form(&[(file, expected.as_bytes())]));
    // One that says twice where it goes has no fields that are known to be none.
    let twice = lines.replace(r#""method""#, r#""url":"/v1/messages","method""#);
    let out = masked(&[(file, twice.as_bytes())]).unwrap();
    assert!(!String::from_utf8_lossy(&out).contains("4111111111111111"));
}

#[test]
fn media_pass_and_text_is_text_under_any_name() {
    let file = |media: &str| format!("name=\"image\"; filename=\"a.png\"\r\nContent-Type: {media}");
    for media in ["image/png", "image/jpeg", "application/octet-stream"] {
        let raw = form(&[(&file(media), PNG)]);
        assert!(matches!(
            masked_in(Mode::Enforce, &raw, false),
            Ok(Outcome::Unchanged(same)) if same.as_ref() == raw
        ));
    }
    let out = masked(&[(&file("image/png"), ID.as_bytes())]).unwrap();
    assert_eq!(out, form(&[(&file("image/png"), b"EC2_001")]));
}

#[test]
fn what_is_neither_is_refused_or_passes_by_policy() {
    let utf16: Vec<u8> = ID.bytes().flat_map(|byte| [byte, 0]).collect();
    let hidden = [PNG, ID.as_bytes()].concat();
    for (media, content) in [
        ("text/plain", &utf16[..]),
        ("text/plain; charset=utf-16", b"plain"),
        ("text/plain", b"caf\xe9"),
        ("audio/wav", PNG),
        ("text/plain", &hidden),
        ("application/zip", b"PK\x03\x04\xff"),
        ("application/octet-stream", b"PK\x03\x04\xff"),
    ] {
        let head = format!("name=\"file\"; filename=\"a\"\r\nContent-Type: {media}");
        let raw = form(&[("name=\"x\"", ID.as_bytes()), (&head, content)]);
        let refused = masked_in(Mode::Enforce, &raw, false).unwrap_err();
        assert_eq!(refused, MaskError::Unreadable { part: 2 }, "{media}");
        let passed = masked_in(Mode::Enforce, &raw, true).unwrap().into_masked();
        assert_eq!(
            passed.as_ref(),
            form(&[("name=\"x\"", b"EC2_001"), (&head, content)])
        );
    }
}

#[test]
fn a_value_in_the_boundary_is_refused() {
    let raw = Bytes::from(format!(
        "--{ID}\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--{ID}--"
    ));
    let boundary = Boundary::of_content_type(&format!("multipart/form-data; boundary={ID}"));
    let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
    let masked = masker.begin().form(&boundary.unwrap().unwrap(), &raw);
    assert_eq!(masked.unwrap_err(), MaskError::Unmaskable);
}

#[test]
fn nothing_changes_where_nothing_is_enforced() {
    let raw = form(&[("name=\"x\"", ID.as_bytes())]);
    for mode in [Mode::ReportOnly, Mode::DryRun] {
        let outcome = masked_in(mode, &raw, false).unwrap();
        assert!(matches!(outcome, Outcome::Unchanged(same) if same.as_ref() == raw));
    }
}

#[test]
fn a_file_of_many_lines_takes_no_time() {
    let line = |number: usize| format!("{{\"prompt\":\"at i-{number:017x}\"}}\n");
    let lines: String = (0..4_000).map(line).collect();
    let started = std::time::Instant::now();
    let out = masked(&[("name=\"file\"; filename=\"a\"", lines.as_bytes())]).unwrap();
    assert!(String::from_utf8_lossy(&out).contains("EC2_4000"));
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

proptest! {
    /// However it is wrapped, the value does not leave; and what has none leaves as it came.
    #[test]
    fn values_never_leave(
        before in "[ -~]{0,12}", after in "[ -~]{0,12}", inside in any::<bool>(),
        wrap in prop_oneof![Just("{}"), Just("[\"{}\"]"), Just("{\"k\":\"{}\"}"), Just("{\"k\":\"{}\"}\n{\"k\":1}\n")],
        kind in prop_oneof![Just(""), Just("\r\nContent-Type: image/png"), Just("\r\nContent-Type: application/json")],
    ) {
        let text = if inside { format!("{before} {ID} {after}") } else { before };
        let raw = form(&[(&format!("name=\"x\"{kind}"), wrap.replace("{}", &text).as_bytes())]);
        match masked_in(Mode::Enforce, &raw, false) {
            Ok(Outcome::Unchanged(same)) => { prop_assert!(!inside); prop_assert_eq!(same.as_ref(), &raw); }
            Ok(Outcome::Masked(masked)) => prop_assert!(!String::from_utf8_lossy(masked.as_ref()).contains(ID)),
            Err(_) => {}
        }
    }
}

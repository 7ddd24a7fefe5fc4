//! What is read, and what is not read because others might read it otherwise.

use proptest::prelude::*;

use super::*;

fn boundary(text: &str) -> Boundary {
    let value = format!("multipart/form-data; boundary=\"{text}\"");
    Boundary::of_content_type(&value).unwrap().unwrap()
}

/// The contents of the parts of `body`, which has `\n` for CRLF.
fn contents(body: &str) -> Result<Vec<String>, FormError> {
    let raw = body.replace('\n', "\r\n");
    let parts = parse(raw.as_bytes(), &boundary("b"))?;
    let content = |part: Part| raw[part.content].to_owned();
    Ok(parts.into_iter().map(content).collect())
}

const NAME: &str = "Content-Disposition: form-data; name=\"x\"";

#[test]
fn parts_are_cut_out_whole() {
    let body = format!(
        "--b\n{NAME}\n\none\n--b\n{NAME}; filename=\"a b.txt\"\ncontent-type: Text/Plain; charset=UTF-8\n\n\n\ntwo\n\n--b\n{NAME}\n\n\n--b--\n"
    );
    assert_eq!(contents(&body).unwrap(), ["one", "\r\n\r\ntwo\r\n", ""]);
    assert_eq!(contents("--b--").unwrap(), [""; 0]);
    let raw = format!(
        "--b\r\n{NAME}\r\nContent-Type: Image/PNG\r\nContent-Length:  3\r\n\r\nabc\r\n--b--"
    );
    let part = &parse(raw.as_bytes(), &boundary("b")).unwrap()[0];
    assert_eq!(part.media_type.as_deref(), Some("image/png"));
    assert!(raw[part.head.clone()].ends_with("Content-Length:  3"));
}

#[test]
fn what_could_be_cut_otherwise_is_refused() {
    for body in [
        "",
        "{}",
        "--b",
        "--b\n",
        "preamble\n--b\nNAME\n\none\n--b--\n",
        "\n--b\nNAME\n\none\n--b--\n",
        "--b\nNAME\n\none\n--b--\nepilogue",
        "--b\nNAME\n\none\n--b--\n\n",
        "--b\nNAME\n\none\n",
        "--b\nNAME\n\none\n--b \n--b--\n",
        "--b\nNAME\n\none\n--bb\n--b--\n",
        "--b\nNAME\n\none --b\n--b--\n",
        "--b\n--b--\n",
        "--b\n\n\n--b--\n",
        "--b\n\n--b--\n",
        "--b--\n--b\nNAME\n\none\n--b--\n",
    ] {
        let body = body.replace("NAME", NAME);
        assert!(contents(&body).is_err(), "{body:?}");
    }
    let raw = format!("--b\r\n{NAME}\r\n\r\none\n--b\n{NAME}\n\ntwo\r\n--b--");
    assert!(parse(raw.as_bytes(), &boundary("b")).is_err(), "LF alone");
}

#[test]
fn heads_are_plain() {
    let part = |head: &str| contents(&format!("--b\n{head}\n\nabc\n--b--\n"));
    for head in [
        "content-disposition:form-data;name=x",
        "Content-Disposition: form-data; name=\"x\"; filename=\"C:\\a%22.png\"",
        "Content-Disposition: form-data; filename=\"é.txt\"; name=\"x[]\"\nContent-Type: application/octet-stream",
        "Content-Disposition: form-data; name=\"x\"\nContent-Transfer-Encoding: binary\nContent-Length: 3",
    ] {
        assert_eq!(part(head).unwrap(), ["abc"], "{head}");
    }
    for head in [
        "Content-Type: text/plain",
        "Content-Disposition: attachment; name=\"x\"",
        "Content-Disposition: form-data",
        "Content-Disposition: form-data; name=\"x\"; name=\"y\"",
        "Content-Disposition: form-data; name=\"x\"; filename=\"a\"; FileName=\"b\"",
        "Content-Disposition: form-data; name=\"x\"; filename*=UTF-8''a",
        "Content-Disposition: form-data; name=\"a\\\"; filename=\"b\"",
        "Content-Disposition: form-data; name=\"x\";",
        "Content-Disposition: form-data; name=\"x\" y",
        "Content-Disposition: form-data; name=x\"y\"",
        "Content-Disposition: form-data; name=\"x\"\n folded: yes",
        "Content-Disposition : form-data; name=\"x\"",
        "Content-Disposition: form-data; name=\"x\"\nContent-Disposition: form-data; name=\"x\"",
        "Content-Disposition: form-data; name=\"x\"\nContent-Type: a/b\nContent-Type: a/b",
        "Content-Disposition: form-data; name=\"x\"\nContent-Type: multipart/mixed; boundary=c",
        "Content-Disposition: form-data; name=\"x\"\nContent-Type: text",
        "Content-Disposition: form-data; name=\"x\"\nContent-Length: 4",
        "Content-Disposition: form-data; name=\"x\"\nContent-Encoding: gzip",
        "Content-Disposition: form-data; name=\"x\"\nContent-Transfer-Encoding: base64",
        "Content-Disposition: form-data; name=\"x\u{1}\"",
    ] {
        assert!(part(head).is_err(), "{head:?}");
    }
}

#[test]
fn boundaries_come_from_the_content_type() {
    let of = |value: &str| Boundary::of_content_type(value).map(|found| found.map(|text| text.0));
    let found = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(of("multipart/form-data; boundary=x-1"), found("x-1"));
    assert_eq!(
        of("Multipart/Form-Data;charset=utf-8;Boundary=\"x:1\""),
        found("x:1")
    );
    assert_eq!(of("application/json"), Ok(None));
    for value in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a b\"",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=a; charset=utf-16",
        "multipart/form-data; boundary=a, application/json",
        &format!("multipart/form-data; boundary={}", "x".repeat(71)),
    ] {
        assert_eq!(of(value), Err(FormError::Boundary), "{value}");
    }
}

#[test]
fn there_are_not_too_many_parts() {
    let form = |parts| format!("--b\n{NAME}\n\n\n").repeat(parts) + "--b--";
    assert_eq!(contents(&form(MAX_PARTS)).unwrap().len(), MAX_PARTS);
    assert_eq!(contents(&form(MAX_PARTS + 1)), Err(FormError::TooManyParts));
}

proptest! {
    /// Whatever the contents are, they come out as they went in, or the form is refused for the boundary in them.
    #[test]
    fn contents_come_out_as_they_went_in(
        contents in prop::collection::vec(prop::collection::vec(prop_oneof![Just(b'-'), Just(b'b'), Just(b'\r'), Just(b'\n'), any::<u8>()], 0..40), 0..6)
    ) {
        let mut raw = Vec::new();
        for content in &contents {
            raw.extend(format!("--bb\r\n{NAME}\r\n\r\n").bytes());
            raw.extend(content);
            raw.extend(b"\r\n");
        }
        raw.extend(b"--bb--\r\n");
        let hidden = contents.iter().any(|content| memmem::find(content, b"--bb").is_some());
        match parse(&raw, &boundary("bb")) {
            Ok(parts) => {
                let read: Vec<_> = parts.iter().map(|part| raw[part.content.clone()].to_vec()).collect();
                prop_assert_eq!(read, contents);
            }
            Err(_) => prop_assert!(hidden),
        }
    }

    #[test]
    fn nothing_panics(raw in prop::collection::vec(prop_oneof![Just(b'-'), Just(b'b'), Just(b'\r'), Just(b'\n'), any::<u8>()], 0..200)) {
        let _ = parse(&raw, &boundary("b"));
    }
}

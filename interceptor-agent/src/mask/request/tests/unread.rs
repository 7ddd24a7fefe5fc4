//! Text that stands as a tokenizer's ids: refused, or passed and counted.

use super::*;

const BOTH: [(&Endpoint, &str); 2] = [
    (&openai::EMBEDDINGS, r#"{"input":[[791,2937],[8]]}"#),
    (&openai::COMPLETIONS, r#"{"prompt":[791,2937]}"#),
];

#[test]
fn ids_are_refused_unless_policy_lets_them_pass() {
    for (endpoint, body) in BOTH {
        let raw = Bytes::from_static(body.as_bytes());
        let refused = masker().begin().body(endpoint, &raw);
        assert_eq!(refused.unwrap_err(), MaskError::TokenIds, "{endpoint:?}");
        let mut masking = masker().begin();
        masking.pass_unread(true);
        let passed = masking.body(endpoint, &raw).unwrap();
        assert!(matches!(passed, Outcome::Unchanged(same) if same.as_ref() == raw));
        assert_eq!(masking.take_report().unreadable, 1);
    }
}

#[test]
fn ids_in_a_line_of_a_batch_are_refused() {
    for (endpoint, body) in BOTH {
        let path = endpoint.name.strip_prefix("openai_").unwrap();
        let line =
            format!(r#"{{"custom_id":"1","method":"POST","url":"/v1/{path}","body":{body}}}"#);
        let raw = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{line}\r\n--b--\r\n"
        );
        let boundary =
            crate::multipart::Boundary::of_content_type("multipart/form-data; boundary=b");
        let form = masker()
            .begin()
            .form(&boundary.unwrap().unwrap(), &Bytes::from(raw));
        assert_eq!(form.unwrap_err(), MaskError::TokenIds, "{endpoint:?}");
    }
}

#[test]
fn a_text_with_numbers_beside_it_passes() {
    for body in [
        r#"{"input":["a text","791"],"dimensions":256}"#,
        r#"{"input":"791 2937","encoding_format":"float"}"#,
    ] {
        let raw = Bytes::from_static(body.as_bytes());
        assert!(masker().begin().body(&openai::EMBEDDINGS, &raw).is_ok());
    }
}

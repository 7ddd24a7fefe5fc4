//! Tokens of the request among what detectors take for a value.

use super::*;

const PASSWORD: &str = concat!("hunter2", "Tr0ub4dor");
const KEYED: &str = "PASSWORD_123456789012345678";

/// What the client reads, and what was found in it.
fn answered(action: Action, said: &str) -> (String, Vec<Watched>) {
    let classes = ["assigned_password", "curl_password", "private_key"];
    let watching = watching(&classes.map(|class| (class, action)), Mode::Enforce);
    let map = [
        ("PASSWORD_001".to_owned(), PASSWORD.to_owned()),
        ("ACCOUNT_001".to_owned(), "123456789012".to_owned()),
    ];
    let mut tokens = Tokens::new(Arc::new(map.into_iter().collect()))
        .with_keyed(["PASSWORD"].into_iter())
        .watched(Some(watching.clone()));
    tokens.resolve(vec![(KEYED.to_owned(), Some(PASSWORD.to_owned()))]);
    let whole = tokens.unmask(said.as_bytes(), Escaping::None).into_owned();
    for size in [1, 5] {
        let streamed = streamed(&tokens, Escaping::None, said.as_bytes(), size);
        assert_eq!(streamed.as_bytes(), whole, "{size}");
    }
    (String::from_utf8(whole).unwrap(), watching.report())
}

#[test]
fn signs_around_a_token_make_no_secret_of_it() {
    for said in [
        "**Password: PASSWORD_001**",
        "The password is PASSWORD_001!",
        "password=PASSWORD_001@db",
        "password=PASSWORD_001@db.internal/orders",
        "Password: __PASSWORD\\_001__",
        "`curl https://x.test -u admin:PASSWORD_001`",
        "password = PASSWORD_001/",
    ] {
        for token in ["PASSWORD_001", KEYED] {
            let said = said.replace("PASSWORD_001", token);
            let said = match token == KEYED {
                true => said.replace("PASSWORD\\_001", &KEYED.replace('_', "\\_")),
                false => said,
            };
            let expected = said
                .replace(token, PASSWORD)
                .replace(&token.replace('_', "\\_"), PASSWORD);
            for action in [Action::Mask, Action::Block] {
                assert_eq!(answered(action, &said), (expected.clone(), vec![]));
            }
        }
    }
}

#[test]
fn a_token_that_nobody_gave_out_is_no_secret_either() {
    let said = "**Password: PASSWORD_002**";
    assert_eq!(answered(Action::Mask, said), (said.to_owned(), vec![]));
}

#[test]
fn what_stands_beside_a_token_is_one_where_it_would_be_by_itself() {
    let pem = concat!("-----BEGIN RSA PRIVATE ", "KEY-----\nMIIEowIBAAKCAQEA\n");
    let end = concat!("q8rVt2xYw==\n-----END RSA PRIVATE ", "KEY-----");
    for (said, expected) in [
        (
            "password=\"ACCOUNT_001:Zx81Spectrum!\"".to_owned(),
            "password=\"123456789012[PASSWORD]\"".to_owned(),
        ),
        (
            "password=PASSWORD_001!Zx81Spectrum PASSWORD_001".to_owned(),
            format!("password={PASSWORD}![PASSWORD] {PASSWORD}"),
        ),
        (
            format!("{pem}ACCOUNT_001{end}"),
            "[PRIVATE_KEY]123456789012[PRIVATE_KEY]".to_owned(),
        ),
    ] {
        let (got, seen) = answered(Action::Mask, &said);
        assert_eq!(got, expected);
        assert!(!seen.is_empty());
    }
}

//! Values that an operator's own detector finds and that look like tokens.

use super::*;
use crate::mask::detector::{
    Class,
    rules::{Custom, Pattern, Rules},
};

#[test]
fn a_value_that_looks_like_a_token_of_its_own_label_is_masked() {
    let pattern = Pattern::new(r"\bCUST_\d{3,6}\b").unwrap();
    let rules = Rules {
        custom: vec![Custom {
            class: Class {
                name: "customer",
                label: "CUST",
                action: Action::Mask,
            },
            source: String::new(),
            pattern,
            group: None,
            keywords: Vec::new(),
            entropy: 0,
            confidence: 900,
            except: Vec::new(),
        }],
        ..Rules::default()
    };
    let masker = |actions| Masker::new(Detectors::new(&actions, &rules).unwrap(), Mode::Enforce);
    let body = r#"{"messages":[{"content":"CUST_104512, CUST_001"},{"content":"CUST_002 and CUST_104512"}]}"#;
    let body = Bytes::from_static(body.as_bytes());
    let masking = masker(BTreeMap::new());
    let mut masking = masking.begin();
    let masked = masking.body(&anthropic::MESSAGES, &body).unwrap();
    let masked = masked.into_masked().into_bytes();
    assert_eq!(
        masked,
        r#"{"messages":[{"content":"CUST_002, CUST_003"},{"content":"CUST_004 and CUST_002"}]}"#
    );
    let tokens = masking.finish().0;
    assert_eq!(
        tokens.iter().collect::<Vec<_>>(),
        [
            ("CUST_002", "CUST_104512"),
            ("CUST_003", "CUST_001"),
            ("CUST_004", "CUST_002")
        ]
    );
    let blocking = masker(BTreeMap::from([("customer".to_owned(), Action::Block)]));
    let blocked = blocking.begin().body(&anthropic::MESSAGES, &body).err();
    assert!(matches!(blocked, Some(MaskError::Blocked { .. })));
}

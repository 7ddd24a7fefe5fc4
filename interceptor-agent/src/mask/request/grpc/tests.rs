//! What of a message is masked, without knowing what its fields are.

use proptest::prelude::*;

use super::*;
use crate::mask::{Mode, detector::Detectors, request::Masker};

const ID: &str = "i-0123456789abcdef0";

fn field(number: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    protobuf::write(number, bytes.as_ref(), &mut out);
    out
}

fn body(message: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    protobuf::write_message(message, &mut out);
    out.freeze()
}

fn masked(raw: &Bytes, unread: bool) -> Result<Outcome, MaskError> {
    let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
    let mut masking = masker.begin();
    masking.pass_unread(unread);
    masking.grpc(raw)
}

/// A request to generate content: model, and one content of one part.
fn request(text: &str) -> Bytes {
    let part = field(2, text);
    let content = [field(1, part), field(2, "user")].concat();
    body(&[field(1, "models/gemini"), field(2, content)].concat())
}

#[test]
fn texts_are_masked_at_any_depth_and_lengths_agree() {
    let long = "x ".repeat(100);
    for text in [
        format!("at {ID}"),
        format!("{long}{ID} {long}"),
        ID.to_owned(),
    ] {
        let out = masked(&request(&text), false).unwrap().into_masked();
        assert_eq!(out.as_ref(), request(&text.replace(ID, "EC2_001")));
    }
    let plain = request("nothing here");
    assert!(
        matches!(masked(&plain, false), Ok(Outcome::Unchanged(same)) if same.as_ref() == plain)
    );
    let two = [request(ID), request(ID)].concat().into();
    let expected = [request("EC2_001"), request("EC2_001")].concat();
    assert_eq!(
        masked(&two, false).unwrap().into_masked().as_ref(),
        expected
    );
}

#[test]
fn a_message_whose_length_reads_as_a_letter_is_masked_inside() {
    // Lengths from 32 to 126 are printable: the message reads as a text that begins with them.
    for size in 32..127 {
        let text = format!("{ID}{}", " ".repeat(size - ID.len()));
        let inner = field(1, &text);
        let raw = body(&field(4, &inner));
        let out = masked(&raw, false).unwrap().into_masked();
        let expected = body(&field(4, field(1, text.replace(ID, "EC2_001"))));
        assert_eq!(out.as_ref(), expected, "{size}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_or_passes_by_policy() {
    let bytes = |bytes: &[u8]| body(&field(3, field(2, bytes)));
    let picture = bytes(b"\x89PNG\r\n\x1a\n\0\xff");
    assert!(matches!(masked(&picture, false), Ok(Outcome::Unchanged(_))));
    let signed = bytes(b"\xff\x00\xfe signed");
    assert_eq!(
        masked(&signed, false).unwrap_err(),
        MaskError::UnreadableBytes
    );
    assert!(matches!(masked(&signed, true), Ok(Outcome::Unchanged(_))));

    let mut compressed = request(ID).to_vec();
    compressed[0] = 1;
    let cut = &request(ID)[..20];
    let none = body(b"\x0f\x00");
    for (raw, error) in [
        (compressed.into(), GrpcError::Compressed),
        (Bytes::copy_from_slice(cut), GrpcError::Cut),
        (none, GrpcError::NotProtobuf),
    ] {
        assert_eq!(masked(&raw, true).unwrap_err(), MaskError::NotGrpc(error));
    }
    let deep = (0..MAX_DEPTH + 1).fold(field(1, ID), |inner, _| field(1, inner));
    let refused = masked(&body(&deep), true).unwrap_err();
    assert_eq!(refused, MaskError::NotGrpc(GrpcError::NotProtobuf));
}

#[test]
fn a_value_in_a_number_is_refused() {
    let card = 4_111_111_111_111_111u64;
    let mut varint = vec![0x08];
    let mut rest = card;
    while rest >= 0x80 {
        varint.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    varint.push(rest as u8);
    let double = [&[0x11][..], &(card as f64).to_le_bytes()].concat();
    for number in [varint, double] {
        assert_eq!(
            masked(&body(&field(2, number)), true).unwrap_err(),
            MaskError::Unmaskable
        );
    }
    // 150, 1.0, a temperature of 0.7, and -1.
    let plain = b"\x08\x96\x01\x11\0\0\0\0\0\0\xf0\x3f\x0d\x33\x33\x33\x3f\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    assert!(masked(&body(plain), false).is_ok());
}

proptest! {
    /// However deep it stands and whatever is around it, the value does not leave.
    #[test]
    fn values_never_leave(before in "[ -~\n]{0,40}", after in "[ -~]{0,40}", numbers in prop::collection::vec(1u64..200, 0..6)) {
        let text = format!("{before} {ID} {after}");
        let message = numbers.iter().fold(field(1, text), |inner, number| field(*number, inner));
        if let Ok(outcome) = masked(&body(&message), false) {
            let out = outcome.into_masked();
            prop_assert!(!String::from_utf8_lossy(out.as_ref()).contains(ID));
            prop_assert!(protobuf::fields(&out.as_ref()[5..]).is_some());
        }
    }
}

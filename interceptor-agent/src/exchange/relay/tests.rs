//! What each end of a WebSocket is told.

use super::*;

#[test]
fn whoever_sent_what_cannot_be_read_is_told_so() {
    let too_long = WebSocketError::TooLong { limit: 9 };
    let (protocol, utf8) = (WebSocketError::Protocol, WebSocketError::NotUtf8);
    for (error, from, reason, codes) in [
        (too_long, Side::Client, Reason::BadRequest, (1009, 1001)),
        (protocol, Side::Client, Reason::BadRequest, (1002, 1001)),
        (utf8, Side::Client, Reason::BadRequest, (1007, 1001)),
        (too_long, Side::Server, Reason::BadAnswer, (1011, 1009)),
        (protocol, Side::Server, Reason::BadAnswer, (1011, 1002)),
        (utf8, Side::Server, Reason::BadAnswer, (1011, 1007)),
    ] {
        let (refusal, told) = End::Broken(error).told(from);
        assert_eq!(refusal.map(|refusal| refusal.reason), Some(reason));
        assert_eq!(told, Some(codes), "{error} {from:?}");
    }
}

#[test]
fn a_refusal_says_whose_fault_it_is() {
    for (reason, code) in [
        (Reason::BlockedClass, 1008),
        (Reason::BlockedAnswer, 1008),
        (Reason::BadAnswer, 1011),
    ] {
        let (refusal, told) = End::Refused(reason.into()).told(Side::Server);
        assert_eq!(refusal, Some(reason.into()));
        assert_eq!(told, Some((code, 1001)));
    }
    for end in [End::Idle, End::Over] {
        assert_eq!(end.told(Side::Server), (None, Some((1001, 1001))));
    }
    for end in [End::Closed, End::Gone] {
        assert_eq!(end.told(Side::Client), (None, None));
    }
}

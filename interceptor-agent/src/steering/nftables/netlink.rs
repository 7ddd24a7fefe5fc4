//! What nftables takes over netlink: changes of a set's elements, all or none.

use crate::steering::netlink::{ACK, REQUEST, message};

const SUBSYSTEM_NFTABLES: u16 = 10;
const NLM_F_CREATE: u16 = 0x400;
const NLA_F_NESTED: u16 = 0x8000;

/// nftables commands that take effect all at once, or not at all; the last one is acknowledged.
pub(super) fn transaction(
    sequence: u32,
    family: u8,
    commands: &[(libc::c_int, Attributes)],
) -> Vec<u8> {
    let generic = |family: u8, subsystem: u16| {
        let [high, low] = subsystem.to_be_bytes();
        [family, 0, high, low]
    };
    let frame = |kind: libc::c_int| {
        let body = generic(0, SUBSYSTEM_NFTABLES);
        message(sequence, kind as u16, REQUEST, &body)
    };
    let mut messages = frame(libc::NFNL_MSG_BATCH_BEGIN);
    for (index, (command, attributes)) in commands.iter().enumerate() {
        let last = index + 1 == commands.len();
        let flags = REQUEST | NLM_F_CREATE | if last { ACK } else { 0 };
        let kind = (SUBSYSTEM_NFTABLES << 8) | *command as u16;
        let body = [&generic(family, 0)[..], &attributes.0].concat();
        messages.extend(message(sequence, kind, flags, &body));
    }
    messages.extend(frame(libc::NFNL_MSG_BATCH_END));
    messages
}

/// A netlink message's attributes: length and type, value, up to the next multiple of four.
#[derive(Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// Adds bytes.
    pub(super) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        let length = (4 + value.len()) as u16;
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a string, which ends with a zero.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        self.bytes(kind, &[value.as_bytes(), &[0]].concat())
    }

    /// Adds attributes in an attribute.
    pub(super) fn nested(self, kind: u16, inner: impl FnOnce(Self) -> Self) -> Self {
        let inner = inner(Self::default());
        self.bytes(kind | NLA_F_NESTED, &inner.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested() {
        let attributes = Attributes::default()
            .text(1, "ab")
            .nested(3, |inner| inner.bytes(2, &[7]));
        let [low, high] = (3 | NLA_F_NESTED).to_ne_bytes();
        let expected = [
            7, 0, 1, 0, b'a', b'b', 0, 0, 12, 0, low, high, 5, 0, 2, 0, 7, 0, 0, 0,
        ];
        if cfg!(target_endian = "little") {
            assert_eq!(attributes.0, expected);
        }
    }
}

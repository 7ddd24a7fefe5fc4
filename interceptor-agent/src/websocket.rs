//! WebSocket messages cut out of a byte stream, any chunking, and written (RFC 6455). No extension is spoken: the agent
//! takes the offer of one out of the handshake.
//!
//! Strict: a frame that RFC 6455 doesn't allow ends the connection.

use bytes::{BufMut as _, BytesMut};

/// Most bytes of a control frame (RFC 6455 §5.5).
pub const CONTROL_LIMIT: usize = 125;

/// One whole message, or a control frame, which may come between the frames of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Binary(Vec<u8>),
    /// The other end is to answer with a pong.
    Ping(Vec<u8>),
    /// An answer to a ping, or a sign of life.
    Pong(Vec<u8>),
    /// The end: a code, if there is one, and a reason.
    Close(Option<(u16, String)>),
}

impl Message {
    /// Bytes of its payload, without a close's code.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) | Self::Close(Some((_, text))) => text.len(),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => bytes.len(),
            Self::Close(None) => 0,
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Which end of a connection somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Its frames are masked with a key.
    Client,
    /// Its frames are not.
    Server,
}

/// Why a connection can't go on; the side that sent it is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    /// A frame that RFC 6455 doesn't allow.
    #[error("a frame that RFC 6455 does not allow")]
    Protocol,
    /// Text that is not UTF-8.
    #[error("a text message that is not UTF-8")]
    NotUtf8,
    /// A message of more bytes than may be held.
    #[error("a message of more than {limit} bytes")]
    TooLong {
        /// Most bytes of a message.
        limit: usize,
    },
}

impl WebSocketError {
    /// The close code for whoever sent it (RFC 6455 §7.4.1).
    pub fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::NotUtf8 => 1007,
            Self::TooLong { .. } => 1009,
        }
    }
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Reads what one side sends; holds one unfinished message and one unfinished frame.
pub struct Reader {
    from: Side,
    limit: usize,
    buffer: BytesMut,
    /// The message whose frames are arriving: its kind and what came of it.
    open: Option<(u8, Vec<u8>)>,
}

/// A frame's head, whole.
struct Head {
    fin: bool,
    opcode: u8,
    key: Option<[u8; 4]>,
    /// Of the head, and of the payload.
    length: usize,
    payload: usize,
}

impl Reader {
    /// For messages of at most `limit` bytes.
    pub fn new(from: Side, limit: usize) -> Self {
        Self {
            from,
            limit,
            buffer: BytesMut::new(),
            open: None,
        }
    }

    /// Where the next bytes go, cut anywhere.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next message; `None` until more bytes come.
    ///
    /// # Errors
    /// See [`WebSocketError`]; nothing behind it can be read.
    pub fn next_message(&mut self) -> Result<Option<Message>, WebSocketError> {
        while let Some(head) = self.head()? {
            let whole = head.length + head.payload;
            if self.buffer.len() < whole {
                return Ok(None);
            }
            let mut frame = self.buffer.split_to(whole);
            let payload = &mut frame[head.length..];
            if let Some(key) = head.key {
                apply(key, payload);
            }
            if let Some(message) = self.frame(&head, payload)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn head(&self) -> Result<Option<Head>, WebSocketError> {
        let [first, second, rest @ ..] = &self.buffer[..] else {
            return Ok(None);
        };
        let (fin, opcode, masked) = (first & 0x80 != 0, first & 0x0f, second & 0x80 != 0);
        let is_control = opcode & 8 != 0;
        let goes_on = opcode == CONTINUATION;
        let known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
        let short = usize::from(second & 0x7f);
        let in_place = is_control || goes_on == self.open.is_some();
        if first & 0x70 != 0
            || !known
            || !in_place
            || masked != (self.from == Side::Client)
            || is_control && !(fin && short <= CONTROL_LIMIT)
        {
            return Err(WebSocketError::Protocol);
        }
        let (wide, least) = match short {
            126 => (2, 126),
            127 => (8, 1 << 16),
            _ => (0, 0),
        };
        let Some((number, rest)) = rest.split_at_checked(wide) else {
            return Ok(None);
        };
        let number = number
            .iter()
            .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        let payload = if wide == 0 { short as u64 } else { number };
        if payload < least || payload >> 63 != 0 {
            return Err(WebSocketError::Protocol);
        }
        let held = self.open.as_ref().map_or(0, |(_, held)| held.len());
        let limit = self.limit;
        let payload = usize::try_from(payload).unwrap_or(usize::MAX);
        if !is_control && held.saturating_add(payload) > limit {
            return Err(WebSocketError::TooLong { limit });
        }
        let key = match (masked, rest.first_chunk()) {
            (false, _) => None,
            (true, None) => return Ok(None),
            (true, key) => key.copied(),
        };
        Ok(Some(Head {
            fin,
            opcode,
            key,
            length: 2 + wide + if masked { 4 } else { 0 },
            payload,
        }))
    }

    fn frame(&mut self, head: &Head, payload: &[u8]) -> Result<Option<Message>, WebSocketError> {
        match head.opcode {
            CLOSE => return closing(payload).map(Some),
            PING => return Ok(Some(Message::Ping(payload.to_vec()))),
            PONG => return Ok(Some(Message::Pong(payload.to_vec()))),
            _ => {}
        }
        let (kind, held) = self.open.get_or_insert((head.opcode, Vec::new()));
        held.extend_from_slice(payload);
        if !head.fin {
            return Ok(None);
        }
        let (kind, held) = (*kind, std::mem::take(held));
        self.open = None;
        Ok(Some(match kind {
            TEXT => Message::Text(String::from_utf8(held).map_err(|_| WebSocketError::NotUtf8)?),
            _ => Message::Binary(held),
        }))
    }
}

/// A code that may be sent, and UTF-8 behind it (RFC 6455 §5.5.1 and §7.4).
fn closing(payload: &[u8]) -> Result<Message, WebSocketError> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload {
            [] => Ok(Message::Close(None)),
            _ => Err(WebSocketError::Protocol),
        };
    };
    let code = u16::from_be_bytes(*code);
    let reason = std::str::from_utf8(reason).map_err(|_| WebSocketError::NotUtf8)?;
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => {
            Ok(Message::Close(Some((code, reason.to_owned()))))
        }
        _ => Err(WebSocketError::Protocol),
    }
}

/// Writes a message as one frame; a client's with `key`. What is too long for a control frame is cut.
pub fn write(message: &Message, key: Option<[u8; 4]>, out: &mut BytesMut) {
    let closing;
    let (opcode, payload) = match message {
        Message::Text(text) => (TEXT, text.as_bytes()),
        Message::Binary(bytes) => (BINARY, &bytes[..]),
        Message::Ping(bytes) => (PING, &bytes[..]),
        Message::Pong(bytes) => (PONG, &bytes[..]),
        Message::Close(None) => (CLOSE, &b""[..]),
        Message::Close(Some((code, reason))) => {
            let short = reason.floor_char_boundary(CONTROL_LIMIT - 2);
            closing = [&code.to_be_bytes()[..], &reason.as_bytes()[..short]].concat();
            (CLOSE, &closing[..])
        }
    };
    let masked = if key.is_some() { 0x80 } else { 0 };
    out.put_u8(0x80 | opcode);
    match payload.len() {
        length @ 0..126 => out.put_u8(masked | length as u8),
        length @ 126..=0xffff => {
            out.put_u8(masked | 126);
            out.put_u16(length as u16);
        }
        length => {
            out.put_u8(masked | 127);
            out.put_u64(length as u64);
        }
    }
    out.put_slice(key.as_ref().map_or(&[], |key| &key[..]));
    let start = out.len();
    out.put_slice(payload);
    if let Some(key) = key {
        apply(key, &mut out[start..]);
    }
}

/// RFC 6455 §5.3; done twice, it is undone.
fn apply(key: [u8; 4], payload: &mut [u8]) {
    for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests;

//! How far a text that streams is decided: up to its last word, or what a value may be made of.

use std::borrow::Cow;

use super::MOST;

/// Most bytes of decided text that are kept to tell what a value behind it is.
const BEFORE: usize = 128;

/// Most bytes of words that may be groups of one number.
const GROUPS: usize = 64;

/// Most bytes of one group; a longer word is a value by itself.
const GROUP: usize = 12;

/// One text: what of it came in and is not decided yet, and what stands before that.
#[derive(Clone, Default)]
pub(in crate::mask) struct Window {
    held: Vec<u8>,
    /// Decoded.
    before: String,
    /// Whether `before` ends inside a string of JSON, if the text is JSON; and in an escape of one.
    in_string: bool,
    in_escape: bool,
}

impl Window {
    /// Whether something waits for more text.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn with_held<'r>(&mut self, raw: &'r [u8]) -> Cow<'r, [u8]> {
        if self.held.is_empty() {
            return Cow::Borrowed(raw);
        }
        let mut whole = std::mem::take(&mut self.held);
        whole.extend_from_slice(raw);
        Cow::Owned(whole)
    }

    pub(super) fn hold(&mut self, raw: &[u8]) {
        self.held = raw.to_vec();
    }

    pub(super) fn before(&self) -> &str {
        &self.before
    }

    /// The text, which begins with what stands before, is decided up to `cut`.
    pub(super) fn go_on(&mut self, text: &str, cut: usize) {
        (self.in_string, self.in_escape) = self.state(&text[self.before.len()..cut]);
        let kept = text.ceil_char_boundary(cut.saturating_sub(BEFORE));
        self.before = text[kept..cut].to_owned();
    }

    /// Whether a place of the text, which begins with what stands before, is inside a string of JSON.
    pub(super) fn in_string(&self, text: &str, place: usize) -> bool {
        self.state(&text[self.before.len()..place.max(self.before.len())])
            .0
    }

    fn state(&self, text: &str) -> (bool, bool) {
        let (mut in_string, mut in_escape) = (self.in_string, self.in_escape);
        for byte in text.bytes() {
            match byte {
                _ if in_escape => in_escape = false,
                b'\\' => in_escape = in_string,
                b'"' => in_string = !in_string,
                _ => {}
            }
        }
        (in_string, in_escape)
    }
}

/// Up to where nothing can become part of a value any more. White space and letters that are not ASCII end a word; a value of
/// several words is a number in groups, or a key in PEM.
pub(super) fn decided(text: &str) -> usize {
    if text.len() > MOST {
        return text.floor_char_boundary(text.len() / 2);
    }
    let mut cut = start_of_word(text);
    loop {
        let before = text[..cut].trim_end_matches(' ');
        let start = start_of_word(before);
        if !is_group(&before[start..]) || text.len() - start > GROUPS {
            break;
        }
        cut = start;
    }
    match text.rfind("-----BEGIN") {
        Some(begin) if !ends(&text[begin..]) => cut.min(begin),
        _ => cut,
    }
}

fn start_of_word(text: &str) -> usize {
    let is_end = |c: char| c.is_ascii_whitespace() || !c.is_ascii();
    text.rfind(is_end)
        .map_or(0, |at| text.ceil_char_boundary(at + 1))
}

fn is_group(word: &str) -> bool {
    let short = word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    let digits = word.len() <= GROUP && word.bytes().any(|byte| byte.is_ascii_digit());
    !word.is_empty() && (short || digits)
}

/// Whether a key in PEM is there to its end.
fn ends(pem: &str) -> bool {
    const END: &str = "-----END";
    pem.find(END)
        .is_some_and(|at| pem[at + END.len()..].contains("-----"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_go_on_is_held() {
        for (text, held) in [
            ("", ""),
            ("one two", "two"),
            ("one two ", ""),
            ("a card: 4111 1111 11", "4111 1111 11"),
            ("a card: 4111 1111 ", "4111 1111 "),
            ("NINO QQ 12 34 56 C", "QQ 12 34 56 C"),
            ("at i-0123456789abcdef0 ", ""),
            ("は秘密の鍵AKIA", "AKIA"),
            ("は秘密の鍵", ""),
            (
                "x -----BEGIN RSA PRIVATE KEY-----\nab\ncd\n",
                "-----BEGIN RSA PRIVATE KEY-----\nab\ncd\n",
            ),
            (
                "-----BEGIN X-----\nab\n-----END X----",
                "-----BEGIN X-----\nab\n-----END X----",
            ),
            ("-----BEGIN X-----\nab\n-----END X-----\n", ""),
        ] {
            assert_eq!(&text[decided(text)..], held, "{text}");
        }
        let numbers = "12345 ".repeat(100);
        assert!(numbers.len() - decided(&numbers) <= GROUPS);
        let long = "x".repeat(MOST + 1);
        assert!(decided(&long) > 0);
    }

    #[test]
    fn strings_are_told_from_numbers_over_pieces() {
        let mut window = Window::default();
        let first = r#"{"a": "say \""#;
        assert!(window.in_string(first, first.len()));
        window.go_on(first, first.len());
        let text = [window.before(), r#"x", "n": 12"#].concat();
        assert!(window.in_string(&text, first.len() + 1));
        assert!(!window.in_string(&text, text.len()));
    }
}

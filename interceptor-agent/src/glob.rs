//! Patterns of names as operators write them: `*` stands for any run of characters, all else for itself.

use std::fmt;

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Every text is a pattern.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// Whether the pattern is for the whole of this text. In time proportional to the product of both lengths at worst.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        // Where to go on once what follows the last star did not fit: the star, and how much it has taken.
        let mut retry: Option<(usize, usize)> = None;
        while t < text.len() {
            match (pattern.get(p), retry) {
                (Some(b'*'), _) => {
                    retry = Some((p, t));
                    p += 1;
                }
                (Some(byte), _) if *byte == text[t] => (p, t) = (p + 1, t + 1),
                (_, Some((star, taken))) => {
                    retry = Some((star, taken + 1));
                    (p, t) = (star + 1, taken + 1);
                }
                (_, None) => return false,
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }

    /// Whether it is for all that `other` is for. A star of `other`'s can only be met by a star, so this holds for
    /// whatever it stands for; it may miss a cover, and never claims one.
    pub fn covers(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_run() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*", "a", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("*.service", "nginx.service", true),
            ("user@*.service", "user@1000.service", true),
            ("user@*.service", "user@1000.service.d", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            (
                "registry.example/agents/*",
                "registry.example/agents/x:1",
                true,
            ),
            (
                "registry.example/agents/*",
                "registry.example/agents2/x",
                false,
            ),
            ("?", "a", false),
            ("[ab]", "a", false),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        let covers = |wide: &str, narrow: &str| Glob::new(wide).covers(&Glob::new(narrow));
        assert!(covers("*.azure.com", "*.openai.azure.com"));
        assert!(covers("*", "a*"));
        assert!(covers("a", "a"));
        assert!(!covers("*.openai.azure.com", "*.azure.com"));
        assert!(!covers("a", "a*"));
    }

    /// The definition, word by word.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| slow(rest, &text[at..])),
            Some((byte, rest)) => text.first() == Some(byte) && slow(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_definition(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(
                Glob::new(pattern.as_str()).matches(&text),
                slow(pattern.as_bytes(), text.as_bytes())
            );
        }

        #[test]
        fn what_is_covered_is_matched(wide in "[ab*]{0,6}", narrow in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let (wide, narrow) = (Glob::new(wide), Glob::new(narrow));
            if wide.covers(&narrow) && narrow.matches(&text) {
                prop_assert!(wide.matches(&text), "{wide} {narrow} {text}");
            }
        }
    }
}

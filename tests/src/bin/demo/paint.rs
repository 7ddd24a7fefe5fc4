//! Colour where there is someone to see it: a terminal or `CLICOLOR_FORCE`, and no `NO_COLOR`.

use std::io::{IsTerminal as _, stdout};

pub struct Paint {
    on: bool,
}

impl Paint {
    pub fn detect() -> Self {
        let set =
            |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        Self {
            on: !set("NO_COLOR") && (set("CLICOLOR_FORCE") || stdout().is_terminal()),
        }
    }

    pub fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    pub fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    pub fn good(&self, text: &str) -> String {
        self.paint("1;32", text)
    }

    pub fn bad(&self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Every value that must not get out, in red.
    pub fn values(&self, text: &str, values: &[String]) -> String {
        values.iter().fold(text.to_owned(), |text, value| {
            text.replace(value, &self.paint("31", value))
        })
    }

    /// Every token, `LABEL_001`, in green.
    pub fn tokens(&self, text: &str) -> String {
        let is_token = |word: &str| {
            word.rsplit_once('_').is_some_and(|(label, digits)| {
                label.starts_with(|c: char| c.is_ascii_uppercase())
                    && digits.len() >= 3
                    && digits.bytes().all(|digit| digit.is_ascii_digit())
            })
        };
        let mut painted = String::new();
        for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            if is_token(bare) {
                painted.push_str(&self.paint("32", bare));
                painted.push_str(&word[bare.len()..]);
            } else {
                painted.push_str(word);
            }
        }
        painted
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_values_are_painted_and_other_words_are_not() {
        let paint = Paint { on: true };
        assert_eq!(
            paint.tokens("at PRIVATE_IP_001, MAX_1 x_001"),
            "at \x1b[32mPRIVATE_IP_001\x1b[0m, MAX_1 x_001"
        );
        assert_eq!(
            paint.values("a 10.0.0.1.", &["10.0.0.1".to_owned()]),
            "a \x1b[31m10.0.0.1\x1b[0m."
        );
        assert_eq!(Paint { on: false }.good("fine"), "fine");
    }
}

//! Replacing ranges of a text, and where its parts stand afterwards.

use std::ops::Range;

/// One replacement.
pub(super) struct Splice {
    pub range: Range<usize>,
    pub with: String,
}

/// A text after its replacements.
pub(super) struct Spliced {
    pub text: String,
    /// Where old and new text go on behind each replacement.
    resume: Vec<(usize, usize)>,
}

/// Makes every replacement. They must not overlap; their order does not matter.
pub(super) fn apply(text: &str, mut splices: Vec<Splice>) -> Spliced {
    splices.sort_unstable_by_key(|splice| splice.range.start);
    let grown: usize = splices.iter().map(|splice| splice.with.len()).sum();
    let mut out = String::with_capacity(text.len() + grown);
    let mut resume = Vec::with_capacity(splices.len());
    let mut from = 0;
    for Splice { range, with } in splices {
        out.push_str(&text[from..range.start]);
        out.push_str(&with);
        from = range.end;
        resume.push((from, out.len()));
    }
    out.push_str(&text[from..]);
    Spliced { text: out, resume }
}

impl Spliced {
    /// What has become of a range of the old text whose edges no replacement crosses.
    pub fn part(&self, old: &Range<usize>) -> &str {
        // A replacement that ends where the range starts is before it, and one that ends with it inside it.
        &self.text[self.moved(old.start)..self.moved(old.end)]
    }

    fn moved(&self, old: usize) -> usize {
        let behind = self.resume.partition_point(|&(at, _)| at <= old);
        let (at, new) = behind
            .checked_sub(1)
            .map_or((0, 0), |last| self.resume[last]);
        new + (old - at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_move_with_what_is_replaced() {
        let splice = |range, with: &str| Splice {
            range,
            with: with.to_owned(),
        };
        let spliced = apply("ab12cd345", vec![splice(6..9, "T"), splice(2..4, "TOKEN")]);
        assert_eq!(spliced.text, "abTOKENcdT");
        let parts = [0..2, 2..4, 4..6, 6..9, 0..9].map(|old| spliced.part(&old).to_owned());
        assert_eq!(parts, ["ab", "TOKEN", "cd", "T", "abTOKENcdT"]);
    }
}

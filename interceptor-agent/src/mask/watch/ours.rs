//! What of an answer's findings is the request's: a token stands for a value that the client has, also where a detector takes
//! the signs around it for a part of it (`**Password: PASSWORD_001**`).

use std::ops::Range;

use super::super::{
    detector::Finding,
    request::Masker,
    token::{Labels, Ranges, surrogate_look_alikes},
};

/// Takes tokens, and surrogates that `is_ours`, out of what was `found` in `text`. What stands beside one in the same finding
/// stays where it would have been found without it.
pub(super) fn take_out(
    masker: &Masker,
    labels: &Labels,
    text: &str,
    found: &mut Vec<Finding>,
    is_ours: impl Fn(&str) -> bool,
) {
    if found.is_empty() {
        return;
    }
    let ours = ours(labels, text, is_ours);
    let mixed: Vec<_> = found
        .extract_if(.., |finding| ours.meet(finding.start..finding.end))
        .collect();
    if mixed.is_empty() {
        return;
    }
    let rest = Rest::of(text, &ours);
    let mut shown = Vec::new();
    masker.findings(&rest.text, &mut shown);
    for finding in shown {
        let parts = rest.parts(finding.start..finding.end);
        found.extend(parts.filter_map(|Range { start, end }| {
            let behind = mixed.partition_point(|mixed| mixed.end <= start);
            let was_found = mixed.get(behind).is_some_and(|mixed| mixed.start < end);
            let says_something = text[start..end].contains(char::is_alphanumeric);
            (was_found && says_something).then_some(Finding {
                start,
                end,
                ..finding
            })
        }));
    }
    found.sort_unstable_by_key(|finding| finding.start);
}

fn ours(labels: &Labels, text: &str, is_ours: impl Fn(&str) -> bool) -> Ranges {
    let mut places = Vec::new();
    labels.look_alikes(text, |literal| places.push(literal.range));
    surrogate_look_alikes(text, |place| {
        if is_ours(&text[place.clone()]) {
            places.push(place);
        }
    });
    places.sort_unstable_by_key(|place| place.end);
    let mut ours = Ranges::default();
    places.into_iter().for_each(|place| ours.push(place));
    ours
}

/// A text without some of its ranges.
struct Rest {
    text: String,
    /// Where each part of it starts here, and its range in the whole text.
    parts: Vec<(usize, Range<usize>)>,
}

impl Rest {
    fn of(whole: &str, without: &Ranges) -> Self {
        let mut rest = Self {
            text: String::with_capacity(whole.len()),
            parts: Vec::new(),
        };
        let mut from = 0;
        let end = whole.len()..whole.len();
        for gap in without.iter().chain([end]) {
            rest.parts.push((rest.text.len(), from..gap.start));
            rest.text.push_str(&whole[from..gap.start]);
            from = gap.end;
        }
        rest
    }

    /// The ranges of the whole text that a range of this one stands for.
    fn parts(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let first = self
            .parts
            .partition_point(|(at, part)| at + part.len() <= range.start);
        let parts = self.parts[first..].iter();
        let parts = parts.take_while(move |(at, _)| *at < range.end);
        parts.map(move |(at, part)| {
            let start = part.start + range.start.saturating_sub(*at);
            start..part.end.min(part.start + range.end - at)
        })
    }
}

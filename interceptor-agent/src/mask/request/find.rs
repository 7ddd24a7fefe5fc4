//! What is to be replaced in one text: findings at every depth, made into places where a token can stand.

use std::ops::Range;

use super::super::{
    Mode,
    detector::{Action, ClassId, Detectors, Finding, starts_word},
    token::{Labels, Numbering, Ranges, surrogate_look_alikes, token},
};
use super::{look, outside::Analysis};

/// How often a text is masked and looked at again before what still shows is given up on.
pub(super) const ROUNDS: usize = 4;

/// How hard a pass tries. Each is for requests that the one before could not mask completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Care {
    /// What is found is replaced.
    Quick,
    /// What only shows once that is replaced, too.
    Thorough,
    /// Up to the next white space or quote: what a replacement left over can't be read together with a token.
    Coarse,
    /// The same, by tokens alone: surrogates, which have a value's shape, may read as another value beside one another.
    Plain,
}

/// A part of a text in which tokens may stand: a key or a value, without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub range: Range<usize>,
    /// A number is replaced whole, by a string.
    pub is_number: bool,
}

/// A range of a text that a token replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub range: Range<usize>,
    pub label: usize,
    pub is_number: bool,
}

/// Detectors and labels of a policy.
pub(super) struct Finder<'m> {
    pub detectors: &'m Detectors,
    pub labels: &'m Labels,
    pub mode: Mode,
    pub analysis: Analysis,
}

impl Finder<'_> {
    /// Everything that the detectors see in `text`, behind encodings too; sorted, without overlaps.
    pub fn findings(&self, text: &str, found: &mut Vec<Finding>) {
        let first = found.len();
        look::findings(self.detectors, text, found);
        let own = found.len();
        self.analysis.findings(self.detectors, text, found);
        if found.len() > own {
            self.detectors.join_overlaps(found, first);
        }
    }

    /// The places to replace: `spots`, and `found`, which are [`Finder::findings`] of `text`.
    pub fn spots(
        &self,
        text: &str,
        targets: &[Target],
        found: &[Finding],
        mut spots: Vec<Spot>,
        care: Care,
    ) -> Vec<Spot> {
        let masked = found
            .iter()
            .filter(|finding| self.detectors.action(finding.class) == Action::Mask);
        spots.extend(masked.flat_map(|finding| self.of_finding(targets, finding)));
        if care >= Care::Coarse {
            coarsen(text, targets, &mut spots);
        }
        make_room(text, targets, &mut spots);
        let rounds = if care == Care::Quick { 0 } else { ROUNDS };
        for _ in 0..rounds {
            let known = spots.len();
            self.uncovered(text, targets, &mut spots);
            if spots.len() == known {
                break;
            }
            if care >= Care::Coarse {
                coarsen(text, targets, &mut spots);
            }
            make_room(text, targets, &mut spots);
        }
        spots
    }

    /// A class that policy keeps from leaving and that still shows in a masked text. Tokens, and literals
    /// that look like one, are not values; nor are the surrogates that were handed out.
    pub fn visible(&self, masked: &str, given: &Numbering<'_>) -> Option<ClassId> {
        let mut found = Vec::new();
        self.findings(masked, &mut found);
        found.retain(|finding| self.is_enforced(finding.class));
        if found.is_empty() {
            return None;
        }
        let mut tokens = Ranges::default();
        self.labels
            .look_alikes(masked, |literal| tokens.push(literal.range));
        let mut surrogates = Ranges::default();
        if self.labels.any_surrogate().is_some() {
            surrogate_look_alikes(masked, |place| {
                if given.is_surrogate(&masked[place.clone()]) {
                    surrogates.push(place);
                }
            });
        }
        let shows = |finding: &&Finding| {
            let place = finding.start..finding.end;
            !tokens.cover(place.clone()) && !surrogates.cover(place)
        };
        found.iter().find(shows).map(|finding| finding.class)
    }

    /// Whether findings of this class must not leave. Where nothing is refused, a class to block stays.
    pub fn is_enforced(&self, class: ClassId) -> bool {
        match self.detectors.action(class) {
            Action::Mask => true,
            Action::Block => self.mode == Mode::Enforce,
            Action::Report | Action::Allow => false,
        }
    }

    /// Adds what shows in `text` once `spots` are replaced, as ranges of `text` itself.
    fn uncovered(&self, text: &str, targets: &[Target], spots: &mut Vec<Spot>) {
        let mut masked = String::with_capacity(text.len());
        // Where each stand-in is in `masked`, beside the range of `text` that it stands for.
        let mut stand_ins: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        let mut tokens = Ranges::default();
        let mut from = 0;
        for spot in spots.iter() {
            masked.push_str(&text[from..spot.range.start]);
            let start = masked.len();
            masked.push_str(&token(self.labels.name(spot.label), 1));
            stand_ins.push((start..masked.len(), spot.range.clone()));
            tokens.push(start..masked.len());
            from = spot.range.end;
        }
        masked.push_str(&text[from..]);

        let original = |offset: usize, end_of: bool| {
            let before = stand_ins
                .partition_point(|(stand_in, _)| stand_in.start < offset + usize::from(!end_of));
            match before.checked_sub(1).map(|last| &stand_ins[last]) {
                None => offset,
                Some((stand_in, range)) if offset >= stand_in.end => {
                    range.end + (offset - stand_in.end)
                }
                Some((_, range)) => {
                    if end_of {
                        range.end
                    } else {
                        range.start
                    }
                }
            }
        };
        let mut found = Vec::new();
        self.findings(&masked, &mut found);
        for mut finding in found
            .into_iter()
            .filter(|finding| self.is_enforced(finding.class))
        {
            if !tokens.cover(finding.start..finding.end) {
                (finding.start, finding.end) =
                    (original(finding.start, false), original(finding.end, true));
                spots.extend(self.of_finding(targets, &finding));
            }
        }
    }

    fn of_finding(&self, targets: &[Target], finding: &Finding) -> impl Iterator<Item = Spot> {
        let label = self.labels.index(self.detectors.class(finding.class).label);
        label
            .into_iter()
            .flat_map(move |label| within(targets, finding.start..finding.end, label))
    }
}

/// The parts of a range where a token can stand. What a detector saw across a quote is only masked inside the quotes.
pub(super) fn within(
    targets: &[Target],
    place: Range<usize>,
    label: usize,
) -> impl Iterator<Item = Spot> {
    targets.iter().filter_map(move |target| {
        let range = target.range.start.max(place.start)..target.range.end.min(place.end);
        (!range.is_empty()).then_some(Spot {
            range,
            label,
            is_number: target.is_number,
        })
    })
}

/// Widens spots to whole words: what white space, quotes and the ends of a target bound.
fn coarsen(text: &str, targets: &[Target], spots: &mut [Spot]) {
    let bounds = |byte: &u8| byte.is_ascii_whitespace() || b"\"'\\".contains(byte);
    let text = text.as_bytes();
    for spot in spots {
        let range = spot.range.clone();
        let inside =
            |target: &&Target| target.range.start <= range.start && range.end <= target.range.end;
        let Some(Target { range: room, .. }) = targets.iter().find(inside) else {
            continue;
        };
        let before = text[room.start..range.start].iter().rposition(bounds);
        let behind = text[range.end..room.end].iter().position(bounds);
        spot.range = before.map_or(room.start, |at| room.start + at + 1)
            ..behind.map_or(room.end, |at| range.end + at);
    }
}

/// Widens spots until their tokens are tokens to a reader: where a value may start, not before a digit, not
/// next to one another. Sorts and merges them.
pub(super) fn make_room(text: &str, targets: &[Target], spots: &mut Vec<Spot>) {
    spots.sort_by_key(|spot| spot.range.start);
    let mut apart: Vec<Spot> = Vec::with_capacity(spots.len());
    for mut spot in spots.drain(..) {
        let inside = |target: &&Target| {
            target.range.start <= spot.range.start && spot.range.end <= target.range.end
        };
        let Some(target) = targets.iter().find(inside) else {
            continue;
        };
        // Room is never looked for behind the last spot, so that this stays linear however many there are.
        let floor = apart
            .last()
            .map_or(0, |last| last.range.end)
            .max(target.range.start);
        spot.range = match spot.is_number {
            true => target.range.clone(),
            false => widened(text.as_bytes(), floor..target.range.end, spot.range),
        };
        match apart.last_mut() {
            Some(last) if spot.range.start <= last.range.end => {
                if spot.range.len() > last.range.len() {
                    last.label = spot.label;
                }
                last.range.end = last.range.end.max(spot.range.end);
            }
            _ => apart.push(spot),
        }
    }
    *spots = apart;
}

fn widened(text: &[u8], room: Range<usize>, spot: Range<usize>) -> Range<usize> {
    let before = |start: usize| &text[room.start..start];
    // `AWS_` before `SECRET_001` would make another label's token of it.
    let in_label = |start| matches!(before(start), [.., b'A'..=b'Z' | b'0'..=b'9' | b'\\', b'_']);
    let mut start = spot.start.max(room.start);
    while start > room.start && (in_label(start) || !starts_word(before(start), start - room.start))
    {
        start -= 1;
    }
    let behind = &text[spot.end.max(start)..room.end];
    let digits = behind
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    start..room.end - behind.len() + digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::token::Scheme;

    fn whole(text: &str) -> Vec<Target> {
        vec![Target {
            range: 0..text.len(),
            is_number: false,
        }]
    }

    fn roomy<'t>(text: &'t str, spots: &[(usize, usize)]) -> Vec<&'t str> {
        let spot = |&(start, end): &(usize, usize)| Spot {
            range: start..end,
            label: 0,
            is_number: false,
        };
        let mut spots: Vec<_> = spots.iter().map(spot).collect();
        make_room(text, &whole(text), &mut spots);
        spots.into_iter().map(|spot| &text[spot.range]).collect()
    }

    #[test]
    fn a_spot_takes_in_what_its_token_would_stick_to() {
        assert_eq!(roomy("my_V12 é", &[(3, 4)]), ["V12"]);
        assert_eq!(roomy("an MY_V", &[(6, 7)]), ["MY_V"]);
        assert_eq!(roomy("éxVx", &[(3, 4)]), ["xV"]);
        assert_eq!(
            roomy(
                r"\nV \u000aV %20V \tabV",
                &[(2, 3), (10, 11), (15, 16), (21, 22)]
            ),
            ["V", "V", "V", "abV"]
        );
    }

    #[test]
    fn spots_side_by_side_become_one() {
        assert_eq!(roomy("-V--W-", &[(1, 3), (3, 5)]), ["V--W"]);
        assert_eq!(roomy("V W", &[(2, 3), (0, 1)]), ["V", "W"]);
    }

    #[test]
    fn a_value_shows_and_a_token_does_not() {
        let detectors = Detectors::builtin();
        let labels = Labels::new(detectors.classes().map(|(_, class)| class.label));
        let finder = Finder {
            detectors: &detectors,
            labels: &labels,
            mode: Mode::Enforce,
            analysis: Analysis::None,
        };
        let shows = |text| {
            finder
                .visible(text, &Numbering::new(&labels, Scheme::Counted))
                .map(|class| detectors.class(class).name)
        };
        assert_eq!(
            shows("EC2_001 and i-0123456789abcdef0"),
            Some("ec2_instance")
        );
        assert_eq!(
            shows(r#"{"a": "\u0069-0123456789abcdef0"}"#),
            Some("ec2_instance")
        );
        assert_eq!(shows("EC2_001 mailto:EMAIL_002"), None);
    }
}

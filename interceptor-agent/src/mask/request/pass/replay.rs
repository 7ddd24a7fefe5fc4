//! What a unit did, to be remembered, and to be done again.

use super::{Hit, Pass};
use crate::mask::request::{
    Report, State,
    cache::{Mark, Seen},
};

impl Pass<'_> {
    /// What was done in the unit at hand, which begins at `start`; None if something was done outside.
    pub(super) fn seen(&self, report: Report, start: usize) -> Option<Seen> {
        let marks = |hits: &[Hit]| -> Option<Vec<Mark>> {
            hits.iter().map(|hit| hit.mark(start)).collect()
        };
        Some(Seen {
            hits: marks(&self.hits)?,
            learned: marks(&self.learned)?,
            reserved: self.reserved.clone(),
            report,
        })
    }

    /// Does in a unit that begins at `start` what was done when it was looked at.
    pub(super) fn replay(&mut self, seen: &Seen, start: usize, raw: &str) {
        let State {
            numbering,
            known,
            report,
            ..
        } = &mut self.state;
        report.add(&seen.report);
        let hit = |mark: &Mark| Hit {
            range: start + mark.range.start..start + mark.range.end,
            label: mark.label,
            value: mark.value(raw),
            levels: mark.levels,
            quote: mark.quote,
            behind: mark.behind,
        };
        self.hits.extend(seen.hits.iter().map(hit));
        self.learned.extend(seen.learned.iter().map(hit));
        for learned in &self.learned {
            known.learn(&learned.value, learned.label);
        }
        self.reserved.extend_from_slice(&seen.reserved);
        for literal in &seen.reserved {
            numbering.reserve(literal);
        }
    }
}

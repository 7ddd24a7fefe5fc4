//! One pass over a request: finds, numbers, splices, and looks at what it spliced once more.

mod hit;
mod inside;
mod replay;

use std::ops::Range;

pub(super) use self::hit::Hit;
use self::hit::{Layer, behind};
use super::{
    MaskError, State,
    cache::{Cache, Key, Seen},
    find::{Care, Finder, ROUNDS, Spot, Target, make_room, within},
    form::lines,
    splice::{self, Splice},
    walk::{self, Entry, Span},
};
use crate::{
    json::{self, Doc, Kind, Value},
    mask::{
        Mode,
        decode::Decoded,
        detector::{Action, Finding},
        token::{Literal, LookAlike, surrogate_look_alikes},
    },
    protocol::{
        self,
        schema::{GENERIC, Schema},
    },
};

/// What one pass collects.
pub(super) struct Pass<'m> {
    finder: Finder<'m>,
    state: State<'m>,
    care: Care,
    /// Of the unit at hand.
    hits: Vec<Hit>,
    splices: Vec<Splice>,
    /// Spans in which something is replaced, with how often their text is decoded.
    touched: Vec<(Range<usize>, u8)>,
    /// Reused from span to span.
    found: Vec<Finding>,
    /// Values that the unit at hand was the first to show, and numbers that it keeps from being handed out.
    learned: Vec<Hit>,
    reserved: Vec<Literal>,
    cache: &'m Cache,
    /// Units that were looked at, to be kept if the request is masked completely.
    fresh: Vec<(Key, Seen)>,
    /// Whether something was done inside a file of the unit at hand, which can't be replayed.
    saw_inside: bool,
}

impl<'m> Pass<'m> {
    pub fn new(finder: Finder<'m>, cache: &'m Cache, state: State<'m>, care: Care) -> Self {
        Self {
            finder,
            state,
            care,
            hits: Vec::new(),
            splices: Vec::new(),
            touched: Vec::new(),
            found: Vec::new(),
            learned: Vec::new(),
            reserved: Vec::new(),
            cache,
            fresh: Vec::new(),
            saw_inside: false,
        }
    }

    /// Masks a document; None if nothing changes.
    pub fn body(
        mut self,
        doc: &Doc,
        schema: &'static Schema,
    ) -> (Result<Option<String>, MaskError>, State<'m>) {
        let layer = Layer {
            text: doc.text(),
            outer: None,
            levels: 1,
        };
        let result = self.document(&layer, doc.root(), schema);
        let masked = result.and_then(|()| self.spliced(doc.text()));
        if masked.is_ok() {
            self.cache.keep(self.fresh);
        }
        (masked, self.state)
    }

    /// Masks a text that has a JSON document on each line that is not blank; None if nothing changes.
    pub fn lines(mut self, text: &str) -> (Result<Option<String>, MaskError>, State<'m>) {
        let result = lines(text).try_for_each(|(start, line)| self.line(start, line));
        (result.and_then(|()| self.spliced(text)), self.state)
    }

    /// A line may be a request of a batch: its body, and where it is to go.
    fn line(&mut self, start: usize, line: &str) -> Result<(), MaskError> {
        let doc = json::parse(line.as_bytes())?;
        let plain = Decoded::plain(line);
        let layer = Layer {
            text: line,
            outer: Some((&plain, start)),
            levels: 1,
        };
        let Some((body, endpoint)) = protocol::batched(doc.root()) else {
            return self.document(&layer, doc.root(), &GENERIC);
        };
        self.document(&layer, body, endpoint.request)?;
        let mut result = Ok(());
        walk::free_beside(doc.root(), body, &mut |span| {
            if result.is_ok() {
                result = self.span(&layer, span);
            }
        });
        self.number_unit();
        result
    }

    /// Looks at a value that `schema` is about, unit by unit.
    fn document(
        &mut self,
        layer: &Layer,
        root: Value,
        schema: &'static Schema,
    ) -> Result<(), MaskError> {
        for unit in walk::units(root, schema) {
            self.unit(layer, &unit, schema)?;
        }
        Ok(())
    }

    /// A unit that was masked before, behind the same values, is not looked at: the same is done again.
    fn unit(
        &mut self,
        layer: &Layer,
        unit: &[Entry],
        schema: &'static Schema,
    ) -> Result<(), MaskError> {
        // Of a unit in several places there is one in a request, and it is short.
        let whole = match unit {
            [entry] => entry.range(),
            _ => 0..0,
        };
        let raw = &layer.text[whole.clone()];
        let key = match unit {
            [entry] if self.care == Care::Quick && layer.outer.is_none() => {
                let parts = [entry.key(), raw];
                self.cache.key(schema, &self.state.past, parts)
            }
            _ => None,
        };
        self.state.report.unit_bytes += raw.len();
        if let Some(seen) = key.and_then(|key| self.cache.get(&key)) {
            self.state.report.cached_bytes += raw.len();
            self.replay(&seen, whole.start, raw);
        } else {
            self.saw_inside = false;
            let before = std::mem::take(&mut self.state.report);
            let mut result = Ok(());
            for entry in unit {
                entry.walk(schema, &mut |span| {
                    if result.is_ok() {
                        result = self.span(layer, span);
                    }
                });
            }
            let report = std::mem::replace(&mut self.state.report, before);
            self.state.report.add(&report);
            result?;
            let key = key.filter(|_| !self.saw_inside);
            let seen = key.and_then(|key| Some((key, self.seen(report, whole.start)?)));
            self.fresh.extend(seen);
        }
        self.number_unit();
        Ok(())
    }

    /// Masks a plain text; None if nothing changes.
    pub fn text(mut self, text: &str) -> (Result<Option<String>, MaskError>, State<'m>) {
        let layer = Layer {
            text,
            outer: None,
            levels: 0,
        };
        let result = self.look(&layer, 0..text.len(), &[(0..text.len(), false)]);
        self.number_unit();
        (result.and_then(|()| self.spliced(text)), self.state)
    }

    fn span(&mut self, layer: &Layer, span: Span) -> Result<(), MaskError> {
        let target = |value: Value| (value.inner(), value.kind() == Kind::Number);
        match span {
            Span::Text(value) => self.look(layer, value.inner(), &[target(value)]),
            Span::Member { key, value } => self.look(
                layer,
                key.range().start..value.range().end,
                &[target(key), target(value)],
            ),
            Span::File(value, file) => self.file(layer, value, &file),
            Span::TokenIds => {
                self.state.report.unreadable += 1;
                Ok(())
            }
            Span::Json(value) => {
                let outer = Decoded::new(value.inner_raw());
                let Ok(doc) = json::parse(outer.text().as_bytes()) else {
                    return self.span(layer, Span::Text(value));
                };
                let inner = Layer {
                    text: doc.text(),
                    outer: Some((&outer, value.inner().start)),
                    levels: layer.levels + 1,
                };
                let mut result = Ok(());
                walk::free(doc.root(), &mut |span| {
                    if result.is_ok() {
                        result = self.span(&inner, span);
                    }
                });
                result
            }
        }
    }

    /// Looks at `range` of a layer, in whose `parts` tokens may stand (and whether a part is a number).
    fn look(
        &mut self,
        layer: &Layer,
        range: Range<usize>,
        parts: &[(Range<usize>, bool)],
    ) -> Result<(), MaskError> {
        self.state.report.fields += 1;
        let raw = &layer.text[range.clone()];
        let decoded = if layer.levels == 0 {
            Decoded::plain(raw)
        } else {
            Decoded::new(raw)
        };
        let text = decoded.text();
        if self.finder.analysis.collects(text) {
            return Ok(());
        }
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        self.finder.findings(text, &mut found);
        for finding in &found {
            self.state.report.count(finding.class);
            if self.finder.mode == Mode::Enforce
                && self.finder.detectors.action(finding.class) == Action::Block
            {
                return Err(MaskError::Blocked {
                    class: self.finder.detectors.class(finding.class).name,
                });
            }
        }
        if self.finder.mode != Mode::ReportOnly {
            self.collect(layer, &range, &decoded, parts, &found);
        }
        self.found = found;
        Ok(())
    }

    /// Keeps what has to be replaced until the unit is complete: findings, and values that were found before. A
    /// literal that a reader would take for a token is kept out of the numbering, or if that number is taken,
    /// replaced by a token of its own.
    fn collect(
        &mut self,
        layer: &Layer,
        range: &Range<usize>,
        decoded: &Decoded,
        parts: &[(Range<usize>, bool)],
        found: &[Finding],
    ) {
        let text = decoded.text();
        let offset = |raw: usize| decoded.decoded_offset(raw - range.start);
        let hit = |spot: Spot| {
            let raw = decoded.raw_range(spot.range.clone());
            let quote = match layer.levels {
                _ if !spot.is_number => "",
                ..=1 => "\"",
                _ => "\\\"",
            };
            let range = layer.in_request(range.start + raw.start..range.start + raw.end);
            Hit {
                range,
                label: spot.label,
                behind: match quote {
                    "" => behind(text, spot.range.end),
                    _ => [b'"', 0],
                },
                value: text[spot.range].to_owned(),
                levels: layer.levels,
                quote,
            }
        };

        let State {
            numbering, known, ..
        } = &mut self.state;
        let mut again = Vec::new();
        // Numbers taken so far are those of earlier units: the values of this one are numbered behind it.
        let mut keep = |literal: Literal, range, label| match numbering.is_taken(&literal) {
            true => again.push((range, label)),
            false => {
                numbering.reserve(&literal);
                self.reserved.push(literal);
            }
        };
        let labels = self.finder.labels;
        labels.look_alikes(
            text,
            |LookAlike {
                 label,
                 number,
                 range,
             }| {
                keep(Literal::Token(label, number), range, label);
            },
        );
        if let Some(label) = labels.any_surrogate() {
            surrogate_look_alikes(text, |range| {
                keep(Literal::Surrogate(text[range.clone()].into()), range, label);
            });
        }
        known.find(text, |place, label| again.push((place, label)));
        if found.is_empty() && again.is_empty() {
            return;
        }
        let target = |(part, is_number): &(Range<usize>, bool)| Target {
            range: offset(part.start)..offset(part.end),
            is_number: *is_number,
        };
        let targets: Vec<_> = parts.iter().map(target).collect();
        let mut learned = Vec::new();
        let spots = self.spots(text, &targets, found, again, &mut learned);
        self.learned.extend(learned.into_iter().map(hit));
        if !spots.is_empty() {
            self.touched
                .push((layer.in_request(range.clone()), layer.levels));
        }
        self.hits.extend(spots.into_iter().map(hit));
    }

    /// Where tokens go: at findings, at what was seen `again`, and wherever else the values that stand there do. Those that are
    /// new are `learned`.
    fn spots(
        &mut self,
        text: &str,
        targets: &[Target],
        mut found: &[Finding],
        again: Vec<(Range<usize>, usize)>,
        learned: &mut Vec<Spot>,
    ) -> Vec<Spot> {
        let known = &mut self.state.known;
        let inside = |(place, label)| within(targets, place, label);
        let mut spots: Vec<Spot> = again.into_iter().flat_map(inside).collect();
        for _ in 0..ROUNDS {
            spots = self.finder.spots(text, targets, found, spots, self.care);
            let before = learned.len();
            let is_new = |spot: &&Spot| known.learn(&text[spot.range.clone()], spot.label);
            learned.extend(spots.iter().filter(is_new).cloned());
            if learned.len() == before {
                return spots;
            }
            known.find(text, |place, label| spots.extend(inside((place, label))));
            found = &[];
        }
        make_room(text, targets, &mut spots);
        spots
    }

    /// The unit is complete: its values get their tokens.
    fn number_unit(&mut self) {
        let State {
            numbering,
            past,
            report,
            ..
        } = &mut self.state;
        past.add(&self.hits, &self.learned, &self.reserved);
        report.masked += self.hits.len();
        self.learned.clear();
        self.reserved.clear();
        self.hits.sort_by_key(|hit| hit.range.start);
        let mut hits = self.hits.drain(..).peekable();
        while let Some(Hit {
            range,
            label,
            value,
            quote,
            mut behind,
            ..
        }) = hits.next()
        {
            if hits
                .peek()
                .is_some_and(|next| next.range.start == range.end + 1)
            {
                // A stand-in begins there, with what may be a digit.
                behind[1] = b'0';
            }
            let token = match self.care {
                Care::Plain => numbering.token(label, &value),
                _ => numbering.stand_in(label, &value, behind),
            };
            let with = if quote.is_empty() {
                token
            } else {
                format!("{quote}{token}{quote}")
            };
            self.splices.push(Splice { range, with });
        }
    }

    /// The text with its splices, if what changed shows nothing that policy keeps back.
    ///
    /// A span without a splice was just seen to be clean, and no detector looks beyond a span: only spans
    /// that changed are looked at again, each as a whole, from the very bytes that would leave.
    fn spliced(&mut self, text: &str) -> Result<Option<String>, MaskError> {
        if self.splices.is_empty() {
            return Ok(None);
        }
        let masked = splice::apply(text, std::mem::take(&mut self.splices));
        for (range, levels) in &self.touched {
            if let Some(class) = self.visible(masked.part(range), *levels) {
                return Err(MaskError::Incomplete { class });
            }
        }
        Ok(Some(masked.text))
    }

    fn visible(&self, raw: &str, levels: u8) -> Option<&'static str> {
        if levels > 0 && memchr::memchr(b'\\', raw.as_bytes()).is_some() {
            return self.visible(Decoded::new(raw).text(), levels - 1);
        }
        self.finder
            .visible(raw, &self.state.numbering)
            .map(|class| self.finder.detectors.class(class).name)
    }
}

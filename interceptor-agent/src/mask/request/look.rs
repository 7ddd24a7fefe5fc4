//! Looking at one text: the detectors over it as it stands, and over what it hides behind encodings.

use std::ops::Range;

use super::super::{
    decode::layers::{self, Kind, Layer},
    detector::{Detectors, Finding},
};

/// Appends everything that the detectors see in `text`, by itself and behind encodings to a depth of [`layers::DEPTH`]; sorted,
/// without overlaps.
pub(super) fn findings(detectors: &Detectors, text: &str, found: &mut Vec<Finding>) {
    to_depth(layers::DEPTH, detectors, text, found);
}

fn to_depth(depth: usize, detectors: &Detectors, text: &str, found: &mut Vec<Finding>) {
    let first = found.len();
    detectors.scan(text, found);
    if depth == 0 {
        return;
    }
    let plain = first..found.len();
    layers::each(text, |layer| {
        let behind = found.len();
        match layer.kind() {
            Kind::Joined => detectors.scan(layer.text(), found),
            Kind::Chars | Kind::Block => to_depth(depth - 1, detectors, layer.text(), found),
        }
        let mut kept = behind;
        for index in behind..found.len() {
            if let Some(finding) = in_text(text, &layer, found[index], &found[plain.clone()]) {
                found[kept] = finding;
                kept += 1;
            }
        }
        found.truncate(kept);
    });
    if found.len() > plain.end {
        detectors.join_overlaps(found, first);
    }
}

/// A finding of a layer, where it stands in the text. Lines that were made one show what crosses their ends.
fn in_text(text: &str, layer: &Layer, finding: Finding, plain: &[Finding]) -> Option<Finding> {
    let encoded = layer.encoded(finding.start..finding.end);
    let is_new = layer.kind() != Kind::Joined
        || encoded.len() > finding.end - finding.start
            && goes_on(text, finding.confidence, encoded.clone(), plain);
    is_new.then_some(Finding {
        start: encoded.start,
        end: encoded.end,
        ..finding
    })
}

/// Whether what was found in `range`, which the end of a line is in, is one value. It is not where `plain`, the findings of the
/// text as it stands, say what its parts are: addresses below one another are not one address, and one that ends a line does
/// not go on with the next line's first word. Keys do, and what is in quotes as a whole.
fn goes_on(text: &str, confidence: f32, range: Range<usize>, plain: &[Finding]) -> bool {
    let from = plain.partition_point(|other| other.end <= range.start);
    let parts = &plain[from..];
    let parts = &parts[..parts.partition_point(|other| other.start < range.end)];
    let has_colons = || text[range.clone()].lines().all(|half| half.contains(':'));
    // Of an IPv6 address that carries one of IPv4, whose end is an address by itself.
    let carries = || {
        text[range.clone()]
            .lines()
            .next()
            .is_some_and(|half| half.contains("::"))
    };
    match parts {
        _ if is_quoted(text, &range) => true,
        [] => true,
        [part] if part.start == range.start && range.end >= part.end + LEAST_MORE => {
            part.confidence < confidence || confidence >= OF_KEYS || has_colons()
        }
        [part] => part.confidence < confidence || part.end == range.end && carries(),
        _ => false,
    }
}

/// Whether what is in `range` is all that is left of a quotation, which goes over the end of a line.
fn is_quoted(text: &str, range: &Range<usize>) -> bool {
    let closing = text[range.end..].bytes().next();
    let opening = text[..range.start].bytes().next_back();
    let (before, _) = text[..range.end].rsplit_once('\n').unwrap_or_default();
    let line = &before[before.rfind('\n').map_or(0, |newline| newline + 1)..];
    match closing {
        // An apostrophe may stand alone.
        Some(b'\'') => opening == closing,
        Some(quote @ (b'"' | b'`')) => line.bytes().filter(|&byte| byte == quote).count() % 2 == 1,
        _ => false,
    }
}

/// Least confidence of what only a key can be.
const OF_KEYS: f32 = 0.95;
/// Least bytes, with the end of the line, that a value goes on for.
const LEAST_MORE: usize = 6;

//! `bench detection`: what the detectors find of labelled samples, plain and in each encoding, and what they find in source
//! code, where there is nothing to find.

mod code;
mod corpora;
mod encodings;
mod table;

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use interceptor_agent::mask::Mode;
use interceptor_agent::mask::detector::{Action, Detectors};
use interceptor_agent::mask::request::Masker;

use self::corpora::Sample;
use self::encodings::ENCODINGS;
use self::table::Tally;

/// The argument that asks for this instead of the other measurements.
pub const DETECTION: &str = "detection";

const USAGE: &str =
    "bench detection [--corpora FOLDER] [--code FOLDER]... [--only CORPUS] [--missed]";

const MEANING: &str = "\
A positive sample is found when every byte of its secret, as labelled, is inside a finding that the built-in policy masks or
blocks; a sample without a labelled place is found when there is any such finding in it. In an encoding, the place is that of the
encoded secret. A negative sample is a false hit when there is any such finding in it, of whatever class. Recall is found of all
positive samples; precision is found of found and false hits. Spaces and quotes at the ends of a label are no part of the secret, and neither are
the length of a prefix and the zone behind an IP address, which stay on purpose: 10.0.0.0/8 becomes a token and /8.
Hits in source code are counted as they are; those of the class author_email are real addresses of real people, so \"false\" leaves
them out. \"with of-code\" has those of the classes, too, that only source code has and that are not looked for by default: addresses
reserved for examples.
";

/// What was asked for.
struct Options {
    corpora: PathBuf,
    code: Vec<PathBuf>,
    only: Option<String>,
    missed: bool,
}

/// Prints the tables.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let options = Options::of(arguments)?;
    let mut samples = corpora::read(&options.corpora)?;
    if let Some(only) = &options.only {
        samples.retain(|sample| sample.corpus == only);
        if samples.is_empty() {
            bail!("--only {only}: there is no such corpus");
        }
    }
    let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
    let tally = tally(&masker, &samples);
    println!("{MEANING}");
    print!("{tally}");
    if options.missed {
        tally.print_missed(&samples);
    }
    if options.only.is_none() {
        code::measure(&options.code, options.missed)?;
    }
    Ok(())
}

impl Options {
    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
        let mut options = Self {
            corpora: beside,
            code: Vec::new(),
            only: None,
            missed: false,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .with_context(|| format!("{argument} needs a value: {USAGE}"))
            };
            match argument.as_str() {
                "--corpora" => options.corpora = value()?.into(),
                "--code" => options.code.push(value()?.into()),
                "--only" => options.only = Some(value()?),
                "--missed" => options.missed = true,
                _ => bail!("{argument}: {USAGE}"),
            }
        }
        if options.code.is_empty() {
            options.code = code::python_libraries()?;
        }
        Ok(options)
    }
}

fn tally(masker: &Masker, samples: &[Sample]) -> Tally {
    let mut tally = Tally::default();
    for (index, sample) in samples.iter().enumerate() {
        let mut ways = [false; ENCODINGS.len()];
        for (way, encoding) in ways.iter_mut().zip(&ENCODINGS) {
            let encoded = encoding.encode(sample);
            let kept = kept_back(masker, &encoded.text);
            *way = match &encoded.secrets[..] {
                [] => !kept.is_empty(),
                secrets => secrets
                    .iter()
                    .all(|secret| covers(&kept, &encoded.text, secret)),
            };
        }
        tally.add(index, sample, ways);
    }
    tally
}

/// The places in a text that policy keeps from leaving, in order and apart.
fn kept_back(masker: &Masker, text: &str) -> Vec<Range<usize>> {
    let enforced = |class| masker.action(class).strictness() >= Action::Mask.strictness();
    let mut findings = Vec::new();
    masker.findings(text, &mut findings);
    findings
        .into_iter()
        .filter(|finding| enforced(finding.class))
        .map(|finding| finding.start..finding.end)
        .collect()
}

/// Whether the places together have all of a range of a text, but for ends of lines and commas between them, which are no part of a
/// value.
fn covers(places: &[Range<usize>], text: &str, range: &Range<usize>) -> bool {
    let end = places.iter().fold(range.start, |end, place| {
        let apart = text.get(end..place.start).unwrap_or_default();
        if apart.chars().all(|char| "\n, ".contains(char)) {
            end.max(place.end)
        } else {
            end
        }
    });
    end >= range.end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_covered_by_places_side_by_side_only() {
        let covers = |places: &[Range<usize>], range| covers(places, "abc\ndefghi", &range);
        assert!(covers(&[0..3, 4..9], 2..8));
        assert!(!covers(&[0..2, 3..9], 1..8));
        assert!(!covers(&[3..9, 9..10], 2..8));
        assert!(!covers(&[], 2..8));
    }
}

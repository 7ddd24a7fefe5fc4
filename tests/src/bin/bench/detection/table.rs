//! What was found, counted by corpus and by class.

use std::collections::BTreeMap;
use std::fmt;

use super::corpora::Sample;
use super::encodings::ENCODINGS;

/// The counts, and which samples were missed.
#[derive(Default)]
pub struct Tally {
    classes: BTreeMap<(&'static str, String), Counts>,
    /// By encoding: positive samples that were not found, negative ones in which something was.
    wrong: [Vec<usize>; ENCODINGS.len()],
}

#[derive(Clone, Default)]
struct Counts {
    positive: usize,
    negative: usize,
    found: [usize; ENCODINGS.len()],
    false_hits: usize,
}

impl Tally {
    /// Counts a sample in which something was found, or its secret, in the encodings that `ways` say.
    pub fn add(&mut self, index: usize, sample: &Sample, ways: [bool; ENCODINGS.len()]) {
        let key = (sample.corpus, sample.class.clone());
        let counts = self.classes.entry(key).or_default();
        if !sample.positive {
            counts.negative += 1;
            counts.false_hits += usize::from(ways[0]);
            if ways[0] {
                self.wrong[0].push(index);
            }
            return;
        }
        counts.positive += 1;
        for (way, found) in ways.into_iter().enumerate() {
            counts.found[way] += usize::from(found);
            if !found {
                self.wrong[way].push(index);
            }
        }
    }

    /// Lists what is wrong of the plain samples, and in each encoding what is missed only there.
    pub fn print_missed(&self, samples: &[Sample]) {
        for (way, encoding) in ENCODINGS.iter().enumerate() {
            for &index in &self.wrong[way] {
                let sample = &samples[index];
                if way > 0 && self.wrong[0].contains(&index) {
                    continue;
                }
                let what = if sample.positive {
                    "missed"
                } else {
                    "false hit"
                };
                let secrets: Vec<_> = sample
                    .secrets
                    .iter()
                    .map(|secret| &sample.text[secret.clone()])
                    .collect();
                println!(
                    "{what}, {}, {} {}: {:?} {secrets:?}",
                    encoding.name, sample.corpus, sample.class, sample.text
                );
            }
        }
    }

    fn of_corpora(&self) -> BTreeMap<&'static str, Counts> {
        let mut corpora: BTreeMap<_, Counts> = BTreeMap::new();
        for ((corpus, _), counts) in &self.classes {
            corpora.entry(*corpus).or_default().add(counts);
        }
        corpora
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        heads(f)?;
        for (corpus, counts) in self.of_corpora() {
            counts.write(f, corpus)?;
        }
        let mut last = "";
        for ((corpus, class), counts) in &self.classes {
            if *corpus != last {
                writeln!(f, "\n{corpus}")?;
                heads(f)?;
                last = corpus;
            }
            counts.write(f, class)?;
        }
        writeln!(f)
    }
}

fn heads(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{:<36}{:>6}", "recall, %", "pos.")?;
    for encoding in &ENCODINGS {
        write!(f, "{:>7}", encoding.name)?;
    }
    writeln!(f, "{:>7}{:>11}{:>12}", "neg.", "false hits", "precision")
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.positive += other.positive;
        self.negative += other.negative;
        self.false_hits += other.false_hits;
        for (found, more) in self.found.iter_mut().zip(other.found) {
            *found += more;
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        write!(f, "{name:<36}{:>6}", self.positive)?;
        for found in self.found {
            write!(f, "{:>7}", percent(found, self.positive))?;
        }
        let precision = percent(self.found[0], self.found[0] + self.false_hits);
        writeln!(
            f,
            "{:>7}{:>11}{precision:>12}",
            self.negative, self.false_hits
        )
    }
}

fn percent(part: usize, of: usize) -> String {
    match of {
        0 => "–".to_owned(),
        _ => format!("{:.1}", part as f64 * 100.0 / of as f64),
    }
}

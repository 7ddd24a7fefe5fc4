//! What others than our detectors found, by text: an analyzer can't be asked while a request is masked.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use crate::mask::detector::{Detectors, Finding};

/// A place in a text, and what is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The class's name.
    pub class: &'static str,
    /// Bytes of the text, on character boundaries.
    pub range: Range<usize>,
    /// From 0 to 1.
    pub confidence: f32,
}

/// What was found in the texts of a request.
#[derive(Default)]
pub struct Outside(HashMap<String, Arc<[Named]>>);

impl Outside {
    /// Adds what was found in a text.
    pub fn add(&mut self, text: String, found: Arc<[Named]>) {
        if !found.is_empty() {
            self.0.insert(text, found);
        }
    }
}

/// What is known of texts beside what our detectors find.
#[derive(Clone, Default)]
pub(super) enum Analysis {
    /// Nothing.
    #[default]
    None,
    /// They are collected, and not looked at.
    Collect(Arc<Mutex<BTreeSet<String>>>),
    /// This.
    Known(Arc<Outside>),
}

impl Analysis {
    /// Whether this text is only collected.
    pub fn collects(&self, text: &str) -> bool {
        let Self::Collect(texts) = self else {
            return false;
        };
        let mut texts = texts.lock().unwrap_or_else(PoisonError::into_inner);
        if !texts.contains(text) {
            texts.insert(text.to_owned());
        }
        true
    }

    /// Appends what is known of a text.
    pub fn findings(&self, detectors: &Detectors, text: &str, found: &mut Vec<Finding>) {
        let Self::Known(outside) = self else {
            return;
        };
        let named = outside
            .0
            .get(text)
            .into_iter()
            .flat_map(|named| named.iter());
        found.extend(named.filter_map(|named| {
            detectors.outside(named.class, text, named.range.clone(), named.confidence)
        }));
    }
}

//! What an answer says that is sensitive by itself: a key that the model prints and the request did not have. It is counted,
//! masked, or ends the answer.
//!
//! Looks at the provider's own bytes, before values are put back, so that those are none of it. Numbers, keys of the API and
//! sealed blocks are not looked at.

mod ours;
mod window;

use std::{
    borrow::Cow,
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Mode,
    decode::Decoded,
    detector::{Action, ClassId, Detectors, Finding},
    request::Masker,
    token::Labels,
    unmask::Escaping,
};
pub(super) use window::Window;

/// Most bytes of one text that are held while they may be part of a value. A value that is longer ends the answer where its
/// class is masked or blocked.
pub(super) const MOST: usize = 16 << 10;

/// What a policy watches for in answers.
pub struct Watch {
    masker: Masker,
    /// Those of tokens.
    labels: Labels,
}

impl Watch {
    /// For the classes and actions of these detectors. Where `mode` does not enforce, findings are only counted.
    pub fn new(detectors: Arc<Detectors>, mode: Mode) -> Self {
        let masker = Masker::new(detectors, mode).with_cache(0);
        Self {
            labels: Labels::new(masker.labels()),
            masker,
        }
    }

    /// Begins one answer.
    pub fn begin(self: &Arc<Self>) -> Watching {
        Watching {
            watch: Arc::clone(self),
            seen: Arc::default(),
        }
    }

    fn action(&self, class: ClassId) -> Action {
        match self.masker.mode() {
            Mode::Enforce => self.masker.action(class),
            Mode::ReportOnly | Mode::DryRun => Action::Report,
        }
    }
}

/// One answer being watched. Clones share what was seen.
#[derive(Clone)]
pub struct Watching {
    watch: Arc<Watch>,
    seen: Arc<Mutex<Seen>>,
}

/// A class in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The class's name.
    pub class: &'static str,
    /// How many different values.
    pub count: u32,
    /// `reported`, `masked` or `blocked`.
    pub done: &'static str,
}

#[derive(Default)]
struct Seen {
    /// Hashes of the values: the last events of a stream repeat what the others said.
    values: HashSet<u64>,
    hasher: RandomState,
    counts: Vec<(ClassId, u32)>,
    blocked: Option<ClassId>,
}

impl Watching {
    /// What was seen so far, in the order of first sight.
    pub fn report(&self) -> Vec<Watched> {
        let counts = &self.seen().counts;
        let watched = counts.iter().map(|&(class, count)| Watched {
            class: self.watch.masker.class(class).name,
            count,
            done: match self.watch.action(class) {
                Action::Block => "blocked",
                Action::Mask => "masked",
                Action::Report | Action::Allow => "reported",
            },
        });
        watched.collect()
    }

    /// The class that ends this answer.
    pub fn blocked(&self) -> Option<&'static str> {
        let blocked = self.seen().blocked;
        blocked.map(|class| self.watch.masker.class(class).name)
    }

    /// A whole text at some escaping, without what may not be in it.
    pub(super) fn whole<'r>(
        &self,
        raw: &'r [u8],
        escaping: Escaping,
        is_ours: impl Fn(&str) -> bool,
    ) -> Cow<'r, [u8]> {
        self.take(&mut Window::default(), raw, escaping, true, is_ours)
    }

    /// What is decided of a text once `raw` came in; all of it, if that is the `last` of it. Tokens, and a surrogate
    /// that `is_ours`, stand for a value of the request.
    pub(super) fn take<'r>(
        &self,
        window: &mut Window,
        raw: &'r [u8],
        escaping: Escaping,
        last: bool,
        is_ours: impl Fn(&str) -> bool,
    ) -> Cow<'r, [u8]> {
        if self.seen().blocked.is_some() {
            return Cow::Borrowed(&[]);
        }
        let raw = window.with_held(raw);
        let text = as_text(&raw);
        let decoded = match escaping {
            Escaping::None => Decoded::plain(&text),
            Escaping::Json | Escaping::JsonInJson => Decoded::new(&text),
        };
        let decided = match last {
            true => decoded.text().len(),
            false => window::decided(decoded.text()),
        };
        if decided == 0 {
            window.hold(&raw);
            return Cow::Borrowed(&[]);
        }
        // Words before a value say what it is, also when they are out already.
        let at = window.before().len();
        let text = [window.before(), decoded.text()].concat();
        let mut found = Vec::new();
        self.watch.masker.findings(&text, &mut found);
        ours::take_out(
            &self.watch.masker,
            &self.watch.labels,
            &text,
            &mut found,
            is_ours,
        );
        let mut cut = at + decided;
        if !last && let Some(open) = found.iter().find(|f| f.start < cut && cut <= f.end) {
            cut = open.start.max(at);
            if cut == at && decoded.text().len() > MOST {
                match self.watch.action(open.class) {
                    Action::Mask | Action::Block => self.block(open.class),
                    Action::Report | Action::Allow => cut = at + decided,
                }
            }
        }
        found.retain(|finding| finding.end > at && finding.start < cut);
        let Some(put) = self.judge(&text, &found) else {
            return Cow::Borrowed(&[]);
        };
        let mut out = Vec::new();
        let mut copied = 0;
        for (finding, label) in put {
            let range = decoded.raw_range(finding.start.max(at) - at..finding.end.min(cut) - at);
            out.extend_from_slice(&raw[copied..range.start]);
            match escaping == Escaping::JsonInJson && !window.in_string(&text, finding.start) {
                // A number among a tool's arguments has to stay one.
                true => out.push(b'0'),
                false => out.extend_from_slice(format!("[{label}]").as_bytes()),
            }
            copied = range.end;
        }
        let end = decoded.raw_offset(cut - at);
        window.go_on(&text, cut);
        window.hold(&raw[end..]);
        match raw {
            Cow::Borrowed(raw) if copied == 0 => Cow::Borrowed(&raw[..end]),
            _ => {
                out.extend_from_slice(&raw[copied..end]);
                Cow::Owned(out)
            }
        }
    }

    /// Counts findings; gives back those that a label takes the place of, or None if the answer has to end.
    fn judge(&self, text: &str, found: &[Finding]) -> Option<Vec<(Finding, &'static str)>> {
        let mut put = Vec::new();
        for finding in found {
            self.count(finding.class, &text[finding.start..finding.end]);
            match self.watch.action(finding.class) {
                Action::Block => self.block(finding.class),
                Action::Mask => put.push((*finding, self.watch.masker.class(finding.class).label)),
                Action::Report | Action::Allow => {}
            }
        }
        self.seen().blocked.is_none().then_some(put)
    }

    fn count(&self, class: ClassId, value: &str) {
        let mut seen = self.seen();
        let hash = seen.hasher.hash_one((class, value));
        if !seen.values.insert(hash) {
            return;
        }
        match seen.counts.iter_mut().find(|(seen, _)| *seen == class) {
            Some((_, count)) => *count += 1,
            None => seen.counts.push((class, 1)),
        }
    }

    fn block(&self, class: ClassId) {
        self.seen().blocked.get_or_insert(class);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes as text of the same length, NUL for what is no UTF-8.
fn as_text(raw: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(raw) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(raw.len());
    for chunk in raw.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('\0', chunk.invalid().len()));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests;

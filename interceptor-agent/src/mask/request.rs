//! Masking a request body: spans, findings, tokens, splice, completeness.
//!
//! Only bytes that are replaced change; a body in which nothing is found leaves as the same buffer. Tokens
//! are numbered unit by unit (see `walk`), so that a conversation that only grows keeps those it has.

mod cache;
mod file;
mod find;
mod form;
mod grpc;
mod known;
mod look;
mod outside;
mod pass;
mod report;
mod splice;
mod walk;

use std::{
    collections::BTreeSet,
    fmt, mem,
    sync::{Arc, LazyLock, PoisonError},
};

use bytes::Bytes;

pub use self::outside::{Named, Outside};
pub use self::report::Report;
use self::{
    cache::{Cache, Past},
    find::{Care, Finder},
    known::Known,
    outside::Analysis,
    pass::Pass,
};
use super::{
    Mode,
    detector::{Action, Class, ClassId, Detectors, Finding},
    token::{Labels, Numbering, Scheme, TokenMap},
};
use crate::{
    json::{self, JsonError},
    multipart::FormError,
    protobuf::GrpcError,
    protocol::Endpoint,
};

/// A policy's detectors and mode, shared by all requests.
pub struct Masker {
    detectors: Arc<Detectors>,
    labels: Labels,
    mode: Mode,
    cache: Cache,
}

/// Bytes that are kept of what was found in earlier requests, where the config says nothing.
pub const CACHE: usize = 8 << 20;

impl Masker {
    /// A masker that does with findings what `mode` says.
    pub fn new(detectors: impl Into<Arc<Detectors>>, mode: Mode) -> Self {
        let detectors = detectors.into();
        let labels = labels(&detectors);
        Self {
            detectors,
            labels,
            mode,
            cache: Cache::new(CACHE),
        }
    }

    /// This one, which keeps at most `bytes` of what was found in earlier requests; with 0, nothing.
    #[must_use]
    pub fn with_cache(mut self, bytes: usize) -> Self {
        self.cache = Cache::new(bytes);
        self
    }

    /// One that shares the detectors of this one.
    pub fn in_mode(&self, mode: Mode) -> Self {
        Self::new(Arc::clone(&self.detectors), mode).with_cache(self.cache.limit())
    }

    /// Begins one request, which has one set of tokens, counted from 1.
    pub fn begin(&self) -> Masking<'_> {
        self.begin_with(Scheme::Counted)
    }

    /// Begins one request, whose tokens are numbered as `scheme` says.
    pub fn begin_with(&self, scheme: Scheme) -> Masking<'_> {
        Masking {
            masker: self,
            state: State::new(&self.labels, scheme),
            analysis: Analysis::None,
            cache: &self.cache,
            unread: false,
        }
    }

    /// Begins one that masks nothing, and collects the texts that it would look at.
    pub fn collect(&self) -> Masking<'_> {
        Masking {
            analysis: Analysis::Collect(Arc::default()),
            cache: &NO_CACHE,
            ..self.begin()
        }
    }

    /// Every label that tokens have, sorted.
    pub fn labels(&self) -> impl Iterator<Item = &'static str> {
        self.labels.names()
    }

    /// Appends everything that the detectors see in a plain text, behind encodings too: in order of start, none overlapping
    /// another. Nothing is counted or remembered.
    pub fn findings(&self, text: &str, found: &mut Vec<Finding>) {
        self.finder().findings(text, found);
    }

    /// What is done with findings as a whole.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The class of a finding in a [`Report`].
    pub fn class(&self, id: ClassId) -> &Class {
        self.detectors.class(id)
    }

    /// What is done with findings of a class, in [`Mode::Enforce`].
    pub fn action(&self, id: ClassId) -> Action {
        self.detectors.action(id)
    }

    /// A body that was never looked at, where the mode enforces nothing. In [`Mode::Enforce`] there is no such thing.
    pub fn unenforced(&self, raw: Bytes) -> Option<MaskedBytes> {
        (self.mode != Mode::Enforce).then_some(MaskedBytes(raw))
    }

    fn finder(&self) -> Finder<'_> {
        Finder {
            detectors: &self.detectors,
            labels: &self.labels,
            mode: self.mode,
            analysis: Analysis::None,
        }
    }
}

static NO_CACHE: LazyLock<Cache> = LazyLock::new(|| Cache::new(0));

fn labels(detectors: &Detectors) -> Labels {
    let with = |surrogates: bool| {
        let classes = detectors.classes();
        let classes = classes.filter(move |(id, _)| !surrogates || detectors.has_surrogates(*id));
        classes.map(|(_, class)| class.label)
    };
    Labels::new(with(false)).with_surrogates(with(true))
}

/// The masking of one request: its body first, then whatever else it carries.
pub struct Masking<'m> {
    masker: &'m Masker,
    state: State<'m>,
    analysis: Analysis,
    cache: &'m Cache,
    /// Whether what can't be read passes, and is counted.
    unread: bool,
}

/// What a pass adds to, and what a pass that failed leaves as it was.
#[derive(Clone)]
struct State<'m> {
    numbering: Numbering<'m>,
    known: Known,
    past: Past,
    report: Report,
}

impl<'m> State<'m> {
    fn new(labels: &'m Labels, scheme: Scheme) -> Self {
        Self {
            past: Past::beginning(&scheme),
            numbering: Numbering::new(labels, scheme),
            known: Known::default(),
            report: Report::default(),
        }
    }
}

impl<'m> Masking<'m> {
    /// From here on, content that can't be read passes as it is, or doesn't, as at the beginning.
    pub fn pass_unread(&mut self, unread: bool) {
        self.unread = unread;
    }

    /// Masks a JSON body. A quick pass does, unless a replacement brings something else to light: then a
    /// thorough one begins anew.
    ///
    /// # Errors
    /// See [`MaskError`]; the request must not go out.
    pub fn body(&mut self, endpoint: &Endpoint, raw: &Bytes) -> Result<Outcome, MaskError> {
        let doc = json::parse(raw)?;
        let masked = self.with_care(|masking, care| {
            masking.pass(care, |pass| pass.body(&doc, endpoint.request))
        })?;
        Ok(match masked {
            None => Outcome::Unchanged(MaskedBytes(raw.clone())),
            Some(masked) => Outcome::Masked(MaskedBytes(masked.into())),
        })
    }

    /// Runs with more and more care, each time from the beginning, as long as a replacement brings something else to light.
    fn with_care<T>(
        &mut self,
        run: impl Fn(&mut Self, Care) -> Result<T, MaskError>,
    ) -> Result<T, MaskError> {
        let before = self.state.clone();
        let mut result = run(self, Care::Quick);
        for care in [Care::Thorough, Care::Coarse, Care::Plain] {
            if let Err(MaskError::Incomplete { .. }) = result {
                self.state = before.clone();
                result = run(self, care);
            }
        }
        result
    }

    fn pass(
        &mut self,
        care: Care,
        run: impl FnOnce(Pass<'m>) -> (Result<Option<String>, MaskError>, State<'m>),
    ) -> Result<Option<String>, MaskError> {
        let nothing = State::new(&self.masker.labels, Scheme::Counted);
        let state = mem::replace(&mut self.state, nothing);
        let finder = Finder {
            analysis: self.analysis.clone(),
            ..self.masker.finder()
        };
        let (result, state) = run(Pass::new(finder, self.cache, state, care));
        self.state = state;
        let masked = result?;
        match self.state.report.unreadable {
            1.. if !self.unread => Err(MaskError::TokenIds),
            _ => Ok(masked.filter(|_| self.masker.mode == Mode::Enforce)),
        }
    }

    /// Masks a text that stands by itself, such as a header's value; None if nothing changes.
    ///
    /// # Errors
    /// See [`MaskError`]; the request must not go out.
    pub fn text(&mut self, text: &str) -> Result<Option<String>, MaskError> {
        self.pass(Care::Thorough, |pass| pass.text(text))
    }

    /// From here on, this was found in the texts as well.
    pub fn knows(&mut self, outside: Outside) {
        self.analysis = Analysis::Known(Arc::new(outside));
        self.cache = &self.masker.cache;
    }

    /// From here on, nobody else has looked at the texts, and so what becomes of them is not to be remembered.
    pub fn knows_nothing(&mut self) {
        self.analysis = Analysis::None;
        self.cache = &NO_CACHE;
    }

    /// What [`Masker::collect`] collected.
    pub fn into_texts(self) -> BTreeSet<String> {
        match self.analysis {
            Analysis::Collect(texts) => {
                mem::take(&mut *texts.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Analysis::None | Analysis::Known(_) => BTreeSet::new(),
        }
    }

    /// What was seen since the last time this was asked.
    pub fn take_report(&mut self) -> Report {
        mem::take(&mut self.state.report)
    }

    /// What is held of values and of literals that look like tokens, about, in bytes. It grows with each new one.
    pub fn held(&self) -> usize {
        self.state.numbering.held()
    }

    /// The tokens handed out so far.
    pub fn tokens(&self) -> TokenMap {
        self.state.numbering.clone().into_map()
    }

    /// The tokens handed out, and what was seen. In [`Mode::DryRun`] nothing left masked: no tokens.
    pub fn finish(self) -> (TokenMap, Report) {
        let tokens = match self.masker.mode {
            Mode::Enforce => self.state.numbering.into_map(),
            Mode::ReportOnly | Mode::DryRun => TokenMap::default(),
        };
        (tokens, self.state.report)
    }
}

/// Bytes that may go out. Only a masker makes them, so that the way upstream takes nothing else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MaskedBytes(Bytes);

impl MaskedBytes {
    /// The same text in another form, like a content coding: what the closure makes of it and of nothing else.
    ///
    /// # Errors
    /// As the closure.
    pub async fn recoded<E>(
        self,
        code: impl AsyncFnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        code(&self.0).await.map(|coded| Self(coded.into()))
    }

    /// The coded form that an unchanged text was decoded from, so that it leaves as it came. The caller answers for
    /// `original` decoding to these very bytes.
    pub fn in_original_form(self, original: Bytes) -> Self {
        Self(original)
    }

    /// The bytes themselves.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl AsRef<[u8]> for MaskedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MaskedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaskedBytes({} bytes)", self.len())
    }
}

/// What became of a body.
#[derive(Debug)]
pub enum Outcome {
    /// The very bytes that were given.
    Unchanged(MaskedBytes),
    /// Tokens stand where values stood.
    Masked(MaskedBytes),
}

impl Outcome {
    /// The bytes to send.
    pub fn into_masked(self) -> MaskedBytes {
        match self {
            Self::Unchanged(bytes) | Self::Masked(bytes) => bytes,
        }
    }
}

/// Why a request must not go out. Names classes, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// The client's body is not JSON that can be read without doubt.
    #[error("the request body is {0}")]
    NotJson(JsonError),
    /// The client's form can't be cut into parts without doubt.
    #[error("the form is {0}")]
    NotForm(FormError),
    /// A part of a form is neither text nor a format that is left alone.
    #[error("part {part} of the form is neither UTF-8 text nor the media that its type says")]
    Unreadable {
        /// Which one, from 1.
        part: usize,
    },
    /// The client's messages of gRPC can't be read.
    #[error("the request body is {0}")]
    NotGrpc(GrpcError),
    /// Bytes of a message are neither text, nor a message, nor a format that is left alone.
    #[error("a field is neither UTF-8 text, nor a message, nor known media")]
    UnreadableBytes,
    /// A text stands as a tokenizer's ids.
    #[error(
        "a tokenizer's ids stand where a text could: send the text (LangChain: check_embedding_ctx_length=False)"
    )]
    TokenIds,
    /// A value stands where a token can't: in a form's boundary, in a number of protobuf.
    #[error("in what holds the body together, or in a number")]
    Unmaskable,
    /// Policy refuses requests with this class.
    #[error("the request contains {class}, which policy blocks")]
    Blocked {
        /// Name of the class.
        class: &'static str,
    },
    /// A value of this class still shows after masking; the fault is ours.
    #[error("{class} could not be masked completely; the request was not sent")]
    Incomplete {
        /// Name of the class.
        class: &'static str,
    },
}

impl From<GrpcError> for MaskError {
    fn from(error: GrpcError) -> Self {
        Self::NotGrpc(error)
    }
}

impl From<FormError> for MaskError {
    fn from(error: FormError) -> Self {
        Self::NotForm(error)
    }
}

impl From<JsonError> for MaskError {
    fn from(error: JsonError) -> Self {
        Self::NotJson(error)
    }
}

#[cfg(test)]
mod tests;

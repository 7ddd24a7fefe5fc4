//! A file within a body: masked as a text of its own, and encoded again.

use std::mem;

use super::{Layer, Pass};
use crate::{
    json::Value,
    mask::{
        request::{MaskError, State, file::TextFile, find::Finder, splice::Splice},
        token::Scheme,
    },
};

impl Pass<'_> {
    /// Masks a file that stands in a string. Its values are numbered before the others of its unit.
    pub(super) fn file(
        &mut self,
        layer: &Layer,
        value: Value,
        file: &TextFile,
    ) -> Result<(), MaskError> {
        let before = self.state.past.clone();
        let (head, text) = (self.inside(&file.head)?, self.inside(&file.text)?);
        self.saw_inside |= self.state.past != before;
        if head.is_some() || text.is_some() {
            let head = head.as_ref().unwrap_or(&file.head);
            let text = text.as_ref().unwrap_or(&file.text);
            self.splices.push(Splice {
                range: layer.in_request(value.inner()),
                with: file.with(head, text),
            });
        }
        Ok(())
    }

    fn inside(&mut self, text: &str) -> Result<Option<String>, MaskError> {
        let finder = Finder {
            analysis: self.finder.analysis.clone(),
            ..self.finder
        };
        let none = State::new(self.finder.labels, Scheme::Counted);
        let state = mem::replace(&mut self.state, none);
        let (masked, state) = Pass::new(finder, self.cache, state, self.care).text(text);
        self.state = state;
        masked
    }
}

//! What is counted of a request.

use crate::mask::detector::ClassId;

/// What was seen in a request. No values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Spans of text looked at.
    pub fields: usize,
    /// Places where a token was put.
    pub masked: usize,
    /// Parts of a form, fields of a message or texts as ids that went unread, by policy.
    pub unreadable: usize,
    /// How often each class was found, in the order of first sight.
    pub findings: Vec<(ClassId, u32)>,
    /// Bytes of the units that a body is made of.
    pub unit_bytes: usize,
    /// Those of them that an earlier request had too, and that were not looked at again.
    pub cached_bytes: usize,
}

impl Report {
    /// Adds what was seen elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.fields += other.fields;
        self.masked += other.masked;
        self.unreadable += other.unreadable;
        self.unit_bytes += other.unit_bytes;
        self.cached_bytes += other.cached_bytes;
        for &(class, count) in &other.findings {
            match self.findings.iter_mut().find(|(seen, _)| *seen == class) {
                Some((_, sum)) => *sum += count,
                None => self.findings.push((class, count)),
            }
        }
    }

    pub(super) fn count(&mut self, class: ClassId) {
        match self.findings.iter_mut().find(|(seen, _)| *seen == class) {
            Some((_, count)) => *count += 1,
            None => self.findings.push((class, 1)),
        }
    }
}

//! Detectors as rows of data, and the single pass that runs them over a text.

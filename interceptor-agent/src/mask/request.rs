//! Masking a request body: spans, findings, tokens, splice, completeness.

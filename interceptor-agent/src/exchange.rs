//! One request and its response, top to bottom.

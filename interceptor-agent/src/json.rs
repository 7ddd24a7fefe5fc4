//! Where each value of a JSON document stands in its raw bytes; nothing is re-serialised.

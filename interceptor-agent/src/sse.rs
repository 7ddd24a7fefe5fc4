//! Server-sent events cut out of a byte stream, any line ending, any chunking.

//! Everything one running agent shares, and its start and stop.

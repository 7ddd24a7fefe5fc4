//! A stream that replays bytes already read from it.

//! Unmasking a response, whole or as a stream of events, per channel.

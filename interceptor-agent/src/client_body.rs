//! A request body held up to a limit, decoded and encoded again.

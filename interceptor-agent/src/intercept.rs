//! The only place that decides whether a connection is intercepted, passed or blocked.

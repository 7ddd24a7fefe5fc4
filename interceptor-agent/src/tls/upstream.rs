//! TLS towards the provider, verified with real roots.

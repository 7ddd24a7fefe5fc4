//! Liveness, readiness and metrics over HTTP, for operators and probes.

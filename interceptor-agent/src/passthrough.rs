//! Connections that are no business of ours, copied both ways.

//! The configuration: what the user wrote, and what is ready to use.

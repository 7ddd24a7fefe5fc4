//! The life of one steered connection, top to bottom.

//! Text behind JSON escapes, with a map from decoded offsets back to raw bytes.

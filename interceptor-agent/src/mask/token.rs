//! Tokens like `EC2_001`: canonical numbering, look-alikes, and the map back.

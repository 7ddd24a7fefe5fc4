//! Leaf certificates, minted once per host and cached.

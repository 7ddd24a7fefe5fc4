//! The provisioned CA: a root that clients trust and a name-constrained intermediate that signs.

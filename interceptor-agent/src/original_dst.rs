//! Where a steered connection was going before it was steered.

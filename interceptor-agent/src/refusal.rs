//! An answer the agent makes itself, in the provider's own error shape.

//! Which hosts are LLM hosts and which protocol each speaks: data, not code.

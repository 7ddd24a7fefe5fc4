//! OpenAI: Chat Completions, and the hosts that speak the same.

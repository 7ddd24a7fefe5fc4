//! Putting values back into text that arrives in pieces; holds back only a possible token.

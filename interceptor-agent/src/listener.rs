//! Sockets that steered connections arrive at.

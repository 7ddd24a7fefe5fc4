//! End-to-end tests through the real kernel path, one module a theme. They need root, and fail without it.

mod bind;
mod connect;
mod direct;
mod exchange;
mod getpeername;
mod leaks;
mod lifecycle;
mod sendmsg;
mod sock_ops;

//! End-to-end tests through the real kernel path, one module a theme. They need root, and fail without it.

mod bad_input;
mod bad_provider;
mod bind;
mod bypass;
mod cli;
mod clients;
mod connect;
mod direct;
mod egress;
mod exchange;
mod fidelity;
mod getpeername;
mod getsockname;
mod hand_off;
mod hosts;
mod leaks;
mod lifecycle;
mod listeners;
mod netns;
mod nftables;
mod passthrough;
mod policy;
mod sendmsg;
mod status;

//! Harness of the end-to-end tests, the demo and the bench: everything real but the provider.
//!
//! A [`World`] is two network namespaces joined by a cable, a cgroup for the clients, and a stub LLM provider
//! ([`Upstream`]) under the real host names. An [`Agent`] runs in the clients' namespace and steers that cgroup;
//! a [`Client`] runs there knowing nothing of it. [`canary`] says whether anything leaked.
//! Whatever is made is removed again, however the process ends ([`sweep`]).

pub mod agent;
pub mod backend;
pub mod canary;
pub mod cgroup;
pub mod churn;
pub mod client;
pub mod coding;
#[cfg(test)]
mod deploy;
pub mod docker;
pub mod netns;
pub mod pins;
pub mod redis;
pub mod sweep;
mod sys;
pub mod upstream;
pub mod world;

pub use agent::Agent;
pub use backend::Backend;
pub use client::Client;
pub use docker::Docker;
pub use upstream::Upstream;
pub use world::World;

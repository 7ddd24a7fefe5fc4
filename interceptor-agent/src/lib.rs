//! The agent: ends TLS for LLM hosts, masks requests and unmasks answers.
//!
//! Read [`connection`] for the life of one connection and [`exchange`] for one request and its response.
//! `steering` brings connections here, `tls` ends and re-originates them, `protocol` says where text
//! stands, `mask` replaces what policy names, and only `intercept` decides to let something pass.

pub mod addresses;
pub mod admin;
pub mod analyzer;
pub mod app;
pub mod audit;
pub mod cli;
pub mod config;
pub mod connection;
pub mod dns;
pub mod drain;
pub mod eventstream;
pub mod exchange;
pub mod glob;
pub mod hosts;
pub mod http;
pub mod id;
pub mod intercept;
pub mod json;
pub mod listener;
pub mod mask;
pub mod media;
pub mod metrics;
pub mod multipart;
pub mod opening;
pub mod original_dst;
pub mod passthrough;
pub mod prefixed;
pub mod private_file;
pub mod protobuf;
pub mod protocol;
pub mod proxy;
pub mod recent;
pub mod refusal;
pub mod sigv4;
pub mod sse;
pub mod steering;
pub mod sys;
pub mod tls;
pub mod upstream;
pub mod vault;
pub mod websocket;
pub mod who;
pub mod workers;

//! The process that makes the load: takes jobs from standard input until it ends.

mod connects;
mod download;
mod hold;
mod requests;
mod session;
mod streams;

use std::io::{BufRead as _, Write as _};

use anyhow::Result;
use tokio::net::TcpStream;

use crate::load::{Done, Job};

/// Does jobs until there are no more.
pub fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let mut held = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let job: Job = serde_json::from_str(&line?)?;
        let done = one(&runtime, job, &mut held).map_err(|error| format!("{error:#}"));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&done)?)?;
        out.flush()?;
    }
    Ok(())
}

fn one(runtime: &tokio::runtime::Runtime, job: Job, held: &mut Vec<TcpStream>) -> Result<Done> {
    match job {
        Job::Requests {
            target,
            length,
            connections,
            fresh,
            millis,
        } => runtime.block_on(requests::run(&target, length, connections, fresh, millis)),
        Job::Streams {
            target,
            connections,
            burst,
            millis,
        } => runtime.block_on(streams::run(&target, connections, burst, millis)),
        Job::Download { target, bytes } => download::run(&target, bytes),
        Job::Hold { target, count } => runtime.block_on(hold::run(&target, count, held)),
        Job::Connects { address, count } => connects::run(address, count),
    }
}

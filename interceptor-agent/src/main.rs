//! The `interceptor` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    interceptor_agent::cli::main().unwrap_or_else(|error| {
        eprintln!("interceptor: {error:#}");
        ExitCode::FAILURE
    })
}

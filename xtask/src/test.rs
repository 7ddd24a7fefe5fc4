//! `cargo xtask test`: cargo builds the test binaries; unit tests run as this user, end-to-end tests as root, once steered by
//! eBPF and, where nothing but the backend makes a difference, once more by nftables.

mod nftables;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::env::Env;
use crate::kernel;
use crate::shell::Sh;

/// The package whose integration tests need the real kernel, and so root.
const END_TO_END: &str = "interceptor-tests";

/// Property tests have the same cases each time: what fails here, a change has broken. `cargo test` has others each time.
const SEED: &str = "PROPTEST_RNG_SEED";

/// Runs every test whose name contains `filter`, all of them even after a failure.
pub fn run(env: &Env, filter: Option<&str>, args: &[OsString]) -> Result<()> {
    let agent = build_agent(Sh::cargo(env))?;
    let mut binaries = build(Sh::cargo(env).args(["test", "--no-run"]))?;
    binaries.retain(|artifact| artifact.is_test);
    // What fails soonest first; what needs root last.
    binaries.sort_by_key(Artifact::is_end_to_end);

    let mut failed = Vec::new();
    for binary in &binaries {
        eprintln!("\n     Running {binary}");
        let sh = if binary.is_end_to_end() {
            Sh::root(
                &binary.executable,
                "end-to-end tests make network namespaces and load eBPF programs",
            )?
        } else {
            Sh::new(&binary.executable)
        };
        let passed = sh
            .args(filter)
            .args(args)
            .current_dir(&binary.package_dir)
            .env_for_tests(env, &agent)
            .env("CARGO_MANIFEST_DIR", &binary.package_dir)
            .env(SEED, std::env::var_os(SEED).unwrap_or("1".into()))
            .succeeds()?;
        if !passed {
            failed.push(binary.to_string());
        }
        if binary.is_end_to_end() && !nftables::pass(env, binary, &agent, filter, args)? {
            failed.push(format!("{binary} on nftables"));
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("tests failed in {}", failed.join(", "))
}

/// Runs the end-to-end tests that steering decides on other kernels than this machine's.
pub fn run_emulated(
    env: &Env,
    version: &str,
    filter: Option<&str>,
    args: &[OsString],
) -> Result<()> {
    // Unoptimised and emulated, masking one request takes a sixth of a second.
    let cargo = || Sh::cargo(env).env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    let agent = build_agent(cargo())?;
    let tests = build(cargo().args(["test", "--no-run", "--test", "e2e"]))?
        .into_iter()
        .find(Artifact::is_end_to_end)
        .context("cargo built no end-to-end tests")?;
    kernel::run(env, version, &agent, &tests.executable, filter, args)
}

fn build_agent(cargo: Sh) -> Result<PathBuf> {
    // All members, as the tests are built: with the agent alone, dependencies would be built twice.
    let agent = build(cargo.args(["build", "--bins"]))?
        .into_iter()
        .find(|artifact| artifact.name == "interceptor")
        .context("cargo built no agent")?;
    Ok(agent.executable)
}

/// Something executable that cargo built.
struct Artifact {
    package_dir: PathBuf,
    package: String,
    name: String,
    kind: String,
    is_test: bool,
    executable: PathBuf,
}

impl Artifact {
    fn is_end_to_end(&self) -> bool {
        self.package == END_TO_END && self.kind == "test"
    }

    fn parse(message: &Value) -> Option<Self> {
        let manifest = Path::new(message["manifest_path"].as_str()?);
        let package_dir = manifest.parent()?.to_owned();
        let target = &message["target"];
        Some(Self {
            // As in `path+file:///…/tests#interceptor-tests@0.1.0`, or `…/xtask#0.1.0` where the folder has its name.
            package: package_name(message["package_id"].as_str()?),
            package_dir,
            name: target["name"].as_str()?.to_owned(),
            kind: target["kind"][0].as_str()?.to_owned(),
            is_test: message["profile"]["test"].as_bool()?,
            executable: message["executable"].as_str()?.into(),
        })
    }
}

impl std::fmt::Display for Artifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} {})", self.package, self.kind, self.name)
    }
}

fn package_name(id: &str) -> String {
    let (path, version) = id.rsplit_once('#').unwrap_or(("", id));
    match version.split_once('@') {
        Some((name, _)) => name.to_owned(),
        None => path.rsplit('/').next().unwrap_or(path).to_owned(),
    }
}

fn build(cargo: Sh) -> Result<Vec<Artifact>> {
    let messages = cargo
        .arg("--message-format=json-render-diagnostics")
        .read()?;
    messages
        .lines()
        .map(|line| {
            serde_json::from_str(line).with_context(|| format!("cargo printed no JSON: {line}"))
        })
        .filter_map(|message| message.map(|message| Artifact::parse(&message)).transpose())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::package_name;

    #[test]
    fn both_forms_of_a_package_id_name_the_package() {
        assert_eq!(
            package_name("path+file:///src/tests#interceptor-tests@0.1.0"),
            "interceptor-tests"
        );
        assert_eq!(package_name("path+file:///src/xtask#0.1.0"), "xtask");
    }
}

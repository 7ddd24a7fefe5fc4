//! `interceptor mask`.

use std::{
    collections::BTreeMap,
    fs::{OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use bytes::Bytes;

use crate::{
    mask::{
        Mode,
        detector::{Detectors, rules::Rules},
        request::{Masker, Masking},
        token::TokenMap,
    },
    protocol::Protocol,
};

/// Arguments of `interceptor mask`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Read a request body of this protocol, like anthropic or openai, or none for any JSON [default: plain text]
    #[arg(long, value_name = "NAME")]
    protocol: Option<Protocol>,
    /// Write the token map, token to value as JSON, to this file; only you can read it
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Classes whose values keep their shape: an address stays an address, an id keeps its pattern
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    surrogates: Vec<String>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut input = Vec::new();
        io::stdin()
            .read_to_end(&mut input)
            .context("can't read standard input")?;
        let masker = Masker::new(self.detectors()?, Mode::Enforce);
        let mut masking = masker.begin();
        let masked = self.mask(&mut masking, input)?;
        if let Some(path) = &self.map {
            write_private(path, &masking.finish().0)
                .with_context(|| format!("can't write the token map {}", path.display()))?;
        }
        io::stdout()
            .write_all(&masked)
            .context("can't write standard output")?;
        Ok(ExitCode::SUCCESS)
    }

    fn detectors(&self) -> anyhow::Result<Detectors> {
        for class in &self.surrogates {
            anyhow::ensure!(
                Detectors::default_action(class).is_some(),
                "{class:?} is no class; `interceptor rules list` prints all"
            );
        }
        let rules = Rules {
            surrogates: self.surrogates.iter().cloned().collect(),
            ..Rules::default()
        };
        Ok(Detectors::new(&BTreeMap::new(), &rules)?)
    }

    fn mask(&self, masking: &mut Masking, input: Vec<u8>) -> anyhow::Result<Bytes> {
        let input = Bytes::from(input);
        match self.protocol {
            Some(protocol) => Ok(masking
                .body(protocol.chat(), &input)?
                .into_masked()
                .into_bytes()),
            None => {
                let text = str::from_utf8(&input).context("standard input is not UTF-8 text")?;
                Ok(masking
                    .text(text)?
                    .map_or_else(|| input.clone(), Bytes::from))
            }
        }
    }
}

/// The map holds the values themselves: nobody else reads it, not even where the file was there before.
fn write_private(path: &Path, tokens: &TokenMap) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(tokens.to_json().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "stop i-0123456789abcdef0";

    fn mask(protocol: Option<Protocol>, input: &str) -> anyhow::Result<Bytes> {
        let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
        Args {
            protocol,
            map: None,
            surrogates: Vec::new(),
        }
        .mask(&mut masker.begin(), input.into())
    }

    #[test]
    fn text_and_bodies_are_masked() {
        assert_eq!(mask(None, TEXT).unwrap(), "stop EC2_001");
        assert_eq!(mask(None, "nothing\n").unwrap(), "nothing\n");
        let body = format!(r#"{{"system":"{TEXT}"}}"#);
        assert_eq!(
            mask(Some(Protocol::Anthropic), &body).unwrap(),
            r#"{"system":"stop EC2_001"}"#
        );
        let error = mask(Some(Protocol::OpenAi), TEXT).unwrap_err();
        assert!(error.to_string().contains("not JSON at byte 0"), "{error}");
    }

    #[test]
    fn classes_with_surrogates_are_named() {
        let args = |class: &str| Args {
            protocol: None,
            map: None,
            surrogates: vec![class.to_owned()],
        };
        let masker = Masker::new(args("ec2_instance").detectors().unwrap(), Mode::Enforce);
        let mut masking = masker.begin();
        let masked = args("ec2_instance").mask(&mut masking, TEXT.into());
        assert_eq!(masked.unwrap(), "stop i-00000000000000001");
        let tokens = masking.finish().0;
        assert_eq!(
            TokenMap::from_json(tokens.to_json().as_bytes()).unwrap(),
            tokens
        );
        assert!(args("ec2").detectors().is_err());
    }

    #[test]
    fn the_map_is_for_its_owner_only() {
        let path = std::env::temp_dir().join(format!("interceptor-map-{}", std::process::id()));
        std::fs::write(&path, "an older and longer file that everyone could read").unwrap();
        let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
        let mut masking = masker.begin();
        masking.text(TEXT).unwrap();
        let tokens = masking.finish().0;
        write_private(&path, &tokens).unwrap();
        let (mode, json) = (
            std::fs::metadata(&path).unwrap().permissions().mode(),
            std::fs::read(&path).unwrap(),
        );
        std::fs::remove_file(&path).unwrap();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(TokenMap::from_json(&json).unwrap(), tokens);
    }
}

//! `interceptor unmask`.

use std::{
    fs,
    io::{self, Read, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use bytes::BytesMut;

use crate::{
    mask::{
        response::{Framing, Unmasker},
        token::TokenMap,
    },
    protocol::{GENERIC, Protocol},
};

/// Arguments of `interceptor unmask`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// JSON object from tokens to values, as `interceptor mask --map` writes it
    #[arg(long, value_name = "FILE")]
    map: PathBuf,
    /// Read a JSON response of this API, like anthropic or openai, or none for any, instead of plain text
    #[arg(long, value_name = "NAME")]
    protocol: Option<Protocol>,
    /// Read a stream of server-sent events, or with ollama of lines; each goes out as soon as it is whole
    #[arg(long, requires = "protocol")]
    stream: bool,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let map =
            fs::read(&self.map).with_context(|| format!("can't read {}", self.map.display()))?;
        let map = TokenMap::from_json(&map).with_context(|| self.map.display().to_string())?;
        let framing = match self.protocol {
            None => Framing::Text,
            Some(Protocol::Ollama) if self.stream => Framing::Items,
            Some(_) if self.stream => Framing::Sse,
            Some(_) => Framing::Json,
        };
        let endpoint = self.protocol.map_or(&GENERIC, Protocol::chat);
        let unmasker = Unmasker::new(endpoint, framing, Arc::new(map));
        pump(unmasker, io::stdin().lock(), io::stdout().lock())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Everything from `from`, unmasked, to `to`; flushed whenever there is something to see.
fn pump(mut unmasker: Unmasker, mut from: impl Read, mut to: impl Write) -> anyhow::Result<()> {
    let mut chunk = vec![0; 64 << 10];
    let mut out = BytesMut::new();
    loop {
        let length = match from.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.context("can't read standard input")?,
        };
        match length {
            0 => unmasker.finish(&mut out)?,
            _ => unmasker.push(&chunk[..length], &mut out)?,
        }
        to.write_all(&out)
            .and_then(|()| to.flush())
            .context("can't write to standard output")?;
        out.clear();
        if length == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte at a time, interrupted in between.
    struct Slow<'a>(&'a [u8], bool);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.0.read(&mut buffer[..1])
        }
    }

    #[test]
    fn text_comes_out_whole_whatever_the_reads() {
        let map = [("EC2_001".to_owned(), "i-0abc".to_owned())]
            .into_iter()
            .collect();
        let unmasker = Unmasker::new(&GENERIC, Framing::Text, Arc::new(map));
        let mut out = Vec::new();
        pump(unmasker, Slow("é EC2_001".as_bytes(), false), &mut out).unwrap();
        assert_eq!(out, "é i-0abc".as_bytes());
    }
}

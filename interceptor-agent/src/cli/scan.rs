//! `interceptor scan`: one line in, one line of findings out.

use std::{
    borrow::Cow,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    process::ExitCode,
};

use crate::{
    json::{self, Kind},
    mask::{Mode, detector::Detectors, request::Masker},
};

/// Arguments of `interceptor scan`.
///
/// Reads JSON lines `{"id":…,"text":…}` or plain lines, whose id is their number from 1. Writes for each
/// `{"id":…,"findings":[{"class":…,"start":…,"end":…,"confidence":…}]}`, with byte offsets in the text as UTF-8.
/// What stands behind an encoding is found too: the range is that of the encoded text.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match scan(
            &Masker::new(Detectors::builtin(), Mode::Enforce),
            io::stdin().lock(),
            io::stdout().lock(),
        ) {
            // Whoever read our output has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            result => Ok(result.map(|()| ExitCode::SUCCESS)?),
        }
    }
}

fn scan(masker: &Masker, input: impl Read, output: impl Write) -> io::Result<()> {
    let mut input = BufReader::with_capacity(64 * 1024, input);
    let mut output = BufWriter::new(output);
    let (mut line, mut findings) = (Vec::new(), Vec::new());
    for number in 1u64.. {
        // Never wait for input with answers held back.
        if input.buffer().is_empty() {
            output.flush()?;
        }
        line.clear();
        findings.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match text_in_json(line) {
            Some((id, text)) => {
                masker.findings(&text, &mut findings);
                output.write_all(b"{\"id\":")?;
                match id {
                    Some(id) => output.write_all(id)?,
                    None => write!(output, "{number}")?,
                }
            }
            None => {
                masker.findings(&String::from_utf8_lossy(line), &mut findings);
                write!(output, "{{\"id\":{number}")?;
            }
        }
        output.write_all(b",\"findings\":[")?;
        for (index, found) in findings.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let class = masker.class(found.class).name;
            write!(
                output,
                "{comma}{{\"class\":\"{class}\",\"start\":{},\"end\":{},\"confidence\":{}}}",
                found.start, found.end, found.confidence
            )?;
        }
        output.write_all(b"]}\n")?;
    }
    output.flush()
}

/// The id as written and the text of a JSON line; `None` when the line is anything else, so plain text.
fn text_in_json(line: &[u8]) -> Option<(Option<&[u8]>, Cow<'_, str>)> {
    if !line.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let document = json::parse(line).ok()?;
    let root = document.root();
    let text = root
        .get("text")
        .filter(|text| text.kind() == Kind::String)?
        .text()?
        .into_owned();
    let id = root.get("id").map(|id| &line[id.range()]);
    Some((id, Cow::Owned(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(input: &str) -> Vec<serde_json::Value> {
        let mut output = Vec::new();
        let masker = Masker::new(Detectors::builtin(), Mode::Enforce);
        scan(&masker, input.as_bytes(), &mut output)
            .expect("memory neither fails to read nor to write");
        output
            .split_inclusive(|&byte| byte == b'\n')
            .map(|line| serde_json::from_slice(line).expect("JSON"))
            .collect()
    }

    #[test]
    fn json_lines_keep_their_id_and_plain_lines_have_their_number() {
        let found = run(
            "{\"id\":{\"a\":1.0},\"text\":\"é\\tvpc-0a1b2c3d\"}\nplain 10.0.0.1\r\n{\"text\":7}\n",
        );
        assert_eq!(found[0]["id"]["a"].to_string(), "1.0");
        assert_eq!(found[0]["findings"][0]["class"], "vpc");
        assert_eq!(
            (
                &found[0]["findings"][0]["start"],
                &found[0]["findings"][0]["end"]
            ),
            (&3.into(), &15.into())
        );
        assert_eq!(
            (&found[1]["id"], &found[1]["findings"][0]["end"]),
            (&2.into(), &14.into())
        );
        assert_eq!(
            (
                &found[2]["id"],
                found[2]["findings"].as_array().map(Vec::len)
            ),
            (&3.into(), Some(0))
        );
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn every_line_is_answered() {
        assert_eq!(run("\n\nx").len(), 3);
        assert_eq!(run("").len(), 0);
    }
}

//! What fuzzing begins with: the golden files in the form that a target takes, and values and escapes as words.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// What shapes the inputs of targets that read text: tokens, labels, escapes, framings.
const WORDS: &[&str] = &[
    "EC2_001",
    "EC2\\_001",
    "PRIVATE_KEY_001",
    "EMAIL_00",
    "AWS_SECRET_002",
    "_",
    "\\",
    "\\\\",
    "\\n",
    "\\\\n",
    "\\u0041",
    "\\\\u005f",
    "\\ud83d\\ude00",
    "\\x41",
    "%20",
    "%3D",
    "&amp;",
    "\r\n",
    "\n\n",
    "\n",
    "\r",
    "\u{200b}",
    "\u{ff21}",
    "\u{430}",
    "=",
    "password=",
    "api_key: ",
    "secret",
    "Bearer ",
    "account ",
    "data: ",
    "event: ",
    "data: [DONE]",
    "{\"",
    "\":\"",
    "\"}",
    "[{",
    "}]",
    ",",
    "null",
    "1e5",
    "--",
    "Content-Disposition: form-data; name=\"a\"",
    "Content-Type: text/plain",
    "Content-Length: 5",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "aWQ9",
    "69643d",
    "0x",
    "```",
    "; ",
    " | ",
    "GET ",
    "CONNECT ",
    " HTTP/1.1\r\n",
    "Host: ",
    "http://",
    "api.openai.com",
    ":443",
    "@",
    "Transfer-Encoding: chunked\r\n",
];

/// What a connection opens with that is no TLS.
const OPENINGS: &[&str] = &[
    "GET /v1 HTTP/1.1\r\nHost: api.openai.com\r\n\r\n",
    "POST http://api.openai.com/v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n1",
    "CONNECT api.openai.com:443 HTTP/1.1\r\n\r\n",
    "GET http://u@api.openai.com:80/?x\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2\r\n",
];

/// Writes the inputs that `target` begins with, none longer than `longest` bytes.
pub fn write(workspace: &Path, target: &str, folder: &Path, longest: usize) -> Result<()> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    match target {
        "mask_unmask" | "layers" => {
            seeds.extend(
                canaries(workspace)?
                    .into_iter()
                    .map(|(text, _)| text.into_bytes()),
            );
        }
        "opening" => seeds.extend(OPENINGS.iter().map(|said| said.as_bytes().to_vec())),
        "multipart" => seeds.extend(
            canaries(workspace)?
                .into_iter()
                .map(|(text, _)| form(&text)),
        ),
        _ => {}
    }
    for file in files(&workspace.join("tests/fixtures"))? {
        let body = fs::read(&file).with_context(|| format!("can't read {}", file.display()))?;
        seeds.extend(seed(target, &file, body));
    }
    seeds.retain(|seed| seed.len() <= longest);
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(number.to_string()), seed)?;
    }
    Ok(())
}

/// The words, and a value of each class, as libFuzzer reads them.
pub fn words(workspace: &Path) -> Result<String> {
    let values = canaries(workspace)?.into_iter().map(|(_, value)| value);
    let words = WORDS.iter().map(|word| (*word).to_owned()).chain(values);
    let quoted = |word: String| {
        let bytes: String = word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        format!("\"{bytes}\"\n")
    };
    Ok(words.map(quoted).collect())
}

/// A golden file as an input, if the target takes such.
fn seed(target: &str, file: &Path, body: Vec<u8>) -> Option<Vec<u8>> {
    let name = file.file_stem()?.to_str()?;
    let ending = file.extension()?.to_str()?;
    let endpoint = file.parent()?.parent()?;
    let provider = endpoint.parent()?.file_name()?.to_str()?;
    let endpoint = format!("{provider}/{}", endpoint.file_name()?.to_str()?);
    match (target, name, ending) {
        ("json" | "items", _, "json" | "jsonl") | ("sse", _, "sse") => Some(body),
        ("mask_unmask" | "layers", "request", _) | ("unmask_stream", "response", _) => Some(body),
        ("mask_body", "request", "json") => Some([endpoint.as_bytes(), b"\n", &body].concat()),
        ("response", "response", _) => {
            Some([endpoint.as_bytes(), b" ", ending.as_bytes(), b"\n", &body].concat())
        }
        _ => None,
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(self::files(&path)?),
            false => files.push(path),
        }
    }
    files.sort();
    Ok(files)
}

/// A text of each class, and the value in it.
fn canaries(workspace: &Path) -> Result<Vec<(String, String)>> {
    let file = workspace.join("tests/canaries.txt");
    let text =
        fs::read_to_string(&file).with_context(|| format!("can't read {}", file.display()))?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let texts = lines.filter_map(|line| {
        let text = line.split_once(' ')?.1.trim_start();
        let text = text.replace('¦', "").replace("\\n", "\n");
        let value = text.split_once('»')?.1.split_once('«')?.0.to_owned();
        Some((text.replace(['»', '«'], ""), value))
    });
    Ok(texts.collect())
}

/// The boundary, and a form of one part.
fn form(text: &str) -> Vec<u8> {
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain";
    format!("b-1\n--b-1\r\n{head}\r\n\r\n{text}\r\n--b-1--\r\n").into_bytes()
}

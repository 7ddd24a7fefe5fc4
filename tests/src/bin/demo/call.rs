//! The calls of the demo: which client, over what, to whom.

use anyhow::{Context as _, Result};
use interceptor_tests::Client;
use interceptor_tests::client::Ran;
use serde_json::{Value, json};

/// One client's way to ask.
pub enum Call {
    /// HTTP and IP version, provider, streaming.
    Curl(&'static str, &'static str, Provider, bool),
    /// Provider, streaming.
    Sdk(Provider, bool),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Provider {
    Anthropic,
    OpenAi,
}

use Provider::{Anthropic, OpenAi};

/// In the order shown.
pub const CALLS: [Call; 8] = [
    Call::Curl("--http1.1", "-4", Anthropic, false),
    Call::Curl("--http1.1", "-6", OpenAi, true),
    Call::Curl("--http2", "-4", OpenAi, false),
    Call::Curl("--http2", "-6", Anthropic, true),
    Call::Sdk(Anthropic, false),
    Call::Sdk(Anthropic, true),
    Call::Sdk(OpenAi, false),
    Call::Sdk(OpenAi, true),
];

/// How often a call is made; the quickest counts, for others may have had to wait for a busy machine.
const REPEAT: usize = 5;

/// What a client said of its calls.
pub struct Made {
    /// The text of the last answer.
    pub got: String,
    /// Time of the quickest call, in milliseconds, as the client measured it.
    pub ms: f64,
    pub pid: u32,
}

/// A call through the agent, from every side.
pub struct Outcome {
    pub got: String,
    pub saw: String,
    pub leaks: Vec<String>,
    pub client_pid: u32,
    pub pid: u64,
    pub command: String,
    pub added_ms: f64,
}

impl Outcome {
    /// What is not as it must be.
    pub fn failures(&self, text: &str) -> Vec<String> {
        let mut failures: Vec<_> = self
            .leaks
            .iter()
            .map(|leak| format!("the provider got a value: {leak}"))
            .collect();
        if self.got != format!("You said: {text}") {
            failures.push(format!("the client got {:?}", self.got));
        }
        if self.saw.is_empty() || self.saw == text {
            failures.push(format!("the provider saw {:?}", self.saw));
        }
        if self.pid != u64::from(self.client_pid) {
            failures.push(format!(
                "the agent names pid {}, it was {}",
                self.pid, self.client_pid
            ));
        }
        failures
    }
}

impl Call {
    pub fn name(&self) -> String {
        match *self {
            Self::Curl(http, ip, provider, stream) => {
                let http = if http == "--http2" {
                    "HTTP/2"
                } else {
                    "HTTP/1.1"
                };
                let ip = if ip == "-4" { "IPv4" } else { "IPv6" };
                format!(
                    "curl, {http} over {ip}, {}, {}",
                    provider.host(),
                    how(stream)
                )
            }
            Self::Sdk(provider, stream) => {
                format!(
                    "Python SDK `{}`, {}, {}",
                    provider.sdk(),
                    provider.host(),
                    how(stream)
                )
            }
        }
    }

    /// What the measured time is the time of.
    pub fn scope(&self) -> &'static str {
        match self {
            Self::Curl(..) => "connection included",
            Self::Sdk(..) => "on an open connection",
        }
    }

    pub fn make(&self, client: &Client<'_>, text: &str) -> Result<Made> {
        match *self {
            Self::Curl(_, _, provider, stream) => {
                let mut times = Vec::new();
                loop {
                    let ran = self.curl(client, text)?;
                    let (answer, seconds) =
                        ran.stdout.rsplit_once('\n').context("curl told no time")?;
                    times.push(seconds.parse::<f64>().unwrap_or_default() * 1000.0);
                    if times.len() == REPEAT {
                        let got = provider
                            .text(answer, stream)
                            .unwrap_or_else(|| format!("{answer}{}", ran.stderr));
                        return Ok(Made {
                            got,
                            ms: quickest(times),
                            pid: ran.pid,
                        });
                    }
                }
            }
            Self::Sdk(provider, stream) => {
                let ask =
                    json!({ "model": "stub", "text": text, "stream": stream, "repeat": REPEAT });
                let (ran, said) =
                    client.python_process(&format!("{}_sdk.py", provider.sdk()), &ask)?;
                let times = said["ms"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_f64)
                    .collect();
                let got = match &said["error"] {
                    Value::Null => said["text"].as_str().unwrap_or_default().to_owned(),
                    error => error.to_string(),
                };
                Ok(Made {
                    got,
                    ms: quickest(times),
                    pid: ran.pid,
                })
            }
        }
    }

    /// One request by curl, whose time ends its output; SDK calls have none of their own and ask Anthropic.
    pub fn curl(&self, client: &Client<'_>, text: &str) -> Result<Ran> {
        let (http, ip, provider, stream) = match *self {
            Self::Curl(http, ip, provider, stream) => (http, ip, provider, stream),
            Self::Sdk(provider, stream) => ("--http2", "-4", provider, stream),
        };
        let messages = json!([{ "role": "user", "content": text }]);
        let body =
            json!({ "model": "stub", "max_tokens": 256, "stream": stream, "messages": messages });
        client.curl([
            http,
            ip,
            "--no-buffer",
            "--write-out",
            "\n%{time_total}",
            "--header",
            "content-type: application/json",
            "--data",
            &body.to_string(),
            &format!("https://{}{}", provider.host(), provider.path()),
        ])
    }
}

impl Provider {
    fn host(self) -> &'static str {
        if self == Anthropic {
            "api.anthropic.com"
        } else {
            "api.openai.com"
        }
    }

    fn path(self) -> &'static str {
        if self == Anthropic {
            "/v1/messages"
        } else {
            "/v1/chat/completions"
        }
    }

    fn sdk(self) -> &'static str {
        if self == Anthropic {
            "anthropic"
        } else {
            "openai"
        }
    }

    /// The answer's text, put together from its deltas where it is a stream.
    fn text(self, answer: &str, stream: bool) -> Option<String> {
        let (whole, delta) = match self {
            Anthropic => ("/content/0/text", "/delta/text"),
            OpenAi => ("/choices/0/message/content", "/choices/0/delta/content"),
        };
        if !stream {
            let answer: Value = serde_json::from_str(answer).ok()?;
            return Some(answer.pointer(whole)?.as_str()?.to_owned());
        }
        let events = answer
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        let text: String = events
            .filter_map(|data| serde_json::from_str::<Value>(data).ok())
            .filter_map(|event| Some(event.pointer(delta)?.as_str()?.to_owned()))
            .collect();
        (!text.is_empty()).then_some(text)
    }
}

fn how(stream: bool) -> &'static str {
    if stream { "streaming" } else { "plain" }
}

fn quickest(times: Vec<f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}

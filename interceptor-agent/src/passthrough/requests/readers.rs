//! What went on as other readers take it, who differ in what RFC 9112 leaves to them and in what it forbids: none of them may find a
//! request that was not looked at.

use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{super::tests::connection, *};

/// The host that no request may be for.
const SECRET: &str = "secret";

/// One way to read.
#[derive(Clone, Copy, Debug)]
struct Reader {
    /// A line ends by CRLF alone.
    crlf: bool,
    /// Of two lengths the last counts.
    last: bool,
    /// A length counts more than chunks.
    length: bool,
    /// Chunks are known to clients of HTTP/1.0.
    old_chunks: bool,
}

impl Reader {
    fn all() -> impl Iterator<Item = Self> {
        (0..16).map(|bits| Self {
            crlf: bits & 1 != 0,
            last: bits & 2 != 0,
            length: bits & 4 != 0,
            old_chunks: bits & 8 != 0,
        })
    }

    /// The first line and what is behind it.
    fn line(self, text: &str) -> Option<(&str, &str)> {
        let (line, rest) = text.split_once(if self.crlf { "\r\n" } else { "\n" })?;
        Some((line.strip_suffix('\r').unwrap_or(line), rest))
    }

    /// Whether it finds a request for that host.
    fn finds(self, mut text: &str, host: &str) -> bool {
        loop {
            let Some((head, body)) = self.head(text) else {
                // What is no request is passed over, as some do with empty lines.
                match self.line(text) {
                    Some((_, rest)) => text = rest,
                    None => return false,
                }
                continue;
            };
            if head
                .iter()
                .any(|field| *field == ("host".to_owned(), host.to_owned()))
            {
                return true;
            }
            match self.behind(&head, body) {
                Some(rest) => text = rest,
                None => return false,
            }
        }
    }

    /// Fields of the first head, the target's host as one of them, and what is behind it.
    fn head(self, text: &str) -> Option<(Vec<(String, String)>, &str)> {
        let (first, mut rest) = self.line(text)?;
        let target = first.split_whitespace().nth(1)?;
        let version = first.split_whitespace().next_back()?;
        let mut head = vec![("version".to_owned(), version.to_owned())];
        if let Some((_, authority)) = target.split_once("://") {
            let host = authority.split('/').next()?;
            head.push(("host".to_owned(), host.to_owned()));
        }
        loop {
            let line;
            (line, rest) = self.line(rest)?;
            if line.is_empty() {
                return Some((head, rest));
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            head.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// What is behind the body.
    fn behind<'t>(self, head: &[(String, String)], mut text: &'t str) -> Option<&'t str> {
        let values = |wanted: &str| {
            let of = head.iter().filter(|(name, _)| name == wanted);
            of.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
        };
        let lengths = values("content-length");
        let length = if self.last {
            lengths.last()
        } else {
            lengths.first()
        };
        let is_old = values("version") == ["HTTP/1.0"];
        let chunked = !values("transfer-encoding").is_empty() && (self.old_chunks || !is_old);
        if let Some(length) = length.filter(|_| self.length || !chunked) {
            return text.get(length.parse().ok()?..);
        }
        let mut is_over = !chunked;
        while !is_over {
            let (size, rest) = self.line(text)?;
            let size = usize::from_str_radix(size.split(';').next()?, 16).ok()?;
            (_, text) = self.line(rest.get(size..)?)?;
            is_over = size == 0;
        }
        Some(text)
    }
}

/// Whether hyper finds a request for that host.
async fn hyper_finds(text: &str, host: &'static str) -> bool {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    client.write_all(text.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let found = Arc::new(Mutex::new(false));
    let service = service_fn(|request: Request<Incoming>| {
        let found = Arc::clone(&found);
        async move {
            let authority = request.uri().authority().map(|name| name.as_str());
            let named = request.headers().get_all("host").iter();
            let named = named.filter_map(|name| name.to_str().ok());
            *found.lock().unwrap() |= authority.into_iter().chain(named).any(|name| name == host);
            request.into_body().collect().await?;
            Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let serving = http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(server), service);
    // It refuses what is broken.
    let _ = serving.await;
    *found.lock().unwrap()
}

/// What goes on of it, said in pieces of at most `size` bytes; none where it is no HTTP to us.
async fn goes_on(text: &str, size: usize) -> Option<String> {
    let ((mut client, mut ours), (mut server, theirs)) = tokio::join!(connection(), connection());
    client.set_nodelay(true).unwrap();
    let mut is_http = true;
    let decide = |opening: &Opening| match opening {
        Opening::Http { hosts, .. } | Opening::Connect { hosts, .. } => {
            let is_secret = hosts.iter().any(|host| host == SECRET);
            is_secret.then_some(Reason::Proxied)
        }
        Opening::Broken => Some(Reason::BadOpening),
        Opening::Closed => None,
        _ => {
            is_http = false;
            None
        }
    };
    let saying = async {
        for piece in text.as_bytes().chunks(size) {
            // It may be refused meanwhile.
            let _ = client.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        let _ = client.shutdown().await;
    };
    let hearing = async {
        let mut heard = Vec::new();
        // A reset says nothing of what came before.
        let _ = server.read_to_end(&mut heard).await;
        drop(server);
        String::from_utf8(heard).unwrap()
    };
    let passing = async {
        let patience = Duration::from_secs(60);
        let (opening, read) = opening::read(&mut ours, Bytes::new(), patience)
            .await
            .unwrap();
        let mut decide = decide;
        if decide(&opening).is_none() {
            let begun = Begun {
                opening,
                read,
                patience,
            };
            let _ = run(ours, theirs, begun, decide, std::future::pending()).await;
        }
    };
    let ((), heard, ()) = tokio::join!(saying, hearing, passing);
    is_http.then_some(heard)
}

/// A request, good or not, whose body may be another one.
fn request() -> impl Strategy<Value = String> {
    const LINE: [&str; 6] = [
        "GET / HTTP/1.1",
        "POST / HTTP/1.1",
        "POST / HTTP/1.0",
        "POST http://other/ HTTP/1.1",
        "CONNECT other:443 HTTP/1.1",
        "GET http://other/a b HTTP/1.1",
    ];
    const FIELDS: [&str; 5] = ["", "Host: other\r\n", "X: y\r\n", "X: y\n", "X: y\n\n"];
    const SECRETS: [&str; 2] = [
        "GET / HTTP/1.1\r\nHost: secret\r\n\r\n",
        "\r\n\r\nGET http://secret/ HTTP/1.1\n\n",
    ];
    const WAYS: [u8; 13] = [0, 1, 2, 2, 2, 3, 3, 3, 4, 5, 6, 7, 8];
    let end = || prop_oneof![9 => Just("\r\n"), 1 => Just("\n")];
    let body = (select(&SECRETS), end(), select(&WAYS)).prop_map(|(secret, end, way)| {
        let length = format!("Content-Length: {}{end}", secret.len());
        let none = "Content-Length: 0\r\n";
        let chunked = format!("Transfer-Encoding: chunked{end}");
        let chunks = format!("{:x}{end}{secret}{end}0\r\n\r\n", secret.len());
        match way {
            0 => (String::new(), String::new()),
            1 => (String::new(), secret.to_owned()),
            2 => (none.to_owned(), String::new()),
            3 => (length, secret.to_owned()),
            4 => (format!("{none}{length}"), secret.to_owned()),
            5 => (chunked, chunks),
            6 => (chunked, format!("0\r\n\r\n{secret}")),
            7 => (format!("{chunked}{none}"), chunks),
            _ => (format!("{length}{chunked}"), format!("0{end}{end}{secret}")),
        }
    });
    (
        select(&LINE),
        end(),
        select(&FIELDS),
        body,
        select(&FIELDS),
        end(),
    )
        .prop_map(|(line, end, before, (framing, body), behind, last)| {
            format!("{line}{end}{before}{framing}{behind}{last}{body}")
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_reader_finds_a_request_that_was_not_looked_at(
        requests in vec(request(), 1..5),
        size in 1..200usize,
    ) {
        let text = requests.concat();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (went_on, by_hyper) = runtime.block_on(async {
            let went_on = goes_on(&text, size).await.unwrap_or_default();
            let by_hyper = hyper_finds(&went_on, SECRET).await;
            (went_on, by_hyper)
        });
        prop_assert!(!by_hyper, "{went_on}");
        for reader in Reader::all() {
            prop_assert!(!reader.finds(&went_on, SECRET), "{reader:?} in {went_on:?}");
        }
    }
}

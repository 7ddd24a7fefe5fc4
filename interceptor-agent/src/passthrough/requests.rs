//! Plain HTTP that is no business of ours, one request after another: the next one on a connection may be for another host,
//! or ask for a tunnel, in which anything may follow.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
};

use super::{Transit, broken, flow};
use crate::{
    http::framing::{Body, Chunks},
    opening::{self, Opening},
    refusal::Reason,
};

/// A request that must not go on, behind others that did.
pub struct Refused {
    /// Who asked.
    pub client: TcpStream,
    /// What was asked for.
    pub opening: Opening,
    /// Why not.
    pub reason: Reason,
}

enum End {
    Socket(io::Error),
    Refused(Opening, Reason),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

/// What is known of a connection whose client has spoken.
pub struct Begun {
    /// What it said.
    pub opening: Opening,
    /// The same as bytes, of which none has gone on.
    pub read: Bytes,
    /// How long the head of a request may take once its first byte is there.
    pub patience: Duration,
}

/// Passes requests on, each once `decide` has nothing against it, and answers as they come, until both sides have closed;
/// what is neither a request nor asks for a tunnel is the last that is looked at. It ends like [`super::run`].
///
/// # Errors
/// Either side failed, or `stop` was first.
pub async fn run(
    mut client: TcpStream,
    mut server: TcpStream,
    begun: Begun,
    decide: impl FnMut(&Opening) -> Option<Reason>,
    stop: impl Future<Output = ()>,
) -> io::Result<Option<Refused>> {
    // As there.
    client.set_zero_linger()?;
    server.set_zero_linger()?;
    let ended = {
        let (asking, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let asking = Asking {
            client: asking,
            server: to_server,
            patience: begun.patience,
        };
        let answers = async { Ok(flow(from_server.as_ref(), to_client.as_ref()).await?) };
        let asking = asking.pass(to_client.as_ref(), begun.opening, begun.read, decide);
        tokio::select! {
            biased; // What came before an error goes on before it.
            ended = async { tokio::try_join!(asking, answers) } => ended.map(drop),
            error = broken(to_client.as_ref()) => Err(error.into()),
            error = broken(from_server.as_ref()) => Err(error.into()),
            () = stop => Err(io::Error::from(io::ErrorKind::Interrupted).into()),
        }
    };
    let refused = match ended {
        Ok(()) => None,
        Err(End::Socket(error)) => return Err(error),
        Err(End::Refused(opening, reason)) => Some((opening, reason)),
    };
    // What went on was whole.
    SockRef::from(&client).set_linger(None)?;
    SockRef::from(&server).set_linger(None)?;
    Ok(refused.map(|(opening, reason)| Refused {
        client,
        opening,
        reason,
    }))
}

/// The client's half of a connection.
struct Asking<'s> {
    client: ReadHalf<'s>,
    server: WriteHalf<'s>,
    patience: Duration,
}

impl Asking<'_> {
    async fn pass(
        mut self,
        client: &TcpStream,
        mut opening: Opening,
        mut read: Bytes,
        mut decide: impl FnMut(&Opening) -> Option<Reason>,
    ) -> Result<(), End> {
        let mut is_last = false;
        loop {
            let rest = match opening {
                Opening::Http {
                    request: Some(request),
                    ..
                } => {
                    is_last = request.is_last;
                    let mut body = read.split_off(request.head);
                    self.server.write_all(&read).await?;
                    match request.body {
                        Body::Sized(length) => self.sized(client, &mut body, length).await?,
                        Body::Chunked => self.chunked(&mut body).await?,
                    }
                    body
                }
                Opening::Connect { length, .. } => {
                    let rest = read.split_off(length);
                    self.server.write_all(&read).await?;
                    rest
                }
                _ => {
                    self.server.write_all(&read).await?;
                    drop(read);
                    return Ok(flow(client, self.server.as_ref()).await?);
                }
            };
            let next = self.behind_line_ends(client, rest).await?;
            if is_last && !next.is_empty() {
                return Err(End::Refused(Opening::Broken, Reason::BadOpening));
            }
            (opening, read) = opening::read(&mut self.client, next, self.patience).await?;
            if let Some(reason) = decide(&opening) {
                return Err(End::Refused(opening, reason));
            }
        }
    }

    /// Waits for what comes next, of which the first is in `read`; nothing where the client has closed. Line ends in front of it
    /// go on at once: old clients send them behind a request, and may say no more.
    async fn behind_line_ends(&mut self, client: &TcpStream, mut read: Bytes) -> io::Result<Bytes> {
        loop {
            let is_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
            let ends = read.iter().take_while(is_end).count();
            self.server.write_all(&read.split_to(ends)).await?;
            if !read.is_empty() {
                return Ok(read);
            }
            // As long as nothing is said there is no hurry, and nothing is held.
            client.peek(&mut [0]).await?;
            let mut buffer = BytesMut::with_capacity(2048);
            if self.client.read_buf(&mut buffer).await? == 0 {
                return Ok(Bytes::new());
            }
            read = buffer.freeze();
        }
    }

    /// A body of `length` bytes, of which the first are in `read`; what is behind it stays there.
    async fn sized(&mut self, client: &TcpStream, read: &mut Bytes, length: u64) -> io::Result<()> {
        let here = read
            .len()
            .min(usize::try_from(length).unwrap_or(usize::MAX));
        self.server.write_all(&read.split_to(here)).await?;
        let mut left = length - here as u64;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let take = || Transit::take(client, most);
            let Some(bytes) = client.async_io(Interest::READABLE, take).await? else {
                // Half a request: nothing comes after it.
                return Ok(());
            };
            left -= bytes.len() as u64;
            bytes.pour(self.server.as_ref()).await?;
        }
        Ok(())
    }

    /// A body in chunks, the same way.
    async fn chunked(&mut self, read: &mut Bytes) -> Result<(), End> {
        let mut chunks = Chunks::default();
        let mut buffer = BytesMut::from(std::mem::take(read));
        loop {
            let Ok(length) = chunks.advance(&buffer) else {
                return Err(End::Refused(Opening::Broken, Reason::BadOpening));
            };
            self.server.write_all(&buffer.split_to(length)).await?;
            if chunks.is_over() {
                *read = buffer.freeze();
                return Ok(());
            }
            buffer.reserve(16 * 1024);
            if self.client.read_buf(&mut buffer).await? == 0 {
                // As above. What is left of it is no whole line.
                self.server.write_all(&buffer).await?;
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::task::JoinHandle;

    use super::{super::tests::connection, *};

    type Passing = (TcpStream, TcpStream, JoinHandle<io::Result<Option<Reason>>>);

    async fn passing(said: &str) -> Passing {
        passing_within(said, Duration::from_secs(5)).await
    }

    /// A client that has spoken, and a server; nothing for `secret` may pass.
    async fn passing_within(said: &str, patience: Duration) -> Passing {
        let ((mut client, mut ours), (server, theirs)) = tokio::join!(connection(), connection());
        client.write_all(said.as_bytes()).await.unwrap();
        let decide = |opening: &Opening| match opening {
            Opening::Http { hosts, .. } | Opening::Connect { hosts, .. } => {
                (hosts[0] == "secret").then_some(Reason::Proxied)
            }
            Opening::Broken => Some(Reason::BadOpening),
            _ => None,
        };
        let passed = tokio::spawn(async move {
            let (opening, read) = opening::read(&mut ours, Bytes::new(), patience).await?;
            let begun = Begun {
                opening,
                read,
                patience,
            };
            let ended = run(ours, theirs, begun, decide, pending()).await?;
            Ok(ended.map(|refused| refused.reason))
        });
        (client, server, passed)
    }

    async fn heard(server: &mut TcpStream, length: usize) -> String {
        let mut heard = vec![0; length];
        server.read_exact(&mut heard).await.unwrap();
        String::from_utf8(heard).unwrap()
    }

    const FIRST: &str = "GET / HTTP/1.1\r\nHost: other\r\n\r\n";
    const SIZED: &str = "POST / HTTP/1.1\r\nHost: other\r\nContent-Length: 28\r\n\r\nGET / HTTP/1.1\r\nHost: secret";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: other\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

    #[tokio::test]
    async fn each_request_is_decided_upon_and_answers_come_meanwhile() {
        for later in [
            "GET / HTTP/1.1\r\nHost: secret\r\n\r\n",
            "CONNECT secret:443 HTTP/1.1\r\n\r\n",
        ] {
            for between in ["", FIRST, SIZED, CHUNKED] {
                // All at once, and one after the other.
                let all = format!("{FIRST}{between}{later}");
                let (_client, mut server, passed) = passing(&all).await;
                assert_eq!(passed.await.unwrap().unwrap(), Some(Reason::Proxied));
                let mut all = String::new();
                server.read_to_string(&mut all).await.unwrap();
                assert_eq!(all, format!("{FIRST}{between}"));

                let (mut client, mut server, passed) = passing(FIRST).await;
                assert_eq!(heard(&mut server, FIRST.len()).await, FIRST);
                server.write_all(b"answer").await.unwrap();
                assert_eq!(heard(&mut client, 6).await, "answer");
                for byte in between.bytes() {
                    client.write_all(&[byte]).await.unwrap();
                    tokio::task::yield_now().await;
                }
                assert_eq!(heard(&mut server, between.len()).await, between);
                client.write_all(later.as_bytes()).await.unwrap();
                assert_eq!(passed.await.unwrap().unwrap(), Some(Reason::Proxied));
            }
        }
    }

    #[tokio::test]
    async fn what_follows_an_upgrade_is_passed_to_its_end() {
        let (mut client, mut server, passed) = passing(FIRST).await;
        client.write_all(b"\x81\x85frame").await.unwrap();
        client.shutdown().await.unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [FIRST.as_bytes(), b"\x81\x85frame"].concat());
        server.write_all(b"bye").await.unwrap();
        drop(server);
        let mut all = String::new();
        client.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "bye");
        assert_eq!(passed.await.unwrap().unwrap(), None);
    }

    #[tokio::test]
    async fn line_ends_behind_a_request_are_none() {
        const PATIENCE: Duration = Duration::from_millis(50);
        for (ends, closes) in [
            ("\n", true),
            ("\n", false),
            ("\r", false),
            ("\r\n\n", false),
        ] {
            for at_once in [true, false] {
                let said = if at_once { ends } else { "" };
                let (mut client, mut server, passed) =
                    passing_within(&format!("{FIRST}{said}"), PATIENCE).await;
                if !at_once {
                    assert_eq!(heard(&mut server, FIRST.len()).await, FIRST);
                    client.write_all(ends.as_bytes()).await.unwrap();
                }
                if closes {
                    client.shutdown().await.unwrap();
                }
                // A slow answer.
                tokio::time::sleep(PATIENCE * 3).await;
                server.write_all(b"answer").await.unwrap();
                assert_eq!(heard(&mut client, 6).await, "answer");
                if !closes {
                    client.write_all(FIRST.as_bytes()).await.unwrap();
                    client.shutdown().await.unwrap();
                }
                let mut all = String::new();
                server.read_to_string(&mut all).await.unwrap();
                let first = if at_once { FIRST } else { "" };
                let second = if closes { "" } else { FIRST };
                assert_eq!(all, format!("{first}{ends}{second}"));
                drop(server);
                assert_eq!(passed.await.unwrap().unwrap(), None);
            }
        }
        // Nor do they hide one.
        let later = format!("{FIRST}\r\n\rGET / HTTP/1.1\r\nHost: secret\r\n\r\n");
        let (_client, _server, passed) = passing(&later).await;
        assert_eq!(passed.await.unwrap().unwrap(), Some(Reason::Proxied));
    }

    #[tokio::test]
    async fn nothing_comes_behind_a_head_that_some_see_no_end_of() {
        let bare = FIRST.replace("\r\n", "\n");
        for (next, goes_on, refused) in [
            ("", "", None),
            ("\r\n", "\r\n", None),
            (FIRST, "", Some(Reason::BadOpening)),
            ("\n\x16", "\n", Some(Reason::BadOpening)),
        ] {
            let (mut client, mut server, passed) = passing(&format!("{bare}{next}")).await;
            client.shutdown().await.unwrap();
            let mut all = String::new();
            server.read_to_string(&mut all).await.unwrap();
            assert_eq!(all, format!("{bare}{goes_on}"));
            drop(server);
            assert_eq!(passed.await.unwrap().unwrap(), refused);
        }
    }

    #[tokio::test]
    async fn half_a_request_is_passed_as_it_is_and_broken_chunks_are_not() {
        let half = &SIZED[..SIZED.len() - 7];
        let (mut client, mut server, passed) = passing(half).await;
        client.shutdown().await.unwrap();
        let mut all = String::new();
        server.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, half);
        drop(server);
        assert_eq!(passed.await.unwrap().unwrap(), None);
        let broken = CHUNKED.replace("hello\r\n", "hello\n\n");
        let (_client, _server, passed) = passing(&broken).await;
        assert_eq!(passed.await.unwrap().unwrap(), Some(Reason::BadOpening));
    }
}

//! Clients that say one thing after another, at once or not, and servers that hear what went on.

use std::future::pending;

use tokio::task::JoinHandle;

use super::{super::tests::connection, *};

type Passing = (
    TcpStream,
    TcpStream,
    JoinHandle<io::Result<Option<Refused>>>,
);

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
        run(ours, theirs, begun, decide, pending()).await
    });
    (client, server, passed)
}

async fn reason(passed: JoinHandle<io::Result<Option<Refused>>>) -> Option<Reason> {
    let refused = passed.await.unwrap().unwrap();
    refused.map(|refused| refused.reason)
}

async fn heard(server: &mut TcpStream, length: usize) -> String {
    let mut heard = vec![0; length];
    server.read_exact(&mut heard).await.unwrap();
    String::from_utf8(heard).unwrap()
}

const FIRST: &str = "GET / HTTP/1.1\r\nHost: other\r\n\r\n";
const SIZED: &str =
    "POST / HTTP/1.1\r\nHost: other\r\nContent-Length: 28\r\n\r\nGET / HTTP/1.1\r\nHost: secret";
const CHUNKED: &str =
    "POST / HTTP/1.1\r\nHost: other\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

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
            assert_eq!(reason(passed).await, Some(Reason::Proxied));
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
            assert_eq!(reason(passed).await, Some(Reason::Proxied));
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
    assert_eq!(reason(passed).await, None);
}

#[tokio::test]
async fn a_refusal_is_told_only_behind_answers() {
    let later = FIRST.replace("other", "secret");
    for between in ["", FIRST] {
        let (mut client, mut server, passed) = passing(FIRST).await;
        server.write_all(b"answer").await.unwrap();
        assert_eq!(heard(&mut client, 6).await, "answer");
        let rest = format!("{between}{later}");
        client.write_all(rest.as_bytes()).await.unwrap();
        let refused = passed.await.unwrap().unwrap();
        let answered = refused.map(|refused| refused.answered);
        assert_eq!(answered, Some(between.is_empty()));
    }
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
            assert_eq!(reason(passed).await, None);
        }
    }
    // Nor do they hide one.
    let later = format!("{FIRST}\r\n\rGET / HTTP/1.1\r\nHost: secret\r\n\r\n");
    let (_client, _server, passed) = passing(&later).await;
    assert_eq!(reason(passed).await, Some(Reason::Proxied));
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
        assert_eq!(reason(passed).await, refused);
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
    assert_eq!(reason(passed).await, None);
    let broken = CHUNKED.replace("hello\r\n", "hello\n\n");
    let (_client, _server, passed) = passing(&broken).await;
    assert_eq!(reason(passed).await, Some(Reason::BadOpening));
}

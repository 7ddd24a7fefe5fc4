//! Order, rotation, a file that takes nothing, and what a record looks like.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::*;
use crate::mask::Mode;

/// A folder of a test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("interceptor-audit-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn start(file: &Path, on_failure: OnFailure) -> Result<Audit, NoFile> {
    let config = config::Audit {
        file: file.to_owned(),
        on_failure,
    };
    Audit::start(Some(&config), &Metrics::default())
}

const LONG: Duration = Duration::from_secs(10);

async fn write(audit: &Audit, line: &str) {
    let slot = audit.admit().await.unwrap().unwrap();
    slot.fill(format!("{line}\n"));
    audit.flush(LONG).await;
}

#[tokio::test]
async fn lines_are_appended_in_order_and_to_the_new_file_after_a_rotation() {
    let folder = Folder::new("rotation");
    fs::write(folder.file(), "earlier\n").unwrap();
    let audit = start(&folder.file(), OnFailure::Refuse).unwrap();
    write(&audit, "first").await;
    fs::rename(folder.file(), folder.0.join("old")).unwrap();
    write(&audit, "second").await;
    audit.reopen();
    audit.flush(LONG).await;
    write(&audit, "third").await;
    assert_eq!(
        fs::read_to_string(folder.0.join("old")).unwrap(),
        "earlier\nfirst\nsecond\n"
    );
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), "third\n");
    let mode = fs::metadata(folder.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
}

#[tokio::test]
async fn half_a_line_stays_one_of_its_own() {
    let folder = Folder::new("half");
    fs::write(folder.file(), "{\"half").unwrap();
    let audit = start(&folder.file(), OnFailure::Refuse).unwrap();
    let write = async |line: &str| {
        write(&audit, line).await;
        fs::read_to_string(folder.file()).unwrap()
    };
    assert_eq!(write("first").await, "{\"half\nfirst\n");
    audit.reopen();
    assert_eq!(write("second").await, "{\"half\nfirst\nsecond\n");
    // The disk was full.
    fs::write(folder.file(), "{\"ha").unwrap();
    audit.reopen();
    assert_eq!(write("third").await, "{\"ha\nthird\n");
}

#[tokio::test]
async fn what_cannot_be_written_lets_nothing_begin() {
    // Takes nothing, ever.
    let full = Path::new("/dev/full");
    let audit = start(full, OnFailure::Refuse).unwrap();
    let slot = audit.admit().await.unwrap().unwrap();
    assert!(audit.is_ready());
    slot.fill("first\n".to_owned());
    let failing = async {
        while audit.is_ready() {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(LONG, failing).await.unwrap();
    assert_eq!(audit.admit().await.unwrap_err(), Unwritable);

    let audit = start(full, OnFailure::Continue).unwrap();
    audit
        .admit()
        .await
        .unwrap()
        .unwrap()
        .fill("first\n".to_owned());
    time::sleep(Duration::from_millis(50)).await;
    assert!(audit.is_ready());
    assert!(audit.admit().await.is_ok());
}

#[tokio::test]
async fn the_end_waits_for_what_had_begun() {
    let folder = Folder::new("end");
    let audit = start(&folder.file(), OnFailure::Refuse).unwrap();
    let slot = audit.admit().await.unwrap().unwrap();
    let written = async {
        audit.flush(LONG).await;
        fs::read_to_string(folder.file()).unwrap()
    };
    let late = async {
        time::sleep(Duration::from_millis(50)).await;
        slot.fill("late\n".to_owned());
    };
    let (written, ()) = tokio::join!(written, late);
    assert_eq!(written, "late\n");
}

#[tokio::test(start_paused = true)]
async fn without_room_nothing_begins() {
    let folder = Folder::new("room");
    let audit = start(&folder.file(), OnFailure::Refuse).unwrap();
    let mut taken = Vec::new();
    for _ in 0..ROOM {
        taken.push(audit.admit().await.unwrap().unwrap());
    }
    assert!(!audit.is_ready());
    assert_eq!(audit.admit().await.unwrap_err(), Unwritable);
    taken.pop();
    assert!(audit.is_ready());
    assert!(audit.admit().await.is_ok());
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_an_error_and_no_config_is_no_audit() {
    assert!(start(Path::new("/nonexistent/audit.jsonl"), OnFailure::Continue).is_err());
    let off = Audit::default();
    assert!(off.is_ready());
    assert!(off.admit().await.unwrap().is_none());
}

#[test]
fn a_record_is_one_line_of_json() {
    let exchange = Exchange {
        time: now(),
        id: Id::new(),
        host: "api.anthropic.com".to_owned(),
        original: "198.51.100.10:443".parse().unwrap(),
        http2: true,
        method: "POST",
        endpoint: Some("anthropic_messages"),
        policy: "default".to_owned(),
        mode: Mode::Enforce,
        status: Some(200),
        refused: None,
        findings: vec![Finding {
            class: "email",
            count: 2,
            done: "masked",
        }],
        answer_findings: Vec::new(),
        request_bytes: 100,
        sent_bytes: Some(90),
        masking: Duration::from_micros(30),
    };
    let ended = Ended {
        bytes: 7,
        whole: false,
        took: Duration::from_millis(12),
    };
    let who = Who::default();
    let line = exchange.line(ended, who.told());
    assert_eq!(line.matches('\n').count(), 1);
    let record: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(record["id"], exchange.id.to_string());
    assert_eq!(record["findings"][0]["done"], "masked");
    assert_eq!(
        (&record["answer"], &record["ms"]),
        (&"cut".into(), &12.into())
    );
    let time = record["time"].as_str().unwrap();
    assert!(
        time.starts_with("20") && time.ends_with('Z') && time.contains('T'),
        "{time}"
    );
    let refused = Refused {
        id: Id::new(),
        by: "agent",
        reason: "ech",
        original: Some(exchange.original),
    };
    let record: serde_json::Value = serde_json::from_str(&refused.line(who.told())).unwrap();
    assert_eq!(
        (&record["kind"], &record["refused"]),
        (&"connection".into(), &"ech".into())
    );
}

//! What is left of a WebSocket where it did not come to one, or ended badly.

use std::{fs, path::PathBuf, time::Duration};

use http::StatusCode;
use serde_json::Value;

use super::*;
use crate::{
    app::App,
    config::Config,
    original_dst::OrigDstAddr,
    protocol::openai::realtime::REALTIME,
    steering::{netns::Netns, off::Off},
    tls::ca,
};

/// A connection to a provider that nobody reaches, recorded in a folder of its own.
struct Stage {
    folder: PathBuf,
    link: Arc<Link>,
}

impl Stage {
    fn new(name: &str, mode: &str) -> Self {
        let name = format!("interceptor-exchange-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let options = ca::Options {
            force: true,
            ..ca::Options::default()
        };
        ca::init(&folder, &["api.openai.com".to_owned()], &options).unwrap();
        let at = folder.display();
        let config = format!(
            "version = 1\nmode = \"{mode}\"\n[tls]\nca_dir = \"{at}\"\n[audit]\nfile = \"{at}/audit.jsonl\""
        );
        let app = App::new(&Config::parse(&config).unwrap(), Arc::new(Off)).unwrap();
        let host = app.policy().hosts.lookup("api.openai.com").unwrap().clone();
        let link = Link {
            app: Arc::new(app),
            host,
            target: Target {
                host: "api.openai.com".into(),
                original: OrigDstAddr("127.0.0.1:9".parse().unwrap()),
                netns: Arc::new(Netns::only()),
                http2: false,
            },
            who: Who::default(),
            guard: HeadGuard::default(),
            upgraded: Arc::default(),
        };
        Self {
            folder,
            link: Arc::new(link),
        }
    }

    async fn record<'l>(&'l self, terms: &'l Terms, request: &Request<()>) -> Record<'l> {
        let mut record = Record::begin(&self.link, terms, request);
        record.admitted(self.link.app.audit.admit().await.unwrap());
        record.routed(Route::WebSocket(&REALTIME));
        record
    }

    /// The only line of the audit file.
    async fn line(&self) -> Value {
        self.link.app.audit.flush(Duration::from_secs(10)).await;
        let lines = fs::read_to_string(self.folder.join("audit.jsonl")).unwrap();
        serde_json::from_str(&lines).unwrap_or_else(|error| panic!("{error}: {lines}"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn handshake(query: &str) -> Request<()> {
    Request::get(format!("/v1/realtime?model=x{query}"))
        .header(header::HOST, "api.openai.com")
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap()
}

#[tokio::test]
async fn a_websocket_that_never_began_has_its_line() {
    let stage = Stage::new("dropped", "enforce");
    let policy = stage.link.app.policy();
    let terms = policy.terms(&stage.link.who);
    let record = stage.record(terms, &handshake("")).await;
    drop(record.opened(Arc::clone(terms), StatusCode::SWITCHING_PROTOCOLS));
    let line = stage.line().await;
    assert_eq!(
        (&line["status"], &line["answer"], &line["endpoint"]),
        (&101.into(), &"cut".into(), &"openai_realtime".into()),
    );
}

#[tokio::test]
async fn only_what_was_closed_is_whole() {
    for (closed, answer) in [(true, "whole"), (false, "cut")] {
        let stage = Stage::new(answer, "enforce");
        let policy = stage.link.app.policy();
        let terms = policy.terms(&stage.link.who);
        let record = stage.record(terms, &handshake("")).await;
        let opened = record.opened(Arc::clone(terms), StatusCode::SWITCHING_PROTOCOLS);
        opened.ended(&relay::Seen::default(), 7, None, closed);
        let line = stage.line().await;
        assert_eq!(
            (&line["answer"], &line["answer_bytes"]),
            (&answer.into(), &7.into())
        );
    }
}

#[tokio::test]
async fn what_a_handshake_has_is_counted() {
    let stage = Stage::new("handshake", "report-only");
    let policy = stage.link.app.policy();
    let terms = policy.terms(&stage.link.who);
    let request = handshake("&user=a@corp-mail.example");
    let mut record = stage.record(terms, &request).await;
    let names = mask::Names::of(request.headers(), None);
    let opened = relay::open(
        &stage.link,
        &policy,
        terms,
        &REALTIME,
        names,
        request,
        &mut record,
    );
    let refusal = opened.await.err().unwrap();
    assert_eq!(refusal.reason, Reason::Unreachable);
    drop(record);
    let found = serde_json::json!([{ "class": "email", "count": 1, "done": "reported" }]);
    assert_eq!(stage.line().await["findings"], found);
    let metrics = stage.link.app.metrics.text();
    assert!(metrics.contains(r#"class="email""#), "{metrics}");
}

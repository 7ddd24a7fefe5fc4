//! Which connections and requests are taken, which pass, and how the others are refused.

use anyhow::{Context as _, Result, ensure};
use interceptor_tests::agent::Options;
use interceptor_tests::client::Ran;
use interceptor_tests::{Agent, Client, World};
use serde_json::Value;

const MESSAGES: &str = "https://api.anthropic.com/v1/messages";
const BODY: &str =
    r#"{"model":"stub","max_tokens":9,"messages":[{"role":"user","content":"at 10.77.31.8"}]}"#;

/// A refusal as a client sees it.
struct Refused {
    status: u16,
    message: String,
    body: Value,
}

/// Runs curl, whose answer has to be a refusal with one and the same id in its header, in its message and in the log.
fn refused(client: &Client<'_>, agent: &Agent<'_>, args: &[&str]) -> Result<Refused> {
    let ran = client.curl(
        args.iter()
            .chain(&["--write-out", "\n%header{x-interceptor-id} %{http_code}"]),
    )?;
    parse(&ran, agent).with_context(|| format!("{args:?} {ran:?}"))
}

fn parse(ran: &Ran, agent: &Agent<'_>) -> Result<Refused> {
    let (body, told) = ran.stdout.rsplit_once('\n').context("no last line")?;
    let (id, status) = told.split_once(' ').context("no id")?;
    let body: Value = serde_json::from_str(body)?;
    let message = body["error"]["message"]
        .as_str()
        .context("no message")?
        .to_owned();
    ensure!(
        id.len() > 7 && message.contains(id) && agent.logs(id)?,
        "the id {id:?}"
    );
    Ok(Refused {
        status: status.parse()?,
        message,
        body,
    })
}

#[test]
fn other_hosts_show_the_certificate_that_they_show_without_us() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let code = "
import hashlib, raw
for kind in ('v4', 'v6', 'mapped'):
    for host, name in (('198.51.100.50', 'www.example.com'), ('198.51.100.11', 'api.anthropic.com')):
        certificate = raw.tls(raw.connect(kind, host), name).getpeercert(True)
        print(hashlib.sha256(certificate).hexdigest())
";
    let steered = world.client(&agent.bundle()).code(code)?;
    let direct = world.direct_client().code(code)?;
    for (index, (steered, direct)) in steered.lines().zip(direct.lines()).enumerate() {
        assert_eq!(
            steered == direct,
            index % 2 == 0,
            "{index}: only the LLM host's is ours"
        );
    }
    assert_eq!((steered.lines().count(), direct.lines().count()), (6, 6));
    Ok(())
}

#[test]
fn a_handshake_that_hides_its_host_is_refused_towards_an_llm_address() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    // The agent knows the address once a call got through.
    client.curl(["-4", "--fail", "--data", BODY, MESSAGES])?;
    let before = world.upstream.record().connections();
    let code = "
import raw
for kind in ('v4', 'mapped'):
    for hello in (raw.hello(None), raw.hello('front.example', ech=True)):
        sock = raw.connect(kind)
        sock.sendall(hello)
        print(sock.recv(99).hex())
";
    let alert = "15030300020231\n";
    assert_eq!(
        client.code(code)?,
        alert.repeat(4),
        "fatal alerts, access_denied"
    );
    assert_eq!(world.upstream.record().connections(), before);
    let metrics = agent.metrics()?;
    for reason in ["no_sni", "ech"] {
        let counted = format!("interceptor_refused_total{{reason=\"{reason}\"}} 2");
        assert!(metrics.contains(&counted), "{metrics}");
    }
    // Towards another host it is no business of ours.
    let said = client.code(&code.replace("(kind)", "(kind, '198.51.100.50')"))?;
    assert!(
        said.lines().all(|line| line.starts_with("16")),
        "ServerHellos: {said}"
    );
    Ok(())
}

#[test]
fn a_request_for_another_host_than_the_handshake_named_is_misdirected() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for http in ["--http1.1", "--http2"] {
        for host in [
            "Host: api.openai.com",
            "Host: www.example.com",
            "Host: api.anthropic.com.evil.example",
        ] {
            let got = refused(
                &client,
                &agent,
                &[http, "--header", host, "--data", BODY, MESSAGES],
            )?;
            assert_eq!(
                (got.status, &got.body["type"]),
                (421, &"error".into()),
                "{http} {host}"
            );
        }
        assert_eq!(world.upstream.record().requests().len(), 0);
        // Later on a connection that was good so far.
        let good = [http, "--data", BODY, "--output", "/dev/null", MESSAGES];
        let bad = [
            "--next",
            http,
            "--silent",
            "--header",
            "Host: api.openai.com",
            "--data",
            BODY,
            MESSAGES,
        ];
        let args: Vec<_> = good
            .into_iter()
            .chain(bad)
            .chain(["--write-out", "%{num_connects}"])
            .collect();
        let ran = client.curl(args)?;
        assert!(
            ran.stdout.ends_with("}0") && ran.stdout.contains("SNI, :authority and Host"),
            "{ran:?}"
        );
        assert_eq!(world.upstream.record().requests().len(), 1);
        world.upstream.record().clear();
    }
    Ok(())
}

#[test]
fn plain_http_to_an_llm_host_is_refused_and_to_others_it_passes() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    for ip in ["-4", "-6"] {
        for port in ["80", "443"] {
            for (host, kind) in [
                ("api.anthropic.com", "permission_error"),
                ("api.openai.com", "invalid_request_error"),
            ] {
                let url = format!("http://{host}:{port}/v1/messages");
                let got = refused(&client, &agent, &[ip, "--data", BODY, &url])?;
                assert_eq!(
                    (got.status, &got.body["error"]["type"]),
                    (403, &kind.into()),
                    "{url}"
                );
                assert!(got.message.contains("Use https."), "{}", got.message);
            }
        }
        assert_eq!(world.upstream.record().connections(), 0);
        let ran = client.curl([ip, "http://www.example.com/"])?;
        assert_eq!(ran.stdout, r#"{"stub":true}"#, "{ran:?}");
        world.upstream.record().clear();
    }
    Ok(())
}

#[test]
fn each_path_gets_its_own_answer() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let client = world.client(&agent.bundle());
    let websocket = [
        "--http1.1",
        "--header",
        "Connection: Upgrade",
        "--header",
        "Upgrade: websocket",
        "--header",
        "Sec-WebSocket-Version: 13",
        "--header",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    let post = ["--data", "{}"];
    let (anthropic, openai) = ("https://api.anthropic.com", "https://api.openai.com");
    let cases: [(&[&str], &str, &str, u16, &str); 9] = [
        (&post, anthropic, "/v9/complete", 403, "permission_error"),
        (&post, openai, "/v9/speech", 403, "unknown_path"),
        (&[], openai, "/v1/completions", 403, "unknown_path"),
        (&post, openai, "/v1//chat/completions", 403, "unknown_path"),
        (
            &post,
            anthropic,
            "/api/event_logging/v2/batch",
            404,
            "not_found_error",
        ),
        (&post, openai, "/otlp/v1/metrics", 404, "side_path"),
        (&websocket, openai, "/v1/responses", 426, "upgrade_required"),
        (&websocket, openai, "/v1/realtimes", 403, "unknown_path"),
        (
            &["--request", "GET", "--data", "{}"],
            openai,
            "/v1/models",
            400,
            "bad_request",
        ),
    ];
    for (options, host, path, status, kind) in cases {
        let url = format!("{host}{path}");
        let args: Vec<_> = options
            .iter()
            .copied()
            .chain(["--path-as-is", &url])
            .collect();
        let got = refused(&client, &agent, &args)?;
        let field = if host == anthropic { "type" } else { "code" };
        assert_eq!(
            (got.status, &got.body["error"][field]),
            (status, &kind.into()),
            "{url}"
        );
    }
    assert_eq!(world.upstream.record().requests().len(), 0);
    for (host, path) in [(openai, "/v1/models"), (anthropic, "/v1/models")] {
        let ran = client.curl([format!("{host}{path}")])?;
        assert_eq!(ran.stdout, r#"{"data":[],"object":"list"}"#, "{ran:?}");
    }
    Ok(())
}

#[test]
fn a_host_that_the_ca_was_not_made_for_is_told_so_and_trust_is_not_blamed() -> Result<()> {
    let world = World::new()?;
    let agent = Agent::start(&world, &Options::default())?;
    let host = "www.example.com";
    agent.reload(
        &world,
        &Options {
            tables: format!("[[hosts]]\nhost = \"{host}\"\nprotocol = \"anthropic\""),
            ..Options::default()
        },
    )?;
    let client = world.client(&agent.bundle());
    let before = world.upstream.record().connections();
    let ran = client.curl([&format!("https://{host}/v1/models")])?;
    assert_eq!(ran.status.code(), Some(35), "{ran:?}");
    assert_eq!(world.upstream.record().connections(), before);
    assert!(agent.logs("interceptor ca init --force")?);
    let refused = "interceptor_refused_total{reason=\"no_certificate\"} 1";
    let metrics = agent.metrics()?;
    assert!(metrics.contains(refused), "{metrics}");
    assert!(
        metrics.contains("interceptor_client_refused_ca_total 0"),
        "{metrics}"
    );
    // One that offers nothing in common, one that leaves, and one that trusts another CA.
    let code = "
import raw, ssl
def shake(context):
    try:
        context.wrap_socket(raw.connect('v4'), server_hostname='api.anthropic.com')
    except (ssl.SSLError, OSError) as error:
        print(type(error).__name__)
odd = ssl.create_default_context()
odd.set_alpn_protocols(['acme-tls/1'])
shake(odd)
sock = raw.connect('v4')
sock.sendall(raw.hello('api.anthropic.com'))
sock.close()
shake(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
";
    client.code(code)?;
    for said in [
        "have no TLS in common",
        "left the handshake",
        "did not accept our certificate",
    ] {
        assert!(agent.logs(said)?, "{said}: {}", agent.log()?);
    }
    let metrics = agent.metrics()?;
    assert!(
        metrics.contains("interceptor_client_refused_ca_total 1"),
        "{metrics}"
    );
    Ok(())
}

//! Paths as the SDKs write them, and paths that are nobody's.

use super::*;
use crate::protocol::{GENERIC, anthropic, cohere, gemini, mcp, ollama, openai};

fn plain(protocol: Protocol, method: &str, path: &str) -> Route {
    route(protocol, &[], method, path, false)
}

#[test]
fn bodies_go_to_their_endpoints() {
    const PROJECT: &str = "/v1/projects/p-1/locations/europe-west4";
    for (protocol, path, endpoint) in [
        (Protocol::Anthropic, "/v1/messages", &anthropic::MESSAGES),
        (
            Protocol::Anthropic,
            "/v1/messages/count_tokens",
            &anthropic::COUNT_TOKENS,
        ),
        (
            Protocol::Anthropic,
            "/v1/messages/batches",
            &anthropic::BATCHES,
        ),
        (Protocol::OpenAi, "/v1/chat/completions", &openai::CHAT),
        (Protocol::OpenAi, "/chat/completions", &openai::CHAT),
        (
            Protocol::OpenAi,
            "/v1/fim/completions",
            &openai::COMPLETIONS,
        ),
        (Protocol::OpenAi, "/beta/completions", &openai::COMPLETIONS),
        (Protocol::OpenAi, "/v1/responses", &openai::RESPONSES),
        (Protocol::OpenAi, "/v1/responses/compact", &openai::COMPACT),
        (
            Protocol::OpenAi,
            "/v1/responses/input_tokens",
            &openai::INPUT_TOKENS,
        ),
        (
            Protocol::OpenAi,
            "/v1/conversations/conv_1/items",
            &openai::ITEMS,
        ),
        (Protocol::OpenAi, "/v1/threads/runs", &openai::RUNS),
        (
            Protocol::OpenAi,
            "/v1/threads/thread_1/messages",
            &openai::THREADS,
        ),
        (
            Protocol::OpenAi,
            "/v1/vector_stores/vs_1/search",
            &openai::SEARCH,
        ),
        (
            Protocol::OpenAi,
            "/v1/fine_tuning/jobs",
            &openai::jobs::JOBS,
        ),
        (
            Protocol::OpenAi,
            "/v1/evals/eval_1/runs",
            &openai::jobs::JOBS,
        ),
        (
            Protocol::OpenAi,
            "/v1/containers/cntr_1/files",
            &openai::OBJECT,
        ),
        (
            Protocol::Azure,
            "/openai/fine_tuning/jobs",
            &openai::jobs::JOBS,
        ),
        (Protocol::OpenAi, "/v1/messages", &anthropic::MESSAGES),
        (
            Protocol::OpenAi,
            "/anthropic/v1/messages",
            &anthropic::MESSAGES,
        ),
        (
            Protocol::Azure,
            "/openai/deployments/gpt-4o/chat/completions",
            &openai::CHAT,
        ),
        (Protocol::Azure, "/openai/v1/responses", &openai::RESPONSES),
        (Protocol::Azure, "/openai/responses", &openai::RESPONSES),
        (
            Protocol::Azure,
            "/anthropic/v1/messages",
            &anthropic::MESSAGES,
        ),
        (Protocol::Azure, "/models/chat/completions", &openai::CHAT),
        (
            Protocol::Azure,
            "/models/images/embeddings",
            &openai::EMBEDDINGS,
        ),
        (
            Protocol::Gemini,
            "/v1beta/models/gemini-2.5-pro:generateContent",
            &gemini::GENERATE,
        ),
        (
            Protocol::Gemini,
            "/v1beta/models/gemini-2.5-pro:streamGenerateContent",
            &gemini::STREAM,
        ),
        (
            Protocol::Gemini,
            "/v1alpha/tunedModels/mine:countTokens",
            &gemini::COUNT_TOKENS,
        ),
        (
            Protocol::Gemini,
            "/v1/models/e:batchEmbedContents",
            &gemini::EMBED,
        ),
        (
            Protocol::Gemini,
            "/v1beta/models/m:batchGenerateContent",
            &gemini::BATCH,
        ),
        (Protocol::Gemini, "/v1beta/cachedContents", &gemini::CACHED),
        (
            Protocol::Gemini,
            "/v1beta/openai/chat/completions",
            &openai::CHAT,
        ),
        (Protocol::Cohere, "/v2/chat", &cohere::CHAT),
        (Protocol::Cohere, "/v1/chat", &cohere::v1::CHAT),
        (Protocol::Cohere, "/v1/generate", &cohere::v1::GENERATE),
        (Protocol::Cohere, "/v1/classify", &cohere::v1::TEXT),
        (Protocol::Cohere, "/v1/rerank", &cohere::RERANK),
        (Protocol::Ollama, "/api/chat", &ollama::CHAT),
        (Protocol::Ollama, "/v1/chat/completions", &openai::CHAT),
        (Protocol::Mcp, "/mcp", &mcp::MESSAGE),
        (Protocol::Mcp, "/github/mcp", &mcp::MESSAGE),
    ] {
        assert_eq!(
            plain(protocol, "POST", path),
            Route::Body(endpoint),
            "{path}"
        );
    }
    for (path, endpoint) in [
        (
            "/publishers/google/models/gemini:streamGenerateContent",
            &gemini::STREAM,
        ),
        (
            "/publishers/anthropic/models/claude-x@20250101:rawPredict",
            &anthropic::MESSAGES,
        ),
        (
            "/publishers/anthropic/models/claude-x:streamRawPredict",
            &anthropic::MESSAGES,
        ),
        (
            "/publishers/mistralai/models/codestral:rawPredict",
            &openai::CHAT,
        ),
        ("/endpoints/1234:generateContent", &gemini::GENERATE),
        ("/endpoints/openapi/chat/completions", &openai::CHAT),
        ("/cachedContents", &gemini::CACHED),
    ] {
        let path = format!("{PROJECT}{path}");
        let found = plain(Protocol::Vertex, "POST", &path);
        assert_eq!(found, Route::Body(endpoint), "{path}");
    }
}

#[test]
fn some_paths_may_go_without_a_body() {
    for (protocol, path, endpoint) in [
        (
            Protocol::Anthropic,
            "/v1/messages/batches/b/cancel",
            &anthropic::OBJECT,
        ),
        (
            Protocol::OpenAi,
            "/v1/responses/resp_1/cancel",
            &openai::RESPONSES,
        ),
        (
            Protocol::OpenAi,
            "/v1/uploads/upload_1/complete",
            &openai::OBJECT,
        ),
        (
            Protocol::OpenAi,
            "/v1/threads/t/runs/r/submit_tool_outputs",
            &openai::RUNS,
        ),
        (
            Protocol::Gemini,
            "/v1beta/batches/b:cancel",
            &gemini::OBJECT,
        ),
        (Protocol::Cohere, "/v1/check-api-key", &cohere::OBJECT),
    ] {
        let found = plain(protocol, "POST", path);
        assert_eq!(found, Route::OptionalBody(endpoint), "{path}");
    }
}

#[test]
fn some_paths_take_no_body() {
    for (protocol, method, path) in [
        (Protocol::Anthropic, "GET", "/v1/models"),
        (Protocol::Anthropic, "GET", "/v1/models/claude-x"),
        (Protocol::Anthropic, "GET", "/v1/messages/batches/b/results"),
        (Protocol::Anthropic, "DELETE", "/v1/files/f"),
        (Protocol::Anthropic, "HEAD", "/api/hello"),
        (Protocol::OpenAi, "GET", "/v1/models/gpt-5:latest"),
        (Protocol::OpenAi, "GET", "/v1/responses/resp_1"),
        (Protocol::OpenAi, "DELETE", "/v1/conversations/c/items/i"),
        (Protocol::OpenAi, "GET", "/v1/threads/t/runs/r/steps/s"),
        (
            Protocol::OpenAi,
            "GET",
            "/v1/models/maker/model:free/endpoints",
        ),
        (Protocol::OpenAi, "GET", "/user/balance"),
        (
            Protocol::OpenAi,
            "GET",
            "/v1/fine_tuning/jobs/ftjob-1/events",
        ),
        (Protocol::OpenAi, "GET", "/v1/evals/e/runs/r/output_items/o"),
        (Protocol::OpenAi, "GET", "/v1/containers/c/files/f/content"),
        (Protocol::Gemini, "GET", "/v1beta/models/gemini-2.5-pro"),
        (Protocol::Ollama, "GET", "/api/tags"),
        (Protocol::Mcp, "GET", "/mcp"),
        (Protocol::Mcp, "DELETE", "/mcp"),
    ] {
        let found = plain(protocol, method, path);
        assert!(matches!(found, Route::NoBody(_)), "{path}: {found:?}");
    }
}

#[test]
fn coding_agents_have_paths_of_their_own() {
    for path in [
        "/api/claude_code/metrics",
        "/api/eval/sdk-a1",
        "/api/event_logging/v2/batch",
    ] {
        assert_eq!(
            plain(Protocol::Anthropic, "POST", path),
            Route::SidePath,
            "{path}"
        );
    }
    let found = plain(Protocol::OpenAi, "POST", "/otlp/v1/traces");
    assert_eq!(found, Route::SidePath);
}

#[test]
fn what_no_table_has_is_unknown() {
    for (protocol, method, path) in [
        (Protocol::Anthropic, "GET", "/v1/messages"),
        (Protocol::Anthropic, "OPTIONS", "/v1/messages"),
        (
            Protocol::Anthropic,
            "POST",
            "/v1/messages/batches/b/results",
        ),
        (Protocol::Anthropic, "POST", "/messages"),
        (Protocol::OpenAi, "GET", "/v1/models/a/b"),
        (Protocol::OpenAi, "GET", "/v1/responses"),
        (Protocol::OpenAi, "POST", "/v2/chat/completions"),
        (
            Protocol::Azure,
            "POST",
            "/openai/deployments/a/b/chat/completions",
        ),
        (Protocol::Gemini, "POST", "/v1beta/models/m:unheardOf"),
        (Protocol::Gemini, "POST", "/v1beta/models/:generateContent"),
        (
            Protocol::Gemini,
            "POST",
            "/v1beta/models/a:b:generateContent",
        ),
        (Protocol::Gemini, "POST", "/v1beta/models/m"),
        (
            Protocol::Vertex,
            "POST",
            "/v1/projects/p/locations/l/publishers/who/models/m:rawPredict",
        ),
        (Protocol::Cohere, "POST", "/v2/generate"),
        (Protocol::None, "POST", "/v1/messages"),
    ] {
        assert_eq!(
            plain(protocol, method, path),
            Route::Unknown,
            "{method} {path}"
        );
    }
}

#[test]
fn a_websocket_is_a_path_of_its_own() {
    let upgrade = |method, path| route(Protocol::OpenAi, &[], method, path, true);
    assert_eq!(upgrade("GET", "/v1/responses"), Route::UpgradeRequired);
    assert_eq!(upgrade("POST", "/v1/chat/completions"), Route::Unknown);
}

#[test]
fn a_path_that_reads_in_two_ways_is_unknown() {
    for path in [
        "",
        "/",
        "//v1/messages",
        "/v1//messages",
        "/v1/./messages",
        "/v1/x/../messages",
        "/v1/messages/",
        "/v1/messages/.",
        "/v1/m%65ssages",
        "/v1/messages%2f",
        "/v1/messages;x",
        "/v1\\messages",
        "/v1/messages?x",
        "/api/claude_code/../../v1/messages",
        "/api/claude_code/",
        "/V1/messages",
        "/v1/messages#",
    ] {
        assert_eq!(
            plain(Protocol::Anthropic, "POST", path),
            Route::Unknown,
            "{path}"
        );
    }
}

#[test]
fn a_hosts_own_paths_come_first() {
    let extra = [
        Extra::new("POST", "/v3/{}:run", Route::Body(&openai::CHAT)).unwrap(),
        Extra::new("POST", "/v1/chat/completions", Route::Body(&GENERIC)).unwrap(),
    ];
    let found = |method, path| route(Protocol::OpenAi, &extra, method, path, false);
    assert_eq!(found("POST", "/v3/mine:run"), Route::Body(&openai::CHAT));
    assert_eq!(found("GET", "/v3/mine:run"), Route::Unknown);
    assert_eq!(found("POST", "/v1/chat/completions"), Route::Body(&GENERIC));
    assert_eq!(
        found("POST", "/v1/embeddings"),
        Route::Body(&openai::EMBEDDINGS)
    );
}

#[test]
fn a_path_that_no_request_can_have_is_not_added() {
    for path in [
        "", "v1", "/", "/v1/", "/v1//x", "/v1/*", "/v1?x", "/a/../b", "/%61", "/a{}", "/{}x",
        "/{}:{}",
    ] {
        assert_eq!(
            Extra::new("POST", path, Route::Unknown),
            Err(BadPath),
            "{path}"
        );
    }
}

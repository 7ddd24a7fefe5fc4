//! An answer the agent makes itself, in the provider's own error shape, so that SDKs show it as they show the provider's.

mod event;
mod from;
mod reason;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;

pub use reason::Reason;

use crate::{id::Id, protocol::Protocol};

/// Header with the correlation id, which log and audit carry too.
pub const ID_HEADER: &str = "x-interceptor-id";

/// A refusal: why, and what is special about this one. Never holds a value that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// What is special about this one; for people.
    pub detail: String,
    /// The class of the value that it is about.
    pub class: Option<&'static str>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            detail: String::new(),
            class: None,
        }
    }
}

impl Refusal {
    /// A refusal with a detail. The detail must not quote the request.
    pub fn new(reason: Reason, detail: impl ToString) -> Self {
        Self {
            reason,
            detail: detail.to_string(),
            class: None,
        }
    }

    /// What happened and what to do, in one line.
    pub fn message(&self, id: &Id) -> String {
        let detail = if self.detail.is_empty() {
            String::new()
        } else {
            format!(": {}", self.detail)
        };
        format!(
            "interceptor refused this request: {}{detail}. {} [{id}]",
            self.reason.what(),
            self.reason.next_step()
        )
    }

    /// The answer.
    pub fn response(&self, protocol: Protocol, id: &Id) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.body(protocol, id)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ID_HEADER, id.header());
        // The provider's SDKs retry some statuses; a refusal stays one.
        headers.insert(
            "x-should-retry",
            HeaderValue::from_static(self.reason.retry()),
        );
        if self.reason == Reason::UpgradeRequired {
            headers.insert(http::header::UPGRADE, HeaderValue::from_static("HTTP/1.1"));
        }
        if self.reason == Reason::ProxyAuth {
            let challenge = HeaderValue::from_static("Basic realm=\"interceptor\"");
            headers.insert(http::header::PROXY_AUTHENTICATE, challenge);
        }
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }

    /// The answer to a call of gRPC, which is all headers ("Trailers-Only").
    pub fn grpc_response(&self, id: &Id) -> Response<Full<Bytes>> {
        let status = match self.status().as_u16() {
            403 => "7",
            404 => "12",
            408 | 504 => "4",
            413 => "8",
            502 | 503 => "14",
            400..=499 => "3",
            _ => "13",
        };
        let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'%';
        let coded = |byte: u8| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        let message: String = self.message(id).bytes().map(coded).collect();
        let mut response = Response::new(Full::default());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(ID_HEADER, id.header());
        headers.insert("grpc-status", HeaderValue::from_static(status));
        headers.extend(
            HeaderValue::try_from(message)
                .map(|said| ("grpc-message", said))
                .ok()
                .map(|(name, said)| (http::HeaderName::from_static(name), said)),
        );
        response
    }

    /// The answer as the bytes of an HTTP/1.1 response, for a connection on which no HTTP server runs.
    pub fn plain_response(&self, protocol: Protocol, id: &Id) -> Vec<u8> {
        let (status, body) = (self.status(), self.body(protocol, id));
        format!(
            "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\n{ID_HEADER}: {id}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            status.as_u16(),
            status.canonical_reason().unwrap_or("Refused"),
            body.len(),
        )
        .into_bytes()
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.reason.status()
    }

    fn body(&self, protocol: Protocol, id: &Id) -> String {
        let message = self.message(id);
        let kind = self.kind(protocol);
        let body = match protocol {
            Protocol::Anthropic => serde_json::json!({
                "type": "error",
                "error": { "type": kind, "message": message },
                "request_id": id.to_string(),
            }),
            Protocol::OpenAi | Protocol::Azure | Protocol::None => serde_json::json!({
                "error": { "message": message, "type": kind, "param": null, "code": self.reason.as_str() },
            }),
            Protocol::Gemini | Protocol::Vertex => serde_json::json!({
                "error": { "code": self.status().as_u16(), "message": message, "status": kind },
            }),
            Protocol::Cohere => serde_json::json!({ "id": id.to_string(), "message": message }),
            Protocol::Bedrock => serde_json::json!({ "__type": kind, "message": message }),
            Protocol::Ollama => serde_json::json!({ "error": message }),
            // The code is the first of those that JSON-RPC leaves to servers.
            Protocol::Mcp => serde_json::json!({
                "jsonrpc": "2.0",
                "id": null,
                "error": { "code": -32000, "message": message },
            }),
        };
        body.to_string()
    }

    /// The provider's name for this kind of error.
    fn kind(&self, protocol: Protocol) -> &'static str {
        let anthropic = protocol == Protocol::Anthropic;
        let aws = protocol == Protocol::Bedrock;
        let google = matches!(protocol, Protocol::Gemini | Protocol::Vertex);
        match self.status().as_u16() {
            403 if google => "PERMISSION_DENIED",
            404 if google => "NOT_FOUND",
            503 if google => "UNAVAILABLE",
            504 if google => "DEADLINE_EXCEEDED",
            500..=599 if google => "INTERNAL",
            _ if google => "INVALID_ARGUMENT",
            403 if aws => "AccessDeniedException",
            404 if aws => "ResourceNotFoundException",
            503 if aws => "ServiceUnavailableException",
            504 if aws => "ModelTimeoutException",
            500..=599 if aws => "InternalServerException",
            _ if aws => "ValidationException",
            403 if anthropic => "permission_error",
            404 if anthropic => "not_found_error",
            413 if anthropic => "request_too_large",
            503 if anthropic => "overloaded_error",
            500..=599 if anthropic => "api_error",
            500..=599 => "server_error",
            _ => "invalid_request_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn speaks_the_providers_shape() {
        let id = Id::new();
        let refusal = Refusal::new(Reason::BodyTooLarge, "limit 32 MiB");
        let response = refusal.response(Protocol::Anthropic, &id);
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(response.headers()[ID_HEADER], id.to_string());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["type"], "error");
        assert_eq!(body["error"]["type"], "request_too_large");
        assert!(
            body["error"]["message"]
                .as_str()
                .unwrap()
                .contains("limits.request_body"),
            "{body}"
        );

        let body = refusal
            .response(Protocol::OpenAi, &id)
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "body_too_large");
        assert!(
            body["error"]["message"]
                .as_str()
                .unwrap()
                .contains(&id.to_string())
        );

        for (protocol, place) in [
            (Protocol::Gemini, "/error/message"),
            (Protocol::Cohere, "/message"),
            (Protocol::Ollama, "/error"),
            (Protocol::Mcp, "/error/message"),
        ] {
            let body: serde_json::Value =
                serde_json::from_str(&refusal.body(protocol, &id)).unwrap();
            let message = body.pointer(place).and_then(|message| message.as_str());
            assert!(message.unwrap().contains("limits.request_body"), "{body}");
        }
    }

    #[test]
    fn every_reason_says_what_to_do() {
        for reason in Reason::ALL {
            assert!(reason.next_step().ends_with(['.', '?']), "{reason:?}");
            assert!(!reason.what().is_empty());
            assert!(
                reason.status().is_client_error() || reason.status().is_server_error(),
                "{reason:?}"
            );
        }
    }
}

#[cfg(test)]
mod plain_tests {
    use super::*;

    #[test]
    fn plain_bytes_parse_as_http() {
        let bytes = Refusal::from(Reason::PlainHttp).plain_response(Protocol::OpenAi, &Id::new());
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = response.parse(&bytes).unwrap() else {
            panic!("no whole head")
        };
        assert_eq!(response.code, Some(403));
        let length = response
            .headers
            .iter()
            .find(|header| header.name == "content-length")
            .unwrap();
        assert_eq!(
            std::str::from_utf8(length.value).unwrap(),
            (bytes.len() - head).to_string()
        );
    }
}

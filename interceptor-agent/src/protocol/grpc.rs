//! Google's APIs over gRPC: calls that send one message. Fields are found without descriptors; only where text goes on from
//! message to message is known.

use super::{
    Endpoint, response,
    route::{Mount, Route::Body, Row},
    schema,
};

/// Generative Language, as the Gemini API's clients call it.
pub(super) const GEMINI_MOUNT: Mount = ("", GEMINI_ROWS);
/// Vertex AI.
pub(super) const VERTEX_MOUNT: Mount = ("", VERTEX_ROWS);

const GEMINI_ROWS: &[Row] = &[(
    &["POST"],
    "/google.ai.generativelanguage.v1.GenerativeService|google.ai.generativelanguage.v1alpha.GenerativeService|google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent|StreamGenerateContent|CountTokens|EmbedContent|BatchEmbedContents",
    Body(&GEMINI),
)];

const VERTEX_ROWS: &[Row] = &[
    (
        &["POST"],
        "/google.cloud.aiplatform.v1.PredictionService|google.cloud.aiplatform.v1beta1.PredictionService/GenerateContent|StreamGenerateContent|Predict",
        Body(&VERTEX),
    ),
    (
        &["POST"],
        "/google.cloud.aiplatform.v1.LlmUtilityService|google.cloud.aiplatform.v1beta1.LlmUtilityService/CountTokens|ComputeTokens",
        Body(&VERTEX),
    ),
];

/// `google.ai.generativelanguage.*.GenerativeService`
pub static GEMINI: Endpoint = grpc("gemini_grpc");

/// `google.cloud.aiplatform.*`
pub static VERTEX: Endpoint = grpc("vertex_grpc");

const fn grpc(name: &'static str) -> Endpoint {
    Endpoint {
        name,
        request: &schema::GENERIC,
        answer: &response::GENERIC,
    }
}

impl Endpoint {
    /// Whether bodies are messages of gRPC.
    pub fn is_grpc(&self) -> bool {
        [&GEMINI, &VERTEX].contains(&self)
    }

    /// The numbers of the fields that lead to a text which goes on in the next message: `candidates`, `content`, `parts`,
    /// `text` (GenerateContentResponse of either API).
    pub fn growing_text(&self) -> &'static [u64] {
        if self == &GEMINI {
            &[1, 1, 1, 2]
        } else if self == &VERTEX {
            &[2, 2, 2, 1]
        } else {
            &[]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Protocol, Route, route};

    #[test]
    fn calls_are_known_by_service_and_method() {
        let of = |protocol, path: &str| route(protocol, &[], "POST", path, false);
        let gemini = "/google.ai.generativelanguage.v1beta.GenerativeService/StreamGenerateContent";
        assert_eq!(of(Protocol::Gemini, gemini), Route::Body(&GEMINI));
        let vertex = "/google.cloud.aiplatform.v1.PredictionService/GenerateContent";
        assert_eq!(of(Protocol::Vertex, vertex), Route::Body(&VERTEX));
        assert_eq!(of(Protocol::Gemini, vertex), Route::Unknown);
        let both_ways = gemini.replace("StreamGenerate", "BidiGenerate");
        assert_eq!(of(Protocol::Gemini, &both_ways), Route::Unknown);
    }
}

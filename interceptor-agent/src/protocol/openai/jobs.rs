//! What OpenAI does with files and models on its own time: fine-tuning, evals, containers. Items and samples are the user's own
//! objects, so that every string in them is text.

use super::{CONTENT, OBJECT, WHOLE, body};
use crate::protocol::{
    Endpoint,
    response::Answer,
    route::{
        Route::{Body, NoBody, OptionalBody},
        Row,
    },
    schema::Schema,
};

/// Below `/v1`.
pub(in crate::protocol) const ROUTES: &[Row] = &[
    (&["POST"], "/fine_tuning/jobs", Body(&JOBS)),
    (&["GET"], "/fine_tuning/jobs", NoBody(&JOBS)),
    (&["GET"], "/fine_tuning/jobs/{}", NoBody(&JOBS)),
    (
        &["POST"],
        "/fine_tuning/jobs/{}/cancel|pause|resume",
        OptionalBody(&JOBS),
    ),
    (
        &["GET"],
        "/fine_tuning/jobs/{}/events|checkpoints",
        NoBody(&JOBS),
    ),
    (
        &["POST"],
        "/fine_tuning/alpha/graders/run|validate",
        Body(&JOBS),
    ),
    (&["POST"], "/evals", Body(&JOBS)),
    (&["GET"], "/evals", NoBody(&JOBS)),
    (&["POST"], "/evals/{}", Body(&JOBS)),
    (&["GET", "DELETE"], "/evals/{}", NoBody(&JOBS)),
    (&["POST"], "/evals/{}/runs", Body(&JOBS)),
    (&["GET"], "/evals/{}/runs", NoBody(&JOBS)),
    // Cancels.
    (&["POST"], "/evals/{}/runs/{}", OptionalBody(&JOBS)),
    (&["GET", "DELETE"], "/evals/{}/runs/{}", NoBody(&JOBS)),
    (&["GET"], "/evals/{}/runs/{}/output_items", NoBody(&JOBS)),
    (&["GET"], "/evals/{}/runs/{}/output_items/{}", NoBody(&JOBS)),
    (&["POST"], "/containers", Body(&OBJECT)),
    (&["GET"], "/containers", NoBody(&OBJECT)),
    (&["GET", "DELETE"], "/containers/{}", NoBody(&OBJECT)),
    (&["POST"], "/containers/{}/files", Body(&OBJECT)),
    (&["GET"], "/containers/{}/files", NoBody(&OBJECT)),
    (
        &["GET", "DELETE"],
        "/containers/{}/files/{}",
        NoBody(&OBJECT),
    ),
    (
        &["GET"],
        "/containers/{}/files/{}/content",
        NoBody(&CONTENT),
    ),
];

/// Fine-tuning, graders, evals and their runs
pub static JOBS: Endpoint = Endpoint {
    name: "openai_jobs",
    request: &Schema {
        structure: &[
            "method",
            "reinforcement",
            "grader",
            "testing_criteria",
            "data_source",
            "sampling_params",
            "input_messages",
            "template",
            "source",
            "content",
            "input",
        ],
        ..body::PLAIN
    },
    answer: &Answer {
        free: &["item", "datasource_item", "sample", "metadata"],
        ..WHOLE
    },
};

//! What bodies of runs look like, for the OpenAPI document alone. The decoder
//! in `wire` takes more than this: it knows every client's variants.

#![expect(dead_code, reason = "read by the derive of their schemas only")]

use chrono::{DateTime, Utc};
use utoipa::ToSchema;
use uuid::Uuid;

/// One step of an agent. In an update, what is absent or null says nothing.
#[derive(ToSchema)]
pub(super) struct Run {
    id: Uuid,
    #[schema(example = "agent")]
    name: Option<String>,
    #[schema(example = "chain")]
    run_type: Option<Kind>,
    start_time: Option<DateTime<Utc>>,
    end_time: Option<DateTime<Utc>>,
    #[schema(value_type = Option<Object>)]
    inputs: Option<()>,
    #[schema(value_type = Option<Object>)]
    outputs: Option<()>,
    error: Option<String>,
    #[schema(value_type = Option<Vec<Object>>)]
    events: Option<()>,
    /// With `metadata`, in which `session_id`, `thread_id` or `conversation_id` names the thread.
    #[schema(value_type = Option<Object>)]
    extra: Option<()>,
    #[schema(value_type = Option<Object>)]
    serialized: Option<()>,
    tags: Option<Vec<String>>,
    /// The root of its trace; itself where absent.
    trace_id: Option<Uuid>,
    parent_run_id: Option<Uuid>,
    /// Times and ids from the root down: `20261121T100000000000Z{root}.20261121T100001000000Z{run}`.
    dotted_order: Option<String>,
    /// Name of the project; `default` where absent.
    session_name: Option<String>,
    /// Id of the project, instead of its name.
    session_id: Option<Uuid>,
    reference_example_id: Option<Uuid>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Kind {
    Chain,
    Llm,
    Tool,
    Retriever,
    Embedding,
    Prompt,
    Parser,
}

/// Runs to create and to update.
#[derive(ToSchema)]
pub(super) struct Batch {
    post: Option<Vec<Run>>,
    patch: Option<Vec<Run>>,
}

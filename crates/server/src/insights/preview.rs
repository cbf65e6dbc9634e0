//! A config on a few threads: what its prompt and its attributes give, before
//! anybody pays for all of them.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};

use assay_domain::job::Spend;
use assay_insights::Error;

use super::{jobs, request, shape};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;

/// Threads that are looked at, and the most that can be.
const THREADS: u64 = 5;
const MOST: u64 = 20;

/// Reads a few threads as a job would: summary, attributes, evidence. Nothing is kept but the
/// model's answers, which a job finds again.
#[utoipa::path(post, path = "/sessions/{session_id}/insights/configs/preview", tag = "insights",
    params(("session_id" = Uuid, Path)), request_body = request::JobRequest,
    responses((status = 200, description = "`{tier, models, population, threads, spend, not_applied}`"),
        (status = 400, description = "a prompt, filter or tier that cannot be met, or a model that cannot be asked"),
        (status = 404, description = "there is no such project")))]
pub(super) async fn preview(
    State(app): State<App>,
    Path(project): Path<String>,
    Body(mut body): Body<Map<String, Value>>,
) -> ApiResult<Json<Value>> {
    let project = jobs::project_of(&app, &project).await?;
    let wanted = match body.shift_remove("threads") {
        None | Some(Value::Null) => THREADS,
        Some(given) => given.as_u64().filter(|count| (1..=MOST).contains(count)).ok_or_else(|| {
            ApiError::invalid(&["body", "threads"], format!("a number from 1 to {MOST} is needed"))
        })?,
    };
    body.insert("sample".to_owned(), json!(wanted));
    let job = jobs::asked(&app, &project, body).await?;
    let (of_app, looked_at) = (app.clone(), job.clone());
    let seen = tokio::task::spawn_blocking(move || {
        let analyst = of_app.insights.analyst().map_err(Error::Invalid)?;
        analyst.preview(&of_app, &project, &looked_at)
    });
    let seen = seen.await.unwrap_or_else(|error| Err(Error::Invalid(error.to_string())));
    let (seen, spend) = seen.map_err(|error| match error {
        Error::Store(error) => error.into(),
        other => ApiError::bad_request(other.to_string()),
    })?;
    for (stage, spent) in &spend.stages {
        app.metrics.asked(stage, spent, &Spend::default());
    }
    Ok(Json(json!({
        "tier": job.tier,
        "models": job.models,
        "population": seen.population,
        "threads": seen.threads,
        "skipped": seen.skipped,
        "spend": shape::spend(&spend),
        "not_applied": job.unmet,
    })))
}

//! From the address of an agent, an experiment or the evaluators to the project behind it.

use assay_domain::ProjectId;
use assay_store::{Catalog as _, Project};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;

/// Where clients send the runs of their evaluators.
const EVALUATORS: &str = "evaluators";

/// The project that an address names.
#[utoipa::path(get, path = "/sessions/resolutions", tag = "projects",
    params(("kind" = String, Query, description = "AGENT, EXPERIMENT or EVALUATOR"),
        ("id" = Option<String>, Query, description = "of the agent or the experiment"),
        ("environment" = Option<String>, Query, description = "of the agent: LOCAL, DEVELOPMENT, STAGING or PRODUCTION")),
    responses((status = 200, description = "its id as session_id"), (status = 404, description = "there is none")))]
pub(super) async fn resolve(State(app): State<App>, params: Params) -> ApiResult<Json<Value>> {
    let found = match params.get("kind").map(str::to_ascii_uppercase).as_deref() {
        Some("AGENT") => agent(&app, &params).await?,
        Some("EXPERIMENT") => experiment(&app, required(&params, "id")?).await?,
        Some("EVALUATOR") => app.store.project(EVALUATORS).await?,
        _ => return Err(ApiError::invalid(&["query", "kind"], "expected AGENT, EXPERIMENT or EVALUATOR")),
    };
    let project = found.ok_or_else(|| ApiError::not_found("a project with this address"))?;
    Ok(Json(json!({ "session_id": project.id })))
}

/// The project to which the runs of an agent go.
async fn agent(app: &App, params: &Params) -> ApiResult<Option<Project>> {
    let id = required(params, "id")?;
    let environment = required(params, "environment")?.to_ascii_lowercase();
    if !["local", "development", "staging", "production"].contains(&environment.as_str()) {
        let advice = "expected LOCAL, DEVELOPMENT, STAGING or PRODUCTION";
        return Err(ApiError::invalid(&["query", "environment"], advice));
    }
    let address = format!("lrn:agents/{id}/environments/{environment}");
    Ok(app.store.project(&assay_wire::langsmith::project_of_address(&address)).await?)
}

async fn experiment(app: &App, id: &str) -> ApiResult<Option<Project>> {
    let found = match Uuid::parse_str(id) {
        Ok(id) => app.store.project_by_id(ProjectId(id)).await?,
        Err(_) => app.store.project(id).await?,
    };
    Ok(found.filter(|project| project.reference_dataset.is_some()))
}

fn required<'a>(params: &'a Params, name: &str) -> ApiResult<&'a str> {
    params.get(name).ok_or_else(|| ApiError::invalid(&["query", name], "this parameter is missing"))
}

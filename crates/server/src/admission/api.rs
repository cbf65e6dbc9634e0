//! `/ingest-policies`: what happens to runs on their way in.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Admission;
use super::policy::Policy;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read, put, delete))
}

fn shown(app: &App, project: &str, policy: &Policy) -> Value {
    let source = if app.admission.is_in_file(project) { "file" } else { "api" };
    json!({ "project": project, "source": source, "policy": policy })
}

impl Admission {
    /// Every policy as it was written, with its project and whether the configuration file has it.
    pub(crate) async fn written(&self) -> ApiResult<Vec<(String, Policy, bool)>> {
        let policies = self.policies().await?;
        let all = policies.written.iter();
        Ok(all.map(|(project, policy)| (project.clone(), policy.clone(), self.is_in_file(project))).collect())
    }
}

fn check_source(app: &App, project: &str) -> ApiResult<()> {
    if app.admission.is_in_file(project) {
        return Err(ApiError::conflict(
            "this policy is in the configuration file; change it there and restart",
        ));
    }
    Ok(())
}

/// All policies: sampling, rules and redaction, by project name; `*` is for all projects.
#[utoipa::path(get, path = "/ingest-policies", tag = "settings", responses((status = 200, description = "policies with project and source (`file` or `api`)")))]
async fn list(State(app): State<App>) -> ApiResult<Json<Value>> {
    let policies = app.admission.policies().await?;
    Ok(Json(policies.written.iter().map(|(project, policy)| shown(&app, project, policy)).collect()))
}

/// The policy of a project, or of all (`*`).
#[utoipa::path(
    get, path = "/ingest-policies/{project}", tag = "settings", params(("project" = String, Path)),
    responses((status = 200, description = "the policy"), (status = 404, description = "the project has none of its own"))
)]
async fn read(State(app): State<App>, Path(project): Path<String>) -> ApiResult<Json<Value>> {
    let policies = app.admission.policies().await?;
    let policy = policies.written.get(&project).ok_or_else(|| ApiError::not_found("policy"))?;
    Ok(Json(shown(&app, &project, policy)))
}

/// Sets the policy of a project, or of all (`*`), for all that comes from now on.
#[utoipa::path(
    put, path = "/ingest-policies/{project}", tag = "settings", params(("project" = String, Path)),
    request_body = Policy,
    responses((status = 200, description = "the policy"), (status = 409, description = "the configuration file has it"), (status = 422, description = "it makes no sense"))
)]
async fn put(
    State(app): State<App>,
    Path(project): Path<String>,
    Body(policy): Body<Policy>,
) -> ApiResult<Json<Value>> {
    check_source(&app, &project)?;
    if project.trim().is_empty() || project.len() > 1000 {
        return Err(ApiError::invalid(&["path", "project"], "a project has a name"));
    }
    policy.check().map_err(|why| ApiError::invalid(&["body"], why))?;
    // Together with those of all projects it must make sense, too.
    let together = app.admission.try_with(&project, &policy).await?;
    together.map_err(|why| ApiError::invalid(&["body"], why))?;
    app.admission.change(&project, Some(&policy), app.now()).await?;
    Ok(Json(shown(&app, &project, &policy)))
}

/// Removes a policy. What was redacted stays so.
#[utoipa::path(
    delete, path = "/ingest-policies/{project}", tag = "settings", params(("project" = String, Path)),
    responses((status = 204, description = "gone"), (status = 404, description = "there was none"), (status = 409, description = "the configuration file has it"))
)]
async fn delete(State(app): State<App>, Path(project): Path<String>) -> ApiResult<StatusCode> {
    check_source(&app, &project)?;
    let policies = app.admission.policies().await?;
    if !policies.written.contains_key(&project) {
        return Err(ApiError::not_found("policy"));
    }
    app.admission.change(&project, None, app.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

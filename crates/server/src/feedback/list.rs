//! Listing feedback, newest first.

use assay_domain::{Feedback, ProjectId, RunId};
use assay_store::{FeedbackQuery, Runs as _};
use axum::Json;
use axum::extract::State;
use chrono::TimeDelta;
use serde_json::Value;
use uuid::Uuid;

use super::shape;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;

/// Lists feedback, newest first.
#[utoipa::path(get, path = "/feedback", tag = "feedback",
    params(
        ("run" = Option<Vec<Uuid>>, Query, description = "about these runs"),
        ("key" = Option<Vec<String>>, Query),
        ("session" = Option<Vec<Uuid>>, Query, description = "about runs of these projects, or the projects themselves"),
        ("source" = Option<Vec<String>>, Query, description = "`api`, `app`, `model`, `auto_eval`"),
        ("user" = Option<Vec<Uuid>>, Query, description = "given by these users"),
        ("has_comment" = Option<bool>, Query),
        ("has_score" = Option<bool>, Query),
        ("level" = Option<String>, Query, description = "`run` or `session`"),
        ("min_created_at" = Option<String>, Query),
        ("max_created_at" = Option<String>, Query),
        ("comparative_experiment_id" = Option<Uuid>, Query),
        ("offset" = Option<usize>, Query),
        ("limit" = Option<usize>, Query, description = "1 to 100"),
    ),
    responses((status = 200, description = "a list of feedback")))]
pub(super) async fn list(State(app): State<App>, params: Params) -> ApiResult<Json<Value>> {
    Ok(Json(page(&app, &params, None).await?))
}

/// The page of feedback that the parameters ask for; `runs` replaces the
/// parameter of that name (shared runs, whose readers may see no others).
pub(crate) async fn page(app: &App, params: &Params, runs: Option<Vec<RunId>>) -> ApiResult<Value> {
    let (offset, limit) = params.page()?;
    let mut query = query(params)?;
    if let Some(runs) = runs {
        query.runs = runs;
    }
    let users: Vec<Uuid> = params.parse_all("user")?;
    let experiment: Option<Uuid> = params.parse("comparative_experiment_id")?;
    let found = if users.is_empty() && experiment.is_none() {
        app.store.feedbacks(&FeedbackQuery { offset, limit, ..query }).await?
    } else {
        let fits = |one: &Feedback| given_by(one, &users) && experiment.is_none_or(|id| compares(one, id));
        sift(app, query, offset, limit, fits).await?
    };
    Ok(found.iter().map(shape::json).collect())
}

fn query(params: &Params) -> ApiResult<FeedbackQuery> {
    let is_about_runs = match params.get("level") {
        None => None,
        Some("run") => Some(true),
        Some("session") => Some(false),
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            return Err(ApiError::invalid(
                &["query", "level"],
                format!("{shown:?} is neither run nor session"),
            ));
        }
    };
    Ok(FeedbackQuery {
        runs: params.parse_all::<RunId>("run")?,
        keys: params.all("key").map(str::to_owned).collect(),
        projects: params.parse_all::<ProjectId>("session")?,
        sources: params.all("source").map(str::to_owned).collect(),
        has_comment: params.flag("has_comment")?,
        has_score: params.flag("has_score")?,
        is_about_runs,
        start: params.time("min_created_at")?,
        // The store's end is exclusive, the parameter is not.
        end: params.time("max_created_at")?.map(|time| time + TimeDelta::microseconds(1)),
        offset: 0,
        limit: 0,
    })
}

/// What the store has no index for is looked for page by page.
async fn sift(
    app: &App,
    mut query: FeedbackQuery,
    offset: usize,
    limit: usize,
    fits: impl Fn(&Feedback) -> bool,
) -> ApiResult<Vec<Feedback>> {
    const AT_ONCE: usize = 1000;
    let mut found = Vec::new();
    let mut skipped = 0;
    query.limit = AT_ONCE;
    loop {
        let page = app.store.feedbacks(&query).await?;
        let is_last = page.len() < AT_ONCE;
        for one in page.into_iter().filter(|one| fits(one)) {
            if skipped < offset {
                skipped += 1;
            } else if found.len() < limit {
                found.push(one);
            }
        }
        if is_last || found.len() == limit {
            return Ok(found);
        }
        query.offset += AT_ONCE;
    }
}

fn given_by(feedback: &Feedback, users: &[Uuid]) -> bool {
    let source = feedback.details.get("feedback_source");
    let user = source.and_then(|source| source.get("user_id")?.as_str()?.parse().ok());
    users.is_empty() || user.is_some_and(|user| users.contains(&user))
}

fn compares(feedback: &Feedback, experiment: Uuid) -> bool {
    let given = feedback.details.get("comparative_experiment_id").and_then(Value::as_str);
    given.and_then(|id| Uuid::parse_str(id).ok()) == Some(experiment)
}

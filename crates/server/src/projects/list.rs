//! Which projects are listed, and in what order.

use std::cmp::Ordering;

use assay_domain::ProjectId;
use assay_store::{Catalog as _, Project};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::future::try_join_all;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::stats::ProjectStats;
use super::{json, stats};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;
use crate::filters;

/// How many projects pass, whatever the page.
const TOTAL: &str = "x-pagination-total";

/// Lists projects, the newest first.
#[utoipa::path(get, path = "/sessions", tag = "projects",
    params(
        ("name" = Option<String>, Query, description = "exactly this name"),
        ("name_contains" = Option<String>, Query, description = "this text in the name, in any case"),
        ("id" = Option<Vec<Uuid>>, Query, description = "only these; repeated"),
        ("reference_dataset" = Option<Vec<Uuid>>, Query, description = "experiments over these datasets; repeated"),
        ("reference_free" = Option<bool>, Query, description = "true leaves out experiments, false everything else"),
        ("metadata" = Option<String>, Query, description = "a JSON object that is part of the project's metadata"),
        ("sort_by" = Option<String>, Query, description = "name, start_time, last_run_start_time, latency_p50, latency_p99, error_rate, feedback, runs_count"),
        ("sort_by_desc" = Option<bool>, Query, description = "true where absent"),
        ("sort_by_feedback_key" = Option<String>, Query, description = "which feedback to sort by"),
        ("include_stats" = Option<bool>, Query, description = "what the runs of each add up to"),
        ("stats_start_time" = Option<crate::fields::Moment>, Query, description = "count only runs since then"),
        ("stats_filter" = Option<String>, Query, description = "count only traces whose root passes"),
        ("offset" = Option<usize>, Query), ("limit" = Option<usize>, Query, description = "1 to 100"),
    ),
    responses((status = 200, description = "projects; the header X-Pagination-Total says how many there are on all pages")))]
pub(super) async fn list(State(app): State<App>, params: Params) -> ApiResult<Response> {
    let (offset, limit) = params.page()?;
    let conditions = Conditions::of(&params)?;
    let mut projects = candidates(&app, &params).await?;
    projects.retain(|project| conditions.hold(project));
    let total = projects.len();

    let order = Sorting::of(&params)?;
    let shown: Vec<(Project, Option<ProjectStats>)> = if order.needs_stats() {
        let mut all = with_stats(&app, &params, projects).await?;
        all.sort_by(|(a, a_stats), (b, b_stats)| order.compare((a, a_stats.as_ref()), (b, b_stats.as_ref())));
        all.into_iter().skip(offset).take(limit).collect()
    } else {
        projects.sort_by(|a, b| order.compare((a, None), (b, None)));
        let page: Vec<Project> = projects.into_iter().skip(offset).take(limit).collect();
        if params.flag("include_stats")? == Some(true) {
            with_stats(&app, &params, page).await?
        } else {
            page.into_iter().map(|project| (project, None)).collect()
        }
    };
    let shown: Vec<Value> = shown.iter().map(|(project, stats)| json::of(project, stats.as_ref())).collect();
    Ok(([(TOTAL, total.to_string())], Json(shown)).into_response())
}

/// As few as can be named before the conditions are looked at.
async fn candidates(app: &App, params: &Params) -> ApiResult<Vec<Project>> {
    let ids: Vec<Uuid> = params.parse_all("id")?;
    if let Some(name) = params.get("name") {
        let found = app.store.project(name).await?;
        return Ok(found
            .into_iter()
            .filter(|project| ids.is_empty() || ids.contains(&project.id.0))
            .collect());
    }
    if ids.is_empty() {
        return Ok(app.store.projects().await?);
    }
    let found = try_join_all(ids.into_iter().map(|id| app.store.project_by_id(ProjectId(id)))).await?;
    let mut found: Vec<Project> = found.into_iter().flatten().collect();
    found.sort_by_key(|project| project.id);
    found.dedup_by_key(|project| project.id);
    Ok(found)
}

async fn with_stats(
    app: &App,
    params: &Params,
    projects: Vec<Project>,
) -> ApiResult<Vec<(Project, Option<ProjectStats>)>> {
    let start = params.time("stats_start_time")?;
    let filter = filters::parse("stats_filter", params.get("stats_filter"))?;
    let all = projects.iter().map(|project| stats::of(app, project.id, start, filter.clone()));
    let all = try_join_all(all).await?;
    Ok(projects.into_iter().zip(all.into_iter().map(Some)).collect())
}

/// What a listed project must be like.
struct Conditions {
    name_contains: Option<String>,
    datasets: Vec<Uuid>,
    dataset_version: Option<String>,
    is_reference_free: Option<bool>,
    metadata: Option<Map<String, Value>>,
    tags: Vec<Uuid>,
}

impl Conditions {
    fn of(params: &Params) -> ApiResult<Self> {
        if params.get("filter").is_some() {
            let advice = "projects cannot be filtered by expressions; use name_contains, metadata or reference_dataset";
            return Err(ApiError::invalid(&["query", "filter"], advice));
        }
        let metadata = match params.get("metadata").map(serde_json::from_str) {
            None => None,
            Some(Ok(Value::Object(wanted))) => Some(wanted),
            Some(_) => return Err(ApiError::invalid(&["query", "metadata"], "this must be a JSON object")),
        };
        Ok(Self {
            name_contains: params.get("name_contains").map(str::to_lowercase),
            datasets: params.parse_all("reference_dataset")?,
            dataset_version: params.get("dataset_version").map(str::to_owned),
            is_reference_free: params.flag("reference_free")?,
            metadata,
            tags: params.parse_all("tag_value_id")?,
        })
    }

    fn hold(&self, project: &Project) -> bool {
        let metadata = project.details.get("extra").and_then(|extra| extra.get("metadata"));
        let is_of = |dataset: Option<Uuid>| dataset.is_some_and(|dataset| self.datasets.contains(&dataset));
        let has_entries = |wanted: &Map<String, Value>| {
            metadata.and_then(Value::as_object).is_some_and(|known| is_part(wanted, known))
        };
        let has_version = |wanted: &String| {
            metadata.and_then(|known| known.get("dataset_version")?.as_str()) == Some(wanted)
        };
        let tags = project.details.get("tag_value_ids").and_then(Value::as_array);
        let has_tag =
            |wanted: &Uuid| tags.is_some_and(|tags| tags.contains(&Value::String(wanted.to_string())));

        self.name_contains.as_ref().is_none_or(|text| project.name.to_lowercase().contains(text))
            && (self.datasets.is_empty() || is_of(project.reference_dataset))
            && self.is_reference_free.is_none_or(|wanted| wanted == project.reference_dataset.is_none())
            && self.metadata.as_ref().is_none_or(has_entries)
            && self.dataset_version.as_ref().is_none_or(has_version)
            && self.tags.iter().all(has_tag)
    }
}

/// Whether every entry wanted is known; objects inside need only be parts, too.
fn is_part(wanted: &Map<String, Value>, known: &Map<String, Value>) -> bool {
    wanted.iter().all(|(key, wanted)| match (wanted, known.get(key)) {
        (Value::Object(wanted), Some(Value::Object(known))) => is_part(wanted, known),
        (wanted, Some(known)) => wanted == known,
        (_, None) => false,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Name,
    StartTime,
    LastRun,
    LatencyP50,
    LatencyP99,
    ErrorRate,
    Feedback,
    Runs,
}

struct Sorting {
    key: Key,
    is_descending: bool,
    feedback: Option<String>,
}

impl Sorting {
    fn of(params: &Params) -> ApiResult<Self> {
        let key = match params.get("sort_by").unwrap_or("start_time") {
            "name" => Key::Name,
            "start_time" => Key::StartTime,
            "last_run_start_time" | "last_run_start_time_live" => Key::LastRun,
            "latency_p50" => Key::LatencyP50,
            "latency_p99" => Key::LatencyP99,
            "error_rate" => Key::ErrorRate,
            "feedback" => Key::Feedback,
            "runs_count" | "run_count" => Key::Runs,
            other => {
                let shown: String = other.chars().take(80).collect();
                return Err(ApiError::invalid(
                    &["query", "sort_by"],
                    format!("projects cannot be sorted by {shown:?}"),
                ));
            }
        };
        let feedback = params.get("sort_by_feedback_key").map(str::to_owned);
        if key == Key::Feedback && feedback.is_none() {
            let advice = "sorting by feedback needs sort_by_feedback_key";
            return Err(ApiError::invalid(&["query", "sort_by_feedback_key"], advice));
        }
        Ok(Self { key, is_descending: params.flag("sort_by_desc")?.unwrap_or(true), feedback })
    }

    fn needs_stats(&self) -> bool {
        matches!(self.key, Key::LatencyP50 | Key::LatencyP99 | Key::ErrorRate | Key::Feedback)
    }

    /// Projects of which the key is not known come last either way; ties go by name.
    fn compare(
        &self,
        a: (&Project, Option<&ProjectStats>),
        b: (&Project, Option<&ProjectStats>),
    ) -> Ordering {
        let ((a, a_stats), (b, b_stats)) = (a, b);
        let known = match self.key {
            Key::Name => self.direct(Some(&a.name), Some(&b.name)),
            Key::StartTime => {
                self.direct(a.created_at.or(a.first_activity), b.created_at.or(b.first_activity))
            }
            Key::LastRun => self.direct(a.last_activity, b.last_activity),
            Key::Runs => self.direct(Some(a.traces), Some(b.traces)),
            Key::LatencyP50 | Key::LatencyP99 | Key::ErrorRate | Key::Feedback => {
                let value =
                    |stats: Option<&ProjectStats>| stats.and_then(|stats| self.number(stats)).map(Number);
                self.direct(value(a_stats), value(b_stats))
            }
        };
        known.then_with(|| a.name.cmp(&b.name))
    }

    fn number(&self, stats: &ProjectStats) -> Option<f64> {
        match self.key {
            Key::LatencyP50 => stats.traces.latency_p50,
            Key::LatencyP99 => stats.traces.latency_p99,
            Key::ErrorRate => stats.traces.error_rate,
            Key::Feedback => stats.traces.feedback.get(self.feedback.as_ref()?)?.mean,
            Key::Name | Key::StartTime | Key::LastRun | Key::Runs => None,
        }
    }

    fn direct<T: Ord>(&self, a: Option<T>, b: Option<T>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) if self.is_descending => b.cmp(&a),
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
}

/// A number that can be sorted by.
struct Number(f64);

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

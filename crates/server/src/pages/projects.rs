//! `/`: every project with what its traces add up to.

use std::cmp::Reverse;
use std::time::Duration;

use assay_domain::{Time, format};
use assay_store::{Catalog as _, Project, RunQuery, RunStats, Runs as _, TimelineQuery};
use assay_ui::text;
use assay_ui::web::parts::{Head, Pager, Spark};
use assay_ui::web::projects::{Choice, Onboarding, ProjectRow, ProjectsPage};
use axum::response::Response;
use chrono::TimeDelta;
use futures_util::future::try_join_all;
use http::HeaderMap;
use rust_decimal::prelude::ToPrimitive as _;

use super::{Visit, page};
use crate::access;
use crate::access::permission::{Action, Area, Permission};
use crate::app::App;
use crate::error::ApiResult;
use crate::projects;

/// Projects on a page.
const PAGE: usize = 25;
/// Up to so many traces in all, their activity is counted at once; beyond, the page comes first.
const QUICK: u64 = 100_000;

/// A span of time to count over.
#[derive(Clone, Copy, PartialEq)]
struct Window {
    word: &'static str,
    name: &'static str,
    /// All of it where absent.
    hours: Option<i64>,
    bars: usize,
}

const WINDOWS: [Window; 4] = [
    Window { word: "24h", name: "24 h", hours: Some(24), bars: 24 },
    Window { word: "7d", name: "7 days", hours: Some(7 * 24), bars: 28 },
    Window { word: "30d", name: "30 days", hours: Some(30 * 24), bars: 30 },
    Window { word: "all", name: "All", hours: None, bars: 30 },
];
const USUAL_WINDOW: Window = WINDOWS[2];

/// What the address asks for.
struct Asked {
    window: Window,
    /// The one where the address names none.
    usual: Window,
    query: String,
    sort: &'static str,
    offset: usize,
}

/// Columns that sort: word, name, class. All but the name begin with the most.
const SORTS: [(&str, &str, &str); 10] = [
    ("name", "Project", ""),
    ("traces", "Traces", "num"),
    ("threads", "All threads", "num"),
    ("errors", "Errors", "num"),
    ("p50", "p50", "num"),
    ("p99", "p99", "num"),
    ("tokens", "Tokens", "num"),
    ("cost", "Cost", "num"),
    ("reports", "Reports", "num"),
    ("last", "Last activity", "num"),
];

/// Orders that only what is counted over the window can tell.
const COUNTED: [&str; 6] = ["traces", "errors", "p50", "p99", "tokens", "cost"];

impl Asked {
    fn of(visit: &Visit, projects: &[Project]) -> Self {
        let word = visit.params.get("window").unwrap_or_default();
        let usual = usual_window(visit.app.now(), projects);
        let window = WINDOWS.into_iter().find(|window| window.word == word).unwrap_or(usual);
        let sort = visit.params.get("sort").unwrap_or_default();
        let sort = SORTS.iter().find(|(known, ..)| *known == sort).map_or("last", |(known, ..)| known);
        Self {
            window,
            usual,
            sort,
            query: visit.params.get("q").unwrap_or_default().chars().take(200).collect(),
            // A wrong number is the first page.
            offset: visit.params.parse("offset").ok().flatten().unwrap_or(0),
        }
    }

    fn href(&self, window: Window, sort: &str, offset: usize) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if window != self.usual {
            query.append_pair("window", window.word);
        }
        if sort != "last" {
            query.append_pair("sort", sort);
        }
        if !self.query.is_empty() {
            query.append_pair("q", &self.query);
        }
        if offset > 0 {
            query.append_pair("offset", &offset.to_string());
        }
        let query = query.finish();
        if query.is_empty() { "/".to_owned() } else { format!("/?{query}") }
    }
}

/// Of projects whose traces are mostly older, such as those of imported files, too little would show.
fn usual_window(now: Time, projects: &[Project]) -> Window {
    let from = USUAL_WINDOW.hours.map(|hours| now - TimeDelta::hours(hours));
    let is_seen = |project: &Project| project.last_activity >= from;
    let with_traces = projects.iter().filter(|project| project.traces > 0);
    let (seen, all) =
        with_traces.fold((0, 0), |(seen, all), project| (seen + usize::from(is_seen(project)), all + 1));
    if seen * 2 < all { WINDOWS[3] } else { USUAL_WINDOW }
}

pub(super) async fn show(visit: Visit, headers: HeaderMap) -> ApiResult<Response> {
    let app = &visit.app;
    // Experiments belong to their dataset.
    let all: Vec<Project> = app
        .store
        .projects()
        .await?
        .into_iter()
        .filter(|project| project.reference_dataset.is_none())
        .collect();
    let asked = Asked::of(&visit, &all);
    let traces: u64 = all.iter().map(|project| project.traces).sum();
    let onboarding = match traces {
        0 => Some(onboarding(app, &headers, "").await?),
        _ => None,
    };
    let mut found: Vec<Project> = matching(all, &asked.query);
    sort(&mut found, asked.sort);
    let total = found.len();
    let found = match COUNTED.contains(&asked.sort) {
        true => {
            let mut all = counted(app, found, asked.window).await?;
            // Those of which nothing is known come last; ties stay in the order of their last activity.
            let figure =
                |(_, stats): &(Project, RunStats)| figure(stats, asked.sort).unwrap_or(f64::NEG_INFINITY);
            all.sort_by(|a, b| figure(b).total_cmp(&figure(a)));
            all.into_iter().skip(asked.offset).take(PAGE).collect()
        }
        false => {
            let shown = found.into_iter().skip(asked.offset).take(PAGE).collect();
            counted(app, shown, asked.window).await?
        }
    };
    let has_pulse = traces <= QUICK || visit.params.get("pulse").is_some();
    let rows = found.iter().map(|(project, stats)| row(app, project, stats, asked.window, has_pulse));
    let rows = try_join_all(rows.collect::<Vec<_>>()).await?;
    Ok(page(&ProjectsPage {
        shell: visit.shell("Projects").script("web/projects.js"),
        windows: windows(&asked),
        heads: heads(&asked),
        pager: pager(&asked, rows.len(), total),
        rows,
        onboarding,
        may_change: visit.may(Permission(Area::Projects, Action::Delete)),
        is_pulse_missing: !has_pulse,
        kept: kept(&asked),
        query: text::line(&asked.query),
    }))
}

/// How to send traces here.
pub(super) async fn onboarding(app: &App, headers: &HeaderMap, project: &str) -> ApiResult<Onboarding> {
    let name = if project.is_empty() { "my-agent" } else { project };
    // A command started elsewhere would not find the store of this server by itself.
    let data = std::path::absolute(app.store.dir()).unwrap_or_else(|_| app.store.dir().to_owned());
    let keys = access::asks_for_keys(app).await?;
    let mut onboarding = Onboarding::new(&app.base_url(headers), name, &data.to_string_lossy(), keys);
    onboarding.project = text::line(project);
    Ok(onboarding)
}

fn matching(all: Vec<Project>, query: &str) -> Vec<Project> {
    let query = query.to_lowercase();
    all.into_iter().filter(|project| project.name.to_lowercase().contains(query.trim())).collect()
}

fn sort(projects: &mut [Project], by: &str) {
    match by {
        "name" => projects.sort_by_key(|project| project.name.to_lowercase()),
        "threads" => projects.sort_by_key(|project| Reverse((project.threads, project.last_activity))),
        "reports" => projects.sort_by_key(|project| Reverse((project.reports, project.last_activity))),
        _ => projects.sort_by_key(|project| Reverse((project.last_activity, project.created_at))),
    }
}

/// Projects with what their traces add up to over the window.
async fn counted(app: &App, all: Vec<Project>, window: Window) -> ApiResult<Vec<(Project, RunStats)>> {
    let start = window.hours.and_then(|hours| app.now().checked_sub_signed(TimeDelta::hours(hours)));
    let stats: Vec<_> = all.iter().map(|project| projects::stats::of(app, project.id, start, None)).collect();
    let stats = try_join_all(stats).await?;
    Ok(all.into_iter().zip(stats.into_iter().map(|stats| stats.traces)).collect())
}

async fn row(
    app: &App,
    project: &Project,
    stats: &RunStats,
    window: Window,
    has_pulse: bool,
) -> ApiResult<ProjectRow> {
    let activity = if has_pulse { pulse(app, project, window).await? } else { Spark::default() };
    Ok(filled(project, stats, activity))
}

/// What an order of [`COUNTED`] goes by; `None` where nothing is known.
fn figure(stats: &RunStats, sort: &str) -> Option<f64> {
    match sort {
        "traces" => Some(stats.runs as f64),
        "errors" => stats.error_rate.filter(|_| stats.runs > 0),
        "p50" => stats.latency_p50,
        "p99" => stats.latency_p99,
        "tokens" => Some(stats.total_tokens as f64).filter(|tokens| *tokens > 0.0),
        _ => stats.total_cost.and_then(|cost| cost.to_f64()),
    }
}

fn filled(project: &Project, stats: &RunStats, activity: Spark) -> ProjectRow {
    let none = || format::NONE.to_owned();
    let description = project.details.get("description").and_then(|text| text.as_str()).unwrap_or_default();
    let rate = stats.error_rate.filter(|_| stats.runs > 0);
    ProjectRow {
        id: project.id.0.to_string(),
        name: text::name(&project.name),
        href: format!("/p/{}", project.id.0),
        description: text::cut(&text::line(description), 160).into_owned(),
        traces: format::count(stats.runs),
        threads: format::count(project.threads),
        reports: format::count(project.reports),
        error_rate: rate.map_or_else(none, format::percent),
        error_class: super::rate_class(rate),
        p50: stats.latency_p50.map_or_else(none, format::seconds),
        p99: stats.latency_p99.map_or_else(none, format::seconds),
        tokens: if stats.total_tokens == 0 { none() } else { format::compact(stats.total_tokens) },
        cost: stats.total_cost.and_then(|cost| cost.to_f64()).map_or_else(none, format::money),
        activity,
        last: project.last_activity.into(),
    }
}

/// Traces and errors over the window, in even steps.
async fn pulse(app: &App, project: &Project, window: Window) -> ApiResult<Spark> {
    let now = app.now();
    let (from, until) = match (window.hours, project.first_activity, project.last_activity) {
        (Some(hours), ..) => (now - TimeDelta::hours(hours), now),
        // To the end of the last moment.
        (None, Some(first), Some(last)) => (first, last + TimeDelta::seconds(1)),
        _ => return Ok(Spark::default()),
    };
    if project.last_activity.is_none_or(|last| last < from) {
        return Ok(Spark::default());
    }
    let length = (until - from).num_microseconds().unwrap_or(i64::MAX).max(1);
    // Rounded up, so that the end is in the last bar.
    let step = length.unsigned_abs().div_ceil(window.bars as u64);
    let query = TimelineQuery {
        runs: RunQuery { is_root: Some(true), ..RunQuery::new(project.id) },
        start: from,
        step: Duration::from_micros(step),
        intervals: window.bars,
        without_usage: true,
        ..TimelineQuery::default()
    };
    let lines = app.store.timeline(&query).await?;
    let bars = lines.first().map(|line| line.intervals.as_slice()).unwrap_or_default();
    let counts: Vec<(String, u64, u64)> = bars
        .iter()
        .zip(0..)
        .map(|(bar, at)| {
            let start = from + Duration::from_micros(step.saturating_mul(at));
            (title(start, bar.runs, bar.failed), bar.runs, bar.failed)
        })
        .collect();
    Ok(Spark::new("Traces over time, errors below", &counts))
}

fn title(start: Time, traces: u64, errors: u64) -> String {
    format!(
        "from {}: {} traces, {} errors",
        format::time(start),
        format::count(traces),
        format::count(errors)
    )
}

fn windows(asked: &Asked) -> Vec<Choice> {
    let choice = |window: Window| Choice {
        name: window.name.to_owned(),
        href: asked.href(window, asked.sort, 0),
        is_current: window == asked.window,
    };
    WINDOWS.into_iter().map(choice).collect()
}

fn heads(asked: &Asked) -> Vec<Head> {
    let plain = |name: &str, class| Head { name: name.to_owned(), class, ..Head::default() };
    let sorting = |word: &str| {
        let (word, name, class) = SORTS.into_iter().find(|(known, ..)| *known == word).unwrap_or(SORTS[0]);
        let sorted = match (asked.sort == word, word) {
            (false, _) => "",
            (true, "name") => "ascending",
            (true, _) => "descending",
        };
        Head { name: name.to_owned(), class, href: asked.href(asked.window, word, 0), sorted }
    };
    vec![
        sorting("name"),
        sorting("traces"),
        sorting("threads"),
        sorting("errors"),
        sorting("p50"),
        sorting("p99"),
        sorting("tokens"),
        sorting("cost"),
        plain("Activity", ""),
        sorting("reports"),
        sorting("last"),
        plain("", "tools"),
    ]
}

fn pager(asked: &Asked, rows: usize, total: usize) -> Pager {
    let href = |offset| asked.href(asked.window, asked.sort, offset);
    let last = asked.offset + rows;
    Pager {
        label: "Pages of projects".to_owned(),
        previous: if asked.offset > 0 { href(asked.offset.saturating_sub(PAGE)) } else { String::new() },
        next: if last < total { href(asked.offset + PAGE) } else { String::new() },
        shown: match total {
            1 => "1 project".to_owned(),
            total if total <= PAGE => format!("{} projects", format::count(total)),
            _ => format!("{}–{} of {} projects", asked.offset + 1, last, format::count(total)),
        },
    }
}

fn kept(asked: &Asked) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    if asked.window != asked.usual {
        kept.push(("window".to_owned(), asked.window.word.to_owned()));
    }
    if asked.sort != "last" {
        kept.push(("sort".to_owned(), asked.sort.to_owned()));
    }
    kept
}

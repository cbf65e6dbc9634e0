//! Two reports side by side.

use std::cmp::Reverse;
use std::collections::HashSet;

use assay_domain::report::Focus;
use assay_domain::{Time, format};
use assay_store::{Catalog as _, Project, ReportRow};
use assay_ui::text;
use assay_ui::web::Tab;
use assay_ui::web::compare::{
    ChooseComparisonPage, ChosenReport, ComparePage, ReportChoice, Shown, SideView,
};
use axum::extract::Path;
use axum::response::Response;
use uuid::Uuid;

use super::super::portion::Portion;
use super::super::state::State;
use super::super::{Visit, page};
use super::{Found, place};
use crate::error::{ApiError, ApiResult};
use crate::insights;
use crate::insights::queue::{self, Entry};

/// Reports to choose from, on a page.
const REPORTS: usize = 50;
/// Changes of one table, on a page.
const CHANGES: usize = 50;

pub(super) async fn show(visit: Visit, Path(project): Path<String>) -> ApiResult<Response> {
    let named = |name: &str| visit.params.get(name).map(str::to_owned);
    let (Some(before), Some(after)) = (named("before"), named("after")) else {
        return choose(&visit, &project).await;
    };
    let before = Found::of(&visit, &project, &before).await?;
    let after = Found::of(&visit, &project, &after).await?;
    let shell = visit
        .within(&before.project, Tab::Insights, "Compare")
        .crumb("Insights", place(&before.project))
        .style("report.css");
    let (old, new) = (side(&before), side(&after));
    let (Some(one), Some(two)) = (before.report, after.report) else {
        return Err(ApiError::bad_request("one of the two has no report yet"));
    };
    if one.config.focus != two.config.focus {
        return Err(ApiError::bad_request(format!(
            "“{}” and “{}” ask different questions, one about use and one about failures: shares of the one \
             say nothing about the other; choose two reports of the same kind",
            old.name, new.name
        )));
    }
    let comparison = insights::compared(&visit.app, before.project.id, one, two)
        .await
        .map_err(insights::compare::failed)?;
    let path = format!("{}/compare", new.list);
    let state = State::read(path, &visit.params, &["before", "after", "tops", "leaves"]);
    let shown = |name: &'static str, anchor: &'static str| {
        let portion = Portion::read(&visit.params, name, CHANGES);
        let state = &state;
        move |total: usize| Shown {
            places: portion.places(total),
            pager: portion.pager_of(state, anchor, total, ("change", "changes")),
        }
    };
    let shown = (shown("tops", "#tops"), shown("leaves", "#leaves"));
    Ok(page(&ComparePage::new(shell, old, new, &comparison, shown)))
}

fn side(found: &Found) -> SideView {
    let report = found.report.as_ref();
    SideView {
        id: found.id().to_string(),
        list: place(&found.project),
        name: text::name(found.name()),
        title: report.map(|report| text::line(&report.executive_summary.title)).unwrap_or_default(),
        href: format!("{}/{}", place(&found.project), found.id()),
        made: found.entry.as_ref().and_then(|entry| entry.state.finished_at).into(),
        threads: report.map(|report| format::count(report.assignments.len())).unwrap_or_default(),
    }
}

/// A finished report to choose.
pub(super) struct Made {
    pub(super) id: Uuid,
    name: String,
    pub(super) at: Option<Time>,
    /// What it is about; of reports that a command made, the report alone says it.
    focus: Option<Focus>,
    threads: Option<u64>,
}

impl Made {
    fn by_job(entry: &Entry) -> Self {
        Self {
            id: entry.job.id,
            name: text::name(&entry.job.name),
            at: Some(entry.job.created_at),
            focus: Some(entry.job.config.focus),
            threads: entry.state.outline.as_ref().map(|outline| outline.threads),
        }
    }

    fn by_command(row: &ReportRow) -> Self {
        let ReportRow { id, name, stored_at, threads, .. } = row;
        Self { id: id.0, name: text::name(name), at: *stored_at, focus: None, threads: Some(*threads) }
    }

    /// Whether the two may ask the same.
    pub(super) fn asks_as(&self, other: &Self) -> bool {
        self.focus.is_none() || other.focus.is_none() || self.focus == other.focus
    }

    /// With its day, as menus say it.
    pub(super) fn named(&self) -> String {
        self.at.map_or_else(|| self.name.clone(), |at| format!("{}, {}", format::day(at), self.name))
    }
}

/// All finished reports of a project, the newest first. Jobs are small and few beside traces: which of
/// them have a report stands in the jobs themselves, so all are read.
pub(super) async fn made(visit: &Visit, project: &Project) -> ApiResult<Vec<Made>> {
    let store = &visit.app.store;
    let jobs = queue::list(store, Some(project.id)).await?;
    let of_jobs: HashSet<_> = jobs.iter().filter_map(|entry| entry.state.report).collect();
    let of_commands = store.reports(Some(project.id)).await?;
    let of_commands = of_commands.iter().filter(|row| !of_jobs.contains(&row.id)).map(Made::by_command);
    let done = jobs.iter().filter(|entry| entry.state.report.is_some()).map(Made::by_job);
    let mut all: Vec<Made> = done.chain(of_commands).collect();
    all.sort_by_key(|one| Reverse(one.at));
    Ok(all)
}

/// Finished reports, of which one is chosen and then the other.
async fn choose(visit: &Visit, project: &str) -> ApiResult<Response> {
    let project = visit.project(project).await?;
    let done = made(visit, &project).await?;
    let state =
        State::read(format!("{}/compare", place(&project)), &visit.params, &["before", "after", "offset"]);
    let is_before = state.get("before").is_some();
    let named = state.get("before").or(state.get("after"));
    let chosen = named.and_then(|id| done.iter().find(|one| one.id.to_string() == id));
    let state = if chosen.is_none() { state.with(&[("before", ""), ("after", "")]) } else { state };
    // Use and failures are counted apart.
    let is_open = |one: &&Made| chosen.is_none_or(|chosen| one.id != chosen.id && one.asks_as(chosen));
    let last_two = done.iter().enumerate().find_map(|(at, after)| {
        let before = done.iter().skip(at + 1).find(|before| before.focus == after.focus)?;
        Some((before.id.to_string(), after.id.to_string()))
    });
    let last_two = last_two.filter(|_| chosen.is_none());
    let without = state.with(&[("before", ""), ("after", ""), ("offset", "")]);
    let is_any = done.iter().enumerate().any(|(at, one)| done[..at].iter().any(|other| one.asks_as(other)));
    let open: Vec<&Made> = match is_any || chosen.is_some() {
        true => done.iter().filter(is_open).collect(),
        // None has another that it could be compared with.
        false => Vec::new(),
    };
    let portion = Portion::read(&visit.params, "offset", REPORTS);
    let row = |one: &Made| {
        let id = one.id.to_string();
        let named = |name: &str| state.with(&[(name, id.as_str()), ("offset", "")]).href();
        ReportChoice {
            name: one.name.clone(),
            href: format!("{}/{id}", place(&project)),
            made: one.at.into(),
            kind: match one.focus {
                Some(Focus::Usage) => "use",
                Some(Focus::Errors) => "failures",
                None => format::NONE,
            },
            threads: one.threads.map_or_else(|| format::NONE.to_owned(), format::count),
            as_before: if chosen.is_some() && is_before { String::new() } else { named("before") },
            as_after: if chosen.is_some() && !is_before { String::new() } else { named("after") },
        }
    };
    Ok(page(&ChooseComparisonPage {
        shell: visit.within(&project, Tab::Insights, "Compare").crumb("Insights", place(&project)),
        chosen: chosen.map(|one| ChosenReport {
            name: one.name.clone(),
            made: one.at.into(),
            is_before,
            without: without.href(),
        }),
        last_two: last_two
            .map(|(before, after)| without.with(&[("before", &before), ("after", &after)]).href())
            .unwrap_or_default(),
        pager: portion.pager_of(&state, "", open.len(), ("report", "reports")),
        rows: portion.of(open).into_iter().map(row).collect(),
    }))
}

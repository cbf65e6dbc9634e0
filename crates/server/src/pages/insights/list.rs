//! The reports of a project, those being made, and the configs they are made from.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use assay_domain::format;
use assay_domain::job::{Job, JobState, JobStatus, Outline};
use assay_domain::report::Tier;
use assay_domain::{Report, ReportConfig};
use assay_insights::context::Stage;
use assay_store::{Catalog as _, Project, ReportRow as Stored};
use assay_ui::text;
use assay_ui::web::Tab;
use assay_ui::web::insights::{ConfigRow, InsightsPage, ReportRow, Share, Step, Trend};
use assay_ui::web::parts::{Badge, Pager, percent_width};
use axum::extract::Path;
use axum::response::Response;
use http::HeaderMap;

use super::super::portion::Portion;
use super::super::state::State;
use super::super::{Visit, page, projects};
use super::{api, money, place};
use crate::access::permission::{Action, Area, Permission};
use crate::error::ApiResult;
use crate::insights::configs::{self, SavedConfig};
use crate::insights::queue::{self, Entry};
use crate::insights::schedule::Schedule;
use crate::insights::spend_of;

/// Reports on a page.
const PAGE: usize = 50;
/// Saved configs on a page.
const CONFIGS: usize = 20;
/// Colours of top categories, in their order.
const COLORS: [&str; 12] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11"];

/// What fits no category is in none of them: its share says nothing of what is asked for.
const OTHER: &str = "Other";

/// Who made a report.
enum Source<'a> {
    Job(&'a Entry),
    Command(Stored),
}

pub(super) async fn show(
    visit: Visit,
    Path(project): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let store = &visit.app.store;
    let jobs = queue::list(store, Some(project.id)).await?;
    let of_jobs: HashSet<_> = jobs.iter().filter_map(|entry| entry.state.report).collect();
    let others = store.reports(Some(project.id)).await?;
    let others = others.into_iter().filter(|stored| !of_jobs.contains(&stored.id));
    let of_jobs = jobs.iter().map(|entry| (Some(entry.job.created_at), Source::Job(entry)));
    let of_commands = others.map(|stored| (stored.stored_at, Source::Command(stored)));
    let mut all: Vec<_> = of_jobs.chain(of_commands).collect();
    all.sort_by_key(|(made, _)| Reverse(*made));
    let state = State::read(place(&project), &visit.params, &["offset", "configs"]);
    let portion = Portion::read(&visit.params, "offset", PAGE);
    let total = all.len();
    let mut rows = Vec::new();
    let mut colors = Colors::of(&jobs);
    for (_, source) in portion.of(all) {
        rows.push(match source {
            Source::Job(entry) => of_job(&project, entry, &jobs, &mut colors),
            Source::Command(stored) => {
                of_command(&project, &stored, store.report(stored.id).await?, &mut colors)
            }
        });
    }
    let (configs, configs_pager) = config_rows(&visit, &project, &state).await?;
    let onboarding = match project.traces {
        0 => Some(projects::onboarding(&visit.app, &headers, &project.name).await?),
        _ => None,
    };
    Ok(page(&InsightsPage {
        shell: visit.within(&project, Tab::Insights, "Insights").script("web/insights.js"),
        new_href: format!("{}/new", place(&project)),
        compare_href: format!("{}/compare", place(&project)),
        api: api(&project),
        is_anything_open: rows.iter().any(|row| row.is_open),
        pager: portion.pager_of(&state, "", total, ("report", "reports")),
        rows,
        configs,
        configs_pager,
        onboarding,
        may_change: visit.may(Permission(Area::Rules, Action::Create)),
    }))
}

fn of_job(project: &Project, entry: &Entry, jobs: &[Entry], colors: &mut Colors) -> ReportRow {
    let Entry { job, state } = entry;
    let is_open = !state.status.is_final();
    let outline = state.outline.as_ref();
    ReportRow {
        id: job.id.to_string(),
        name: text::name(&job.name),
        href: if is_open { String::new() } else { format!("{}/{}", place(project), job.id) },
        words: words(state),
        is_failed: state.status == JobStatus::Failed,
        resume: super::resume(state),
        partial: outline.and_then(|outline| outline.partial.as_deref()).map(text::line).unwrap_or_default(),
        status: status(state.status),
        is_open,
        is_report: state.report.is_some(),
        steps: if is_open { steps(job, &state.progress.stage) } else { Vec::new() },
        started: state.started_at.into(),
        waiting: waiting(state),
        done: state.progress.done,
        total: state.progress.total,
        window: super::window(job.config.start_time, job.config.end_time),
        threads: outline.map_or_else(|| format::NONE.to_owned(), |outline| format::count(outline.threads)),
        population: outline.map(sampled).unwrap_or_default(),
        categories: outline.map(|outline| counted(outline.top.len())).unwrap_or_default(),
        shares: outline.map(|outline| colors.shares(outline)).unwrap_or_default(),
        trend: trend(entry, jobs).unwrap_or_default(),
        tier: job.tier.as_str().to_owned(),
        spend: super::spent(&state.spend),
        budget: job.budget.map(|budget| format!("of {}", money(budget))).unwrap_or_default(),
        made: job.created_at.into(),
        is_scheduled: job.due.is_some(),
        is_job: true,
        unmet: unmet(job),
    }
}

/// A report that a command made over the same store; it says of itself what a job would.
fn of_command(project: &Project, stored: &Stored, report: Option<Report>, colors: &mut Colors) -> ReportRow {
    let outline = report.as_ref().map(|report| {
        let tops = report.taxonomy.children(None);
        Outline {
            population: report.made.population as u64,
            threads: report.assignments.len() as u64,
            top: tops.map(|node| (node.name.clone(), node.statistics.threads as u64)).collect(),
            ..Outline::default()
        }
    });
    let config = report.as_ref().map(|report| &report.config);
    ReportRow {
        id: stored.id.to_string(),
        name: text::name(&stored.name),
        href: format!("{}/{}", place(project), stored.id),
        words: text::line(&stored.title),
        status: Badge { text: "done".to_owned(), class: "good" },
        is_report: true,
        window: config.map(|config| super::window(config.start_time, config.end_time)).unwrap_or_default(),
        threads: format::count(stored.threads),
        population: outline.as_ref().map(sampled).unwrap_or_default(),
        categories: outline.as_ref().map(|outline| counted(outline.top.len())).unwrap_or_default(),
        shares: outline.as_ref().map(|outline| colors.shares(outline)).unwrap_or_default(),
        tier: config.map_or_else(|| format::NONE.to_owned(), |config| config.tier.as_str().to_owned()),
        spend: report
            .as_ref()
            .map_or_else(|| format::NONE.to_owned(), |report| super::spent(&spend_of(report))),
        made: stored.stored_at.into(),
        ..ReportRow::default()
    }
}

/// The steps of an analysis in the words of people, with what is counted in each and who takes it.
const STEPS: [(Stage, &str, &str, &[Tier]); 10] = [
    (Stage::Read, "Read", "thread", &[Tier::Local, Tier::Names, Tier::Deep]),
    (Stage::Summarize, "Summarize", "thread", &[Tier::Deep]),
    (Stage::Embed, "Embed", "text", &[Tier::Local, Tier::Names, Tier::Deep]),
    (Stage::Cluster, "Group", "", &[Tier::Local, Tier::Names, Tier::Deep]),
    (Stage::Merge, "Merge", "pair", &[Tier::Deep]),
    (Stage::Name, "Name", "category", &[Tier::Local, Tier::Names, Tier::Deep]),
    (Stage::Assign, "Place", "thread", &[Tier::Deep]),
    (Stage::Arrange, "Arrange", "category", &[Tier::Deep]),
    (Stage::Count, "Count", "", &[Tier::Local, Tier::Names, Tier::Deep]),
    (Stage::Conclude, "Conclude", "", &[Tier::Names, Tier::Deep]),
];

/// The steps that a job takes, and at which it is.
fn steps(job: &Job, stage: &str) -> Vec<Step> {
    let taken: Vec<_> = STEPS.iter().filter(|(.., tiers)| tiers.contains(&job.tier)).collect();
    let now = taken.iter().position(|(step, ..)| step.label() == stage);
    let step = |(at, (step, words, unit, _)): (usize, &&(Stage, &'static str, &'static str, _))| Step {
        stage: step.label(),
        words,
        unit,
        state: match now {
            Some(now) if at < now => "done",
            Some(now) if at == now => "now",
            _ => "",
        },
    };
    taken.iter().enumerate().map(step).collect()
}

/// Why a job that is not done stands still.
fn waiting(state: &JobState) -> String {
    match (state.status, &state.progress.waiting) {
        (JobStatus::Queued, _) => "Waits for its turn: other reports are being made.".to_owned(),
        (JobStatus::Running, Some(waiting)) => text::line(&format!("Waits for {waiting}.")),
        _ => String::new(),
    }
}

/// Of how many threads those were drawn that were read; empty where all were.
fn sampled(outline: &Outline) -> String {
    if outline.population > outline.threads {
        format!("of {}", format::count(outline.population))
    } else {
        String::new()
    }
}

/// What the report says first, or why there is none.
fn words(state: &JobState) -> String {
    let title = state.outline.as_ref().map(|outline| outline.summary.title.as_str());
    let words = state.error.as_deref().or(title).unwrap_or_default();
    text::cut(&text::line(words), 300).into_owned()
}

fn status(status: JobStatus) -> Badge {
    let (text, class) = match status {
        JobStatus::Queued => ("queued", "busy"),
        JobStatus::Running => ("running", "busy"),
        JobStatus::Succeeded => ("done", "good"),
        JobStatus::Failed => ("failed", "bad"),
        JobStatus::Cancelled => ("cancelled", "warn"),
    };
    Badge { text: text.to_owned(), class }
}

fn counted(categories: usize) -> String {
    if categories == 1 {
        "1 category".to_owned()
    } else {
        format!("{} categories", format::count(categories))
    }
}

/// Categories of the same name have the same colour in every row.
#[derive(Default)]
struct Colors(HashMap<String, usize>);

impl Colors {
    /// Names have their colours in the order in which reports brought them up: a new report changes none.
    fn of(jobs: &[Entry]) -> Self {
        let mut entries: Vec<&Entry> = jobs.iter().collect();
        entries.sort_by_key(|entry| (entry.job.created_at, entry.job.id));
        let mut colors = Self::default();
        for (name, _) in
            entries.iter().filter_map(|entry| entry.state.outline.as_ref()).flat_map(|one| &one.top)
        {
            let next = colors.0.len();
            colors.0.entry(name.clone()).or_insert(next);
        }
        colors
    }

    /// Top categories as stretches of one bar, of all threads that were read.
    fn shares(&mut self, outline: &Outline) -> Vec<Share> {
        let all = whole(outline);
        let mut x = 0.0;
        let shares = outline.top.iter().map(|(name, threads)| {
            let next = self.0.len();
            let index = *self.0.entry(name.clone()).or_insert(next);
            let part = *threads as f64 / all;
            let share = Share {
                title: format!("{}: {} threads", text::name(name), format::count(*threads)),
                color: COLORS[index % COLORS.len()],
                x: percent_width(x),
                width: percent_width(part),
            };
            x += part;
            share
        });
        shares.collect()
    }
}

fn whole(outline: &Outline) -> f64 {
    outline.top.iter().map(|(_, threads)| *threads).sum::<u64>().max(1) as f64
}

/// Whether two jobs ask the same of spans of the same length, so that their shares can be compared.
fn asks_alike(one: &Job, other: &Job) -> bool {
    let (a, b) = (&one.config, &other.config);
    // Without a beginning it is everything until the report was made.
    let length = |config: &ReportConfig| Some((config.end_time? - config.start_time?).num_minutes());
    let is_as_long = match (a.start_time, b.start_time) {
        (None, None) => true,
        (Some(_), Some(_)) => length(a) == length(b),
        _ => false,
    };
    one.tier == other.tier
        && a.focus == b.focus
        && a.filter == b.filter
        && a.sample == b.sample
        && a.shape == b.shape
        && a.categories == b.categories
        && is_as_long
}

/// The top category whose share changed most since the report before that asked the same.
fn trend(entry: &Entry, jobs: &[Entry]) -> Option<Trend> {
    let now = entry.state.outline.as_ref()?;
    let asks_the_same = |other: &&Entry| {
        other.job.created_at < entry.job.created_at
            && asks_alike(&other.job, &entry.job)
            && other.state.outline.is_some()
    };
    let before = jobs.iter().filter(asks_the_same).max_by_key(|other| other.job.created_at)?;
    let then = before.state.outline.as_ref()?;
    let old: HashMap<&str, u64> = then.top.iter().map(|(name, threads)| (name.as_str(), *threads)).collect();
    let changes = now.top.iter().filter(|(name, _)| name != OTHER).filter_map(|(name, threads)| {
        let old = *old.get(name.as_str())? as f64 / whole(then);
        Some((name, old, *threads as f64 / whole(now)))
    });
    let (name, old, new) = changes.max_by(|(_, a, b), (_, c, d)| (b - a).abs().total_cmp(&(d - c).abs()))?;
    let points = (new - old) * 100.0;
    // Less is told by comparing the two.
    (points.abs() >= 1.0).then(|| Trend {
        category: text::name(name),
        points: format!("{}{:.1} pts", if points > 0.0 { "+" } else { "−" }, points.abs()),
        title: format!(
            "{}; “{}” has {} of the threads, and had {} in “{}”",
            counted(now.top.len()),
            text::name(name),
            format::percent(new),
            format::percent(old),
            text::name(&before.job.name)
        ),
    })
}

fn unmet(job: &Job) -> Vec<String> {
    let said = job.unmet.iter().map(|unmet| format!("{}: {}", unmet.field, unmet.reason));
    said.map(|words| text::cut(&text::line(&words), 200).into_owned()).collect()
}

/// Some saved configs, after those that everybody has.
async fn config_rows(visit: &Visit, project: &Project, state: &State) -> ApiResult<(Vec<ConfigRow>, Pager)> {
    let portion = Portion::read(&visit.params, "configs", CONFIGS);
    let (saved, total) = portion.records(&visit.app.store, configs::query(Some(project.id))).await?;
    let mut shown = if portion.places(total).start == 0 { configs::prebuilt(project.id) } else { Vec::new() };
    for record in saved {
        shown.push(SavedConfig::of(record)?);
    }
    let pager = portion.pager_of(state, "#configs", total, ("saved config", "saved configs"));
    Ok((shown.iter().map(|config| config_row(visit, project, config)).collect(), pager))
}

fn config_row(visit: &Visit, project: &Project, config: &SavedConfig) -> ConfigRow {
    let schedule = config.body.schedule.as_ref();
    let next = schedule.and_then(|schedule| schedule.next_runs(visit.app.now(), 1).into_iter().next());
    ConfigRow {
        id: config.id.to_string(),
        name: text::name(&config.name),
        description: text::line(config.body.description.as_deref().unwrap_or_default()),
        href: format!("{}/new?config={}", place(project), config.id),
        is_prebuilt: config.is_prebuilt(),
        schedule: schedule.map(Schedule::words).unwrap_or_default(),
        next: next.into(),
        refused: schedule
            .and_then(|schedule| schedule.refused.as_ref())
            .map(|refused| {
                format!("not made at {}: {}", format::time(refused.due), text::line(&refused.reason))
            })
            .unwrap_or_default(),
        alert: config
            .body
            .alert
            .as_ref()
            .map(|alert| format!("tells {} of {}", text::cut(&text::line(&alert.webhook), 80), alert.news()))
            .unwrap_or_default(),
    }
}

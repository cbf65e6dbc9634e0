//! A project over time: the page, and the charts, which come after it.

use std::time::Duration;

use assay_domain::{RunKind, Time};
use assay_store::{
    FeedbackTimeline, FeedbackTimelineQuery, Filter, Grouping, Interval, Order, Project, RunQuery, RunStats,
    Runs as _, StatsQuery, Timeline, TimelineQuery,
};
use assay_ui::web::chart::{Chart, Intervals, Series, Unit};
use assay_ui::web::dashboard::{ChartsDocument, DashboardPage};
use assay_ui::web::listing::{Bar, Choice};
use assay_ui::web::parts::{Empty, Stat};
use assay_ui::web::{Tab, tab_href};
use assay_ui::{format, text};
use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::DateTime;

use super::state::{State, Window};
use super::{Visit, conditions, listing, page, rate_class};
use crate::app::App;
use crate::error::ApiResult;

const STATE: [&str; 5] = ["filter", "range", "from", "until", "group"];
/// Intervals of a chart, at most.
const INTERVALS: i64 = 60;
/// Lengths of an interval, in seconds.
const STEPS: [i64; 19] = [
    1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800,
    604_800,
];
/// Tools, groups and keys of feedback that a chart tells apart.
const TOLD: usize = 6;
/// A century.
const A_LONG_TIME: Duration = Duration::from_secs(36_525 * 86_400);
/// What costs are of.
const COSTED: &str = "of runs with a known price";
const COLORS: [&str; 8] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];

fn state(project: &Project, visit: &Visit) -> State {
    State::read(tab_href(project.id, Tab::Dashboard), &visit.params, &STATE)
}

/// By what charts are split.
fn grouping(state: &State) -> Option<Grouping> {
    match state.get("group")? {
        "tag" => Some(Grouping::Tag),
        "name" => Some(Grouping::Name),
        group => group.strip_prefix("metadata:").map(|key| Grouping::Metadata(key.to_owned())),
    }
}

/// The page.
pub(super) async fn show(visit: Visit, Path(project): Path<String>) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit);
    if let Some(key) = visit.params.get("group_key") {
        let changed = state.with(&[("group", &format!("metadata:{key}"))]);
        return Ok(Redirect::to(&changed.href()).into_response());
    }
    let window = Window::read(&visit.params, visit.app.now())?;
    let keys = listing::metadata_keys(&visit.app, project.id).await?;
    let (from, until) = window.fields();
    let conditions = match conditions::read(&state) {
        Ok(Some(filter)) => conditions::shown(&state, &filter),
        _ => Vec::new(),
    };
    let group = state.get("group").unwrap_or_default();
    let choice = |label: String, value: &str| Choice {
        label,
        href: state.with(&[("group", value)]).href(),
        is_current: group == value,
    };
    let mut groupings = vec![
        choice("Not split".into(), ""),
        choice("By name".into(), "name"),
        choice("By tag".into(), "tag"),
    ];
    groupings.extend(keys.iter().take(12).map(|key| choice(format!("By {key}"), &format!("metadata:{key}"))));
    let words = match group {
        "" => "Split by …".to_owned(),
        "tag" => "By tag".to_owned(),
        "name" => "By name".to_owned(),
        other => format!("By {}", text::cut(&text::line(other.trim_start_matches("metadata:")), 40)),
    };
    let bar = Bar {
        path: state.path.clone(),
        state: state.pairs.clone(),
        ranges: window.choices(&state),
        range: window.words.clone(),
        from,
        until,
        conditions,
        clear: state.with(&[("filter", "")]).href(),
        ..Bar::default()
    };
    Ok(page(&DashboardPage {
        shell: visit
            .within(&project, Tab::Dashboard, "Dashboard")
            .script("web/dashboard.js")
            .style("web/traces.css")
            .wide(),
        bar,
        groupings,
        grouping: words,
        keys,
        charts_href: state.below("charts"),
        empty: (project.runs == 0).then(|| Empty {
            heading: "Nothing to count yet".into(),
            text: "Charts of traces, errors, latency, tokens, cost, tools and feedback appear with the first trace.".into(),
        }),
    }))
}

/// Intervals that cover a time: the first moment, the length of one in seconds, how many.
fn intervals(from: Time, until: Time) -> (i64, i64, usize) {
    let (from, until) = (from.timestamp(), until.timestamp().max(from.timestamp()) + 1);
    let fits = |step: &&i64| (until - from).div_euclid(**step) < INTERVALS - 1;
    let step = STEPS.iter().find(fits).copied();
    // Longer than all of them: as many weeks as it takes.
    let step = step.unwrap_or_else(|| ((until - from) / INTERVALS / 604_800 + 1) * 604_800);
    let start = from.div_euclid(step) * step;
    let count = (until - start + step - 1).div_euclid(step).clamp(1, INTERVALS + 1);
    (start, step, usize::try_from(count).unwrap_or(1))
}

/// The charts.
pub(super) async fn charts(visit: Visit, Path(project): Path<String>) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit);
    let window = Window::read(&visit.params, visit.app.now())?;
    let now = visit.app.now();
    let from = window.from.or(project.first_activity).unwrap_or(now);
    let until = window.until.or(project.last_activity.filter(|_| window.from.is_none())).unwrap_or(now);
    let (start, step, count) = intervals(from, until);
    let bare = state.with(&[("range", ""), ("from", ""), ("until", "")]);
    let traces = State { path: tab_href(project.id, Tab::Traces), ..bare.with(&[("group", "")]) };
    let report = State { path: format!("{}/new", tab_href(project.id, Tab::Insights)), ..traces.clone() };
    let mut document = ChartsDocument {
        tiles: Vec::new(),
        charts: Vec::new(),
        intervals: Intervals::new(start * 1_000, step * 1_000, count),
        traces_href: traces.href(),
        report_href: report.href(),
        zoom_href: bare.href(),
        problem: String::new(),
    };
    match conditions::read(&state) {
        Ok(filter) => {
            let (from, until) = (window.from, window.until);
            let asked = Asked { app: &visit.app, project: &project, filter, from, until, start, step, count };
            match grouping(&state) {
                None => asked.whole(&mut document).await?,
                Some(grouping) => asked.split(grouping, &mut document).await?,
            }
        }
        Err(error) => document.problem = text::line(&error.to_string()),
    }
    Ok(page(&document))
}

/// What is counted.
struct Asked<'a> {
    app: &'a App,
    project: &'a Project,
    filter: Option<Filter>,
    /// What is chosen may begin and end within an interval.
    from: Option<Time>,
    until: Option<Time>,
    start: i64,
    step: i64,
    count: usize,
}

impl Asked<'_> {
    fn query(&self, runs: RunQuery, grouping: Option<Grouping>) -> TimelineQuery {
        TimelineQuery {
            runs: RunQuery { start: self.from, end: self.until, ..runs },
            start: DateTime::from_timestamp(self.start, 0).unwrap_or_default(),
            step: Duration::from_secs(self.step.unsigned_abs()),
            intervals: self.count,
            grouping,
            max_groups: TOLD,
            without_usage: false,
        }
    }

    /// The same of roots, whose tokens and costs nobody asks for: that is quicker.
    fn query_of_roots(&self, grouping: Option<Grouping>) -> TimelineQuery {
        TimelineQuery { without_usage: true, ..self.query(self.roots(), grouping) }
    }

    /// Roots that match.
    fn roots(&self) -> RunQuery {
        RunQuery { is_root: Some(true), filter: self.filter.clone(), ..RunQuery::new(self.project.id) }
    }

    /// Runs of traces whose root matches.
    fn runs(&self) -> RunQuery {
        RunQuery { trace_filter: self.filter.clone(), ..RunQuery::new(self.project.id) }
    }

    async fn one(&self, query: &TimelineQuery) -> ApiResult<Timeline> {
        Ok(self.app.store.timeline(query).await?.into_iter().next().unwrap_or_default())
    }

    async fn whole(&self, document: &mut ChartsDocument) -> ApiResult<()> {
        let Timeline { intervals: roots, whole, .. } = self.one(&self.query_of_roots(None)).await?;
        let all = self.one(&self.query(self.runs(), None)).await?.intervals;
        let tools = RunQuery { kind: Some(RunKind::Tool), ..self.runs() };
        let tools = self.app.store.timeline(&self.query(tools, Some(Grouping::Name))).await?;
        document.tiles = match self.untimed().await? {
            0 => tiles(&whole, &roots, &all),
            untimed => self.tiles_of_all(untimed).await?,
        };
        document.charts = vec![
            traces(&roots),
            errors(&roots),
            latency(&roots),
            first_token(&all),
            used_tokens(&all),
            costs(&all),
            grouped("tools", "Tool calls", Unit::Count, &tools, |one| Some(one.runs as f64), true),
            grouped("tool-errors", "Tool error rate", Unit::Share, &tools, error_rate, false),
            grouped("tool-latency", "Tool latency, p50", Unit::Seconds, &tools, |one| one.latency_p50, false),
            self.feedback().await?,
        ];
        Ok(())
    }

    /// Traces of all time that carry no time, and so stand in no interval.
    async fn untimed(&self) -> ApiResult<u64> {
        if self.from.is_some() || self.until.is_some() {
            return Ok(0);
        }
        let query = RunQuery { patience: Some(listing::SOON), ..self.roots() };
        // They are before all others.
        let first = RunQuery { order: Order::OldestFirst, limit: 1, ..query.clone() };
        let first = self.app.store.runs(&first).await?.items.pop();
        if first.is_none_or(|row| row.start_time.is_some() || row.end_time.is_some()) {
            return Ok(0);
        }
        // What arrives meanwhile makes the second number larger, not the first.
        let all = self.app.store.tally(&query).await?;
        let timed = RunQuery { end: Some(Time::MAX_UTC), ..query };
        let timed = self.app.store.tally(&timed).await?;
        Ok(if timed.is_exact { all.count.saturating_sub(timed.count) } else { 0 })
    }

    /// What all traces amount to, also those without a time.
    async fn tiles_of_all(&self, untimed: u64) -> ApiResult<Vec<Stat>> {
        let stats = async |runs: RunQuery| -> ApiResult<RunStats> {
            let found = self.app.store.stats(&StatsQuery { runs, ..StatsQuery::default() }).await?;
            Ok(found.into_iter().next().map(|(_, stats)| stats).unwrap_or_default())
        };
        let (roots, all) = (stats(self.roots()).await?, stats(self.runs()).await?);
        let or_none = |value: Option<String>| value.unwrap_or_else(|| format::NONE.to_owned());
        let runs = format!("{} runs", format::count(all.runs));
        let without = match untimed == roots.runs {
            true => "without times: no chart shows them".to_owned(),
            false => format!("{} without times: no chart shows these", format::count(untimed)),
        };
        Ok(vec![
            stat("Traces", format::count(roots.runs), &format!("{runs}, {without}"), ""),
            stat(
                "Error rate",
                or_none(roots.error_rate.map(format::percent)),
                "of traces that ended",
                rate_class(roots.error_rate),
            ),
            stat(
                "Latency",
                or_none(roots.latency_p50.map(format::seconds)),
                &or_none(roots.latency_p99.map(|slow| format!("p99 {}", format::seconds(slow)))),
                "",
            ),
            tokens(all.total_tokens, all.input_tokens, all.output_tokens),
            stat("Cost", or_none(listing::dollars(all.total_cost)), COSTED, ""),
        ])
    }

    async fn split(&self, grouping: Grouping, document: &mut ChartsDocument) -> ApiResult<()> {
        let roots = self.app.store.timeline(&self.query_of_roots(Some(grouping.clone()))).await?;
        let all = self.app.store.timeline(&self.query(self.runs(), Some(grouping))).await?;
        let own = "of the runs that carry it";
        document.charts = vec![
            grouped("traces", "Traces", Unit::Count, &roots, |one| Some(one.runs as f64), true),
            grouped("errors", "Error rate", Unit::Share, &roots, error_rate, false),
            grouped("latency", "Latency, p50", Unit::Seconds, &roots, |one| one.latency_p50, false),
            grouped("latency99", "Latency, p99", Unit::Seconds, &roots, |one| one.latency_p99, false),
            grouped("tokens", "Tokens", Unit::Count, &all, |one| Some(one.total_tokens as f64), true)
                .with(String::new(), own),
            grouped("cost", "Cost", Unit::Dollars, &all, |one| one.total_cost, true).with(String::new(), own),
        ];
        Ok(())
    }

    async fn feedback(&self) -> ApiResult<Chart> {
        let query = FeedbackTimelineQuery {
            project: self.project.id,
            start: DateTime::from_timestamp(self.start, 0).unwrap_or_default(),
            step: Duration::from_secs(self.step.unsigned_abs()),
            intervals: self.count,
        };
        let lines = self.app.store.feedback_timeline(&query).await?;
        let counted = |lines: &[FeedbackTimeline]| -> u64 {
            lines.iter().flat_map(|line| &line.intervals).map(|one| one.count).sum()
        };
        let given = counted(&lines);
        // Runs are often judged long after they ran.
        let end = query.start + query.step * u32::try_from(query.intervals).unwrap_or(u32::MAX);
        let rest = FeedbackTimelineQuery { start: end, step: A_LONG_TIME, intervals: 1, ..query };
        let later = counted(&self.app.store.feedback_timeline(&rest).await?);
        let note = match later {
            _ if self.until.is_some() => "by when it was given".to_owned(),
            0 => "by when it was given".to_owned(),
            later => format!("by when it was given; {} given after the last run", format::count(later)),
        };
        let series = lines.iter().take(TOLD).zip(COLORS).map(|(line, color)| Series {
            name: text::cut(&text::name(&line.key), 40).into_owned(),
            color,
            values: line.intervals.iter().map(|one| one.mean).collect(),
        });
        let chart = Chart::lines("feedback", "Feedback, mean score", Unit::Number, series.collect());
        Ok(chart.with(
            format!("{} given", format::count(given + if self.until.is_none() { later } else { 0 })),
            &note,
        ))
    }
}

fn series(
    name: &str,
    color: &'static str,
    of: &[Interval],
    value: impl Fn(&Interval) -> Option<f64>,
) -> Series {
    Series { name: name.to_owned(), color, values: of.iter().map(value).collect() }
}

fn error_rate(one: &Interval) -> Option<f64> {
    (one.ended > 0).then(|| one.failed as f64 / one.ended as f64)
}

fn sum(of: &[Interval], value: impl Fn(&Interval) -> u64) -> u64 {
    of.iter().map(value).sum()
}

/// Nothing where nothing ran: an average of nothing is no zero.
fn over_all(of: &[Interval]) -> Option<f64> {
    let ended = sum(of, |one| one.ended);
    (ended > 0).then(|| sum(of, |one| one.failed) as f64 / ended as f64)
}

fn total_cost(of: &[Interval]) -> Option<f64> {
    of.iter().filter_map(|one| one.total_cost).reduce(|sum, cost| sum + cost)
}

fn stat(name: &str, value: String, note: &str, class: &'static str) -> Stat {
    Stat { name: name.to_owned(), value, note: note.to_owned(), class }
}

fn tokens(total: u64, input: u64, output: u64) -> Stat {
    let note = format!("{} in, {} out", format::compact(input), format::compact(output));
    stat("Tokens", format::compact(total), &note, "")
}

fn tiles(whole: &Interval, roots: &[Interval], all: &[Interval]) -> Vec<Stat> {
    let rate = over_all(roots);
    let or_none = |value: Option<String>| value.unwrap_or_else(|| format::NONE.to_owned());
    vec![
        stat(
            "Traces",
            format::count(sum(roots, |one| one.runs)),
            &format!("{} runs", format::count(sum(all, |one| one.runs))),
            "",
        ),
        stat(
            "Error rate",
            or_none(rate.map(format::percent)),
            &format!("{} failed", format::count(sum(roots, |one| one.failed))),
            rate_class(rate),
        ),
        stat(
            "Latency",
            or_none(whole.latency_p50.map(format::seconds)),
            &or_none(whole.latency_p99.map(|slow| format!("p99 {}", format::seconds(slow)))),
            "",
        ),
        tokens(
            sum(all, |one| one.total_tokens),
            sum(all, |one| one.input_tokens),
            sum(all, |one| one.output_tokens),
        ),
        stat("Cost", or_none(total_cost(all).map(format::money)), COSTED, ""),
    ]
}

fn traces(roots: &[Interval]) -> Chart {
    let ok =
        series("without an error", "c11", roots, |one| Some((one.runs - one.failed.min(one.runs)) as f64));
    let failed = series("failed", "bad", roots, |one| Some(one.failed as f64));
    let figure = format::count(sum(roots, |one| one.runs));
    Chart::bars("traces", "Traces", Unit::Count, vec![failed, ok]).with(figure, "")
}

fn errors(roots: &[Interval]) -> Chart {
    let figure = over_all(roots).map_or_else(|| format::NONE.to_owned(), format::percent);
    Chart::lines("errors", "Error rate", Unit::Share, vec![series("error rate", "bad", roots, error_rate)])
        .with(figure, "share of traces whose root failed")
}

fn latency(roots: &[Interval]) -> Chart {
    let p50 = series("p50", "c0", roots, |one| one.latency_p50);
    let p99 = series("p99", "c1", roots, |one| one.latency_p99);
    Chart::lines("latency", "Latency", Unit::Seconds, vec![p50, p99])
}

fn first_token(all: &[Interval]) -> Chart {
    let p50 = series("p50", "c0", all, |one| one.first_token_p50);
    let p99 = series("p99", "c1", all, |one| one.first_token_p99);
    Chart::lines("first-token", "Time to first token", Unit::Seconds, vec![p50, p99])
}

fn used_tokens(all: &[Interval]) -> Chart {
    let input = series("input", "c5", all, |one| Some(one.input_tokens as f64));
    let output = series("output", "c3", all, |one| Some(one.output_tokens as f64));
    let figure = format::compact(sum(all, |one| one.total_tokens));
    Chart::bars("tokens", "Tokens", Unit::Count, vec![input, output]).with(figure, "")
}

fn costs(all: &[Interval]) -> Chart {
    let figure = total_cost(all).map_or_else(|| format::NONE.to_owned(), format::money);
    Chart::bars("cost", "Cost", Unit::Dollars, vec![series("cost", "c2", all, |one| one.total_cost)])
        .with(figure, COSTED)
}

/// One line, or one layer, per group.
fn grouped(
    id: &'static str,
    title: &str,
    unit: Unit,
    groups: &[Timeline],
    value: impl Fn(&Interval) -> Option<f64> + Copy,
    is_stacked: bool,
) -> Chart {
    let series = groups.iter().zip(COLORS).map(|(group, color)| {
        let name = text::cut(&text::name(&group.name), 40).into_owned();
        series(&name, color, &group.intervals, value)
    });
    let series: Vec<Series> = series.collect();
    if is_stacked { Chart::bars(id, title, unit, series) } else { Chart::lines(id, title, unit, series) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_round_few_and_cover_the_time() {
        let time = |seconds| DateTime::from_timestamp(seconds, 0).expect("a moment");
        for (from, until) in [(0, 0), (5, 64), (1_000, 90_000), (7, 40_000_000), (0, 4_000_000_000)] {
            let (start, step, count) = intervals(time(from), time(until));
            assert!(start <= from && start % step == 0, "{from} {until}");
            assert!(start + step * count as i64 > until, "{from} {until}: {start} {step} {count}");
            assert!(count <= 61, "{count}");
        }
    }

    #[test]
    fn the_latency_of_all_is_that_of_the_whole_time() {
        let of = |runs, p50| Interval { runs, latency_p50: Some(p50), ..Interval::default() };
        let whole = Interval { latency_p99: Some(8.0), ..of(3, 2.5) };
        let latency = &tiles(&whole, &[of(1, 9.0), of(2, 1.0)], &[])[2];
        assert_eq!((latency.value.as_str(), latency.note.as_str()), ("2.5 s", "p99 8.0 s"));
    }
}

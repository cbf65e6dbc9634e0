//! The page of one thread.

use std::collections::HashMap;

use assay_domain::{ProjectId, Run, RunId, RunStatus, Thread, ThreadId, Trace, TraceId, Transcript};
use assay_store::{FeedbackStats, LightRun, Project, Runs as _, ThreadPage as Asked, ThreadRow};
use assay_ui::web::listing::{Choice, kind_icon};
use assay_ui::web::talk::{Places, Talk};
use assay_ui::web::thread::{Step, ThreadPage, Turn};
use assay_ui::web::trace::{Scale, state_badge};
use assay_ui::web::{Tab, tab_href};
use assay_ui::{format, text};
use axum::extract::Path;
use axum::response::Response;
use std::collections::BTreeMap;

use super::listing::{self, Neighbours, dollars, tokens};
use super::picture;
use super::trace::media;
use super::{Visit, page, threads};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::ingest::attachments::{self, Links};

/// Turns on a page.
const TURNS: usize = 40;
/// Messages of a turn; the first and the last are kept.
const MESSAGES: usize = 120;
/// Steps of a trace in the list of traces.
const STEPS: usize = 60;

pub(super) async fn show(
    visit: Visit,
    Path((project, thread)): Path<(String, String)>,
) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let id = ThreadId(thread);
    let asked = Asked {
        project: project.id,
        thread: Some(id.clone()),
        with_single_traces: true,
        limit: 1,
        ..Asked::default()
    };
    let not_there = || ApiError::not_found(format!("thread {}", text::line(&id.0)));
    let mut found = visit.app.store.thread_page(&asked).await?;
    let row = found.items.pop().ok_or_else(not_there)?;
    let asked: usize = visit.params.parse("turn")?.unwrap_or(1);
    let total = usize::try_from(row.traces).unwrap_or(usize::MAX);
    let from = asked.clamp(1, total.max(1));
    // The turn before says what the first one repeats.
    let before = usize::from(from > 1);
    let window = visit.app.store.thread_window(project.id, &id, from - 1 - before, TURNS + before);
    let thread = window.await?.ok_or_else(not_there)?;
    let ends = visit.app.store.light_runs(&[row.first_root, row.last_root], listing::LIGHT).await?;
    // Without a list, the list of all threads.
    let list = visit.params.get("in").and_then(|list| list.strip_prefix("threads?")).unwrap_or_default();
    let beside = threads::neighbours(&visit, &project, found.first, list).await?;
    let feedback = feedback(&visit.app, &thread).await?;
    let links = attachments::links(&visit.app).await?;
    let here = Here { project, row, beside, feedback, links, ends, total };
    let shell = visit
        .within(&here.project, Tab::Threads, "Thread")
        .crumb("Threads", tab_href(here.project.id, Tab::Threads))
        .script("web/thread.js")
        .style("web/traces.css")
        .wide();
    let is_chat = visit.params.get("view") != Some("traces");
    let list = visit.params.get("in").unwrap_or_default().to_owned();
    let made =
        tokio::task::spawn_blocking(move || page(&here.page(shell, &thread, is_chat, from, &list))).await;
    made.map_err(|error| {
        tracing::error!(%error, "a page could not be made");
        ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made")
    })
}

/// Feedback on the roots of the thread.
async fn feedback(app: &App, thread: &Thread) -> ApiResult<HashMap<RunId, BTreeMap<String, FeedbackStats>>> {
    let roots: Vec<RunId> = thread.traces.iter().filter_map(Trace::root).map(|run| run.id).collect();
    Ok(app.store.feedback_stats(&roots).await?)
}

struct Here {
    project: Project,
    row: ThreadRow,
    beside: Neighbours,
    feedback: HashMap<RunId, BTreeMap<String, FeedbackStats>>,
    links: Links,
    /// The roots of the first and of the last turn.
    ends: Vec<LightRun>,
    /// Turns in all; on the page there are some.
    total: usize,
}

impl Here {
    fn page(
        mut self,
        mut shell: assay_ui::web::Shell,
        thread: &Thread,
        is_chat: bool,
        from: usize,
        list: &str,
    ) -> ThreadPage {
        let beside = std::mem::take(&mut self.beside);
        let id = &self.row.id;
        let end = |root: RunId| {
            self.ends.iter().find(|light| light.id == root).and_then(|light| light.run.as_ref())
        };
        let said =
            end(self.row.first_root).map(|run| listing::opening(&run.inputs)).filter(|said| !said.is_empty());
        let title = said.unwrap_or_else(|| text::name(&id.0));
        shell.title.clone_from(&title);
        let total = self.total;
        let until = (from + TURNS - 1).min(total);
        let href = |turn: Option<usize>, chat: bool| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            if !chat {
                query.append_pair("view", "traces");
            }
            if let Some(turn) = turn.filter(|turn| *turn > 1) {
                query.append_pair("turn", &turn.to_string());
            }
            if !list.is_empty() {
                query.append_pair("in", list);
            }
            threads::href(self.project.id, id, &query.finish())
        };
        let choice = |label: &str, chat| Choice {
            label: label.to_owned(),
            href: href(Some(from), chat),
            is_current: chat == is_chat,
        };
        ThreadPage {
            title,
            id: text::line(&id.0),
            state: state_badge(threads::status(&self.row).as_str()),
            facts: self.facts(),
            start: self.row.first_start.into(),
            views: vec![choice("Conversation", true), choice("Traces", false)],
            is_chat,
            turns: self.turns(thread, is_chat, from),
            shown: match total > TURNS {
                true => format!("Traces {from} to {until} of {}", format::count(total as u64)),
                false => String::new(),
            },
            earlier: if from > 1 {
                href(Some(from.saturating_sub(TURNS).max(1)), is_chat)
            } else {
                String::new()
            },
            later: if until < total { href(Some(until + 1), is_chat) } else { String::new() },
            scores: listing::scores(&self.row.feedback),
            newer: beside.newer,
            older: beside.older,
            list: beside.list,
            shell,
        }
    }

    fn facts(&self) -> Vec<String> {
        let row = &self.row;
        let plural = |count: u64, word: &str| {
            format!("{} {word}{}", format::count(count), if count == 1 { "" } else { "s" })
        };
        let mut facts = vec![plural(row.traces, "trace"), plural(row.runs, "run")];
        if row.errors > 0 {
            facts.push(plural(row.errors, "error"));
        }
        facts.extend(row.latency_p50.map(|seconds| format!("{} a trace", format::seconds(seconds))));
        facts.extend(tokens(row.total_tokens).map(|tokens| format!("{tokens} tokens")));
        facts.extend(dollars(row.total_cost));
        facts
    }

    /// The turns from one on; before it stands the one whose words they repeat.
    fn turns(&self, thread: &Thread, is_chat: bool, from: usize) -> Vec<Turn> {
        let mut messages: HashMap<TraceId, Vec<assay_domain::Message>> = HashMap::new();
        if is_chat {
            // Over all of them: what a turn repeats of earlier ones is not said again.
            let Transcript { messages: all } = assay_transcript::of_thread(thread);
            let mut current = thread.traces.first().map(|trace| trace.id);
            for message in all {
                current = message.trace.or(current);
                if let Some(trace) = current {
                    messages.entry(trace).or_default().push(message);
                }
            }
        }
        let scale = Scale::of([self.row.first_start, self.row.last_end].into_iter().flatten());
        let shown = thread.traces.iter().skip(usize::from(from > 1)).enumerate();
        shown
            .map(|(at, trace)| {
                let said = messages.remove(&trace.id).unwrap_or_default();
                self.turn(from + at, trace, said, is_chat, scale)
            })
            .collect()
    }

    fn turn(
        &self,
        number: usize,
        trace: &Trace,
        mut said: Vec<assay_domain::Message>,
        is_chat: bool,
        scale: Scale,
    ) -> Turn {
        let project = self.project.id;
        let root = trace.root();
        let status = trace.status();
        let parameter = threads::parameter(&self.row.id);
        let left_out = said.len().saturating_sub(MESSAGES);
        if left_out > 0 {
            // How it began, and more of how it ended.
            said.drain(MESSAGES / 4..MESSAGES / 4 + left_out);
        }
        let talk = {
            let medium = |reference: &str, mime_type: Option<&str>| media(&self.links, reference, mime_type);
            let run = |run: RunId| format!("/p/{project}/traces/{}?run={run}&{parameter}", trace.id);
            let first = root.map(|root| root.id);
            let picture = |run: Option<RunId>, number| Some(picture::href(run.or(first)?, number));
            Talk {
                nothing: "Nothing was said in this trace.".into(),
                ..Talk::new(&said, &Places { medium: &medium, picture: &picture, run: &run })
            }
        };
        let (x, width) = scale.bar(root.and_then(|run| run.start_time), root.and_then(|run| run.end_time));
        let count = trace.runs.len();
        Turn {
            number,
            href: format!("/p/{project}/traces/{}?{parameter}", trace.id),
            name: root.map(|run| text::cut(&text::name(&run.name), 80).into_owned()).unwrap_or_default(),
            state: state_badge(status.as_str()),
            is_failed: status == RunStatus::Error,
            start: root.and_then(|run| run.start_time).into(),
            latency: root.and_then(Run::latency).map(format::seconds).unwrap_or_default(),
            tokens: tokens(trace.total_tokens()).unwrap_or_default(),
            cost: dollars(trace.total_cost()).unwrap_or_default(),
            runs: format!("{} run{}", format::count(count as u64), if count == 1 { "" } else { "s" }),
            error: root
                .and_then(|run| run.error.as_deref())
                .map(|error| text::cut(&text::visible(error), 2_000).into_owned())
                .unwrap_or_default(),
            scores: root.and_then(|run| self.feedback.get(&run.id)).map(listing::scores).unwrap_or_default(),
            talk,
            x,
            width,
            steps: if is_chat { Vec::new() } else { steps(project, trace, &parameter) },
            more_steps: count.saturating_sub(STEPS),
        }
    }
}

/// The runs of a trace on their own scale of time.
fn steps(project: ProjectId, trace: &Trace, parameter: &str) -> Vec<Step> {
    let scale = Scale::of(trace.runs.iter().flat_map(|run| [run.start_time, run.end_time]).flatten());
    let step = |(run, depth): (&Run, &usize)| {
        let (x, width) = scale.bar(run.start_time, run.end_time);
        Step {
            icon: kind_icon(run.kind.as_str()),
            kind: run.kind.as_str(),
            name: text::cut(&text::name(&run.name), 80).into_owned(),
            href: format!("/p/{project}/traces/{}?run={}&{parameter}", trace.id, run.id),
            duration: run.latency().map(format::seconds).unwrap_or_default(),
            is_failed: run.status() == RunStatus::Error,
            depth: (*depth).min(16),
            x,
            width,
        }
    };
    trace.runs.iter().zip(&trace.depth).take(STEPS).map(step).collect()
}

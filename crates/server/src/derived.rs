//! What was made from traces that are gone: reports, and what was made of them.
//!
//! A thread counts as deleted as soon as one of its traces is. Its words leave
//! the reports ([`assay_insights::forget`]), what lists show of these, and the
//! configs and jobs that had learned their categories. What was remembered
//! about texts is the store's to forget.

use std::collections::HashSet;

use assay_domain::report::Report;
use assay_domain::{ProjectId, ReportId, RunId, ThreadId, TraceId};
use assay_insights::forget::{self, GONE, Renamed};
use assay_store::{Catalog as _, Error, RunQuery, Runs as _};

use crate::app::App;
use crate::insights;

/// So many traces are looked for at once.
const PORTION: usize = 500;

/// Takes out of all that was made in a project what it has from traces that are gone.
pub(crate) async fn forget(app: &App, project: ProjectId) -> Result<(), Error> {
    let mut changed: HashSet<ReportId> = HashSet::new();
    let mut renamed: Vec<Renamed> = Vec::new();
    let rows = app.store.reports(Some(project)).await?;
    for row in &rows {
        let Some(report) = app.store.report(row.id).await? else { continue };
        let gone: HashSet<ThreadId> = gone(app, &report).await?.into_iter().collect();
        if gone.is_empty() {
            continue;
        }
        let work = move |mut report: Report| (forget::threads(&mut report, &gone), report);
        if let (Some(of_report), report) = apart(report, work).await? {
            app.store.put_report(&report).await?;
            changed.insert(report.id);
            renamed.extend(of_report);
        }
    }
    // Other reports may have been given what was discovered in these.
    for row in rows.iter().filter(|_| !renamed.is_empty()) {
        let Some(report) = app.store.report(row.id).await? else { continue };
        let names = renamed.clone();
        let work = move |mut report: Report| (forget::learned(&mut report, &names), report);
        if let (true, report) = apart(report, work).await? {
            app.store.put_report(&report).await?;
            changed.insert(report.id);
        }
    }
    insights::renew(app, project, &changed, &renamed).await
}

/// Does work on a report where it does not hold up other requests.
async fn apart<T: Send + 'static>(
    report: Report,
    work: impl FnOnce(Report) -> (T, Report) + Send + 'static,
) -> Result<(T, Report), Error> {
    let id = report.id;
    let done = tokio::task::spawn_blocking(move || work(report)).await;
    done.map_err(|error| Error::Corrupt { what: format!("report {id}"), why: error.to_string() })
}

/// The threads of a report of which a trace is no longer there.
async fn gone(app: &App, report: &Report) -> Result<Vec<ThreadId>, Error> {
    let quoted = report.assignments.iter().filter(|one| one.request != GONE);
    let traces: Vec<(TraceId, &ThreadId)> =
        quoted.flat_map(|one| one.traces.iter().map(|trace| (*trace, &one.thread))).collect();
    let mut gone = Vec::new();
    for portion in traces.chunks(PORTION) {
        // Nearly all have their root, which has the trace's id.
        let ids: Vec<RunId> = portion.iter().map(|(trace, _)| RunId(trace.0)).collect();
        let query = RunQuery { limit: ids.len(), ids, ..RunQuery::default() };
        let known: HashSet<RunId> = app.store.runs(&query).await?.items.iter().map(|row| row.id).collect();
        for (trace, thread) in portion.iter().filter(|(trace, _)| !known.contains(&RunId(trace.0))) {
            let query = RunQuery { trace: Some(*trace), limit: 1, ..RunQuery::default() };
            if app.store.runs(&query).await?.items.is_empty() {
                gone.push((*thread).clone());
            }
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use assay_domain::ReportId;
    use assay_domain::report::{
        Assignment, Category, CategoryKind, Evidence, Example, ExecutiveSummary, Highlight, ReportConfig,
        Statistics, Status, Taxonomy,
    };
    use serde_json::json;

    use super::*;
    use crate::testing::Server;

    const KEPT: &str = "00000001-0000-4000-8000-0000000000aa";
    const LOST: &str = "00000002-0000-4000-8000-0000000000aa";

    fn assignment(trace: &str) -> Assignment {
        Assignment {
            thread: ThreadId(trace.into()),
            category: "c".into(),
            path: vec!["Parcels".into()],
            confidence: 1.0,
            reason: None,
            summary: format!("summary of {trace}"),
            request: format!("request of {trace}"),
            attributes: BTreeMap::new(),
            status: Status::Error,
            failure: Some(format!("failure of {trace}")),
            start_time: None,
            latency: None,
            total_tokens: 1,
            cost: None,
            feedback: BTreeMap::new(),
            weight: 1.0,
            evidence: vec![Evidence { message: 0, quote: format!("quote of {trace}") }],
            likeness: None,
            position: [0.0, 0.0],
            traces: vec![TraceId(trace.parse().expect("an id"))],
            run: None,
        }
    }

    fn report() -> Report {
        let example =
            |trace: &str| Example { thread: ThreadId(trace.into()), text: format!("words of {trace}") };
        let highlight = |(index, trace): (usize, &str)| Highlight {
            rank: index + 1,
            thread: ThreadId(trace.into()),
            run: None,
            category: "c".into(),
            category_name: "Parcels".into(),
            reason: format!("reason of {trace}"),
            summary: format!("highlight of {trace}"),
        };
        let node = Category {
            id: "c".into(),
            parent: None,
            level: 0,
            name: "Parcels".into(),
            description: format!("Requests such as “words of {KEPT}” and “words of {LOST}”."),
            kind: CategoryKind::Discovered,
            examples: vec![example(KEPT), example(LOST)],
            keywords: vec![],
            statistics: Statistics { threads: 2, ..Statistics::default() },
        };
        Report {
            version: 1,
            id: ReportId::default(),
            project: "p".into(),
            config: ReportConfig::usage_patterns(),
            executive_summary: ExecutiveSummary {
                highlights: [KEPT, LOST].into_iter().enumerate().map(highlight).collect(),
                ..ExecutiveSummary::default()
            },
            taxonomy: Taxonomy { nodes: vec![node], granularities: vec![] },
            assignments: vec![assignment(KEPT), assignment(LOST)],
            statistics: Statistics { threads: 2, ..Statistics::default() },
            made: Default::default(),
        }
    }

    #[tokio::test]
    async fn a_report_keeps_its_numbers_and_no_word_of_what_was_deleted() {
        let server = Server::new();
        let run = |id: &str| json!({ "id": id, "name": "agent", "run_type": "chain", "session_name": "p" });
        let runs = json!({ "post": [run(KEPT), run(LOST)] });
        server.post("/runs/batch", runs).await.ok();
        let store = &server.app.store;
        let before = report();
        store.put_report(&before).await.expect("kept");
        server.post("/runs/delete", json!({ "trace_ids": [LOST] })).await.ok();
        let after = store.report(before.id).await.expect("an answer").expect("a report");
        let text = serde_json::to_string(&after).expect("JSON");
        for word in ["summary", "request", "failure", "words", "reason", "highlight", "quote"] {
            assert!(!text.contains(&format!("{word} of {LOST}")), "{word}: {text}");
        }
        for word in ["summary", "request", "failure", "words", "quote"] {
            assert!(text.contains(&format!("{word} of {KEPT}")), "{word}: {text}");
        }
        // None of those that are left says "Parcels".
        let node = &after.taxonomy.nodes[0];
        assert_eq!(
            (node.name.as_str(), &after.assignments[0].path),
            ("Category 1", &vec![node.name.clone()])
        );
        assert_eq!(node.description, format!("Requests such as “words of {KEPT}”."));
        assert_eq!(after.statistics, before.statistics);
        assert_eq!(after.assignments.len(), 2);
        assert!(after.assignments.iter().all(|one| one.failure.is_some()), "what failed still counts");
    }
}

//! Reports that a command made over the store, beside those of jobs.
//!
//! A report alone can be read; what is listed, renamed, edited, shared and
//! deleted is its job. A command that makes one says so here, and the report is
//! like any other from then on: under its own id, which is that of the report.

use assay_domain::job::{Job, JobState, JobStatus, Spend};
use assay_domain::{ProjectId, Report, Time};
use assay_store::{Error, Records};
use rust_decimal::Decimal;

use super::{queue, worker};

/// Adds the job of a report that is in the store, done as it is.
///
/// # Errors
/// What the store says.
pub async fn adopt(
    store: &impl Records,
    project: ProjectId,
    report: &Report,
    now: Time,
) -> Result<(), Error> {
    let config = report.config.clone();
    let job = Job {
        id: report.id.0,
        project,
        name: config.name.clone(),
        created_at: now,
        saved_config: None,
        due: None,
        tier: config.tier,
        models: report.made.model.as_ref().map(|work| work.models.clone()).unwrap_or_default(),
        providers: None,
        budget: None,
        config,
        sampling_rate: None,
        request: serde_json::Map::default(),
        unmet: Vec::new(),
    };
    let state = JobState {
        status: JobStatus::Succeeded,
        finished_at: Some(now),
        report: Some(report.id),
        outline: Some(worker::outline(report)),
        spend: spend(report),
        ..JobState::default()
    };
    queue::put(store, &job, &state, now).await
}

/// What the report says that its models took.
pub(crate) fn spend(report: &Report) -> Spend {
    let mut all = Spend::default();
    for work in report.made.model.iter().flat_map(|work| &work.stages) {
        let cost = work.cost.and_then(Decimal::from_f64_retain).unwrap_or_default().round_dp(9);
        let (input_tokens, output_tokens) = (work.input_tokens, work.output_tokens);
        let calls = work.calls as u64;
        let unpriced = if work.cost.is_none() { calls } else { 0 };
        all.add(&Spend { calls, input_tokens, output_tokens, cost, unpriced, ..Spend::default() });
    }
    all
}

#[cfg(test)]
mod tests {
    use assay_domain::ReportId;
    use assay_domain::report::{ModelWork, ReportConfig, StageWork};
    use assay_store::Catalog as _;
    use serde_json::json;

    use super::*;
    use crate::testing::Server;

    #[tokio::test]
    async fn a_report_that_a_command_made_is_listed_renamed_and_deleted_like_any_other() {
        let server = Server::new();
        let project = server.post("/sessions", json!({ "name": "p" })).await.ok();
        let project = project["id"].as_str().expect("an id").to_owned();
        let stage = StageWork { calls: 3, cost: Some(0.18), ..StageWork::default() };
        let report = Report {
            version: 1,
            id: ReportId(uuid::Uuid::from_u128(7)),
            project: "p".to_owned(),
            config: ReportConfig { name: "By a command".to_owned(), ..ReportConfig::usage_patterns() },
            executive_summary: Default::default(),
            taxonomy: Default::default(),
            assignments: Vec::new(),
            statistics: Default::default(),
            made: Default::default(),
        };
        let mut report = report;
        report.made.model = Some(ModelWork { stages: vec![stage], ..ModelWork::default() });
        let store = &server.app.store;
        store.put_report(&report).await.expect("kept");
        let id = ProjectId(project.parse().expect("a UUID"));
        // Made again, it is the same.
        for _ in 0..2 {
            adopt(store, id, &report, server.app.now()).await.expect("adopted");
        }
        let all = server.get(&format!("/sessions/{project}/insights")).await.ok();
        let [job] = all["clustering_jobs"].as_array().expect("jobs").as_slice() else { panic!("{all}") };
        assert_eq!((&job["name"], &job["status"]), (&json!("By a command"), &json!("success")));
        assert_eq!(job["metadata"]["spend"]["cost"], 0.18);
        let path = format!("/sessions/{project}/insights/{}", report.id);
        server.patch(&path, json!({ "name": "Another" })).await.ok();
        assert_eq!(server.get(&path).await.ok()["name"], "Another");
        server.delete(&path).await.ok();
        assert!(store.report(report.id).await.expect("asked").is_none());
    }
}

//! What is deleted is not remembered either.

use std::sync::Arc;

use assay_domain::ReportConfig;
use assay_insights::model::memory::Remembered;
use assay_store::Runs as _;

use crate::corpus::Corpus;
use crate::support::{Desk, Place, Terms, behavior, deep, standin};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_one_thread_forgets_what_models_said_of_it() {
    let place = Place::with(Corpus { threads: 40, ..Corpus::default() }).await;
    let standin = standin(behavior()).await;
    let memory = || Arc::new(Remembered { store: place.store.clone(), project: place.project.id });
    let desk = || Desk::at(&standin, Terms { memory: memory(), ..Terms::default() });
    let config = ReportConfig { attributes: std::collections::BTreeMap::new(), ..deep() };
    let report = desk().report(&place, &config).await.expect("a report");
    let asked = standin.calls();
    desk().report(&place, &config).await.expect("a report");
    assert_eq!(standin.calls(), asked, "everything is remembered");

    let gone = &report.assignments[0];
    let deleted = place.store.delete_traces(place.project.id, &gone.traces).await.expect("deleted");
    assert_eq!(deleted.traces as usize, gone.traces.len());
    let again = desk().report(&place, &config).await.expect("a report");
    assert!(again.assignments.iter().all(|one| one.thread != gone.thread));
    let read = again.made.model.as_ref().expect("books").stages[0].calls as u64;
    assert!(standin.calls() - asked >= read, "no answer about any text of the project was left");
}

//! What is deleted is not remembered either.

use std::sync::Arc;

use assay_domain::{ProjectId, ReportConfig};
use assay_llm::Memory;
use assay_llm::chat::Answering;
use assay_store::{EmbeddedStore, Memo as _, Runs as _};

use crate::corpus::Corpus;
use crate::support::{Desk, Place, Terms, behavior, deep, standin};

/// Answers are remembered in the store, with the project they are about.
struct InStore {
    store: EmbeddedStore,
    project: ProjectId,
}

type Failure = Arc<dyn std::error::Error + Send + Sync>;

impl Memory for InStore {
    fn recall<'a>(&'a self, key: &'a [u8; 32]) -> Answering<'a, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(async move {
            let found = self.store.recall(&[*key]).await.map_err(|error| Arc::new(error) as Failure)?;
            Ok(found.into_iter().next().flatten())
        })
    }

    fn remember<'a>(&'a self, key: &'a [u8; 32], answer: Vec<u8>) -> Answering<'a, Result<(), Failure>> {
        Box::pin(async move {
            let kept = self.store.remember(self.project, vec![(*key, answer)]).await;
            kept.map_err(|error| Arc::new(error) as Failure)
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_one_thread_forgets_what_models_said_of_it() {
    let place = Place::with(Corpus { threads: 40, ..Corpus::default() }).await;
    let standin = standin(behavior()).await;
    let memory = || Arc::new(InStore { store: place.store.clone(), project: place.project.id });
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

//! Answers of models, remembered in a store with the project they are about.
//!
//! The bridge between the asker's [`Memory`] and the store's [`Memo`]: an
//! answer is durable before anybody uses it, and goes with its project.

use std::sync::Arc;

use assay_domain::ProjectId;
use assay_llm::Memory;
use assay_llm::chat::Answering;
use assay_store::Memo;

/// The memory of one project's questions.
pub struct Remembered<S> {
    pub store: S,
    pub project: ProjectId,
}

type Failure = Arc<dyn std::error::Error + Send + Sync>;

impl<S: Memo> Memory for Remembered<S> {
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

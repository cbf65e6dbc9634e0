//! An embedder that finds in the store what it embedded before, as reports do.

use std::sync::Arc;

use assay_domain::ProjectId;
use assay_llm::{Embed, Error};
use assay_store::{Key, Memo, block_on};

use super::{CHUNK, decode, encode, key};

/// Embeds what the store does not remember, and has it remembered. Vectors that a report made are
/// found as well: keys are the same.
pub struct Remembering<'a, S> {
    pub embedder: &'a dyn Embed,
    pub store: &'a S,
    /// Whose texts they are: what is remembered goes when it is deleted. Nothing new is remembered
    /// without one.
    pub project: Option<ProjectId>,
}

impl<S: Memo> Embed for Remembering<'_, S> {
    fn name(&self) -> &str {
        self.embedder.name()
    }

    fn dimensions(&self) -> usize {
        self.embedder.dimensions()
    }

    /// Fails with [`Error::Memory`] where the store cannot be asked or written.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        for texts in texts.chunks(CHUNK) {
            let keys: Vec<Key> = texts.iter().map(|text| key(self.name(), text)).collect();
            let remembered = block_on(self.store.recall(&keys)).map_err(failed)?;
            let mut known: Vec<Option<Vec<f32>>> =
                remembered.iter().map(|bytes| decode(bytes.as_deref()?, self.dimensions())).collect();
            known.resize(texts.len(), None);
            let missing: Vec<usize> = (0..texts.len()).filter(|&index| known[index].is_none()).collect();
            if !missing.is_empty() {
                let wanted: Vec<&str> = missing.iter().map(|&index| texts[index]).collect();
                let fresh = self.embedder.embed(&wanted)?;
                if let Some(project) = self.project {
                    let news = missing.iter().zip(&fresh);
                    let news = news.map(|(&index, vector)| (keys[index], encode(vector))).collect();
                    block_on(self.store.remember(project, news)).map_err(failed)?;
                }
                for (index, vector) in missing.into_iter().zip(fresh) {
                    known[index] = Some(vector);
                }
            }
            vectors.extend(known.into_iter().flatten());
        }
        Ok(vectors)
    }
}

fn failed(error: assay_store::Error) -> Error {
    Error::Memory(Arc::new(error))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use assay_domain::PriceTable;
    use assay_store::{Batch, Catalog as _, EmbeddedStore, Runs as _};

    use super::*;

    /// Says of each text how long it is, and remembers what it was asked.
    #[derive(Default)]
    struct Counting(Mutex<Vec<String>>);

    impl Embed for Counting {
        fn name(&self) -> &str {
            "counting"
        }

        fn dimensions(&self) -> usize {
            2
        }

        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
            self.0.lock().expect("no panic").extend(texts.iter().map(|text| (*text).to_owned()));
            Ok(texts.iter().map(|text| vec![text.len() as f32, 1.0]).collect())
        }
    }

    #[test]
    fn what_was_embedded_once_is_found_again_until_its_project_is_deleted() {
        let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
        block_on(store.append(Batch { project: "shop".into(), ..Batch::default() })).expect("appended");
        let project = block_on(store.project("shop")).expect("a store").expect("a project").id;
        let counting = Counting::default();
        let asked = || std::mem::take(&mut *counting.0.lock().expect("no panic"));
        let of = |project| Remembering { embedder: &counting, store: &store, project };
        let vectors = of(None).embed(&["a", "bb"]).expect("vectors");
        assert_eq!((vectors, asked().len()), (vec![vec![1.0, 1.0], vec![2.0, 1.0]], 2));
        assert_eq!((of(Some(project)).embed(&["a", "bb"]).expect("vectors").len(), asked().len()), (2, 2));
        let vectors = of(Some(project)).embed(&["bb", "ccc", "a"]).expect("vectors");
        assert_eq!(vectors, [vec![2.0, 1.0], vec![3.0, 1.0], vec![1.0, 1.0]]);
        assert_eq!(asked(), ["ccc"], "the others are remembered");
        block_on(store.delete_project("shop")).expect("deleted");
        of(Some(project)).embed(&["a"]).expect("vectors");
        assert_eq!(asked(), ["a"]);
    }
}

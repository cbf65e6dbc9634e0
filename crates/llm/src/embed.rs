//! What we ask of an embedding model, whoever answers.
//!
//! Nothing here knows a model or a provider. Implementations live beside this
//! file: `minilm` runs in the process.

use std::ops::ControlFlow;

use crate::Error;

/// How many texts [`Embed::embed_with`] hands over at a time: enough to keep
/// every core busy, few enough that progress moves and cancelling is prompt.
pub const CHUNK: usize = 512;

/// Called with the number of texts done so far; `Break` stops the work.
pub type Progress<'a> = dyn FnMut(usize) -> ControlFlow<()> + 'a;

/// Turns texts into unit vectors whose dot product says how alike they are.
///
/// A text has one vector: it does not depend on which texts are embedded with
/// it, on their order or on the number of threads. Any string is welcome,
/// empty ones and very long ones too; a model reads as much of the beginning
/// as it can and ignores the rest.
pub trait Embed: Send + Sync {
    /// The embedder and its exact version, for the report and as part of any
    /// key under which vectors are remembered: equal names, equal vectors.
    fn name(&self) -> &str;

    /// The length of every vector.
    fn dimensions(&self) -> usize;

    /// Embeds each text, in the order given.
    ///
    /// The call blocks and uses all threads of the current rayon pool. Equal
    /// texts are computed as often as they are given. With many texts, call
    /// it in chunks of about [`CHUNK`] or use [`Embed::embed_with`].
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error>;

    /// Embeds like [`Embed::embed`], and reports after every chunk.
    ///
    /// Fails with [`Error::Cancelled`] as soon as `progress` breaks.
    fn embed_with(&self, texts: &[&str], progress: &mut Progress<'_>) -> Result<Vec<Vec<f32>>, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        for chunk in texts.chunks(CHUNK) {
            vectors.extend(self.embed(chunk)?);
            if progress(vectors.len()).is_break() {
                return Err(Error::Cancelled);
            }
        }
        Ok(vectors)
    }
}

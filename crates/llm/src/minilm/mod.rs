//! Sentence embeddings by a small BERT, computed here in integers.
//!
//! A text becomes word pieces (`tokenizer`), these run through the layers
//! (`forward`) and their mean is the vector. Weights are bytes with one scale
//! per row (`quantize`, `weights`). The expensive part, matrix products, is
//! integer arithmetic and exact (`kernel`); the rest is single-precision in an
//! order that never changes (`math`). So the same text gives the same bits on
//! every machine, in every batch and with any number of threads.
//!
//! This is not a general runtime: only BERT encoders with a WordPiece
//! vocabulary and a mean- or first-token summary are run. Start at `model`.

mod forward;
mod kernel;
mod math;
mod model;
mod quantize;
mod safetensors;
mod tokenizer;
mod weights;

#[cfg(test)]
mod tests;

pub use model::{DIGEST, MiniLm};
pub use quantize::derive;

//! Speaks to models, so that nothing else has to.
//!
//! Today that means one thing: turning texts into vectors. [`Embed`] is what a
//! caller asks for; [`MiniLm`] answers it inside the process, without network
//! or key, from weights that are part of the binary.
//!
//! This crate keeps nothing: a caller that wants to remember vectors by
//! content does so itself, under [`Embed::name`]. Start at `embed.rs`.

mod embed;
mod error;
pub mod minilm;

pub use embed::{CHUNK, Embed, Progress};
pub use error::Error;
pub use minilm::MiniLm;

//! Speaks to models, so that nothing else has to.
//!
//! Two things are asked of models. Texts become vectors: [`Embed`], answered by
//! [`MiniLm`] inside the process, without network or key, from weights that are
//! part of the binary. Questions get answers: [`Chat`], with [`Request`] and
//! [`Answer`] as the words; start at `chat.rs`. A [`Provider`] reaches a model
//! over HTTP (OpenAI, Anthropic, anything compatible); a [`Script`] plays one.
//! An [`Asker`] is what a job holds: memory, limits, money and repair around a
//! provider that all jobs share as an [`Endpoint`].
//!
//! This crate keeps nothing and reads no environment but the proxy variables:
//! keys are handed in as [`Secret`]s. No connection is opened unless somebody
//! made a `Provider` and asked it.

mod asker;
pub mod budget;
pub mod chat;
mod embed;
mod error;
mod http;
pub mod limit;
pub mod memo;
pub mod minilm;
mod once;
mod providers;
mod script;
mod secret;
mod structured;
pub mod tokens;

pub use asker::{Asker, Endpoint, Job};
pub use budget::{Budget, Spend};
pub use chat::{Answer, Chat, Exchange, Finish, Message, Request, Schema, Speaker};
pub use embed::{CHUNK, Embed, Progress};
pub use error::Error;
pub use limit::{Limiter, Limits, Retry};
pub use memo::{InMemory, Memory};
pub use minilm::MiniLm;
pub use providers::{Api, EmbedderTerms, KeyHeader, Provider, ProviderEmbedder, Settings};
pub use script::{Line, Script};
pub use secret::Secret;

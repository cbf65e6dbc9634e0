//! The trace server: what LangSmith's clients and OpenTelemetry exporters talk
//! to, over the store.
//!
//! A request passes [`router`] (which knows every path), `access` (who asks),
//! then one handler in the module of its resource. Handlers translate: bodies
//! go through `wire` into patches, answers come from the store's traits and
//! leave in the shapes clients expect. No handler knows SQL, none knows files.
//!
//! Start with [`serve`], then `router`.

pub mod access;
mod admission;
mod app;
mod background;
pub mod backup;
mod body;
mod bootstrap;
pub mod config;
mod datasets;
mod derived;
mod error;
mod extract;
mod feedback;
mod fields;
mod filters;
mod ingest;
pub mod insights;
#[cfg(test)]
mod malformed;
mod metrics;
mod observe;
mod otlp;
mod pages;
mod path;
mod prices;
pub mod projects;
mod queues;
mod render;
pub mod retention;
pub mod router;
mod runs;
mod serve;
#[cfg(test)]
mod testing;
mod threads;
mod v2;
mod views;
mod workspace;

pub use admission::{Admission, AdmissionError, Admitted, Policy};
pub use app::{App, WORKSPACE};
pub use config::{Config, Settings};
pub use observe::log_panics;
pub use serve::{Bound, ServeError, bind};
pub use workspace::VaultError;

//! The demonstration corpus: support conversations of an invented outdoor
//! shop, Trail & Tarn, with intents and failures planted on purpose.
//!
//! It is generated, not recorded: the same options give the same bytes, any
//! number of threads can be had, and what a report ought to find is known.
//! Nothing here reads files, the clock or the network, and nothing here writes
//! a report. Start at [`corpus`] for the making and at [`check`] for comparing
//! a report with what was planted.

pub(crate) mod check;
pub(crate) mod corpus;
mod details;
mod dialogue;
mod failures;
mod feedback;
mod intents;
mod language;
mod phrases;
pub(crate) mod planted;
mod random;
mod schedule;
mod tools;
mod traces;

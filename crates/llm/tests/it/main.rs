//! Models asked over real HTTP, with the stand-in server answering.
//!
//! Each test starts its own stand-in on a free port. What it does to requests
//! follows from a seed and their content, so nothing here depends on luck.

mod answers;
mod faults;
mod money;
mod once;
mod sharing;
mod support;
mod tls;

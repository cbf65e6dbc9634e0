//! Takes personal data and secrets out of runs, at the door: before they are
//! stored, and before they are shown to a model elsewhere.
//!
//! [`Rules`] say what to look for; a [`Redactor`] is made of them once and
//! then applied to patches, feedback or single texts. Values are replaced by
//! placeholders such as `[EMAIL]`, the shape around them stays. All matching
//! takes linear time, whatever the text. This crate knows neither files nor
//! HTTP; it reads no clock and draws no random numbers.
//!
//! Start with [`Rules`], then [`Redactor`].

mod detect;
mod error;
#[cfg(test)]
mod labelled_tests;
mod path;
mod placeholder;
mod redactor;
mod rules;
mod run;

pub use detect::Detector;
pub use error::Error;
pub use redactor::{Counts, Redactor, Seen};
pub use rules::{PathAction, PathRule, Pattern, Rules, Style};

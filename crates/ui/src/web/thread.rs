//! One thread: what was said, turn by turn, or the traces behind the turns.

use askama::Template;

use super::Shell;
use super::listing::Choice;
use super::parts::{Badge, Moment};
use super::talk::Talk;

#[derive(Template)]
#[template(path = "web/thread.html")]
pub struct ThreadPage {
    pub shell: Shell,
    pub title: String,
    pub id: String,
    pub state: Badge,
    pub facts: Vec<String>,
    pub start: Moment,
    pub views: Vec<Choice>,
    pub is_chat: bool,
    pub turns: Vec<Turn>,
    /// `Turns 21 to 40 of 112`; empty where all are here.
    pub shown: String,
    pub earlier: String,
    pub later: String,
    pub newer: String,
    pub older: String,
    pub list: String,
    /// Feedback on the whole thread, added up.
    pub scores: Vec<(String, String)>,
}

/// One trace of the thread.
pub struct Turn {
    pub number: usize,
    pub href: String,
    pub name: String,
    pub state: Badge,
    pub is_failed: bool,
    pub start: Moment,
    pub latency: String,
    pub tokens: String,
    pub cost: String,
    pub runs: String,
    pub error: String,
    pub scores: Vec<(String, String)>,
    pub talk: Talk,
    /// On the scale of the thread, in percent.
    pub x: String,
    pub width: String,
    /// The steps of the trace: icon, kind, name, duration, whether it failed, depth.
    pub steps: Vec<Step>,
    pub more_steps: usize,
}

pub struct Step {
    pub icon: &'static str,
    pub kind: &'static str,
    pub name: String,
    pub href: String,
    pub duration: String,
    pub is_failed: bool,
    pub depth: usize,
    pub x: String,
    pub width: String,
}

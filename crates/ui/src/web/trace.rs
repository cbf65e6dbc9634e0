//! One trace: the tree of its runs as a waterfall, and the run one looks at.
//!
//! The tree is in the page without any payload. Of the run one looks at, the
//! page has the beginning, in one of three forms; the rest comes when it is
//! asked for. Choosing another run replaces only [`Detail`], which is why it
//! is a template of its own.

use askama::Template;
use assay_domain::Time;

use super::Shell;
use super::json::{Raw, Tree};
use super::parts::{Badge, Moment, length, round_step};
use super::talk::Talk;
use crate::format;

/// A trace with one of its runs.
#[derive(Template)]
#[template(path = "web/trace.html")]
pub struct TracePage {
    pub shell: Shell,
    pub title: String,
    /// Of the whole trace.
    pub state: Badge,
    pub facts: Vec<String>,
    pub start: Moment,
    pub thread: Option<(String, String)>,
    pub nodes: Vec<Node>,
    /// Runs that are not in the tree.
    pub left_out: String,
    /// Times along the top of the waterfall: place in percent, and what it says.
    pub ticks: Vec<(String, String)>,
    pub detail: Detail,
    /// What is searched for in the trace.
    pub query: String,
    /// How much was found, in words.
    pub found: String,
    /// Address of the page without its query.
    pub path: String,
    /// The part of the query that search keeps.
    pub kept: Vec<(String, String)>,
    /// Neighbours in the list one came from; empty where there is none.
    pub newer: String,
    pub older: String,
    /// The list one came from; empty where there is none.
    pub list: String,
    /// Whether anybody may see it: then nothing can be changed.
    pub is_public: bool,
}

/// A run in the tree.
pub struct Node {
    pub id: String,
    pub href: String,
    pub name: String,
    pub kind: &'static str,
    pub icon: &'static str,
    /// `success`, `error` or `pending`.
    pub state: &'static str,
    /// 0 for roots; deeper than 16 counts as 16.
    pub depth: usize,
    pub has_children: bool,
    pub is_current: bool,
    pub duration: String,
    pub tokens: String,
    pub cost: String,
    pub error: String,
    /// Of the waterfall, in percent.
    pub x: String,
    pub width: String,
    /// How often what is searched for occurs in it.
    pub hits: usize,
}

/// The run one looks at.
#[derive(Template)]
#[template(path = "web/run.html")]
pub struct Detail {
    pub id: String,
    pub trace: String,
    pub project: String,
    pub name: String,
    pub kind: &'static str,
    pub icon: &'static str,
    pub state: Badge,
    pub facts: Vec<(String, String)>,
    pub start: Moment,
    pub error: String,
    pub error_more: usize,
    pub tags: Vec<String>,
    /// Name, address, whether it is this one.
    pub views: Vec<(&'static str, String, bool)>,
    pub body: Body,
    pub attachments: Vec<Attachment>,
    pub metadata: Vec<(String, String)>,
    pub feedback: Vec<Given>,
    /// Keys in use, for giving more.
    pub known_keys: Vec<String>,
    pub hits: Vec<Hit>,
    /// The whole record as JSON.
    pub download: String,
    pub can_change: bool,
    /// What is wrong with the stored payload.
    pub damage: String,
}

/// The payload in one of its forms.
pub enum Body {
    Talk {
        input: Talk,
        output: Talk,
        is_split: bool,
    },
    /// Name and tree of each part.
    Json(Vec<(&'static str, Tree)>),
    Raw(Vec<(&'static str, Raw)>),
    /// Too large to be looked at as a whole: how large it is.
    Large(String),
}

/// A file that came with the run.
pub struct Attachment {
    pub name: String,
    pub note: String,
    /// Empty where nobody has it.
    pub href: String,
    pub is_image: bool,
}

/// One feedback.
pub struct Given {
    pub id: String,
    pub key: String,
    pub score: String,
    /// As it stands in a field.
    pub score_value: String,
    pub value: String,
    pub comment: String,
    pub source: String,
    pub time: Moment,
}

/// Where what is searched for occurs.
pub struct Hit {
    /// `inputs /messages/0/content`
    pub place: String,
    pub words: String,
}

/// Runs of a trace on a common scale of time.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    start: i64,
    length: i64,
}

impl Scale {
    /// From the first moment to the last.
    #[must_use]
    pub fn of(moments: impl Iterator<Item = Time>) -> Self {
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        for moment in moments {
            first = first.min(moment.timestamp_micros());
            last = last.max(moment.timestamp_micros());
        }
        if first > last {
            return Self { start: 0, length: 1 };
        }
        Self { start: first, length: last.saturating_sub(first).max(1) }
    }

    /// Where a bar begins and how wide it is, in percent; never too narrow to be seen.
    #[must_use]
    pub fn bar(self, start: Option<Time>, end: Option<Time>) -> (String, String) {
        let Some(start) = start.or(end) else { return (length(0.0), length(0.0)) };
        let place = |moment: Time| {
            let past = moment.timestamp_micros().saturating_sub(self.start);
            (past as f64 / self.length as f64 * 100.0).clamp(0.0, 100.0)
        };
        let from = place(start).min(99.6);
        let until = end.map_or(from, place);
        (length(from), length((until - from).clamp(0.4, 100.0 - from)))
    }

    /// Round times along the scale.
    #[must_use]
    pub fn ticks(self) -> Vec<(String, String)> {
        let seconds = self.length as f64 / 1e6;
        let step = round_step(seconds / 4.0, true);
        let at = |number: u32| f64::from(number) * step;
        (1..8)
            .map(at)
            .take_while(|at| *at < seconds * 0.97)
            .map(|at| (length(at / seconds * 100.0), format::seconds(at)))
            .collect()
    }
}

/// A state as a badge.
#[must_use]
pub fn state_badge(state: &str) -> Badge {
    let class = match state {
        "success" => "good",
        "error" => "bad",
        _ => "busy",
    };
    let text = match state {
        "pending" => "running",
        other => other,
    };
    Badge { text: text.to_owned(), class }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(millis: i64) -> Time {
        assay_domain::Time::from_timestamp_millis(millis).expect("a moment")
    }

    #[test]
    fn bars_lie_within_the_scale_and_can_be_seen() {
        let scale = Scale::of([time(1_000), time(11_000)].into_iter());
        assert_eq!(scale.bar(Some(time(6_000)), Some(time(11_000))), ("50.00".into(), "50.00".into()));
        assert_eq!(scale.bar(Some(time(11_000)), None), ("99.60".into(), "0.40".into()));
        assert_eq!(scale.bar(Some(time(1_000)), Some(time(99_000))).1, "100.00");
        assert_eq!(scale.bar(None, None), ("0.00".into(), "0.00".into()));
        assert_eq!(Scale::of(std::iter::empty()).bar(Some(time(5)), None).1, "0.40");
    }

    #[test]
    fn ticks_are_round_and_few() {
        let words = |millis| {
            let ticks = Scale::of([time(0), time(millis)].into_iter()).ticks();
            ticks.into_iter().map(|(_, words)| words).collect::<Vec<_>>()
        };
        assert_eq!(words(10_000), ["5.0 s"]);
        assert_eq!(words(8_000), ["2.0 s", "4.0 s", "6.0 s"]);
        assert_eq!(words(1), ["<1 ms"; 1]);
    }
}

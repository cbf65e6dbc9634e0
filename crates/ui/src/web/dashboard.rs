//! A project over time.
//!
//! The charts come as a part of their own, so that the page is there before
//! they are counted. Choosing a stretch of time on one of them leads to its
//! traces, to a report about it, or into it.

use askama::Template;

use super::Shell;
use super::chart::{Chart, HEIGHT, Intervals};
use super::listing::{Bar, Choice};
use super::parts::{Empty, Stat};

#[derive(Template)]
#[template(path = "web/dashboard.html")]
pub struct DashboardPage {
    pub shell: Shell,
    pub bar: Bar,
    /// By what the charts are split.
    pub groupings: Vec<Choice>,
    pub grouping: String,
    /// Metadata keys one can split by.
    pub keys: Vec<String>,
    /// Where the charts are.
    pub charts_href: String,
    pub empty: Option<Empty>,
}

/// The charts.
#[derive(Template)]
#[template(path = "web/charts.html")]
pub struct ChartsDocument {
    pub tiles: Vec<Stat>,
    pub charts: Vec<Chart>,
    pub intervals: Intervals,
    /// The list of traces, without a time.
    pub traces_href: String,
    /// A new report, without a time.
    pub report_href: String,
    /// This page, without a time.
    pub zoom_href: String,
    pub problem: String,
}

impl ChartsDocument {
    #[must_use]
    pub fn height(&self) -> f64 {
        HEIGHT
    }
}

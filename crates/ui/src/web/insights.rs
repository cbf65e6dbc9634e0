//! The reports of a project: those there are, those being made, and a new one.

use askama::Template;

use super::Shell;
use super::listing::Field;
use super::parts::{Badge, Moment, Pager};
use super::projects::Onboarding;

#[derive(Template)]
#[template(path = "web/insights.html")]
pub struct InsightsPage {
    pub shell: Shell,
    pub new_href: String,
    pub compare_href: String,
    pub api: String,
    pub rows: Vec<ReportRow>,
    pub pager: Pager,
    pub configs: Vec<ConfigRow>,
    pub configs_pager: Pager,
    /// There while the project has no trace.
    pub onboarding: Option<Onboarding>,
    pub may_change: bool,
    pub is_anything_open: bool,
}

/// A report, or what is to become one.
#[derive(Default)]
pub struct ReportRow {
    pub id: String,
    pub name: String,
    /// Empty until there is something to open.
    pub href: String,
    /// What the report is called, or why there is none.
    pub words: String,
    pub is_failed: bool,
    /// What the button says with which it goes on or is tried again; empty where neither helps.
    pub resume: &'static str,
    /// Why models did less than was asked; empty where they did all.
    pub partial: String,
    pub status: Badge,
    /// Whether it waits or is being made.
    pub is_open: bool,
    /// Whether two of these can be compared.
    pub is_report: bool,
    /// The steps of one that is being made, in order.
    pub steps: Vec<Step>,
    /// Since when it is worked on.
    pub started: Moment,
    /// What it waits for, in words.
    pub waiting: String,
    pub done: u64,
    pub total: u64,
    pub window: String,
    pub threads: String,
    pub population: String,
    pub categories: String,
    pub shares: Vec<Share>,
    /// The share that changed most since the report of its kind before.
    pub trend: Trend,
    pub tier: String,
    pub spend: String,
    pub budget: String,
    pub made: Moment,
    pub is_scheduled: bool,
    /// Whether a job made it, which can be renamed and deleted.
    pub is_job: bool,
    /// What was asked for and is not done.
    pub unmet: Vec<String>,
}

/// A step of a report that is being made.
pub struct Step {
    /// What progress calls it.
    pub stage: &'static str,
    pub words: &'static str,
    /// What is counted in it; empty where nothing is.
    pub unit: &'static str,
    /// `done`, `now` or empty.
    pub state: &'static str,
}

/// A top category's stretch of a bar.
pub struct Share {
    pub title: String,
    pub color: &'static str,
    pub x: String,
    pub width: String,
}

/// A share that changed since an earlier report.
#[derive(Default)]
pub struct Trend {
    /// Empty where nothing can be said.
    pub category: String,
    /// Such as `+7.3`.
    pub points: String,
    /// Both shares, and of which reports.
    pub title: String,
}

/// A saved config.
pub struct ConfigRow {
    pub id: String,
    pub name: String,
    pub description: String,
    pub href: String,
    pub is_prebuilt: bool,
    /// In words; empty where there is none.
    pub schedule: String,
    pub next: Moment,
    /// What became of the last moment, where no job was made of it.
    pub refused: String,
    pub alert: String,
}

/// The form for a new report.
#[derive(Template)]
#[template(path = "web/new_report.html")]
pub struct NewReportPage {
    pub shell: Shell,
    pub back: String,
    pub api: String,
    pub threads: String,
    /// The config the form begins with, as inert JSON.
    pub initial: String,
    pub config_name: String,
    /// Of a saved config that may be changed; empty otherwise.
    pub config_id: String,
    pub may_change: bool,
    /// What a condition can be about.
    pub fields: Vec<Field>,
    /// Saved filters: name, and the whole of it in the filter language.
    pub filters: Vec<(String, String)>,
    pub filters_pager: Pager,
    /// Where a filter is taken apart, and it is counted how many threads it matches.
    pub conditions: String,
    /// What a summary prompt can put in: name, meaning.
    pub variables: Vec<(&'static str, &'static str)>,
    /// Days at which the project was active, for the bounds of the time range.
    pub first_day: String,
    pub last_day: String,
}

impl NewReportPage {
    /// JSON that may stand in a page.
    #[must_use]
    pub fn inert(value: &serde_json::Value) -> String {
        let mut out = Vec::new();
        // Memory does not fail to be written.
        let written = crate::inert_json::write_embedded(value, &mut out);
        written.ok().and_then(|()| String::from_utf8(out).ok()).unwrap_or_else(|| "{}".to_owned())
    }
}

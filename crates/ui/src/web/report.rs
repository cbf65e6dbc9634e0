//! A report, in the frame of a server's pages.
//!
//! Its views are those of the file that can be exported; what changes a report
//! or asks for more is beside them, in `assets/web/report.js`.

use std::io;

use askama::Template;
use assay_domain::report::Report;
use assay_domain::transcript::Transcript;

use super::Shell;
use super::parts::Moment;
use crate::html::served;

#[derive(Template)]
#[template(path = "web/report.html")]
pub struct ReportPage {
    pub shell: Shell,
    /// Where the page itself is, without a slash at the end.
    pub place: String,
    /// Where its project's pages are.
    pub project_place: String,
    /// The job in the API; empty for a report that no job made.
    pub api: String,
    pub made: Moment,
    /// Why models did less than was asked; empty where they did all.
    pub partial: String,
    /// Other reports of the project: name, address of the comparison.
    pub others: Vec<(String, String)>,
    pub may_change: bool,
    body: served::Body,
    /// Inert JSON: no `<` is in it.
    head: String,
}

/// What the server knows of a report beside the report.
#[derive(Default)]
pub struct ReportFrame {
    pub shell: Shell,
    pub place: String,
    pub project_place: String,
    pub api: String,
    pub made: Moment,
    pub partial: String,
    pub others: Vec<(String, String)>,
    pub may_change: bool,
}

impl ReportPage {
    /// # Errors
    /// When the data cannot be written as JSON.
    pub fn new(report: &Report, frame: ReportFrame) -> io::Result<Self> {
        let ReportFrame { shell, place, project_place, api, made, partial, others, may_change } = frame;
        let (body, head) = (served::body(report), served::head(report)?);
        Ok(Self { shell, place, project_place, api, made, partial, others, may_change, body, head })
    }
}

/// Every thread of the report as the page's modules read it: JSON.
///
/// # Errors
/// When it cannot be written.
pub fn threads(report: &Report) -> io::Result<Vec<u8>> {
    served::threads(report)
}

/// A conversation as the page's modules read it: JSON.
///
/// # Errors
/// When it cannot be written.
pub fn conversation(transcript: &Transcript) -> io::Result<Vec<u8>> {
    served::transcript(transcript)
}

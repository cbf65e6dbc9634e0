//! Datasets: all of them, and one with its examples.

use askama::Template;

use super::Shell;
use super::listing::Choice;
use super::parts::{Moment, Pager, Stat};

#[derive(Template)]
#[template(path = "web/datasets.html")]
pub struct DatasetsPage {
    pub shell: Shell,
    pub place: String,
    pub rows: Vec<DatasetRow>,
    pub pager: Pager,
    /// Whether there is none at all.
    pub is_empty: bool,
    pub query: String,
    pub may_create: bool,
    pub may_delete: bool,
}

pub struct DatasetRow {
    pub id: String,
    pub name: String,
    pub description: String,
    pub href: String,
    pub examples: String,
    pub experiments: String,
    pub made: Moment,
    pub changed: Moment,
}

/// One dataset as it is, or as a version left it.
#[derive(Template)]
#[template(path = "web/dataset.html")]
pub struct DatasetPage {
    pub shell: Shell,
    /// Where all datasets are.
    pub place: String,
    /// Of this page, without its parameters.
    pub path: String,
    /// Parameters that a search keeps.
    pub kept: Vec<(String, String)>,
    /// The dataset in the API.
    pub api: String,
    pub id: String,
    pub name: String,
    /// As it was given, to be changed.
    pub plain_name: String,
    pub description: String,
    pub facts: Vec<Stat>,
    pub views: Vec<Choice>,
    pub splits: Vec<Choice>,
    pub version_word: String,
    pub versions: Vec<VersionRow>,
    /// The page of the latest version.
    pub latest: String,
    pub is_past: bool,
    /// Label, address, name of the file.
    pub exports: Vec<(&'static str, String, String)>,
    /// Name, address, start.
    pub experiments: Vec<(String, String, Moment)>,
    pub experiments_pager: Pager,
    pub is_json: bool,
    pub has_examples: bool,
    pub examples: Vec<ExampleView>,
    pub pager: Pager,
    pub splits_pager: Pager,
    pub versions_pager: Pager,
    /// Whether the address says which versions are listed.
    pub is_in_versions: bool,
    pub query: String,
    /// The page without search and split.
    pub clear: String,
    pub may_change: bool,
    pub may_delete: bool,
}

pub struct VersionRow {
    pub at: Moment,
    pub tags: Vec<String>,
    pub is_latest: bool,
    pub href: String,
    pub is_current: bool,
}

/// One example.
pub struct ExampleView {
    pub id: String,
    /// What was asked, in a line.
    pub title: String,
    /// The beginning of the output that is wanted.
    pub answer: String,
    pub created: Moment,
    pub splits: Vec<String>,
    /// The run it was made of; empty where there is none.
    pub source: String,
    /// Whether input and output are markup of a conversation, not plain text.
    pub is_talk: bool,
    pub input: String,
    pub output: String,
    /// Messages left out of the input.
    pub more: usize,
    pub metadata: Vec<(String, String)>,
    pub files: usize,
}

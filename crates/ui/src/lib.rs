//! Reports as a person sees them: a page, Markdown, tables, a terminal tree.
//!
//! Everything here turns a finished [`Report`](assay_domain::Report) into
//! bytes and decides nothing about its contents. Trace text is hostile until
//! it has passed [`text::visible`] and the escaping of the format it goes into.
//!
//! Start with [`html()`] for the page, [`terminal()`] for the tree, and
//! [`web`] for the pages of a server.

pub mod claim;
mod edits;
mod files;
mod html;
mod inert_json;
mod markdown;
mod models;
mod spoken;
mod terminal;
pub mod text;
mod value;
pub mod web;

pub use assay_domain::format;

pub use files::{assignments_csv, assignments_jsonl, json, schema};
pub use html::{Conversations, HtmlOptions, html, html_with};
pub use markdown::markdown;
pub use spoken::{Spoken, Turn};
pub use terminal::{TerminalOptions, terminal};

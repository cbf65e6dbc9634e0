//! One file per command.

pub(crate) mod alert;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod comparison;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod dataset;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod draft;
pub(crate) mod estimate;
pub(crate) mod files;
pub(crate) mod import;
pub(crate) mod insights;
pub(crate) mod job;
pub(crate) mod key;
pub(crate) mod project;
pub(crate) mod redact;
pub(crate) mod report;
pub(crate) mod runs;
pub(crate) mod schedule;
pub(crate) mod serve;
pub(crate) mod thread;

//! How the report was made, as the template shows it.

use assay_domain::report::{
    CategoryKind, Focus, Report, ReportConfig, Sample, SampleStrategy, Shape, Stratum,
};

use super::HtmlOptions;
use super::numbers::{encode, width};
use super::selection::Selection;
use crate::markdown::skipped_by_reason;
use crate::{edits, format, inert_json, models, text};

/// Skipped threads named one by one.
const SKIPPED: usize = 200;

pub(super) struct Meter {
    pub(super) name: &'static str,
    pub(super) shown: String,
    pub(super) width: String,
    pub(super) note: &'static str,
}

pub(super) struct MethodView {
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) meters: Vec<Meter>,
    /// Reason, where its threads are listed, and how many they are.
    pub(super) other_reasons: Vec<(String, String, String)>,
    pub(super) skipped_reasons: Vec<(String, String)>,
    /// Thread and reason.
    pub(super) skipped: Vec<(String, String)>,
    pub(super) skipped_total: usize,
    pub(super) left_out: Vec<String>,
    /// What was changed by hand.
    pub(super) edits: Vec<String>,
    pub(super) config: String,
}

impl MethodView {
    pub(super) fn new(report: &Report, options: &HtmlOptions, selection: &Selection) -> Self {
        let made = &report.made;
        Self {
            facts: facts(report),
            meters: meters(report),
            other_reasons: other_reasons(report),
            skipped_reasons: skipped_by_reason(report)
                .into_iter()
                .take(20)
                .map(|(reason, threads)| (text::line(&reason), format::count(threads)))
                .collect(),
            skipped: made
                .skipped
                .iter()
                .take(SKIPPED)
                .map(|skipped| (text::line(&skipped.thread.0), text::line(&skipped.reason)))
                .collect(),
            skipped_total: made.skipped.len(),
            left_out: left_out(report, options, selection),
            edits: edits::words(&report.made.edits),
            config: text::visible(&inert_json::pretty(&report.config)).into_owned(),
        }
    }
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let ReportConfig { name, focus, filter, start_time, end_time, sample, shape, categories, seed, .. } =
        &report.config;
    let made = &report.made;
    let focus = match focus {
        Focus::Usage => "usage: what people ask for",
        Focus::Errors => "errors: how the agent fails",
    };
    let window = match (start_time, end_time) {
        (None, None) => "all time".to_owned(),
        (Some(start), None) => format!("from {}", format::time(*start)),
        (None, Some(end)) => format!("until {}", format::time(*end)),
        (Some(start), Some(end)) => format!("{} to {}", format::time(*start), format::time(*end)),
    };
    let shape = match shape {
        Shape::Automatic => "as many categories as the data holds".to_owned(),
        Shape::Levels(levels) => {
            let levels: Vec<_> = levels.iter().map(ToString::to_string).collect();
            format!("{} categories, finest level first", levels.join(", "))
        }
    };
    let mut facts = vec![
        ("Config", text::line(name)),
        ("Focus", focus.to_owned()),
        ("Window", window),
        ("Filter", filter.as_deref().map_or_else(|| "none".to_owned(), text::line)),
        ("Matching threads", format::count(made.population)),
        ("Sample", sample_words(sample, made.sampled)),
        ("Shape", shape),
        ("Seed", seed.to_string()),
        ("Engine", format!("Assay {}", text::line(&made.engine))),
        ("Tier", text::line(&made.tier)),
        ("Embedder", text::line(&made.embedder)),
        ("Distinct texts", format::count(made.distinct_texts)),
        ("Claims left out", format!("{} did not verify", format::count(made.claims_dropped))),
        ("Report id", report.id.to_string()),
    ];
    if !categories.is_empty() {
        let names: Vec<_> = categories.iter().map(|category| text::line(&category.name)).collect();
        facts.insert(7, ("Given categories", names.join(", ")));
    }
    facts.extend(models::facts(report).into_iter().map(|fact| ("Language models", fact)));
    if made.student_texts > 0 {
        let routed = format!("{} texts by the fitted student", format::count(made.student_texts));
        facts.push(("Routed", routed));
    }
    facts
}

fn sample_words(sample: &Sample, sampled: usize) -> String {
    let strategy = match &sample.strategy {
        SampleStrategy::Uniform => "every thread has the same chance".to_owned(),
        SampleStrategy::Stratified { by } => {
            let by = match by {
                Stratum::Status => "status".to_owned(),
                Stratum::Latency => "quartiles of latency".to_owned(),
                Stratum::Feedback { key } => format!("feedback {}", text::line(key)),
                Stratum::Metadata { key } => format!("metadata {}", text::line(key)),
                Stratum::Day => "day".to_owned(),
            };
            format!("stratified by {by}")
        }
        SampleStrategy::TowardErrors { weight } => {
            format!("failed threads {} times as likely", format::number(*weight))
        }
        SampleStrategy::TowardLowFeedback { key, weight } => {
            format!("threads low in {} {} times as likely", text::line(key), format::number(*weight))
        }
    };
    match sample.size {
        None => format!("all {}", format::count(sampled)),
        Some(_) => format!("{} drawn, {strategy}", format::count(sampled)),
    }
}

fn meters(report: &Report) -> Vec<Meter> {
    let quality = &report.made.quality;
    let mut meters = vec![
        Meter {
            name: "Coverage",
            shown: format::percent(quality.coverage),
            width: width(quality.coverage),
            note: "Share of threads that have a category of their own, not “Other”.",
        },
        Meter {
            name: "Confidence",
            shown: format::number(quality.confidence),
            width: width(quality.confidence),
            note: "How clearly threads belong to their category and to no other, on average.",
        },
    ];
    if let Some(stability) = quality.stability {
        meters.push(Meter {
            name: "Stability",
            shown: format::number(stability),
            width: width(stability),
            note: "How much of the grouping comes back when the data is resampled (adjusted Rand index; 1 is all).",
        });
    }
    meters
}

fn other_reasons(report: &Report) -> Vec<(String, String, String)> {
    let mut counts = std::collections::BTreeMap::<String, (String, usize)>::new();
    for assignment in &report.assignments {
        let is_other = || {
            report.category(&assignment.category).is_some_and(|category| category.kind == CategoryKind::Other)
        };
        if let Some(reason) = &assignment.reason {
            let entry = counts.entry(text::line(reason)).or_default();
            entry.0 = format!("#threads?reason={}", encode(reason));
            entry.1 += 1;
        } else if is_other() {
            counts.entry("no reason given".to_owned()).or_default().1 += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.1.cmp(&a.1.1).then_with(|| a.0.cmp(&b.0)));
    counts
        .into_iter()
        .take(20)
        .map(|(reason, (href, threads))| (reason, href, format::count(threads)))
        .collect()
}

fn left_out(report: &Report, options: &HtmlOptions, selection: &Selection) -> Vec<String> {
    let mut out = Vec::new();
    let (all, listed) = (report.assignments.len(), selection.threads.len());
    if listed < all {
        out.push(format!(
            "{} of {} threads are listed; assignments.csv and report.json have all of them. \
             All numbers are about all threads.",
            format::count(listed),
            format::count(all)
        ));
    }
    if selection.conversations.len() < all {
        out.push(format!(
            "Up to {} conversations per category are kept in this page, failing and typical ones in turn, \
             besides highlights and examples. Any other is one command away, over the store that holds the project: {} ID",
            format::count(options.conversations_per_category),
            super::thread_command(report)
        ));
    }
    out
}

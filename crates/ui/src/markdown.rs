//! The report as Markdown: for a pull request, a wiki, a chat.

use std::fmt::Write;

use assay_domain::report::{AttributeStatistics, Category, CategoryKind, Report, Statistics};

use crate::html::main_feedback;
use crate::{edits, format, models, text};

/// How many categories get a section of their own; the table has them all.
const SECTIONS: usize = 60;

/// The report as one Markdown document (CommonMark with tables). Trace text is escaped.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}\n", escape(&title(report)));
    let _ = writeln!(out, "{}\n", facts(report));
    for claim in &report.executive_summary.key_points {
        let _ = writeln!(out, "- {}", escape(&claim.text));
    }
    highlights(&mut out, report);
    table(&mut out, report);
    asked(&mut out, report);
    for category in report.taxonomy.nodes.iter().take(SECTIONS) {
        section(&mut out, category);
    }
    if report.taxonomy.nodes.len() > SECTIONS {
        let rest = report.taxonomy.nodes.len() - SECTIONS;
        let _ = writeln!(out, "\n*{} more categories are in `report.json`.*", format::count(rest));
    }
    made(&mut out, report);
    out
}

/// The title, or the config's name where the summary has none.
pub(crate) fn title(report: &Report) -> String {
    let title = &report.executive_summary.title;
    if title.trim().is_empty() { report.config.name.clone() } else { title.clone() }
}

fn facts(report: &Report) -> String {
    let statistics = &report.statistics;
    let mut facts = vec![
        format!("Project **{}**", escape(&report.project)),
        format!("{} threads", format::count(statistics.threads)),
    ];
    if let (Some(first), Some(last)) = (report.made.first_activity, report.made.last_activity) {
        facts.push(format!("{} to {}", format::day(first), format::day(last)));
    }
    if statistics.threads > 0 {
        facts.push(format!("failures {}", format::percent(statistics.failure_rate.value)));
    }
    if let Some((key, mean)) = mean_feedback(report, statistics) {
        facts.push(format!("{} {}", escape(key), format::number(mean)));
    }
    if let Some(latency) = statistics.latency {
        let (p50, p99) = (format::seconds(latency.p50), format::seconds(latency.p99));
        facts.push(format!("latency p50 {p50}, p99 {p99}"));
    }
    if let Some(cost) = statistics.cost {
        facts.push(format!("cost {}", format::money(cost.total).replace('$', "\\$")));
    }
    facts.join(" · ")
}

fn highlights(out: &mut String, report: &Report) {
    if report.executive_summary.highlights.is_empty() {
        return;
    }
    out.push_str("\n## Threads worth reading\n\n");
    for highlight in &report.executive_summary.highlights {
        let _ = writeln!(
            out,
            "{}. **{}** ({}): {} `{}`",
            highlight.rank,
            escape(&highlight.reason),
            escape(&highlight.category_name),
            escape(&highlight.summary),
            code(&highlight.thread.0),
        );
    }
}

fn table(out: &mut String, report: &Report) {
    out.push_str("\n## Categories\n\n");
    if report.taxonomy.nodes.is_empty() {
        out.push_str("No threads were analysed.\n");
        return;
    }
    let key = main_feedback(report);
    let scored = key.map_or_else(String::new, |key| format!(" {} |", escape(key)));
    let _ = writeln!(out, "| Category | Threads | Share | Failures |{scored} p50 | p99 | Cost |");
    let _ = writeln!(out, "|---|--:|--:|--:|{}--:|--:|--:|", if key.is_some() { "--:|" } else { "" });
    for category in &report.taxonomy.nodes {
        let Statistics { threads, share, failure_rate, latency, cost, .. } = &category.statistics;
        let mean = mean_feedback(report, &category.statistics).map(|(_, mean)| mean);
        let scored =
            key.map_or_else(String::new, |_| format!(" {} |", mean.map_or_else(none, format::number)));
        let indent =
            if category.parent.is_some() { "&emsp;".repeat(depth(report, category)) } else { String::new() };
        let _ = writeln!(
            out,
            "| {indent}{} | {} | {} {} | {} |{scored} {} | {} | {} |",
            escape(&category.name),
            format::count(*threads),
            format::percent(share.value),
            format::plus_minus(share),
            format::percent(failure_rate.value),
            latency.map_or_else(none, |latency| format::seconds(latency.p50)),
            latency.map_or_else(none, |latency| format::seconds(latency.p99)),
            cost.map_or_else(none, |cost| format::money(cost.total).replace('$', "\\$")),
        );
    }
}

/// The mean of the feedback that most threads have.
fn mean_feedback<'a>(report: &'a Report, statistics: &Statistics) -> Option<(&'a str, f64)> {
    let key = main_feedback(report)?;
    Some((key, statistics.feedback.get(key)?.mean?))
}

/// How the questions were answered that somebody asked of each thread.
fn asked(out: &mut String, report: &Report) {
    let answers: Vec<_> = (report.config.attributes.keys())
        .filter_map(|name| Some((name, report.statistics.attributes.get(name)?)))
        .collect();
    if answers.is_empty() {
        return;
    }
    out.push_str("\n## Questions asked of every thread\n\n");
    for (name, answer) in answers {
        let part = |count: usize, of: usize| {
            #[expect(clippy::cast_precision_loss, reason = "counts of threads, for a percentage")]
            let part = count as f64 / of.max(1) as f64;
            format::percent(part)
        };
        let (threads, said) = match answer {
            AttributeStatistics::Boolean { threads, yes } => {
                (*threads, format!("yes {}", part(*yes, *threads)))
            }
            AttributeStatistics::Number { threads, mean, p50, p99, max } => {
                let [mean, p50, p99, max] = [*mean, *p50, *p99, *max].map(format::number);
                (*threads, format!("p50 {p50}, mean {mean}, p99 {p99}, max {max}"))
            }
            AttributeStatistics::Labels { threads, counts, .. } => {
                let shown = counts.iter().take(6);
                let shown =
                    shown.map(|one| format!("{} {}", escape(&one.label), part(one.threads, *threads)));
                (*threads, shown.collect::<Vec<_>>().join(", "))
            }
        };
        let threads = format::count(threads);
        let _ = writeln!(out, "- **{}** ({threads} threads): {said}", escape(name));
    }
}

/// Parents above the category; bounded, should the parents form a cycle.
pub(crate) fn depth(report: &Report, category: &Category) -> usize {
    let mut depth = 0;
    let mut parent = category.parent.as_deref();
    while let Some(id) = parent {
        if depth == 8 {
            break;
        }
        depth += 1;
        parent = report.category(id).and_then(|category| category.parent.as_deref());
    }
    depth
}

fn section(out: &mut String, category: &Category) {
    let level = if category.parent.is_none() { "###" } else { "####" };
    let _ = writeln!(out, "\n{level} {}\n", escape(&category.name));
    if !category.description.is_empty() {
        let _ = writeln!(out, "{}", escape(&category.description));
    }
    if !category.examples.is_empty() {
        out.push('\n');
    }
    for example in category.examples.iter().take(3) {
        let _ = writeln!(out, "> {}\n", escape(&text::cut(&example.text, 240)));
    }
    if category.kind == CategoryKind::Other {
        return;
    }
    for association in category.statistics.associations.iter().take(3) {
        let _ = writeln!(
            out,
            "- {} = {}: {} here, {} elsewhere",
            escape(&association.attribute),
            escape(&association.value),
            format::percent(association.inside),
            format::percent(association.outside),
        );
    }
}

fn made(out: &mut String, report: &Report) {
    let made = &report.made;
    out.push_str("\n## How it was made\n\n");
    let _ = writeln!(
        out,
        "{} of {} matching threads drawn, read by Assay {} (tier {}, embedder {}, seed {}). \
         Coverage {}, mean confidence {}. Claims left out because they did not verify: {}.",
        format::count(made.sampled),
        format::count(made.population),
        escape(&made.engine),
        escape(&made.tier),
        escape(&made.embedder),
        report.config.seed,
        format::percent(made.quality.coverage),
        format::number(made.quality.confidence),
        format::count(made.claims_dropped),
    );
    for fact in models::facts(report) {
        let _ = writeln!(out, "- {}", escape(&fact));
    }
    for words in edits::words(&report.made.edits) {
        let _ = writeln!(out, "- edited by hand: {}", escape(&words));
    }
    for (reason, threads) in skipped_by_reason(report) {
        let _ = writeln!(out, "- skipped {}: {}", format::count(threads), escape(&reason));
    }
}

/// Reasons for skipping with the number of threads, most frequent first.
pub(crate) fn skipped_by_reason(report: &Report) -> Vec<(String, usize)> {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for skipped in &report.made.skipped {
        *counts.entry(&skipped.reason).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

fn none() -> String {
    format::NONE.into()
}

/// Text as a code span's inside: backticks cannot be escaped there, so they go.
fn code(value: &str) -> String {
    text::line(value).replace('`', "'").replace('|', "¦")
}

/// One line of plain words: nothing in it is Markdown, HTML, or a link.
fn escape(value: &str) -> String {
    let line = text::line(value);
    let mut out = String::with_capacity(line.len() + 8);
    let first_word = line.split(' ').next().unwrap_or_default();
    let numbered = first_word.len() > 1
        && first_word.ends_with(['.', ')'])
        && first_word[..first_word.len() - 1].bytes().all(|byte| byte.is_ascii_digit());
    for (index, c) in line.char_indices() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' | '!' | '@' => {
                out.push('\\');
                out.push(c);
            }
            // Bare addresses would become links.
            ':' if line[index..].starts_with("://") => out.push_str("\\:"),
            '.' if line[..index].to_ascii_lowercase().ends_with("www") => out.push_str("\\."),
            '-' | '+' | '=' if index == 0 => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')' if numbered && index + 1 == first_word.len() => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_text_is_neither_markup_nor_link() {
        for (input, expected) in [
            ("<b>*x*</b>", "&lt;b&gt;\\*x\\*&lt;/b&gt;"),
            ("[a](javascript:alert(1))", "\\[a\\](javascript:alert(1))"),
            ("https://x.test www.x.test", "https\\://x.test www\\.x.test"),
            ("- a\n# b", "\\- a \\# b"),
            ("1. a", "1\\. a"),
            ("a|b", "a\\|b"),
            ("\u{1b}[1mbold\u{202e}", "bold⟦U+202E⟧"),
        ] {
            assert_eq!(escape(input), expected);
        }
    }
}

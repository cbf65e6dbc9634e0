//! Two reports side by side, for the terminal.

use std::path::Path;

use assay_domain::Report;
use assay_domain::comparison::{CategoryChange, CategoryReference, ChangeKind, Comparison, MatchedBy};
use assay_insights::embed::Remembering;
use assay_llm::MiniLm;
use assay_store::{Catalog as _, EmbeddedStore, block_on};

use crate::{data, output};

/// Compares two reports of a store. What it embeds is remembered with their project, where it is
/// one and the same and the store can be written.
///
/// # Errors
/// Where the two are of different focus, or the embedder fails.
pub(crate) fn of(
    dir: &Path,
    store: EmbeddedStore,
    before: &Report,
    after: &Report,
) -> anyhow::Result<Comparison> {
    let project = match before.project == after.project {
        true => block_on(store.project(&before.project))?.map(|project| project.id),
        false => None,
    };
    // A store that can only be read, or that a server writes, is as good: nothing new is remembered then.
    let (store, project) = match project.map(|_| data::open(dir, None)) {
        Some(Ok(writable)) => (writable, project),
        _ => (store, None),
    };
    let embedder = Remembering { embedder: &MiniLm::bundled()?, store: &store, project };
    Ok(assay_insights::compare::reports(before, after, &embedder)?)
}

pub(crate) fn show(comparison: &Comparison, json: bool) -> anyhow::Result<()> {
    if json {
        return output::print_json(comparison);
    }
    let Comparison { before, after, shared_threads, matched_by, changes, tests } = comparison;
    let how = match matched_by {
        MatchedBy::Threads => format!("by {shared_threads} threads that both hold"),
        MatchedBy::Likeness => "by where the threads of the one would be in the other".to_owned(),
        MatchedBy::Words => "by names, keywords and examples".to_owned(),
    };
    output::print(&format!(
        "before: {} threads, {}\nafter:  {} threads, {}\ncategories matched {how}; {tests} changes of share tested together, * is significant at 5 %\n",
        before.threads,
        assay_ui::text::line(&before.title),
        after.threads,
        assay_ui::text::line(&after.title),
    ))?;
    let (few, many) = (before.categories.min(after.categories), before.categories.max(after.categories));
    if *matched_by == MatchedBy::Likeness && many >= 2 * few {
        output::note(&format!(
            "the reports are cut differently, in {} and {} categories: each share is of one category, in the bounds it has in its own report",
            before.categories, after.categories
        ));
    }
    for (is_top, heading) in [(true, "TOP CATEGORIES"), (false, "SUBCATEGORIES")] {
        let rows: Vec<Vec<String>> =
            changes.iter().filter(|change| change.is_top == is_top).map(row).collect();
        if !rows.is_empty() {
            let header = ["CHANGE", heading, "BEFORE", "AFTER", "DIFFERENCE", "95 % INTERVAL", "Q"];
            output::print(&output::table(&header, &rows))?;
            output::print("")?;
        }
    }
    Ok(())
}

fn row(change: &CategoryChange) -> Vec<String> {
    let kind = match change.kind {
        ChangeKind::New => "new",
        ChangeKind::Gone => "gone",
        ChangeKind::Split => "split",
        ChangeKind::Merged => "merged",
        ChangeKind::Kept => "",
    };
    let names =
        |list: &[CategoryReference]| list.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(" + ");
    let (old, new) = (names(&change.before), names(&change.after));
    let name = if old.is_empty() || old == new {
        new
    } else if new.is_empty() {
        old
    } else {
        format!("{old} → {new}")
    };
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mark = if change.is_significant { " *" } else { "" };
    vec![
        kind.to_owned(),
        assay_ui::text::cut(&name, 70).into_owned(),
        percent(change.share_before.value),
        percent(change.share_after.value),
        format!("{:+.1}{mark}", change.difference.value * 100.0),
        format!("{:+.1} to {:+.1}", change.difference.low * 100.0, change.difference.high * 100.0),
        format!("{:.3}", change.q_value),
    ]
}

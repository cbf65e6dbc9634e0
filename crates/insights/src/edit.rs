//! A report as people have edited it: categories renamed, described, merged,
//! hidden. The report itself stays; [`apply`] makes the edited one from it.
//!
//! Threads that move are counted again, and so is every sentence: what does not
//! hold any more is left out, and where nothing is left the local writer
//! writes. The result passes [`verify`] like any report.

mod count;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use assay_domain::report::{Category, CategoryKind, Claim, HandEdit, Statistics};
use assay_domain::{CategoryEdit, Edits, Report};

use crate::{Error, executive, verify};

/// Id of the category for threads of hidden ones, where the report has none for leftovers.
const OTHER: &str = "hidden";
const HIDDEN: &str = "its category was hidden";
/// Examples and keywords kept of categories that were merged.
const EXAMPLES: usize = 8;
const KEYWORDS: usize = 12;

/// The report with the edits in it.
///
/// # Errors
/// [`Error::Invalid`], naming the edit that cannot be: a category that does not
/// exist, that would be merged into itself, one below it, or one of another level.
pub fn apply(report: &Report, edits: &Edits) -> Result<Report, Error> {
    let edits: BTreeMap<&str, &CategoryEdit> =
        edits.0.iter().filter(|(_, edit)| !edit.is_empty()).map(|(id, edit)| (id.as_str(), edit)).collect();
    if edits.is_empty() {
        return Ok(report.clone());
    }
    let moves = Moves::of(report, &edits)?;
    let mut edited = report.clone();
    rename(&mut edited, &edits);
    if !moves.is_empty() {
        move_threads(&mut edited, &moves);
    }
    paths(&mut edited);
    sentences(&mut edited, report, &edits);
    edited.made.edits = told(report, &edits);
    verify::report(&edited).map_err(Error::Unverified)?;
    Ok(edited)
}

/// What was changed, in the words that files tell it with.
fn told(report: &Report, edits: &BTreeMap<&str, &CategoryEdit>) -> Vec<HandEdit> {
    let name = |id: &str| {
        let renamed = edits.get(id).and_then(|edit| edit.name.clone());
        renamed.or_else(|| Some(report.category(id)?.name.clone()))
    };
    let edited = report.taxonomy.nodes.iter().filter_map(|node| Some((node, edits.get(node.id.as_str())?)));
    let told = edited.map(|(node, edit)| HandEdit {
        category: node.name.clone(),
        renamed_to: edit.name.clone(),
        is_described: edit.description.is_some(),
        is_hidden: edit.is_hidden,
        merged_into: edit.merged_into.as_deref().and_then(name),
    });
    told.collect()
}

/// Where categories go.
struct Moves<'a> {
    report: &'a Report,
    nodes: Nodes<'a>,
    hidden: BTreeSet<&'a str>,
    /// The last one of a chain of merges.
    merged: BTreeMap<&'a str, &'a str>,
}

impl<'a> Moves<'a> {
    fn of(report: &'a Report, edits: &BTreeMap<&str, &'a CategoryEdit>) -> Result<Self, Error> {
        let nodes = index(report);
        let mut moves = Self { report, nodes, hidden: BTreeSet::new(), merged: BTreeMap::new() };
        for (id, edit) in edits {
            let node = find(report, id)?;
            if edit.moves() && node.kind == CategoryKind::Other {
                return Err(Error::Invalid(format!(
                    "{:?} takes what fits nowhere: it cannot be hidden or merged",
                    node.name
                )));
            }
            if edit.is_hidden {
                moves.hidden.insert(&node.id);
            }
            if let Some(target) = &edit.merged_into {
                let target = find(report, target)?;
                check(report, node, target)?;
                moves.merged.insert(&node.id, &target.id);
            }
        }
        let ends: Vec<(&str, &str)> =
            moves.merged.keys().map(|&id| Ok((id, moves.end(id)?))).collect::<Result<_, Error>>()?;
        moves.merged = ends.into_iter().collect();
        Ok(moves)
    }

    /// Follows merges to the category that stays.
    fn end(&self, id: &'a str) -> Result<&'a str, Error> {
        let mut at = id;
        for _ in 0..=self.merged.len() {
            match self.merged.get(at) {
                Some(next) => at = next,
                None => return Ok(at),
            }
        }
        Err(Error::Invalid(format!("category {id} would be merged into itself, by way of others")))
    }

    fn is_empty(&self) -> bool {
        self.hidden.is_empty() && self.merged.is_empty()
    }

    /// The category and those above it, from below.
    fn line(&self, id: &'a str) -> impl Iterator<Item = &'a Category> + use<'a, '_> {
        line(&self.nodes, id)
    }

    /// Where the threads of a leaf are now; `None` where it, or one above it, is hidden.
    fn leaf(&self, id: &'a str) -> Option<&'a str> {
        let moved = self.merged.get(id).copied().unwrap_or(id);
        let is_gone = |node: &'a Category| {
            let moved = self.merged.get(node.id.as_str()).copied().unwrap_or(&node.id);
            self.hidden.contains(node.id.as_str()) || self.hidden.contains(moved)
        };
        let is_hidden = |id: &'a str| self.line(id).any(is_gone);
        (!is_hidden(id) && !is_hidden(moved)).then_some(moved)
    }

    /// What lies above a category that stays.
    fn parent(&self, node: &'a Category) -> Option<&'a str> {
        let parent = node.parent.as_deref()?;
        Some(self.merged.get(parent).copied().unwrap_or(parent))
    }
}

/// Categories by their ids: a report may have thousands of them, and a thread for each question.
type Nodes<'a> = HashMap<&'a str, &'a Category>;

fn index(report: &Report) -> Nodes<'_> {
    report.taxonomy.nodes.iter().map(|node| (node.id.as_str(), node)).collect()
}

/// A category and those above it, from below.
fn line<'a, 'n>(nodes: &'n Nodes<'a>, id: &str) -> impl Iterator<Item = &'a Category> + use<'a, 'n> {
    let up = move |node: &&'a Category| nodes.get(node.parent.as_deref()?).copied();
    // A damaged file may hold a cycle of parents.
    std::iter::successors(nodes.get(id).copied(), up).take(nodes.len())
}

fn find<'a>(report: &'a Report, id: &str) -> Result<&'a Category, Error> {
    report.category(id).ok_or_else(|| Error::Invalid(format!("the report has no category {id}")))
}

fn check(report: &Report, node: &Category, target: &Category) -> Result<(), Error> {
    let wrong = |why: &str| {
        Err(Error::Invalid(format!("{:?} cannot be merged into {:?}: {why}", node.name, target.name)))
    };
    if node.id == target.id {
        return wrong("they are the same");
    }
    if node.level != target.level || report.taxonomy.is_leaf(&node.id) != report.taxonomy.is_leaf(&target.id)
    {
        return wrong("they are of different levels");
    }
    if !matches!(target.kind, CategoryKind::Discovered | CategoryKind::Predefined) {
        return wrong("it holds no threads of a kind; hide the category instead");
    }
    Ok(())
}

fn rename(edited: &mut Report, edits: &BTreeMap<&str, &CategoryEdit>) {
    for node in &mut edited.taxonomy.nodes {
        let Some(edit) = edits.get(node.id.as_str()) else { continue };
        if let Some(name) = &edit.name {
            node.name.clone_from(name);
        }
        if let Some(description) = &edit.description {
            node.description.clone_from(description);
        }
    }
}

/// Moves threads and categories, drops what is empty, counts and orders again.
fn move_threads(edited: &mut Report, moves: &Moves<'_>) {
    let report = moves.report;
    let leftovers = report.taxonomy.children(None).find(|node| node.kind == CategoryKind::Other);
    let other = leftovers.map_or(OTHER, |node| node.id.as_str());
    let leaves: HashMap<&str, Option<&str>> =
        report.taxonomy.nodes.iter().map(|node| (node.id.as_str(), moves.leaf(&node.id))).collect();
    for one in &mut edited.assignments {
        match leaves.get(one.category.as_str()).copied().flatten() {
            Some(leaf) if leaf == one.category => {}
            Some(leaf) => leaf.clone_into(&mut one.category),
            None => {
                other.clone_into(&mut one.category);
                one.reason.get_or_insert_with(|| HIDDEN.to_owned());
            }
        }
        // Likeness would have put it where those of that category are now.
        if let Some(alike) = one.likeness.as_mut().and_then(|likeness| likeness.category.as_mut()) {
            leaves.get(alike.as_str()).copied().flatten().unwrap_or(other).clone_into(alike);
        }
    }
    if leftovers.is_none() && edited.assignments.iter().any(|one| one.category == OTHER) {
        edited.taxonomy.nodes.push(leftover());
    }
    take_along(edited, moves);
    for node in &mut edited.taxonomy.nodes {
        if let Some(made) = moves.nodes.get(node.id.as_str()) {
            node.parent = moves.parent(made).map(str::to_owned);
        }
    }
    keep_filled(edited);
    count::again(edited, report);
    order(edited);
}

fn leftover() -> Category {
    Category {
        id: OTHER.to_owned(),
        parent: None,
        level: 0,
        name: "Other".to_owned(),
        description: "Threads whose category was hidden.".to_owned(),
        kind: CategoryKind::Other,
        examples: Vec::new(),
        keywords: Vec::new(),
        statistics: Statistics::default(),
    }
}

/// What was typical of merged categories is so of what they were merged into.
fn take_along(edited: &mut Report, moves: &Moves<'_>) {
    for (from, into) in &moves.merged {
        let Some(from) = moves.report.category(from) else { continue };
        let Some(into) = edited.taxonomy.nodes.iter_mut().find(|node| node.id == *into) else { continue };
        into.examples.extend(from.examples.iter().cloned());
        into.examples.truncate(EXAMPLES);
        for word in &from.keywords {
            if !into.keywords.contains(word) && into.keywords.len() < KEYWORDS {
                into.keywords.push(word.clone());
            }
        }
    }
}

/// Drops categories without a thread below them.
fn keep_filled(edited: &mut Report) {
    let parents: HashMap<String, Option<String>> =
        edited.taxonomy.nodes.iter().map(|node| (node.id.clone(), node.parent.clone())).collect();
    let mut filled: BTreeSet<&str> = BTreeSet::new();
    for one in &edited.assignments {
        let mut next = Some(one.category.as_str());
        while let Some(id) = next.filter(|id| filled.insert(id)) {
            next = parents.get(id).and_then(|parent| parent.as_deref());
        }
    }
    edited.taxonomy.nodes.retain(|node| filled.contains(node.id.as_str()));
}

/// Parents before children, siblings by size, leftovers last; threads in the order of their categories.
fn order(edited: &mut Report) {
    let mut children: BTreeMap<Option<String>, Vec<Category>> = BTreeMap::new();
    for node in std::mem::take(&mut edited.taxonomy.nodes) {
        children.entry(node.parent.clone()).or_default().push(node);
    }
    let is_last = |node: &Category| matches!(node.kind, CategoryKind::Other | CategoryKind::Healthy);
    for siblings in children.values_mut() {
        siblings.sort_by(|a, b| {
            let by_size = b.statistics.estimated_threads.total_cmp(&a.statistics.estimated_threads);
            is_last(a).cmp(&is_last(b)).then(by_size).then_with(|| a.id.cmp(&b.id))
        });
    }
    let mut stack = children.remove(&None).unwrap_or_default();
    stack.reverse();
    while let Some(node) = stack.pop() {
        let below = children.remove(&Some(node.id.clone())).unwrap_or_default();
        edited.taxonomy.nodes.push(node);
        stack.extend(below.into_iter().rev());
    }
    let rank: HashMap<String, usize> =
        edited.taxonomy.nodes.iter().enumerate().map(|(rank, node)| (node.id.clone(), rank)).collect();
    edited.assignments.sort_by(|a, b| {
        let place = |id: &str| rank.get(id).copied().unwrap_or(usize::MAX);
        let by_category = place(&a.category).cmp(&place(&b.category));
        by_category.then(b.confidence.total_cmp(&a.confidence)).then_with(|| a.thread.cmp(&b.thread))
    });
}

/// The names on the way to each thread.
pub(crate) fn paths(edited: &mut Report) {
    let nodes: HashMap<&str, &Category> =
        edited.taxonomy.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
    for one in &mut edited.assignments {
        let up = |node: &&Category| nodes.get(node.parent.as_deref()?).copied();
        let line = std::iter::successors(nodes.get(one.category.as_str()).copied(), up).take(nodes.len());
        one.path = line.map(|node| node.name.clone()).collect();
        one.path.reverse();
    }
}

/// Sentences with the new names; those that do not hold any more are left out.
fn sentences(edited: &mut Report, report: &Report, edits: &BTreeMap<&str, &CategoryEdit>) {
    let renamed = edits
        .iter()
        .filter_map(|(id, edit)| Some((report.category(id)?.name.as_str(), edit.name.as_deref()?)));
    // A name that stays may have one in it that does not.
    let others = report.taxonomy.nodes.iter().map(|node| (node.name.as_str(), node.name.as_str()));
    tell_again(edited, renamed.chain(others).collect());
}

/// The same for a report whose categories have their new names: what each was called, and is now.
pub(crate) fn tell_again(edited: &mut Report, mut names: Vec<(&str, &str)>) {
    let is_local = edited.made.model.is_none();
    if is_local {
        executive::write(edited);
        return;
    }
    names.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
    let mut summary = std::mem::take(&mut edited.executive_summary);
    summary.title = with_names(&summary.title, &names);
    for highlight in &mut summary.highlights {
        highlight.reason = with_names(&highlight.reason, &names);
        let Some(one) = edited.assignments.iter().find(|one| one.thread == highlight.thread) else {
            continue;
        };
        highlight.category.clone_from(&one.category);
        if let Some(node) = edited.taxonomy.nodes.iter().find(|node| node.id == one.category) {
            highlight.category_name.clone_from(&node.name);
        }
    }
    for claim in &mut summary.key_points {
        say_again(claim, &names);
    }
    edited.executive_summary = summary;
    let points = std::mem::take(&mut edited.executive_summary.key_points);
    let kept: Vec<Claim> = points.into_iter().filter(|point| verify::claim(edited, point).is_ok()).collect();
    edited.executive_summary.key_points = kept;
    if edited.executive_summary.key_points.is_empty() {
        executive::write(edited);
    }
}

fn say_again(claim: &mut Claim, names: &[(&str, &str)]) {
    claim.template = with_names(&claim.template, names);
    let shown: Vec<&str> = claim.values.iter().map(|value| value.shown.as_str()).collect();
    claim.text = verify::fill(&claim.template, &shown);
}

/// A text with the second name of each pair for the first. The pairs come longest first, so that a
/// name inside another is not taken for it; by way of marks, so that names can be swapped.
fn with_names(text: &str, names: &[(&str, &str)]) -> String {
    // A brace or hash in a name must not read as a slot or reference.
    let plain = |name: &str| name.replace(['{', '}', '#', '\u{1}', '\u{2}'], " ");
    // No category is called by what is in a mark.
    let digit = |digit: char| char::from_u32(0xE000 + u32::from(digit)).unwrap_or(digit);
    let mark = |index: usize| {
        let digits: String = index.to_string().chars().map(digit).collect();
        format!("\u{1}{digits}\u{2}")
    };
    let mut text = text.to_owned();
    for (index, (old, _)) in names.iter().enumerate() {
        text = verify::wording::replace_words(&text, &plain(old), &mark(index));
    }
    for (index, (_, new)) in names.iter().enumerate() {
        text = text.replace(&mark(index), &plain(new));
    }
    text
}

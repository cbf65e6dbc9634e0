//! Takes out of a report what came from threads that were deleted.
//!
//! Numbers stay: they say nothing of single threads. What is quoted of a
//! deleted thread is replaced, and whatever was made of several threads with
//! one of them among these is made anew from those that are left: examples,
//! keywords, descriptions, claims, the title. A name stays as long as the
//! threads that are left say its words, or a model put it in words of its own;
//! else the category is called by a keyword, or by its number.
//!
//! Start with [`threads`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use assay_domain::report::{
    Assignment, AttributeKind, AttributeSchema, AttributeValue, Category, CategoryKind, Example, Focus,
    PredefinedCategory,
};
use assay_domain::{Report, ThreadId};
use unicode_segmentation::UnicodeSegmentation;

use crate::{edit, executive, name, verify};

/// Stands where a report quoted a thread.
pub const GONE: &str = "(deleted)";
const EXAMPLES: usize = 5;
const LONGEST_EXAMPLE: usize = 160;

/// What a category was called, and what it is called now.
#[derive(Clone, Debug, PartialEq)]
pub struct Renamed {
    pub before: PredefinedCategory,
    pub after: PredefinedCategory,
}

/// Takes out of a report what it has from these threads. The categories that
/// are called or described in another way now; `None` where there was nothing.
pub fn threads(report: &mut Report, gone: &HashSet<ThreadId>) -> Option<Vec<Renamed>> {
    if !report.assignments.iter().any(|one| gone.contains(&one.thread)) {
        return None;
    }
    let told = words_only_of(report, gone);
    blank(report, gone);
    let renamed = categories(report, &told);
    sentences(report, &renamed, &told);
    Some(renamed)
}

/// Calls given categories what those are called now that they were learned
/// from. Whether there were any.
pub fn learned(report: &mut Report, renamed: &[Renamed]) -> bool {
    let now = |name: &str, description: &str| {
        let is_it = |one: &&Renamed| one.before.name == name && one.before.description == description;
        renamed.iter().find(is_it).map(|one| one.after.clone())
    };
    let mut names = Vec::new();
    for given in &mut report.config.categories {
        let Some(after) = now(&given.name, &given.description) else { continue };
        names.push((given.name.clone(), after.name.clone()));
        *given = after;
    }
    for node in report.taxonomy.nodes.iter_mut().filter(|node| node.kind == CategoryKind::Predefined) {
        let Some(after) = now(&node.name, &node.description) else { continue };
        names.push((node.name.clone(), after.name.clone()));
        (node.name, node.description) = (after.name, after.description);
    }
    if names.is_empty() {
        return false;
    }
    edit::paths(report);
    tell_again(report, &names);
    true
}

// ------------------------------------------------------------------ quotes

/// Replaces what is quoted of single threads.
fn blank(report: &mut Report, gone: &HashSet<ThreadId>) {
    let free = free_attributes(report);
    for one in report.assignments.iter_mut().filter(|one| gone.contains(&one.thread)) {
        one.request = GONE.into();
        one.summary = GONE.into();
        // That something failed is counted; with which words is not.
        one.failure = one.failure.take().map(|_| GONE.into());
        one.reason = one.reason.take().map(|_| GONE.into());
        one.evidence.clear();
        // What a model answered freely may be words of the thread.
        one.attributes.retain(|name, _| !free.contains(name));
    }
    for node in &mut report.taxonomy.nodes {
        node.examples.retain(|example| !gone.contains(&example.thread));
    }
    for highlight in &mut report.executive_summary.highlights {
        if gone.contains(&highlight.thread) {
            highlight.summary = GONE.into();
            highlight.reason = GONE.into();
        }
    }
}

fn free_attributes(report: &Report) -> HashSet<String> {
    let is_free =
        |schema: &AttributeSchema| schema.kind == AttributeKind::String && schema.options.is_empty();
    let schemas = report.config.attributes.iter();
    schemas.filter(|(_, schema)| is_free(schema)).map(|(name, _)| name.clone()).collect()
}

fn is_gone(one: &Assignment) -> bool {
    one.request == GONE
}

// ------------------------------------------------------------------- words

fn add_words(into: &mut HashSet<String>, text: &str) {
    into.extend(text.unicode_words().map(str::to_lowercase));
}

/// Everything that the report quotes of a thread.
fn add_words_of(into: &mut HashSet<String>, one: &Assignment) {
    let texts = [Some(&one.request), Some(&one.summary), one.failure.as_ref(), one.reason.as_ref()];
    texts.into_iter().flatten().for_each(|text| add_words(into, text));
    one.evidence.iter().for_each(|evidence| add_words(into, &evidence.quote));
    for value in one.attributes.values() {
        match value {
            AttributeValue::Text(text) => add_words(into, text),
            AttributeValue::Labels(labels) => labels.iter().for_each(|label| add_words(into, label)),
            AttributeValue::Boolean(_) | AttributeValue::Number(_) => {}
        }
    }
}

/// Words that the report has from threads that are gone and from no other one.
fn words_only_of(report: &Report, gone: &HashSet<ThreadId>) -> HashSet<String> {
    let (mut lost, mut kept) = (HashSet::new(), HashSet::new());
    for one in &report.assignments {
        add_words_of(if gone.contains(&one.thread) { &mut lost } else { &mut kept }, one);
    }
    for example in report.taxonomy.nodes.iter().flat_map(|node| &node.examples) {
        add_words(if gone.contains(&example.thread) { &mut lost } else { &mut kept }, &example.text);
    }
    for highlight in report.executive_summary.highlights.iter().filter(|one| gone.contains(&one.thread)) {
        add_words(&mut lost, &highlight.summary);
    }
    lost.retain(|word| !kept.contains(word) && name::is_telling(word));
    lost
}

fn says_any(text: &str, words: &HashSet<String>) -> bool {
    text.unicode_words().any(|word| words.contains(&word.to_lowercase()))
}

/// Whether all words of a text that mean something are among these.
fn says_only(text: &str, words: &HashSet<String>) -> bool {
    let mut said = text.unicode_words().map(str::to_lowercase);
    said.all(|word| words.contains(&word) || !name::is_telling(&word))
}

// -------------------------------------------------------------- categories

/// Makes anew what categories say that had a thread which is gone.
fn categories(report: &mut Report, told: &HashSet<String>) -> Vec<Renamed> {
    let members = members(report);
    let is_local = report.made.model.is_none() && report.config.focus == Focus::Usage;
    let mut taken: BTreeSet<String> = report.taxonomy.nodes.iter().map(|node| node.name.clone()).collect();
    let mut renamed = Vec::new();
    for index in 0..report.taxonomy.nodes.len() {
        let node = &report.taxonomy.nodes[index];
        let here: Vec<&Assignment> =
            members.get(&node.id).into_iter().flatten().map(|&at| &report.assignments[at]).collect();
        if !here.iter().any(|one| is_gone(one)) {
            continue;
        }
        let mut words = HashSet::new();
        here.iter().filter(|one| !is_gone(one)).for_each(|one| add_words_of(&mut words, one));
        let before = PredefinedCategory { name: node.name.clone(), description: node.description.clone() };
        let fits = |text: &str| !says_any(text, told) && (!is_local || says_only(text, &words));
        let examples = examples(node, &here);
        let keywords: Vec<String> =
            node.keywords.iter().filter(|word| says_only(word, &words)).cloned().collect();
        let mut after = before.clone();
        if node.kind == CategoryKind::Discovered && !fits(&node.name) {
            after.name = other_name(&keywords, index, &taken);
            taken.insert(after.name.clone());
        }
        after.description = described(report, node, &examples, &keywords, &here, told);
        let node = &mut report.taxonomy.nodes[index];
        (node.examples, node.keywords) = (examples, keywords);
        (node.name, node.description) = (after.name.clone(), after.description.clone());
        if after != before {
            renamed.push(Renamed { before, after });
        }
    }
    merged(report, &renamed, told);
    edit::paths(report);
    renamed
}

/// What a model merged, by the names that categories have now.
fn merged(report: &mut Report, renamed: &[Renamed], told: &HashSet<String>) {
    let merging = report.made.model.iter_mut().flat_map(|work| &mut work.merging);
    for merged in merging.flat_map(|merging| &mut merging.merged) {
        if let Some(one) = renamed.iter().find(|one| one.before.name == merged.category) {
            merged.category.clone_from(&one.after.name);
        } else if says_any(&merged.category, told) {
            merged.category = GONE.into();
        }
        for part in merged.of.iter_mut().filter(|part| says_any(&part.name, told)) {
            part.name = GONE.into();
        }
    }
}

/// Positions of the assignments below every category.
fn members(report: &Report) -> HashMap<String, Vec<usize>> {
    let parents: HashMap<&str, Option<&str>> =
        report.taxonomy.nodes.iter().map(|node| (node.id.as_str(), node.parent.as_deref())).collect();
    let mut found: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, one) in report.assignments.iter().enumerate() {
        let up = |id: &&str| parents.get(id).copied().flatten();
        // A damaged file may hold a cycle of parents.
        for id in std::iter::successors(Some(one.category.as_str()), up).take(parents.len()) {
            found.entry(id.to_owned()).or_default().push(at);
        }
    }
    found
}

/// Those that are left, filled up with requests of the surest members.
fn examples(node: &Category, here: &[&Assignment]) -> Vec<Example> {
    let mut kept = node.examples.clone();
    if node.examples.is_empty() {
        let mut seen = BTreeSet::new();
        let mut left: Vec<&&Assignment> = here.iter().filter(|one| !is_gone(one)).collect();
        left.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then_with(|| a.thread.cmp(&b.thread)));
        for one in left {
            let text = name::clip(&one.request, LONGEST_EXAMPLE);
            if !text.is_empty() && seen.insert(text.to_lowercase()) && kept.len() < EXAMPLES {
                kept.push(Example { thread: one.thread.clone(), text });
            }
        }
    }
    kept
}

/// A keyword that is left and no name yet, else a number.
fn other_name(keywords: &[String], index: usize, taken: &BTreeSet<String>) -> String {
    let keyword = keywords.iter().map(|word| name::sentence(word)).find(|name| !taken.contains(name));
    keyword.unwrap_or_else(|| {
        let numbers = std::iter::once(String::new()).chain((2..).map(|round| format!(" ({round})")));
        let mut names = numbers.map(|round| format!("Category {}{round}", index + 1));
        names.find(|name| !taken.contains(name)).unwrap_or_default()
    })
}

/// The description, made from what is left unless it was given or says nothing of single threads.
fn described(
    report: &Report,
    node: &Category,
    examples: &[Example],
    keywords: &[String],
    here: &[&Assignment],
    told: &HashSet<String>,
) -> String {
    let is_failures = report.config.focus == Focus::Errors;
    match node.kind {
        CategoryKind::Discovered if is_failures => {
            let failures: BTreeSet<&str> =
                here.iter().filter(|one| !is_gone(one)).filter_map(|one| one.failure.as_deref()).collect();
            match failures.first() {
                Some(failure) => format!("Failures such as “{}”.", name::clip(failure, LONGEST_EXAMPLE)),
                None => "Failures.".to_owned(),
            }
        }
        CategoryKind::Discovered => name::describe(node.kind, examples, keywords),
        CategoryKind::Predefined if is_described(report, node) => node.description.clone(),
        CategoryKind::Other | CategoryKind::Healthy if is_failures && !says_any(&node.description, told) => {
            node.description.clone()
        }
        _ => name::describe(node.kind, examples, keywords),
    }
}

/// Whether its description was given with the config.
fn is_described(report: &Report, node: &Category) -> bool {
    let mut given = report.config.categories.iter();
    !node.description.is_empty()
        && given.any(|one| one.name == node.name && one.description == node.description)
}

// --------------------------------------------------------------- sentences

fn sentences(report: &mut Report, renamed: &[Renamed], told: &HashSet<String>) {
    let changed: BTreeMap<&str, &str> =
        renamed.iter().map(|one| (one.before.name.as_str(), one.after.name.as_str())).collect();
    let names: Vec<(String, String)> = changed
        .into_iter()
        .filter(|(before, after)| before != after)
        .map(|(before, after)| (before.to_owned(), after.to_owned()))
        .collect();
    let summary = &mut report.executive_summary;
    summary.key_points.retain(|point| !says_any(&point.text, told));
    let is_title_told = says_any(&summary.title, told);
    for highlight in &mut summary.highlights {
        if says_any(&highlight.reason, told) {
            highlight.reason = GONE.into();
        }
    }
    tell_again(report, &names);
    if is_title_told {
        report.executive_summary.title = executive::title(report);
    }
}

/// Sentences with new names, and none that does not hold: at worst the local writer's.
fn tell_again(report: &mut Report, names: &[(String, String)]) {
    let others: Vec<String> = report.taxonomy.nodes.iter().map(|node| node.name.clone()).collect();
    let renamed = names.iter().map(|(old, new)| (old.as_str(), new.as_str()));
    let others = others.iter().map(|name| (name.as_str(), name.as_str()));
    edit::tell_again(report, renamed.chain(others).collect());
    if verify::report(report).is_err() {
        executive::write(report);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_mean_something_must_be_known() {
        let words: HashSet<String> = ["parcel", "late"].into_iter().map(str::to_owned).collect();
        assert!(says_only("The late parcel", &words));
        assert!(!says_only("The late parcel of Zebulon", &words));
        assert!(says_any("Parcels, LATE", &words));
    }

    #[test]
    fn what_a_model_merged_is_told_by_the_names_of_now() {
        use assay_domain::report::{Merged, MergedPart, Merging, ModelWork, Provenance};

        let merged = |category: &str, of: &[&str]| Merged {
            category: category.into(),
            of: of.iter().map(|name| MergedPart { name: (*name).into(), threads: 2 }).collect(),
        };
        let merging = |merged| Some(Merging { asked: 2, unanswered: 0, merged });
        let before =
            vec![merged("Zebulon’s refunds", &["Refund", "To Zebulon"]), merged("Parcels", &["Late"])];
        let mut report = Report {
            version: 1,
            id: assay_domain::ReportId::default(),
            project: String::new(),
            config: assay_domain::ReportConfig::default(),
            executive_summary: Default::default(),
            taxonomy: Default::default(),
            assignments: Vec::new(),
            statistics: Default::default(),
            made: Provenance {
                model: Some(ModelWork { merging: merging(before), ..ModelWork::default() }),
                ..Provenance::default()
            },
        };
        let named = |name: &str| PredefinedCategory { name: name.into(), description: String::new() };
        let renamed = [Renamed { before: named("Zebulon’s refunds"), after: named("Refunds") }];
        super::merged(&mut report, &renamed, &["zebulon".to_owned()].into());
        let after = vec![merged("Refunds", &["Refund", GONE]), merged("Parcels", &["Late"])];
        assert_eq!(report.made.model.expect("books").merging, merging(after));
    }

    #[test]
    fn a_category_without_words_of_its_own_gets_a_number() {
        let taken: BTreeSet<String> = ["Refund", "Category 3"].into_iter().map(str::to_owned).collect();
        assert_eq!(other_name(&["refund".into(), "parcel".into()], 2, &taken), "Parcel");
        assert_eq!(other_name(&["refund".into()], 2, &taken), "Category 3 (2)");
        assert_eq!(other_name(&[], 0, &taken), "Category 1");
    }
}

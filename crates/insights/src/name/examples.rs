//! Typical requests of a category, and the description made of them.

use std::collections::BTreeSet;

use assay_domain::report::{CategoryKind, Example};
use unicode_segmentation::UnicodeSegmentation;

use super::{clip, similarity};
use crate::grouping::ReadThread;

const EXAMPLES: usize = 5;
/// Words both have among those that either has: from here on they say the same.
const SAME: f64 = 0.7;
/// Words of a request that is quickly read and says enough.
const READABLE: std::ops::RangeInclusive<usize> = 4..=20;
/// Requests looked at, most central first.
const LOOKED_AT: usize = 200;

/// Requests that differ from each other, most central and readable first.
pub(super) fn choose<'v>(
    members: &[usize],
    threads: &[ReadThread],
    centroid: &[f32],
    vector: &dyn Fn(usize) -> Option<&'v [f32]>,
) -> Vec<Example> {
    let mut order: Vec<(f64, usize)> = members
        .iter()
        .filter(|&&member| !threads[member].summary.request.is_empty())
        .map(|&member| {
            let request = &threads[member].summary.request;
            let words = request.split_whitespace().take(READABLE.end() + 1).count();
            let unreadable = if READABLE.contains(&words) { 0.0 } else { 0.2 };
            (vector(member).map_or(0.0, |own| similarity(own, centroid)) - unreadable, member)
        })
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut chosen: Vec<(BTreeSet<String>, Example)> = Vec::new();
    let mut seen = BTreeSet::new();
    for (_, member) in order.into_iter().take(LOOKED_AT) {
        let summary = &threads[member].summary;
        let text = clip(&summary.request, 160);
        let words: BTreeSet<String> = text.unicode_words().map(str::to_lowercase).collect();
        let is_new = chosen.iter().all(|(known, _)| alike(known, &words) < SAME);
        if is_new && seen.insert(text.to_lowercase()) {
            chosen.push((words, Example { thread: summary.thread.clone(), text }));
            if chosen.len() == EXAMPLES {
                break;
            }
        }
    }
    chosen.into_iter().map(|(_, example)| example).collect()
}

/// Jaccard similarity of two sets of words.
fn alike(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let both = a.intersection(b).count();
    both as f64 / (a.len() + b.len() - both).max(1) as f64
}

/// One or two sentences: typical requests and words.
pub(crate) fn describe(kind: CategoryKind, examples: &[Example], keywords: &[String]) -> String {
    let quotes: Vec<String> =
        examples.iter().take(3).map(|example| format!("“{}”", clip(&example.text, 90))).collect();
    let lead = match kind {
        CategoryKind::Other => "Threads that fit no category",
        CategoryKind::Healthy => "Threads in which no failure shows",
        CategoryKind::Discovered | CategoryKind::Predefined => "Requests",
    };
    let mut text = match quotes.as_slice() {
        [] => format!("{lead}."),
        [one] => format!("{lead} such as {one}."),
        [init @ .., last] => format!("{lead} such as {} and {last}.", init.join(", ")),
    };
    if kind == CategoryKind::Discovered && !keywords.is_empty() {
        let words: Vec<&str> = keywords.iter().take(4).map(String::as_str).collect();
        text.push_str(&format!(" Typical words: {}.", words.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_share_most_words_are_alike() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        assert!(alike(&words("cancel my order now"), &words("cancel my order")) >= SAME);
        assert!(alike(&words("cancel my order"), &words("where is the refund")) < SAME);
    }

    #[test]
    fn a_description_quotes_three_requests() {
        let example = |text: &str| Example { thread: "t".into(), text: text.into() };
        let quoted = describe(
            CategoryKind::Discovered,
            &[example("a b"), example("c d"), example("e f"), example("g h")],
            &["refund".into()],
        );
        assert_eq!(quoted, "Requests such as “a b”, “c d” and “e f”. Typical words: refund.");
    }
}

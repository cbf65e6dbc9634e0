//! What a model says went wrong, put together by meaning.
//!
//! Models word the same cause differently in every thread, and templates are
//! no help with that. Each wording joins the most frequent one that means
//! nearly the same; what structure shows stays as it is.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use assay_llm::Embed;

use crate::Error;
use crate::grouping::ReadThread;
use crate::math::matrix::dot;
use crate::summary::FailureKind;

/// Wordings with at least this cosine mean one cause.
const ALIKE: f32 = 0.62;

/// The threads with one wording for each cause.
///
/// # Errors
/// What the embedder says.
pub(crate) fn merged(mut threads: Vec<ReadThread>, embedder: &dyn Embed) -> Result<Vec<ReadThread>, Error> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for failure in threads.iter().flat_map(|thread| &thread.summary.failures) {
        if failure.kind == FailureKind::Found {
            *counts.entry(failure.signature.clone()).or_default() += 1;
        }
    }
    if counts.is_empty() {
        return Ok(threads);
    }
    let leaders = leaders(counts, embedder)?;
    for failure in threads.iter_mut().flat_map(|thread| &mut thread.summary.failures) {
        if let Some(leader) = leaders.get(&failure.signature).filter(|_| failure.kind == FailureKind::Found) {
            failure.signature.clone_from(leader);
        }
    }
    Ok(threads)
}

/// The wording that stands for each.
fn leaders(counts: BTreeMap<String, usize>, embedder: &dyn Embed) -> Result<BTreeMap<String, String>, Error> {
    let mut wordings: Vec<(String, usize)> = counts.into_iter().collect();
    // The map gave a fixed order for equal counts.
    wordings.sort_by_key(|&(_, count)| Reverse(count));
    let texts: Vec<&str> = wordings.iter().map(|(text, _)| text.as_str()).collect();
    let vectors = embedder.embed(&texts)?;
    let mut chosen: Vec<usize> = Vec::new();
    let mut leader_of = BTreeMap::new();
    for (index, vector) in vectors.iter().enumerate() {
        let near = chosen
            .iter()
            .map(|&leader| (dot(vector, &vectors[leader]), leader))
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let leader = near.map_or(index, |(_, leader)| leader);
        if leader == index {
            chosen.push(index);
        }
        leader_of.insert(wordings[index].0.clone(), wordings[leader].0.clone());
    }
    Ok(leader_of)
}

#[cfg(test)]
mod tests {
    use assay_llm::MiniLm;

    use super::*;

    #[test]
    fn wordings_of_one_cause_come_together_under_the_most_frequent_one() {
        let embedder = MiniLm::bundled().expect("the bundled model");
        let counts = [
            ("flight search returned results for the wrong city", 3),
            ("search results were for another city than asked", 1),
            ("refund amount was calculated incorrectly", 2),
            ("wrong amount calculated for the refund", 1),
        ];
        let counts = counts.map(|(text, count)| (text.to_owned(), count)).into();
        let leaders = leaders(counts, &embedder).expect("vectors");
        assert_eq!(
            leaders["search results were for another city than asked"],
            "flight search returned results for the wrong city"
        );
        assert_eq!(
            leaders["wrong amount calculated for the refund"],
            "refund amount was calculated incorrectly"
        );
        assert_ne!(
            leaders["refund amount was calculated incorrectly"],
            leaders["flight search returned results for the wrong city"]
        );
    }
}

//! Neighbouring categories that are one kind of request: the thinking model says which.
//!
//! Discovery cuts by how requests are worded, so one and the same request may be cut in two. Before
//! anything is named the model is shown pairs of neighbours with what their members say, and asked
//! whether they are the same kind of request, in the light of the instructions. Few pairs are
//! likely to be ([`likely`]), and no more are asked about. What it calls the same is one
//! category from then on: named against its new neighbours, arranged and counted like any other, and
//! once more held against its nearest ([`ROUNDS`]), for a request may be cut in more than two.
//! Whatever is no plain answer leaves two. Categories and counts that the reader gave stay.

use std::collections::BTreeMap;

use assay_domain::report::{Focus, Merged, MergedPart, Merging, Shape};
use assay_llm::{Embed, Schema};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::categories::{leaves, list, members_shown};
use super::{Asked, Question, Role, Work, contrast, lot, object, tidy};
use crate::Error;
use crate::context::Stage;
use crate::embed::Vectors;
use crate::grouping::{Grouping, ReadThread};
use crate::math::matrix::dot;
use crate::name::{self, Named, centroid};

pub(crate) const STAGE: &str = "merge";
const SYSTEM: &str = include_str!("prompts/merge.txt");

/// Of so many categories one pair is asked about; and at most so many pairs in a round.
const ONE_PAIR_OF: usize = 4;
const MOST_PAIRS: usize = 20;
/// What was joined is held against its nearest neighbour in the next round.
const ROUNDS: usize = 2;
/// A report of one category tells nothing: two are left.
const FEWEST: usize = 2;
const LONGEST_NAME: usize = 64;

/// What can be answered, and what it means.
const ANSWERS: [(&str, &str); 2] = [
    (SAME, "both ask for one and the same thing"),
    ("two", "the one asks for something else than the other, or the reader needs them apart"),
];
const SAME: &str = "same";

/// Categories that were one or several leaves.
struct Group {
    leaves: Vec<usize>,
    members: Vec<usize>,
    /// Joined in the round before.
    is_new: bool,
}

/// Lets the model merge neighbours that are one kind of request.
///
/// # Errors
/// Where the model fails for good, somebody asked to stop, or the embedder fails.
pub(crate) async fn alike(
    work: &Work<'_>,
    embedder: &dyn Embed,
    threads: &[ReadThread],
    vectors: &Vectors,
    grouping: Grouping,
    names: Vec<Named>,
) -> Result<(Grouping, Vec<Named>), Error> {
    if !is_wanted(work) {
        return Ok((grouping, names));
    }
    let vector = |thread: usize| vectors.of_thread(thread);
    let below = grouping.members_of_nodes();
    let group = |leaf: usize| Group { leaves: vec![leaf], members: below[leaf].clone(), is_new: false };
    let mut groups: Vec<Group> = leaves(&grouping).into_iter().map(group).collect();
    let cut = groups.len();
    for round in 0..ROUNDS {
        let centres: Vec<Vec<f32>> = groups.iter().map(|group| centroid(&group.members, &vector)).collect();
        let mut pairs = likely(&centres);
        pairs.retain(|&(a, b)| round == 0 || groups[a].is_new || groups[b].is_new);
        pairs.truncate(most_pairs(groups.len()));
        let shown = contrast::of_pairs(threads.len(), most_pairs(cut));
        let show = Show { work, threads, grouping: &grouping, names: &names, shown };
        let found = show.ask(&groups, pairs).await?;
        groups.iter_mut().for_each(|group| group.is_new = false);
        if found.is_empty() {
            break;
        }
        join(&mut groups, found);
    }
    let groups: Vec<Group> = groups.into_iter().filter(|group| group.leaves.len() > 1).collect();
    if groups.is_empty() {
        return Ok((grouping, names));
    }
    let part = |&leaf: &usize| MergedPart { name: names[leaf].name.clone(), threads: below[leaf].len() };
    let parts: Vec<Vec<MergedPart>> =
        groups.iter().map(|group| group.leaves.iter().map(part).collect()).collect();
    let grouping = joined(grouping, &groups, vectors);
    let mut names = name::each(threads, &grouping, &vector, embedder)?;
    for (group, parts) in groups.iter().zip(parts) {
        names[grouping.members[group.members[0]].leaf].merged = parts;
    }
    Ok((grouping, names))
}

/// Says in the report what the categories were made of, by the names they have in the end.
pub(crate) fn tell(work: &Work<'_>, names: &[Named]) {
    let merged = names.iter().filter(|named| !named.merged.is_empty());
    let mut merged: Vec<Merged> =
        merged.map(|named| Merged { category: named.name.clone(), of: named.merged.clone() }).collect();
    merged.sort_by(|a, b| a.category.cmp(&b.category));
    work.note(|books| {
        if let Some(merging) = &mut books.merging {
            merging.merged = merged;
        }
    });
}

/// The reader's own counts and categories stay as they are; failures are put together by cause.
pub(crate) fn is_wanted(work: &Work<'_>) -> bool {
    let config = work.config();
    work.reads()
        && config.focus == Focus::Usage
        && config.shape == Shape::Automatic
        && config.categories.is_empty()
}

/// How many pairs of so many categories are asked about at most.
fn most_pairs(categories: usize) -> usize {
    if categories > FEWEST { categories.div_ceil(ONE_PAIR_OF).min(MOST_PAIRS) } else { 0 }
}

/// Pairs that may be one kind of request, nearest first: either is to the other the nearest of all.
/// So nobody is in two pairs, and what has a nearer neighbour is held against that one first.
fn likely(centres: &[Vec<f32>]) -> Vec<(usize, usize)> {
    let nearest = |at: usize| {
        let others = (0..centres.len()).filter(|&other| other != at && !centres[other].is_empty());
        let near = others.map(|other| (dot(&centres[at], &centres[other]), other));
        near.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
    };
    let nearest: Vec<Option<(f32, usize)>> =
        (0..centres.len()).map(|at| nearest(at).filter(|_| !centres[at].is_empty())).collect();
    let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
    for (a, near) in nearest.iter().enumerate() {
        let Some((likeness, b)) = *near else { continue };
        if a < b && nearest[b].is_some_and(|(_, back)| back == a) {
            pairs.push((likeness, a, b));
        }
    }
    pairs.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    pairs.into_iter().map(|(_, a, b)| (a, b)).collect()
}

/// What the model is shown of categories.
struct Show<'a> {
    work: &'a Work<'a>,
    threads: &'a [ReadThread],
    grouping: &'a Grouping,
    names: &'a [Named],
    /// Members of each category.
    shown: usize,
}

impl Show<'_> {
    /// The pairs that the model calls the same.
    async fn ask(&self, groups: &[Group], pairs: Vec<(usize, usize)>) -> Result<Vec<(usize, usize)>, Error> {
        if pairs.is_empty() {
            return Ok(pairs);
        }
        let questions: Vec<((usize, usize), Question)> =
            pairs.into_iter().map(|(a, b)| ((a, b), self.question(&groups[a], &groups[b]))).collect();
        self.work.progress.begin(Stage::Merge, questions.len());
        let answers: Vec<((usize, usize), Asked)> = stream::iter(questions)
            .map(|(pair, question)| async move {
                let answer = self.work.ask(question).await?;
                self.work.progress.advance(1);
                Ok::<_, Error>((pair, answer))
            })
            .buffered(self.work.concurrency())
            .try_collect()
            .await?;
        let (mut same, mut told) = (Vec::new(), Merging::default());
        for (pair, answer) in answers {
            match &answer {
                Asked::Over => continue,
                Asked::Skipped(_) => told.unanswered += 1,
                Asked::Answer(value) => match value["verdict"].as_str() {
                    Some(SAME) => same.push(pair),
                    Some(said) if ANSWERS.iter().any(|(answer, _)| *answer == said) => {}
                    _ => told.unanswered += 1,
                },
            }
            told.asked += 1;
        }
        if told.asked > 0 {
            self.work.note(|books| {
                let sum = books.merging.get_or_insert_default();
                sum.asked += told.asked;
                sum.unanswered += told.unanswered;
            });
        }
        Ok(same)
    }

    /// Tells a category from others.
    fn id(&self, group: &Group) -> &str {
        &self.threads[group.members[0]].summary.thread.0
    }

    /// Either comes first as the lot falls, and so do the answers.
    fn question(&self, a: &Group, b: &Group) -> Question {
        let seed = self.work.config().seed.to_string();
        let salt = format!("{} {}", self.id(a), self.id(b));
        let mut pair = [a, b];
        pair.sort_by_cached_key(|group| lot(&["pair", &seed, &salt, self.id(group)]));
        let mut answers = ANSWERS;
        answers.sort_by_cached_key(|(answer, _)| lot(&["answer", &seed, &salt, answer]));
        let mut text = self.work.instructions();
        for (group, which) in pair.iter().zip(["One category", "The other category"]) {
            // Cleaned before it is cut.
            let name = |leaf: &usize| tidy(&self.work.shown(&self.names[*leaf].name), LONGEST_NAME);
            let of = |leaf: &usize| format!("“{}”", name(leaf));
            let names: Vec<String> = group.leaves.iter().map(of).collect();
            let title = format!(
                "{which}, for now called {}, holds {} conversations, such as",
                names.join(" and "),
                group.members.len()
            );
            let lines = members_shown(self.work, &group.members, self.threads, self.grouping, self.shown);
            list(self.work, &mut text, &title, &lines);
            let words: Vec<&str> = group
                .leaves
                .iter()
                .flat_map(|&leaf| &self.names[leaf].keywords)
                .map(String::as_str)
                .collect();
            if !words.is_empty() {
                text.push_str(&format!("Its members say: {}\n", words.join(", ")));
            }
        }
        text.push_str("Answers:\n");
        answers.iter().for_each(|(answer, meaning)| text.push_str(&format!("{answer}: {meaning}\n")));
        let choices = answers.map(|(answer, _)| answer);
        Question {
            stage: STAGE,
            role: Role::Thinking,
            system: SYSTEM.to_owned(),
            text,
            schema: Schema {
                name: "merging".into(),
                description: "Whether two categories are the same kind of request.".into(),
                schema: object(vec![(
                    "verdict",
                    json!({"type": "string", "enum": choices, "description": "The same kind of request, or two."}),
                )]),
            },
            max_tokens: 30,
        }
    }
}

/// Each pair is one group from now on.
fn join(groups: &mut Vec<Group>, pairs: Vec<(usize, usize)>) {
    for (a, b) in pairs {
        let other = std::mem::replace(
            &mut groups[b],
            Group { leaves: Vec::new(), members: Vec::new(), is_new: false },
        );
        let group = &mut groups[a];
        group.leaves.extend(other.leaves);
        group.members.extend(other.members);
        group.members.sort_unstable();
        group.is_new = true;
    }
    groups.retain(|group| !group.leaves.is_empty());
}

/// The grouping with the leaves of each group in its largest one.
fn joined(grouping: Grouping, groups: &[Group], vectors: &Vectors) -> Grouping {
    let below = grouping.members_of_nodes();
    let confidences = confidences(&grouping, groups, vectors);
    let mut into: BTreeMap<usize, usize> = BTreeMap::new();
    for group in groups {
        let largest = group.leaves.iter().copied().max_by_key(|&leaf| (below[leaf].len(), usize::MAX - leaf));
        let others = group.leaves.iter().filter(|leaf| Some(**leaf) != largest);
        into.extend(others.zip(largest.iter().cycle()).map(|(&leaf, &largest)| (leaf, largest)));
    }
    let mut grouping = grouping.joined(&into);
    for (thread, confidence) in confidences {
        grouping.members[thread].confidence = confidence;
    }
    grouping
}

/// How clear the places of joined members are now: who lay between two that are one lies in that
/// one. By the margin between the nearest of its parts and the nearest other leaf, nine to one at the typical
/// margin, as in discovery; never less than it was. Threads placed by likeness keep what they have.
fn confidences(grouping: &Grouping, groups: &[Group], vectors: &Vectors) -> Vec<(usize, f64)> {
    let below = grouping.members_of_nodes();
    let vector = |thread: usize| vectors.of_thread(thread);
    let centres: Vec<(usize, Vec<f32>)> =
        leaves(grouping).into_iter().map(|leaf| (leaf, centroid(&below[leaf], &vector))).collect();
    let likeness = |thread: usize, is_counted: &dyn Fn(usize) -> bool| {
        let own = vector(thread)?;
        let near = centres.iter().filter(|(leaf, centre)| is_counted(*leaf) && !centre.is_empty());
        near.map(|(_, centre)| dot(own, centre)).max_by(f32::total_cmp)
    };
    let margin = |thread: usize, own: &[usize]| {
        let inside = likeness(thread, &|leaf| own.contains(&leaf))?;
        Some(inside - likeness(thread, &|leaf| !own.contains(&leaf))?)
    };
    let is_inferred = |thread: usize| grouping.inferred.get(thread).copied().unwrap_or(false);
    let placed = centres.iter().flat_map(|(leaf, _)| below[*leaf].iter().map(move |&thread| (thread, *leaf)));
    let placed = placed.filter(|(thread, _)| !is_inferred(*thread));
    let mut margins: Vec<f32> = placed.filter_map(|(thread, leaf)| margin(thread, &[leaf])).collect();
    margins.sort_by(f32::total_cmp);
    let typical = margins.get(margins.len() / 2).copied().unwrap_or_default().max(1e-3);
    let mut found = Vec::new();
    for group in groups {
        for &thread in group.members.iter().filter(|thread| !is_inferred(**thread)) {
            let Some(margin) = margin(thread, &group.leaves) else { continue };
            let clear = 1.0 / (1.0 + (-9.0_f64.ln() * f64::from(margin / typical)).exp());
            found.push((thread, clear.max(grouping.members[thread].confidence)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use assay_domain::report::CategoryKind;

    use super::*;
    use crate::grouping::{Member, Node};
    use crate::math::Matrix;

    /// Unit vectors at these angles, in degrees.
    fn at(angles: &[f32]) -> Vec<Vec<f32>> {
        angles.iter().map(|angle| vec![angle.to_radians().cos(), angle.to_radians().sin()]).collect()
    }

    #[test]
    fn likely_pairs_are_each_others_nearest_and_the_nearest_come_first() {
        // 40 is nearest to 30, which is nearer to 25; 100 and 130 have nobody nearer.
        assert_eq!(likely(&at(&[25.0, 40.0, 130.0, 30.0, 100.0])), [(0, 3), (2, 4)]);
        assert_eq!(likely(&at(&[0.0, 90.0])), [(0, 1)]);
        assert!(likely(&at(&[0.0])).is_empty());
        // Whoever has no vector is nobody's neighbour.
        let mut centres = at(&[0.0, 10.0, 20.0]);
        centres[1].clear();
        assert_eq!(likely(&centres), [(0, 2)]);
        // Of equals the first is the nearest.
        assert_eq!(likely(&at(&[10.0, 10.0, 10.0])), [(0, 1)]);
    }

    #[test]
    fn few_pairs_are_asked_about_whatever_the_size_and_two_categories_are_left() {
        let most: Vec<usize> = [0, 1, 2, 3, 4, 5, 8, 9, 40, 80, 5_000].map(most_pairs).into();
        assert_eq!(most, [0, 0, 0, 1, 1, 2, 2, 3, 10, 20, 20]);
        for mut left in FEWEST..60 {
            for _ in 0..ROUNDS {
                left -= most_pairs(left);
            }
            assert!(left >= FEWEST);
        }
    }

    fn group(leaves: &[usize], members: &[usize]) -> Group {
        Group { leaves: leaves.to_vec(), members: members.to_vec(), is_new: false }
    }

    #[test]
    fn joined_groups_hold_the_leaves_and_members_of_both() {
        let mut groups = vec![group(&[0], &[1, 4]), group(&[1], &[0]), group(&[2], &[2, 3])];
        join(&mut groups, vec![(0, 2)]);
        let told: Vec<(&[usize], &[usize], bool)> = groups
            .iter()
            .map(|group| (group.leaves.as_slice(), group.members.as_slice(), group.is_new))
            .collect();
        assert_eq!(told, [(&[0, 2][..], &[1, 2, 3, 4][..], true), (&[1][..], &[0][..], false)]);
    }

    /// Three leaves at 0, 20 and 90 degrees; thread 2 lies between the first two.
    #[test]
    fn who_lay_between_two_that_are_one_lies_clearly_in_that_one() {
        let node = Node { parent: None, kind: CategoryKind::Discovered, name: None, description: None };
        let angles = [0.0, 2.0, 9.0, 20.0, 22.0, 90.0, 91.0];
        let confidences = [0.9, 0.9, 0.55, 0.9, 0.9, 0.95, 0.95];
        let leaf_of = [0, 0, 0, 1, 1, 2, 2];
        let member = |(leaf, confidence): (usize, f64)| Member { leaf, confidence, reason: None };
        let grouping = Grouping {
            nodes: vec![node; 3],
            members: leaf_of.into_iter().zip(confidences).map(member).collect(),
            ..Grouping::default()
        };
        let vectors = Vectors {
            rows: Matrix::new(7, 2, at(&angles).concat()),
            multiplicity: vec![1; 7],
            row_of: (0..7).map(Some).collect(),
            distinct_texts: 7,
            student_texts: 0,
            asked: None,
        };
        let whole = joined(grouping, &[group(&[0, 1], &[0, 1, 2, 3, 4])], &vectors);
        let leaves: Vec<usize> = whole.members.iter().map(|member| member.leaf).collect();
        assert_eq!((leaves, whole.nodes.len()), (vec![0, 0, 0, 0, 0, 1, 1], 2));
        let told: Vec<f64> = whole.members.iter().map(|member| member.confidence).collect();
        assert!(told[2] > 0.9, "{told:?}");
        assert!(told.iter().zip(confidences).all(|(now, before)| *now >= before), "{told:?}");
        assert_eq!(told[5..], [0.95, 0.95], "others keep what they had");
    }
}

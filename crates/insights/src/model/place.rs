//! Threads that lie between categories: the model decides.
//!
//! Vectors make the shortlist, so a call is short and only unclear threads cost
//! one. The options come in an order drawn by seed and thread: models like what
//! stands first. Whoever fits none of them goes to "Other", and so does a
//! thread about which the model gives no usable answer, never to the first option.

use assay_domain::report::{CategoryKind, Focus};
use assay_llm::Schema;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::{Asked, Question, Role, Work, lot, object, tidy};
use crate::Error;
use crate::context::Stage;
use crate::embed::Vectors;
use crate::grouping::{Grouping, Member, Node, ReadThread};
use crate::math::matrix::dot;
use crate::name::{Named, centroid};

pub(crate) const STAGE: &str = "assign";
const SYSTEM: &str = include_str!("prompts/place.txt");

/// Below this confidence a thread could as well be elsewhere: 0.5 is a tie, 0.9 the usual margin.
const UNCLEAR: f64 = 0.65;
/// At most this share of the threads is asked about, least clear first.
const SHARE: f64 = 0.15;
const OPTIONS: usize = 4;
const LABELS: [&str; OPTIONS] = ["A", "B", "C", "D"];
/// Confidence of a place the model chose.
const CHOSEN: f64 = 0.75;

const UNFIT: &str = "fits none of the nearest categories, the model says";
const UNDECIDED: &str = "lies between categories, and the model gave no usable answer";

/// Where unclear threads belong, as the model says; nothing of those it was not asked about.
///
/// # Errors
/// Where the model fails for good or somebody asked to stop.
pub(crate) async fn unclear(
    work: &Work<'_>,
    threads: &[ReadThread],
    vectors: &Vectors,
    grouping: &Grouping,
    names: &[Named],
) -> Result<Vec<(usize, Choice)>, Error> {
    let leaves = leaves(grouping);
    // What fails is placed by its cause, not by what was asked for.
    if !work.reads() || leaves.len() < 2 || work.config().focus != Focus::Usage {
        return Ok(Vec::new());
    }
    let members = grouping.members_of_nodes();
    let vector = |thread: usize| vectors.of_thread(thread);
    let centroids: Vec<Vec<f32>> = leaves.iter().map(|&leaf| centroid(&members[leaf], &vector)).collect();
    let asked: Vec<(usize, Vec<usize>)> = (unclear_members(grouping, &leaves).into_iter())
        .filter_map(|thread| Some((thread, shortlist(work, thread, threads, vectors, &leaves, &centroids)?)))
        .collect();
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    work.progress.begin(Stage::Assign, asked.len());
    let answers: Vec<(usize, Option<Choice>)> = stream::iter(asked)
        .map(|(thread, options)| {
            let question = question(work, &threads[thread], &options, names);
            async move {
                let choice = match work.ask(question).await? {
                    Asked::Answer(value) => {
                        Some(chosen(value["choice"].as_str().unwrap_or_default(), &options))
                    }
                    Asked::Skipped(_) => Some(Choice::Nowhere(UNDECIDED)),
                    Asked::Over => None,
                };
                work.progress.advance(1);
                Ok::<_, Error>((thread, choice))
            }
        })
        .buffered(work.concurrency())
        .try_collect()
        .await?;
    Ok(answers.into_iter().filter_map(|(thread, choice)| Some((thread, choice?))).collect())
}

/// Places threads where the model says. Leaves that nobody is in any more stay for now.
pub(crate) fn placed(
    mut grouping: Grouping,
    mut names: Vec<Named>,
    choices: Vec<(usize, Choice)>,
) -> (Grouping, Vec<Named>) {
    for (thread, choice) in choices {
        grouping.members[thread] = match choice {
            Choice::Leaf(leaf) => Member { leaf, confidence: CHOSEN, reason: None },
            Choice::Nowhere(reason) => {
                let leaf = other(&mut grouping, &mut names);
                Member { leaf, confidence: 0.0, reason: Some(reason.into()) }
            }
        };
    }
    (grouping, names)
}

/// Where a thread belongs, or why nowhere.
pub(crate) enum Choice {
    Leaf(usize),
    Nowhere(&'static str),
}

fn chosen(answer: &str, options: &[usize]) -> Choice {
    let position = LABELS.iter().position(|label| *label == answer);
    match position.and_then(|position| options.get(position)) {
        Some(&leaf) => Choice::Leaf(leaf),
        None => Choice::Nowhere(UNFIT),
    }
}

/// Leaves that can be chosen.
fn leaves(grouping: &Grouping) -> Vec<usize> {
    (0..grouping.nodes.len())
        .filter(|&node| grouping.children(Some(node)).next().is_none())
        .filter(|&node| {
            matches!(grouping.nodes[node].kind, CategoryKind::Discovered | CategoryKind::Predefined)
        })
        .collect()
}

fn unclear_members(grouping: &Grouping, leaves: &[usize]) -> Vec<usize> {
    let is_inferred = |thread: &usize| grouping.inferred.get(*thread).copied().unwrap_or(false);
    // Each kind by itself: those that were read are asked about as if all had been.
    let (inferred, read): (Vec<usize>, Vec<usize>) = (0..grouping.members.len()).partition(is_inferred);
    let mut chosen = Vec::new();
    for kind in [inferred, read] {
        let most = (kind.len() as f64 * SHARE).ceil() as usize;
        let mut unclear: Vec<usize> = kind
            .into_iter()
            .filter(|&thread| {
                let member = &grouping.members[thread];
                member.confidence < UNCLEAR && leaves.contains(&member.leaf)
            })
            .collect();
        unclear.sort_by(|&a, &b| {
            grouping.members[a].confidence.total_cmp(&grouping.members[b].confidence).then(a.cmp(&b))
        });
        chosen.extend(unclear.into_iter().take(most));
    }
    chosen.sort_unstable();
    chosen
}

/// The nearest leaves in an order drawn by lot; `None` for threads without words.
fn shortlist(
    work: &Work<'_>,
    thread: usize,
    threads: &[ReadThread],
    vectors: &Vectors,
    leaves: &[usize],
    centroids: &[Vec<f32>],
) -> Option<Vec<usize>> {
    let vector = vectors.of_thread(thread)?;
    let mut near: Vec<(f32, usize)> = (leaves.iter().zip(centroids))
        .filter(|(_, centroid)| !centroid.is_empty())
        .map(|(&leaf, centroid)| (dot(vector, centroid), leaf))
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut options: Vec<usize> = near.into_iter().take(OPTIONS).map(|(_, leaf)| leaf).collect();
    let seed = work.config().seed.to_string();
    let id = &threads[thread].summary.thread.0;
    options.sort_by_cached_key(|&leaf| lot(&[&seed, id, &leaf.to_string()]));
    Some(options)
}

fn question(work: &Work<'_>, thread: &ReadThread, options: &[usize], names: &[Named]) -> Question {
    let listed: String = (LABELS.iter().zip(options))
        .map(|(label, &leaf)| {
            format!("{label}: {}. {}\n", names[leaf].name, tidy(&work.shown(&names[leaf].description), 240))
        })
        .collect();
    let mut choices: Vec<&str> = LABELS[..options.len()].to_vec();
    choices.push("none");
    Question {
        stage: STAGE,
        role: Role::Summary,
        system: SYSTEM.to_owned(),
        text: format!(
            "Categories:\n{listed}\n<conversation>\n{}\n{}\n</conversation>",
            work.shown(&thread.summary.request),
            work.shown(&thread.summary.text)
        ),
        schema: Schema {
            name: "choice".into(),
            description: "The category the conversation belongs to.".into(),
            schema: object(vec![("choice", json!({"type": "string", "enum": choices}))]),
        },
        max_tokens: 30,
    }
}

/// "Other", made where there is none.
fn other(grouping: &mut Grouping, names: &mut Vec<Named>) -> usize {
    if let Some(node) = grouping.nodes.iter().position(|node| node.kind == CategoryKind::Other) {
        return node;
    }
    grouping.nodes.push(Node {
        parent: None,
        kind: CategoryKind::Other,
        name: Some("Other".into()),
        description: None,
    });
    names.push(Named { name: "Other".into(), ..Named::default() });
    grouping.nodes.len() - 1
}

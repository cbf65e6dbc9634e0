//! The thinking model names categories and arranges them.
//!
//! Every leaf is named in one call that shows typical members and those of its
//! nearest neighbours, so that a name sets it apart ([`Contrast`] says how many). In tier `deep`, unless the
//! reader gave categories or counts, the model also proposes the top categories
//! in the light of the instructions and says which of them each leaf belongs to ([`order`]);
//! a leaf that it puts under none that exists, asked twice, stays by itself. A name that only
//! repeats the prompt is none ([`echo`]).
//! What the model cannot do keeps its local name and place.

use std::collections::{BTreeMap, BTreeSet};

use assay_domain::report::{CategoryKind, Focus, Shape};
use assay_llm::Schema;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::contrast::Contrast;
use super::{Asked, Question, Role, Work, echo, lot, object, string, tidy};
use crate::Error;
use crate::context::Stage;
use crate::embed::Vectors;
use crate::grouping::{Grouping, Node, ReadThread};
use crate::math::matrix::dot;
use crate::name::{Named, centroid};

pub(crate) const NAME: &str = "name";
pub(crate) const ARRANGE: &str = "arrange";
const NAME_SYSTEM: &str = include_str!("prompts/name.txt");
const ARRANGE_SYSTEM: &str = include_str!("prompts/arrange.txt");

const LONGEST_NAME: usize = 64;
const LONGEST_DESCRIPTION: usize = 280;
const NEIGHBOURS: usize = 3;
const SHOWN: usize = 260;
/// Fewer leaves need no order.
const WORTH_ARRANGING: usize = 6;
/// Leaves placed per call.
const PER_CALL: usize = 25;

/// Names and describes the leaves as far as the tier says.
///
/// # Errors
/// Where the model fails for good or somebody asked to stop.
pub(crate) async fn name(
    work: &Work<'_>,
    threads: &[ReadThread],
    vectors: &Vectors,
    grouping: &Grouping,
    names: &mut [Named],
) -> Result<(), Error> {
    if work.names() {
        name_leaves(work, threads, vectors, grouping, names).await?;
        // Whoever chooses among them has to tell them apart.
        set_apart(grouping, names, true);
    }
    Ok(())
}

/// The top categories that the model proposed, and under which of them each leaf belongs.
pub(crate) struct Order {
    tops: Vec<Titled>,
    top_of: BTreeMap<usize, usize>,
}

/// Lets the model propose the top categories and put the leaves under them; `None` where they
/// stay as they are.
///
/// # Errors
/// As [`name`].
pub(crate) async fn order(
    work: &Work<'_>,
    grouping: &Grouping,
    names: &[Named],
) -> Result<Option<Order>, Error> {
    if !may_arrange(work, grouping) {
        return Ok(None);
    }
    let leaves = leaves(grouping);
    let Some(tops) = propose(work, grouping, &leaves, names).await? else { return Ok(None) };
    let mut top_of: BTreeMap<usize, usize> = BTreeMap::new();
    let mut left = leaves;
    // Asked twice: an answer beside the options may be a slip.
    for round in 0..2 {
        let found = sort_in(work, &left, &tops, names, round).await?;
        left.retain(|leaf| !found.contains_key(leaf));
        top_of.extend(found);
        if left.is_empty() {
            break;
        }
    }
    Ok((!top_of.is_empty()).then_some(Order { tops, top_of }))
}

/// Arranges the leaves in that order, or names the categories above them where there is none.
/// Whatever holds nobody goes.
///
/// # Errors
/// As [`name`].
pub(crate) async fn arrange(
    work: &Work<'_>,
    grouping: Grouping,
    names: Vec<Named>,
    order: Option<Order>,
) -> Result<(Grouping, Vec<Named>), Error> {
    let is_arranged = order.is_some();
    let (grouping, mut names) = match order {
        Some(mut order) => {
            // A leaf that lost all its threads makes no top.
            let members = grouping.members_of_nodes();
            order.top_of.retain(|&leaf, _| !members[leaf].is_empty());
            rebuilt(grouping, names, &order.tops, &order.top_of)
        }
        None => (grouping, names),
    };
    let holds: Vec<bool> = grouping.members_of_nodes().iter().map(|members| !members.is_empty()).collect();
    let mut kept = holds.iter();
    names.retain(|_| kept.next().copied().unwrap_or(false));
    let grouping = grouping.without_empty_nodes();
    if work.names() {
        if !is_arranged {
            name_inner(work, &grouping, &mut names).await?;
        }
        set_apart(&grouping, &mut names, false);
    }
    Ok((grouping, names))
}

fn is_leaf(grouping: &Grouping, node: usize) -> bool {
    grouping.children(Some(node)).next().is_none()
}

pub(super) fn leaves(grouping: &Grouping) -> Vec<usize> {
    let is_ours =
        |&node: &usize| grouping.nodes[node].kind == CategoryKind::Discovered && is_leaf(grouping, node);
    (0..grouping.nodes.len()).filter(is_ours).collect()
}

// ------------------------------------------------------------------ naming

async fn name_leaves(
    work: &Work<'_>,
    threads: &[ReadThread],
    vectors: &Vectors,
    grouping: &Grouping,
    names: &mut [Named],
) -> Result<(), Error> {
    let leaves = leaves(grouping);
    let members = grouping.members_of_nodes();
    let contrast = Contrast::of(threads.len(), leaves.len());
    let shown_of = |leaf: usize| members_shown(work, &members[leaf], threads, grouping, contrast.members);
    let shown: BTreeMap<usize, Vec<String>> = leaves.iter().map(|&leaf| (leaf, shown_of(leaf))).collect();
    let near = neighbours(&leaves, &members, vectors);
    let questions: Vec<(usize, String)> = leaves
        .iter()
        .map(|&leaf| {
            let mut text = work.instructions();
            text.push_str(&format!("The category holds {} conversations.\n", members[leaf].len()));
            list(work, &mut text, "Members", &shown[&leaf]);
            if !names[leaf].keywords.is_empty() {
                text.push_str(&format!("Members say: {}\n", names[leaf].keywords.join(", ")));
            }
            for (place, other) in near[&leaf].iter().enumerate() {
                let most = contrast.of_neighbour(place, near[&leaf].len());
                let of = shown[other].iter().take(most).cloned().collect::<Vec<_>>();
                list(work, &mut text, "A neighbour, which the name must not fit", &of);
            }
            (leaf, text)
        })
        .collect();
    work.progress.begin(Stage::Name, questions.len());
    apply_names(work, questions, names).await
}

/// Inner nodes, from the bottom up: named by their children.
async fn name_inner(work: &Work<'_>, grouping: &Grouping, names: &mut [Named]) -> Result<(), Error> {
    let inner =
        |&node: &usize| grouping.nodes[node].kind == CategoryKind::Discovered && !is_leaf(grouping, node);
    let mut levels: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for node in (0..grouping.nodes.len()).filter(inner) {
        levels.entry(grouping.line(node).count()).or_default().push(node);
    }
    if !levels.is_empty() {
        // Where a model reads threads, it has placed some since it named the leaves.
        let stage = if work.reads() { Stage::Arrange } else { Stage::Name };
        work.progress.begin(stage, levels.values().map(Vec::len).sum());
    }
    for nodes in levels.into_values().rev() {
        let questions: Vec<(usize, String)> = nodes
            .into_iter()
            .map(|node| {
                let said = |child: usize| format!("{}: {}", names[child].name, names[child].description);
                let children: Vec<String> = grouping.children(Some(node)).map(said).collect();
                let siblings: Vec<String> = grouping
                    .children(grouping.nodes[node].parent)
                    .filter(|&sibling| sibling != node)
                    .take(12)
                    .map(|sibling| names[sibling].name.clone())
                    .collect();
                let mut text = work.instructions();
                list(work, &mut text, "The category holds these subcategories", &children);
                list(work, &mut text, "Categories beside it, which the name must not fit", &siblings);
                (node, text)
            })
            .collect();
        apply_names(work, questions, names).await?;
    }
    Ok(())
}

async fn apply_names(
    work: &Work<'_>,
    questions: Vec<(usize, String)>,
    names: &mut [Named],
) -> Result<(), Error> {
    let answers: Vec<(usize, Option<Titled>)> = stream::iter(questions)
        .map(|(node, text)| async move {
            let found = titled(work, &text).await?;
            work.progress.advance(1);
            Ok::<_, Error>((node, found))
        })
        .buffered(work.concurrency())
        .try_collect()
        .await?;
    for (node, found) in answers {
        if let Some(Titled { name, description }) = found {
            names[node].name = name;
            names[node].description = description;
        }
    }
    Ok(())
}

struct Titled {
    name: String,
    description: String,
}

impl Titled {
    fn of(value: &Value) -> Self {
        Self {
            name: tidy(value["name"].as_str().unwrap_or_default(), LONGEST_NAME),
            description: tidy(value["description"].as_str().unwrap_or_default(), LONGEST_DESCRIPTION),
        }
    }
}

/// What the model calls a category. A name that only repeats the prompt is asked for once more.
async fn titled(work: &Work<'_>, text: &str) -> Result<Option<Titled>, Error> {
    let mut question = text.to_owned();
    for _ in 0..2 {
        let Asked::Answer(value) = work.ask(naming(question)).await? else { return Ok(None) };
        let found = Titled::of(&value);
        if !found.name.contains(char::is_alphabetic) {
            return Ok(None);
        }
        if !echo::repeats(&found.name, NAME_SYSTEM, text) {
            return Ok(Some(found));
        }
        question =
            format!("{text}\n{:?} only repeats what you were told. Write a name of your own.\n", found.name);
    }
    Ok(None)
}

fn naming(text: String) -> Question {
    Question {
        stage: NAME,
        role: Role::Thinking,
        system: NAME_SYSTEM.to_owned(),
        text,
        schema: Schema {
            name: "category".into(),
            description: "The category's name and what belongs in it.".into(),
            schema: object(vec![
                ("name", string("Two to six words.")),
                ("description", string("One sentence.")),
            ]),
        },
        max_tokens: 200,
    }
}

pub(super) fn list(work: &Work<'_>, text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("{title}:\n"));
    lines.iter().for_each(|line| text.push_str(&format!("- {}\n", tidy(&work.shown(line), SHOWN))));
}

/// So many members, the most typical and as many by lot, each wording once.
pub(super) fn members_shown(
    work: &Work<'_>,
    members: &[usize],
    threads: &[ReadThread],
    grouping: &Grouping,
    most: usize,
) -> Vec<String> {
    let mut typical = members.to_vec();
    typical.sort_by(|&a, &b| {
        grouping.members[b].confidence.total_cmp(&grouping.members[a].confidence).then(a.cmp(&b))
    });
    let mut by_lot = members.to_vec();
    by_lot.sort_by_cached_key(|&member| lot(&["member", &threads[member].summary.thread.0]));
    let mut said = BTreeSet::new();
    let mut shown = Vec::new();
    for (order, most) in [(typical, most.div_ceil(2)), (by_lot, most)] {
        for member in order {
            if shown.len() == most {
                break;
            }
            let summary = &threads[member].summary;
            let failure = summary.failures.iter().find(|failure| !failure.recovered);
            // Cleaned before it is cut any further.
            let mut text = work.shown(&summary.text);
            if let Some(failure) = failure {
                text = format!("{} [failure: {}]", tidy(&text, SHOWN / 2), work.shown(&failure.signature));
            }
            if said.insert(text.clone()) {
                shown.push(text);
            }
        }
    }
    shown
}

/// The nearest other leaves of each leaf.
fn neighbours(leaves: &[usize], members: &[Vec<usize>], vectors: &Vectors) -> BTreeMap<usize, Vec<usize>> {
    let vector = |thread: usize| vectors.of_thread(thread);
    let centroids: Vec<Vec<f32>> = leaves.iter().map(|&leaf| centroid(&members[leaf], &vector)).collect();
    let nearest = |at: usize| {
        let mut near: Vec<(f32, usize)> = (0..leaves.len())
            .filter(|&other| other != at)
            .map(|other| (dot(&centroids[at], &centroids[other]), leaves[other]))
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        near.into_iter().take(NEIGHBOURS).map(|(_, leaf)| leaf).collect()
    };
    leaves.iter().enumerate().map(|(at, &leaf)| (leaf, nearest(at))).collect()
}

/// No two leaves and no two siblings with one name: whoever comes later adds its local keyword.
/// With `only_leaves` the others are left alone.
fn set_apart(grouping: &Grouping, names: &mut [Named], only_leaves: bool) {
    let mut taken: BTreeSet<(Option<usize>, String)> = BTreeSet::new();
    let mut leaf_names: BTreeSet<String> = BTreeSet::new();
    let is_given = |node: &usize| grouping.nodes[*node].name.is_some();
    // What the reader gave is called so: others make way.
    let (given, others): (Vec<usize>, Vec<usize>) = (0..names.len()).partition(is_given);
    for node in given.into_iter().chain(others) {
        let is_leaf = is_leaf(grouping, node);
        if only_leaves && !is_leaf {
            continue;
        }
        let parent = grouping.nodes[node].parent.filter(|_| !only_leaves);
        let above = parent.map(|parent| names[parent].name.to_lowercase());
        let is_free = |name: &str| {
            let key = name.to_lowercase();
            let is_leafs = is_leaf && leaf_names.contains(&key);
            let is_taken = is_leafs || above.as_ref() == Some(&key) || taken.contains(&(parent, key));
            !is_taken
        };
        let own = names[node].name.clone();
        let with = |addition: &str| format!("{} ({addition})", tidy(&own, LONGEST_NAME - 20));
        let free = std::iter::once(own.clone())
            .chain(names[node].keywords.iter().map(|word| with(word)))
            .chain((2..).map(|number: usize| with(&number.to_string())))
            .find(|name| is_free(name));
        let name = free.filter(|_| !is_given(&node)).unwrap_or(own);
        taken.insert((parent, name.to_lowercase()));
        if is_leaf {
            leaf_names.insert(name.to_lowercase());
        }
        names[node].name = name;
    }
}

// --------------------------------------------------------------- arranging

/// The reader's own counts and categories stay as they are; failures are arranged by cause.
fn may_arrange(work: &Work<'_>, grouping: &Grouping) -> bool {
    let config = work.config();
    work.reads()
        && config.focus == Focus::Usage
        && config.shape == Shape::Automatic
        && config.categories.is_empty()
        && leaves(grouping).len() >= WORTH_ARRANGING
}

async fn propose(
    work: &Work<'_>,
    grouping: &Grouping,
    leaves: &[usize],
    names: &[Named],
) -> Result<Option<Vec<Titled>>, Error> {
    let sizes = grouping.members_of_nodes();
    let seed = work.config().seed.to_string();
    let mut order = leaves.to_vec();
    order.sort_by_cached_key(|&leaf| lot(&["propose", &seed, &names[leaf].name]));
    let lines: Vec<String> = order
        .iter()
        .map(|&leaf| {
            format!("{} ({} conversations): {}", names[leaf].name, sizes[leaf].len(), names[leaf].description)
        })
        .collect();
    let wanted = ((leaves.len() as f64).sqrt() * 1.2).round().clamp(3.0, 12.0) as usize;
    let mut text = work.instructions();
    list(work, &mut text, "Categories", &lines);
    text.push_str(&format!("Propose about {wanted} top categories that hold all of these.\n"));
    let top = object(vec![("name", string("One to five words.")), ("description", string("One sentence."))]);
    let told = text.clone();
    let question = Question {
        stage: ARRANGE,
        role: Role::Thinking,
        system: ARRANGE_SYSTEM.to_owned(),
        text,
        schema: Schema {
            name: "top_categories".into(),
            description: "The top categories.".into(),
            schema: object(vec![(
                "categories",
                json!({"type": "array", "items": top, "description": format!("About {wanted} top categories.")}),
            )]),
        },
        max_tokens: 1_500,
    };
    let Asked::Answer(value) = work.ask(question).await? else { return Ok(None) };
    let mut said = BTreeSet::new();
    let tops: Vec<Titled> = (value["categories"].as_array().into_iter().flatten())
        .map(Titled::of)
        .filter(|top| top.name.contains(char::is_alphabetic) && said.insert(top.name.to_lowercase()))
        .filter(|top| !echo::repeats(&top.name, ARRANGE_SYSTEM, &told))
        .take(leaves.len())
        .collect();
    Ok((tops.len() >= 2).then_some(tops))
}

/// Which top each leaf belongs to, for those the model gave a usable answer for.
async fn sort_in(
    work: &Work<'_>,
    leaves: &[usize],
    tops: &[Titled],
    names: &[Named],
    round: usize,
) -> Result<BTreeMap<usize, usize>, Error> {
    let questions: Vec<(Vec<usize>, Question)> = leaves
        .chunks(PER_CALL)
        .enumerate()
        .map(|(part, chunk)| {
            let mut options: Vec<usize> = (0..tops.len()).collect();
            let salt = format!("{} {round} {part}", work.config().seed);
            options.sort_by_cached_key(|&top| lot(&[&salt, &tops[top].name]));
            (chunk.to_vec(), sorting(work, chunk, &options, tops, names))
        })
        .collect();
    let answers: Vec<(Vec<usize>, Asked)> = stream::iter(questions)
        .map(|(chunk, question)| async move { Ok::<_, Error>((chunk, work.ask(question).await?)) })
        .buffered(work.concurrency())
        .try_collect()
        .await?;
    let by_name: BTreeMap<&str, usize> =
        tops.iter().enumerate().map(|(top, one)| (one.name.as_str(), top)).collect();
    let mut found = BTreeMap::new();
    for (chunk, asked) in answers {
        let Asked::Answer(value) = asked else { continue };
        for one in value["placed"].as_array().into_iter().flatten() {
            let number = one["number"].as_u64().and_then(|number| usize::try_from(number).ok());
            let leaf = number.and_then(|number| chunk.get(number.checked_sub(1)?));
            let top = one["top"].as_str().and_then(|name| by_name.get(name));
            if let (Some(&leaf), Some(&top)) = (leaf, top) {
                found.entry(leaf).or_insert(top);
            }
        }
    }
    Ok(found)
}

fn sorting(
    work: &Work<'_>,
    chunk: &[usize],
    options: &[usize],
    tops: &[Titled],
    names: &[Named],
) -> Question {
    let listed = |top: &usize| format!("{}: {}", tops[*top].name, tops[*top].description);
    let mut text = work.instructions();
    list(work, &mut text, "Top categories", &options.iter().map(listed).collect::<Vec<_>>());
    text.push_str("Categories to place:\n");
    for (position, &leaf) in chunk.iter().enumerate() {
        let line = tidy(&work.shown(&format!("{}: {}", names[leaf].name, names[leaf].description)), SHOWN);
        text.push_str(&format!("{}. {line}\n", position + 1));
    }
    let choices: Value = options.iter().map(|&top| json!(tops[top].name)).collect();
    let placed = object(vec![
        ("number", json!({"type": "integer", "description": "The category's number."})),
        ("top", json!({"type": "string", "enum": choices})),
    ]);
    Question {
        stage: ARRANGE,
        role: Role::Thinking,
        system: ARRANGE_SYSTEM.to_owned(),
        text,
        schema: Schema {
            name: "arrangement".into(),
            description: "The top category of every category.".into(),
            schema: object(vec![(
                "placed",
                json!({"type": "array", "items": placed, "description": "Every category once."}),
            )]),
        },
        max_tokens: 2_000,
    }
}

/// The same leaves under the model's tops. A top with one leaf is that leaf.
fn rebuilt(
    grouping: Grouping,
    names: Vec<Named>,
    tops: &[Titled],
    top_of: &BTreeMap<usize, usize>,
) -> (Grouping, Vec<Named>) {
    let mut held: Vec<usize> = vec![0; tops.len()];
    top_of.values().for_each(|&top| held[top] += 1);
    let mut nodes: Vec<Node> = Vec::new();
    let mut renamed: Vec<Named> = Vec::new();
    let mut place_of_top: Vec<Option<usize>> = vec![None; tops.len()];
    for (top, one) in tops.iter().enumerate().filter(|(top, _)| held[*top] > 1) {
        place_of_top[top] = Some(nodes.len());
        nodes.push(Node { parent: None, kind: CategoryKind::Discovered, name: None, description: None });
        let keywords: Vec<String> = top_of
            .iter()
            .filter(|(_, of)| **of == top)
            .flat_map(|(leaf, _)| names[*leaf].keywords.first().cloned())
            .collect();
        let examples = top_of
            .iter()
            .filter(|(_, of)| **of == top)
            .flat_map(|(leaf, _)| names[*leaf].examples.first().cloned());
        renamed.push(Named {
            name: one.name.clone(),
            description: one.description.clone(),
            keywords,
            examples: examples.take(5).collect(),
            merged: Vec::new(),
        });
    }
    let mut place_of: Vec<Option<usize>> = vec![None; grouping.nodes.len()];
    for node in (0..grouping.nodes.len()).filter(|&node| is_leaf(&grouping, node)) {
        place_of[node] = Some(nodes.len());
        let parent = top_of.get(&node).and_then(|&top| place_of_top[top]);
        nodes.push(Node { parent, ..grouping.nodes[node].clone() });
        renamed.push(names[node].clone());
    }
    let members = grouping.members.into_iter().map(|mut member| {
        member.leaf = place_of[member.leaf].unwrap_or(member.leaf);
        member
    });
    let members = members.collect();
    let alike = grouping.alike.into_iter().map(|leaf| place_of[leaf?]);
    (
        Grouping {
            nodes,
            members,
            alike: alike.collect(),
            granularities: grouping.granularities,
            stability: grouping.stability,
            inferred: grouping.inferred,
        },
        renamed,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grouping::Node;

    #[test]
    fn what_the_reader_called_a_category_it_is_called_whatever_comes_before_it() {
        let node = |parent, kind, name: Option<&str>| Node {
            parent,
            kind,
            name: name.map(str::to_owned),
            description: None,
        };
        let grouping = Grouping {
            nodes: vec![
                node(None, CategoryKind::Predefined, Some("Orders")),
                node(Some(0), CategoryKind::Discovered, None),
                node(None, CategoryKind::Predefined, Some("Late parcels")),
                node(Some(0), CategoryKind::Discovered, None),
            ],
            ..Grouping::default()
        };
        let named = |name: &str| Named {
            name: name.to_owned(),
            description: String::new(),
            keywords: vec!["courier".to_owned()],
            examples: Vec::new(),
            merged: Vec::new(),
        };
        for only_leaves in [true, false] {
            let mut names: Vec<Named> =
                ["Orders", "Late parcels", "Late parcels", "late parcels"].map(named).into();
            set_apart(&grouping, &mut names, only_leaves);
            let told: Vec<&str> = names.iter().map(|one| one.name.as_str()).collect();
            let apart = ["Orders", "Late parcels (courier)", "Late parcels", "late parcels (2)"];
            assert_eq!(told, apart, "{only_leaves}");
        }
    }
}

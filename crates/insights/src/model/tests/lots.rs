//! Models like what stands first: the order of options is drawn by lot, and the seed is the lot.

use super::told::Told;
use super::*;
use crate::context::Stage;
use crate::embed::Vectors;
use crate::grouping::{Grouping, Member, Node};
use crate::math::Matrix;
use crate::name::Named;

const NAMES: [&str; 8] = [
    "Refunds of orders",
    "Lost passwords",
    "Late parcels",
    "Wrong invoices",
    "Table bookings",
    "Cooking advice",
    "Broken programs",
    "Storm warnings",
];
const TOPS: [&str; 5] = ["Payment", "Access", "Transport", "Leisure", "Engineering"];
const LABELS: [&str; 4] = ["A", "B", "C", "D"];

/// Twenty threads by turns in so many leaves, placed there so clearly.
struct Scene {
    threads: Vec<ReadThread>,
    vectors: Vectors,
    grouping: Grouping,
    names: Vec<Named>,
}

impl Scene {
    fn new(leaves: usize, confidence: f64) -> Self {
        let count = 20;
        let row = |thread: usize| {
            let likeness = move |leaf: usize| match leaf == thread % leaves {
                true => 1.0,
                false => 0.1 + 0.01 * ((thread + leaf) % 7) as f32,
            };
            let length = (0..leaves).map(|leaf| likeness(leaf).powi(2)).sum::<f32>().sqrt();
            (0..leaves).map(move |leaf| likeness(leaf) / length)
        };
        let thread = |number: usize| {
            ReadThread::asking(&format!("thread {number}"), &format!("request {number} of somebody"))
        };
        let node = Node { parent: None, kind: CategoryKind::Discovered, name: None, description: None };
        let name = |name: &&str| Named {
            name: (*name).to_owned(),
            description: format!("All about {name}."),
            ..Named::default()
        };
        let member = |thread: usize| Member { leaf: thread % leaves, confidence, reason: None };
        Self {
            threads: (0..count).map(thread).collect(),
            vectors: Vectors {
                rows: Matrix::new(count, leaves, (0..count).flat_map(row).collect()),
                multiplicity: vec![1; count],
                row_of: (0..count).map(Some).collect(),
                distinct_texts: count,
                student_texts: 0,
                asked: None,
            },
            grouping: Grouping {
                nodes: vec![node; leaves],
                members: (0..count).map(member).collect(),
                ..Grouping::default()
            },
            names: NAMES[..leaves].iter().map(name).collect(),
        }
    }

    /// What is asked to place threads, where the model says each time that it is the first category.
    async fn placing(&self, seed: u64, progress: &dyn Progress) -> Vec<String> {
        let script = Script::new(|request| {
            let text = &request.messages[0].text;
            let label = text.lines().find(|line| line.contains(NAMES[0])).and_then(|line| line.get(..1));
            Line::Json(json!({ "choice": label.unwrap_or("none") }))
        });
        let config = ReportConfig { seed, ..deep() };
        let (cancel, prices) = (AtomicBool::new(false), PriceTable::default());
        let analyst = analyst(&script, &prices);
        let work = Work::begin(Some(&analyst), &config, &cancel).expect("work").watched_by(progress);
        let Self { threads, vectors, grouping, names } = self;
        let placed = place::unclear(&work, threads, vectors, grouping, names).await.expect("places");
        let is_first = |(_, choice): &(usize, place::Choice)| matches!(choice, place::Choice::Leaf(0));
        assert!(placed.iter().all(is_first), "whatever its label is");
        prompts(&script)
    }

    /// What is asked to arrange the leaves.
    async fn arranging(&self, seed: u64) -> Vec<String> {
        let script = Script::new(|request| {
            Line::Json(match request.schema.as_ref().map(|schema| schema.name.as_str()) {
                Some("top_categories") => {
                    let top = |name: &str| json!({"name": name, "description": "One of the top ones."});
                    json!({ "categories": TOPS.map(top) })
                }
                _ => json!({"placed": []}),
            })
        });
        let config = ReportConfig { seed, ..deep() };
        let (cancel, prices) = (AtomicBool::new(false), PriceTable::default());
        let analyst = analyst(&script, &prices);
        let work = Work::begin(Some(&analyst), &config, &cancel).expect("work");
        categories::order(&work, &self.grouping, &self.names).await.expect("an order");
        prompts(&script)
    }
}

fn analyst<'a>(script: &'a Script, prices: &'a PriceTable) -> Analyst<'a> {
    Analyst { thinking: script, summary: script, concurrency: 1, thread_tokens: 1_000, prices, redact: None }
}

fn prompts(script: &Script) -> Vec<String> {
    script.asked().into_iter().map(|request| request.messages[0].text.clone()).collect()
}

/// The options of each prompt in their order.
fn options(prompts: &[String], is_label: impl Fn(&str) -> bool) -> Vec<Vec<&str>> {
    prompts
        .iter()
        .map(|prompt| {
            let labelled = prompt.lines().filter_map(|line| line.split_once(' '));
            labelled.filter(|(label, _)| is_label(label)).map(|(_, option)| option).collect()
        })
        .collect()
}

fn sorted<'a>(options: &[Vec<&'a str>]) -> Vec<Vec<&'a str>> {
    let mut sorted = options.to_vec();
    sorted.iter_mut().for_each(|options| options.sort_unstable());
    sorted
}

#[tokio::test]
async fn where_a_thread_may_be_placed_is_shown_in_an_order_drawn_by_lot() {
    let scene = Scene::new(4, 0.55);
    let is_label = |label: &str| LABELS.iter().any(|known| label.strip_suffix(':') == Some(known));
    let (one, again, other) =
        (scene.placing(1, &Silent).await, scene.placing(1, &Silent).await, scene.placing(2, &Silent).await);
    assert_eq!(one, again);
    assert_eq!(one.len(), 3, "the share of the threads that is asked about");
    let (one, other) = (options(&one, is_label), options(&other, is_label));
    assert!(one.iter().all(|options| options.len() == 4), "{one:?}");
    assert_eq!(sorted(&one), sorted(&other), "they are the same options");
    assert_ne!(one, other, "in another order");
    assert!(one.iter().any(|options| *options != one[0]), "nor is it the same for every thread: {one:?}");
}

#[tokio::test]
async fn what_is_arranged_and_under_what_is_shown_in_an_order_drawn_by_lot() {
    let scene = Scene::new(8, 0.9);
    let is_label = |label: &str| label == "-";
    let (one, again, other) = (scene.arranging(1).await, scene.arranging(1).await, scene.arranging(2).await);
    assert_eq!(one, again);
    let (one, other) = (options(&one, is_label), options(&other, is_label));
    // The leaves to propose top categories for, then the top categories, twice.
    assert_eq!(one.iter().map(Vec::len).collect::<Vec<_>>(), [8, 5, 5], "{one:?}");
    assert_eq!(sorted(&one), sorted(&other), "they are the same options");
    assert_ne!(one[0], other[0], "the leaves come in another order");
    assert_ne!(one[1..], other[1..], "and so do the top categories");
}

#[tokio::test]
async fn placing_tells_of_how_many_it_asks_and_does_not_begin_where_nobody_is_unclear() {
    let told = Told::default();
    assert_eq!(Scene::new(4, 0.55).placing(1, &told).await.len(), 3);
    assert_eq!(told.stages(), [(Stage::Assign, 3, 3)]);

    let told = Told::default();
    assert!(Scene::new(4, 0.9).placing(1, &told).await.is_empty());
    assert!(told.stages().is_empty());
}

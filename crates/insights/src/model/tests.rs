//! What is promised of reports that a model has a part in, with scripted models.

mod alike;
mod given;
mod lots;
mod told;

use std::sync::atomic::AtomicBool;

use assay_domain::report::{
    AttributeKind, AttributeSchema, AttributeValue, Category, CategoryKind, Example, Focus, Merging, Models,
    PredefinedCategory, Shape, Tier,
};
use assay_domain::{PriceTable, Report, ReportConfig, RunId, RunKind, RunPatch, TraceId};
use assay_llm::{Line, MiniLm, Request, Script};
use assay_store::{Batch, Catalog, EmbeddedStore, Runs};
use serde_json::{Value, json};

use super::*;
use crate::Context;
use crate::context::Silent;
use crate::test_corpus::Corpus;

const TOPICS: [(&str, [&str; 3]); 3] = [
    (
        "refund",
        [
            "I want my money back for the shoes",
            "please refund the broken lamp",
            "refund my last order, it was late",
        ],
    ),
    (
        "password",
        ["I forgot my password", "reset the password of my account", "cannot log in, the password is wrong"],
    ),
    (
        "delivery",
        ["where is my parcel", "when does my delivery arrive", "track the parcel I ordered on Monday"],
    ),
];

/// A store with a few dozen short conversations about three topics.
async fn store() -> EmbeddedStore {
    let said = (0..54).map(|number| {
        let (topic, wordings) = TOPICS[number % 3];
        let which = ["red", "blue", "big", "old", "new", "odd"][number / 9];
        (topic, format!("{} ({which} of {topic})", wordings[number / 3 % 3]))
    });
    store_of(said).await
}

/// A store with a conversation of two messages per topic and request.
async fn store_of(said: impl Iterator<Item = (&'static str, String)>) -> EmbeddedStore {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    let mut batch = Batch { project: "shop".into(), ..Batch::default() };
    for (number, (topic, request)) in said.enumerate() {
        let id = RunId::from_name(&format!("run {number}"));
        batch.patches.push(RunPatch {
            trace: Some(TraceId::from(id)),
            name: Some("chat".into()),
            kind: Some(RunKind::Chain),
            inputs: Some(json!({"messages": [{"role": "user", "content": request}]})),
            outputs: Some(json!({"messages": [{"role": "assistant", "content": format!("I looked after your {topic}.")}]})),
            start_time: "2026-01-01T00:00:00Z".parse().ok(),
            end_time: "2026-01-01T00:00:02Z".parse().ok(),
            id,
            is_creation: true,
            ..RunPatch::default()
        });
    }
    store.append(batch).await.expect("appended");
    store
}

fn deep() -> ReportConfig {
    ReportConfig {
        tier: Tier::Deep,
        models: Some(Models { thinking: "big".into(), summary: "small".into() }),
        attributes: BTreeMap::from([
            (
                "urgent".into(),
                AttributeSchema {
                    kind: AttributeKind::Boolean,
                    description: "Is it urgent?".into(),
                    options: vec![],
                    filter_by: false,
                },
            ),
            (
                "mood".into(),
                AttributeSchema {
                    kind: AttributeKind::String,
                    description: "How they feel".into(),
                    options: vec!["calm".into(), "angry".into()],
                    filter_by: false,
                },
            ),
        ]),
        ..ReportConfig::usage_patterns()
    }
}

/// What a decent model answers.
fn decent(request: &Request) -> Value {
    let text = &request.messages[0].text;
    let name = request.schema.as_ref().map_or("", |schema| schema.name.as_str());
    let topic = |text: &str| {
        let counts = TOPICS.map(|(topic, _)| text.matches(topic).count());
        let most = counts.iter().copied().max().unwrap_or(0);
        TOPICS[counts.iter().position(|count| *count == most).unwrap_or(0)].0
    };
    match name {
        "thread" => json!({
            "request": format!("Get help with a {}", topic(text)),
            "summary": format!("The person needs help with a {}; the agent looked after it.", topic(text)),
            "evidence": [{"message": 1, "quote": format!("I looked after your {}.", topic(text))}, {"message": 0, "quote": "words nobody said"}],
            "attributes": {"urgent": text.contains("(red "), "mood": "calm"},
        }),
        "category" => {
            json!({"name": format!("Help with a {}", topic(text)), "description": format!("People need a {}.", topic(text))})
        }
        "merging" => json!({"verdict": "two"}),
        "choice" => json!({"choice": "A"}),
        "executive_summary" => json!({
            "title": "People want help",
            "key_points": [
                {"text": "Of all conversations [F4] show a failure [T1]"},
                {"text": "Of all conversations 93 % are about refunds [F1]"},
                {"text": "Half of them go wrong [F4]"},
                {"text": "The agent is often polite"},
                {"text": "See [F999]"},
            ],
            "highlights": [
                {"thread": "T1", "reason": "Says “looked after it” and means it"},
                {"thread": "T2", "reason": "Says “something nobody ever said”"},
                {"thread": "T77", "reason": "Does not exist"},
            ],
        }),
        other => panic!("unexpected question {other:?}"),
    }
}

async fn report(script: &Script, config: &ReportConfig, concurrency: usize) -> Result<Report, Error> {
    report_with(script, config, concurrency, None).await
}

async fn report_with(
    script: &Script,
    config: &ReportConfig,
    concurrency: usize,
    redact: Option<&(dyn Fn(&str) -> String + Sync)>,
) -> Result<Report, Error> {
    report_of(store().await, script, config, concurrency, redact).await
}

async fn report_of(
    store: EmbeddedStore,
    script: &Script,
    config: &ReportConfig,
    concurrency: usize,
    redact: Option<&(dyn Fn(&str) -> String + Sync)>,
) -> Result<Report, Error> {
    watched_report_of(store, script, config, concurrency, redact, &Silent).await
}

async fn watched_report_of(
    store: EmbeddedStore,
    script: &Script,
    config: &ReportConfig,
    concurrency: usize,
    redact: Option<&(dyn Fn(&str) -> String + Sync)>,
    progress: &dyn Progress,
) -> Result<Report, Error> {
    let embedder = MiniLm::bundled().expect("the bundled model");
    let (cancel, prices) = (AtomicBool::new(false), PriceTable::default());
    let analyst = Analyst {
        thinking: script,
        summary: script,
        concurrency,
        thread_tokens: 1_000,
        prices: &prices,
        redact,
    };
    let ctx = Context {
        store: &store,
        embedder: &embedder,
        analyst: Some(&analyst),
        remember: false,
        progress,
        cancel: &cancel,
    };
    let project = store.project("shop").await.expect("a store").expect("a project");
    crate::run(&ctx, &project, config).await
}

#[tokio::test]
async fn a_deep_report_says_what_the_model_read_and_nothing_it_made_up() {
    let script = Script::new(|request| Line::Json(decent(request)));
    let report = report(&script, &deep(), 4).await.expect("a report");
    let work = report.made.model.as_ref().expect("books");
    assert_eq!(report.made.tier, "deep");
    assert_eq!(work.threads_read, 54);
    assert_eq!(work.models, ["script/big", "script/small"]);
    let first = &report.assignments[0];
    assert!(first.summary.starts_with("The person needs help"), "{}", first.summary);
    assert_eq!(first.attributes["mood"], AttributeValue::Text("calm".into()));
    assert!(first.evidence.iter().all(|evidence| evidence.quote.starts_with("I looked after")));
    // One of two quotes of every thread was made up.
    let read = work.stages.iter().find(|stage| stage.stage == "summarize").expect("a stage").calls;
    assert_eq!(work.evidence_dropped, read);
    let names: Vec<&str> = report.taxonomy.nodes.iter().map(|node| node.name.as_str()).collect();
    assert!(names.contains(&"Help with a refund"), "{names:?}");
    let texts: Vec<&str> =
        report.executive_summary.key_points.iter().map(|point| point.text.as_str()).collect();
    assert_eq!(texts, ["Of all conversations 0 % show a failure #1"]);
    // Four sentences, one made-up quote, one unknown conversation.
    assert_eq!(report.made.claims_dropped, 6);
    assert_eq!(report.executive_summary.title, "People want help");
}

#[tokio::test]
async fn the_same_answers_make_the_same_report_however_many_are_asked_at_once() {
    let script = Script::new(|request| Line::Json(decent(request)));
    let one = report(&script, &deep(), 1).await.expect("a report");
    let many = report(&script, &deep(), 20).await.expect("a report");
    assert_eq!(serde_json::to_string(&one).ok(), serde_json::to_string(&many).ok());
}

#[tokio::test]
async fn a_thread_the_model_refuses_keeps_its_local_summary_and_is_listed() {
    let script = Script::new(|request| {
        match request.messages[0].text.contains("parcel") && request.model == "small" {
            true => Line::Refuse("I would rather not".into()),
            false => Line::Json(decent(request)),
        }
    });
    let report = report(&script, &deep(), 4).await.expect("a report");
    let work = report.made.model.expect("books");
    assert!(!work.unread.is_empty());
    assert!(work.unread[0].reason.contains("rather not"), "{}", work.unread[0].reason);
    assert_eq!(work.threads_read + work.unread.len(), 54);
    let unread = report.assignments.iter().find(|one| one.thread == work.unread[0].thread).expect("assigned");
    assert!(unread.summary.starts_with("Asked"), "{}", unread.summary);
}

#[tokio::test]
async fn when_the_money_ends_the_rest_is_done_without_a_model_and_said() {
    let script = Script::new(|request| match request.stage.as_ref() {
        "summarize" => Line::Json(decent(request)),
        _ => Line::Fail(assay_llm::Error::OverBudget { cap: 1.into(), spent: 1.into(), needed: 1.into() }),
    });
    let report = report(&script, &deep(), 4).await.expect("a report");
    let work = report.made.model.expect("books");
    assert!(work.partial.expect("a reason").contains("budget"));
    assert!(!report.executive_summary.key_points.is_empty());
}

#[tokio::test]
async fn threads_for_which_a_filter_is_not_true_leave_the_report() {
    let script = Script::new(|request| Line::Json(decent(request)));
    let mut config = deep();
    config.attributes.get_mut("urgent").expect("urgent").filter_by = true;
    let report = report(&script, &config, 4).await.expect("a report");
    assert_eq!(report.assignments.len(), 9);
    assert_eq!(report.made.model.expect("books").filtered_out, 45);
}

#[tokio::test]
async fn what_must_not_leave_is_in_no_question() {
    let script = Script::new(|request| Line::Json(decent(request)));
    let redact = |text: &str| text.replace("Monday", "[DAY]");
    let made = report_with(&script, &deep(), 4, Some(&redact)).await.expect("a report");
    assert!(!made.assignments.is_empty());
    let asked = script.asked();
    assert!(asked.iter().any(|request| request.messages[0].text.contains("[DAY]")));
    for request in asked {
        assert!(!request.system.contains("Monday") && !request.messages[0].text.contains("Monday"));
    }
}

#[tokio::test]
async fn the_names_tier_reads_no_thread() {
    let script = Script::new(|request| Line::Json(decent(request)));
    let config = ReportConfig { tier: Tier::Names, ..deep() };
    let report = report(&script, &config, 4).await.expect("a report");
    assert!(script.asked().iter().all(|request| request.model == "big"));
    assert!(report.assignments.iter().all(|one| one.evidence.is_empty()));
    assert_eq!(report.made.tier, "names");
}

#[tokio::test]
async fn a_provider_that_fails_for_good_ends_the_analysis_with_its_words() {
    let script = Script::new(|_| {
        Line::Fail(assay_llm::Error::Unauthorized {
            place: "there".into(),
            status: 401,
            message: "bad key".into(),
        })
    });
    let error = report(&script, &deep(), 4).await.expect_err("an error").to_string();
    assert!(error.contains("bad key"), "{error}");
}

#[tokio::test]
async fn a_tier_with_models_is_refused_where_there_are_none() {
    let config = ReportConfig { models: None, ..deep() };
    let script = Script::new(|request| Line::Json(decent(request)));
    let error = report(&script, &config, 1).await.expect_err("an error").to_string();
    assert!(error.contains("needs a language model"), "{error}");
}

#[tokio::test]
async fn answers_beside_the_options_go_to_other_and_never_to_the_first() {
    let script = Script::new(|request| match request.stage.as_ref() {
        "assign" => Line::Json(json!({"choice": "Z"})),
        _ => Line::Json(decent(request)),
    });
    let report = report(&script, &deep(), 4).await.expect("a report");
    let other = report.taxonomy.nodes.iter().find(|node| node.kind == CategoryKind::Other);
    let asked = script.asked().iter().filter(|request| request.stage == "assign").count();
    let placed = other.map_or(0, |node| node.statistics.threads);
    assert!(placed >= asked, "{asked} were asked about, {placed} are in Other");
}

#[tokio::test]
async fn sentences_and_the_highlights_they_cite_come_from_the_same_hand() {
    let script = Script::new(|request| match request.stage.as_ref() {
        "summary" => Line::Json(json!({
            "title": "",
            "key_points": [{"text": "93 % are about refunds"}],
            "highlights": [{"thread": "T9", "reason": "Worth a look"}],
        })),
        _ => Line::Json(decent(request)),
    });
    let made = report(&script, &deep(), 4).await.expect("a report");
    let reason = &made.executive_summary.highlights[0].reason;
    assert!(!made.executive_summary.key_points.is_empty());
    assert_ne!(reason, "Worth a look", "local sentences must not cite the model's choice");
}

#[tokio::test]
async fn a_name_that_repeats_the_prompt_is_asked_for_once_more_and_else_not_taken() {
    let slip = Script::new(|request| {
        let is_naming = request.schema.as_ref().is_some_and(|schema| schema.name == "category");
        let is_first = !request.messages[0].text.contains("only repeats what you were told");
        match is_naming && is_first {
            true => Line::Json(json!({"name": "Members:", "description": "Members."})),
            false => Line::Json(decent(request)),
        }
    });
    let names = |report: &Report| -> Vec<String> {
        report.taxonomy.nodes.iter().map(|node| node.name.clone()).collect()
    };
    let found = names(&report(&slip, &deep(), 4).await.expect("a report"));
    assert!(found.iter().any(|name| name == "Help with a refund"), "{found:?}");

    let stubborn = Script::new(|request| match request.schema.as_ref().map(|schema| schema.name.as_str()) {
        Some("category") => Line::Json(json!({"name": "Members:", "description": "Members."})),
        _ => Line::Json(decent(request)),
    });
    let found = names(&report(&stubborn, &deep(), 4).await.expect("a report"));
    assert!(found.len() > 1 && found.iter().all(|name| !name.starts_with("Members")), "{found:?}");
}

// ---------------------------------------------------------------- merging

/// Conversations about five topics in four wordings each.
const VARIED: Corpus = Corpus { threads: 60, topics: 5, turns: 1, sentences: 1, seed: 3 };

/// A model that repeats what was asked for, and gives this answer where it is asked whether two
/// categories are one.
fn merging(answer: impl Fn() -> Line + Send + Sync + 'static) -> Script {
    Script::new(move |request| {
        let text = &request.messages[0].text;
        match request.stage.as_ref() {
            "merge" => answer(),
            "summarize" => {
                let said =
                    text.lines().find_map(|line| line.split_once("user: ")).map_or("", |(_, said)| said);
                Line::Json(json!({
                    "request": said, "summary": said, "evidence": [],
                    "attributes": {"urgent": false, "mood": "calm"},
                }))
            }
            "arrange" => Line::Json(json!({"categories": [], "placed": []})),
            "name" => {
                let first = text.lines().find_map(|line| line.strip_prefix("- ")).unwrap_or_default();
                let words: Vec<&str> = first.split(' ').take(5).collect();
                Line::Json(json!({"name": words.join(" "), "description": "By a model."}))
            }
            _ => Line::Json(decent(request)),
        }
    })
}

async fn varied(script: &Script, config: &ReportConfig, concurrency: usize) -> Report {
    let store = crate::test_corpus::store(VARIED).await;
    report_of(store, script, config, concurrency, None).await.expect("a report")
}

fn asked_to_merge(script: &Script) -> Vec<Request> {
    script.asked().into_iter().filter(|request| request.stage == "merge").collect()
}

/// Every leaf but "Other".
fn leaves_of(report: &Report) -> Vec<&Category> {
    let nodes = &report.taxonomy.nodes;
    let is_leaf = |node: &&Category| nodes.iter().all(|other| other.parent.as_ref() != Some(&node.id));
    nodes.iter().filter(is_leaf).filter(|node| node.kind == CategoryKind::Discovered).collect()
}

/// The threads of each leaf, and what the model did about merging.
fn cut(report: &Report) -> (BTreeSet<BTreeSet<&str>>, Option<Merging>) {
    let of = |leaf: &&Category| {
        let inside = report.assignments.iter().filter(|one| one.category == leaf.id);
        inside.map(|one| one.thread.0.as_str()).collect()
    };
    let leaves = leaves_of(report).iter().map(of).collect();
    (leaves, report.made.model.as_ref().expect("books").merging.clone())
}

fn same() -> Line {
    Line::Json(json!({"verdict": "same"}))
}

fn two() -> Line {
    Line::Json(json!({"verdict": "two"}))
}

#[tokio::test]
async fn neighbours_that_the_model_calls_the_same_are_named_and_counted_as_one_category() {
    let apart = varied(&merging(two), &deep(), 4).await;
    let script = merging(same);
    let report = varied(&script, &deep(), 4).await;
    let told = report.made.model.as_ref().expect("books").merging.clone().expect("it was asked");
    let asked = asked_to_merge(&script);
    assert_eq!((told.asked, told.unanswered), (asked.len(), 0));
    assert!(asked.iter().all(|request| request.model == "big"));
    let (before, after) = (leaves_of(&apart), leaves_of(&report));
    assert_eq!(after.len() + told.asked, before.len(), "each pair is one");
    assert!(told.merged.len() >= 2, "{told:?}");
    let threads = |leaves: &[&Category]| leaves.iter().map(|leaf| leaf.statistics.threads).sum::<usize>();
    assert_eq!(threads(&after), threads(&before), "nobody is lost");

    let naming: Vec<String> = script
        .asked()
        .into_iter()
        .filter(|one| one.stage == "name")
        .map(|one| one.messages[0].text.clone())
        .filter(|text| !text.contains("these subcategories"))
        .collect();
    assert_eq!(naming.len(), after.len(), "each is named once, after it was merged");
    for merged in &told.merged {
        let leaf = after.iter().find(|leaf| leaf.name == merged.category).expect("the name it has");
        let parts: usize = merged.of.iter().map(|part| part.threads).sum();
        assert!(merged.of.len() >= 2 && merged.of.iter().all(|part| part.threads > 0), "{merged:?}");
        assert_eq!(leaf.statistics.threads, parts, "{merged:?}");
        assert!((leaf.statistics.share.value - parts as f64 / 60.0).abs() < 1e-9);
        let inside: Vec<_> = report.assignments.iter().filter(|one| one.category == leaf.id).collect();
        assert_eq!(inside.len(), parts);
        // It is what these leaves were, and its examples are its own members.
        let were: BTreeSet<&str> = inside
            .iter()
            .filter_map(|one| apart.assignments.iter().find(|was| was.thread == one.thread))
            .map(|was| was.category.as_str())
            .collect();
        assert_eq!(were.len(), merged.of.len());
        let of_it = |example: &Example| inside.iter().any(|one| one.thread == example.thread);
        assert!(!leaf.examples.is_empty() && leaf.examples.iter().all(of_it), "{:?}", leaf.examples);
        assert_eq!(leaf.description, "By a model.");
        // It was named as one: its members are shown, and none of them as a neighbour's.
        let question = naming.iter().find(|text| {
            let shown = text.lines().find_map(|line| line.strip_prefix("- ")).unwrap_or_default();
            text.contains(&format!("The category holds {parts} conversations"))
                && inside.iter().any(|one| shown.starts_with(&one.request))
        });
        let (_, neighbours) = question.and_then(|text| text.split_once("A neighbour,")).expect("neighbours");
        assert!(inside.iter().all(|one| !neighbours.contains(&one.request)), "{neighbours}");
    }
    // Members of both were shown, and nobody else's.
    for request in &asked[..told.merged.len().min(2)] {
        let lines: Vec<&str> =
            request.messages[0].text.lines().filter_map(|line| line.strip_prefix("- ")).collect();
        let homes: BTreeSet<&str> = lines
            .iter()
            .filter_map(|line| apart.assignments.iter().find(|one| one.request == *line))
            .map(|one| one.category.as_str())
            .collect();
        assert_eq!(homes.len(), 2, "{lines:?}");
    }
}

#[tokio::test]
async fn what_the_model_calls_two_stays_two_and_so_does_what_has_no_plain_answer() {
    let script = merging(two);
    let apart = varied(&script, &deep(), 4).await;
    let (leaves, told) = cut(&apart);
    let told = told.expect("it was asked");
    assert!(told.asked >= 2 && told.asked == asked_to_merge(&script).len(), "{told:?}");
    assert_eq!((told.unanswered, &told.merged), (0, &Vec::new()));
    let lines: [fn() -> Line; 4] = [
        || Line::Json(json!({"verdict": "the same, I guess"})),
        || Line::Json(json!({"same": true})),
        || Line::Json(json!("same")),
        || Line::Refuse("I would rather not".into()),
    ];
    for line in lines {
        let report = varied(&merging(line), &deep(), 4).await;
        let unanswered = Merging { unanswered: told.asked, ..told.clone() };
        assert_eq!(cut(&report), (leaves.clone(), Some(unanswered)));
    }
}

#[tokio::test]
async fn when_the_money_ends_at_merging_nothing_is_merged_and_the_report_is_partial() {
    let over = || assay_llm::Error::OverBudget { cap: 1.into(), spent: 1.into(), needed: 1.into() };
    let report = varied(&merging(move || Line::Fail(over())), &deep(), 4).await;
    let work = report.made.model.as_ref().expect("books");
    assert!(work.partial.as_ref().expect("a reason").contains("budget"));
    assert_eq!(work.merging, None, "nobody answered");
    let apart = varied(&merging(two), &deep(), 4).await;
    assert_eq!(leaves_of(&report).len(), leaves_of(&apart).len());
}

#[tokio::test]
async fn merged_reports_are_the_same_however_many_are_asked_at_once() {
    let script = merging(same);
    let one = varied(&script, &deep(), 1).await;
    let many = varied(&script, &deep(), 20).await;
    assert!(
        one.made
            .model
            .as_ref()
            .and_then(|work| work.merging.as_ref())
            .is_some_and(|told| !told.merged.is_empty())
    );
    assert_eq!(serde_json::to_string(&one).ok(), serde_json::to_string(&many).ok());
}

#[tokio::test]
async fn what_the_reader_gave_and_what_nobody_read_is_not_merged() {
    let given = PredefinedCategory { name: "Refunds".into(), description: String::new() };
    for config in [
        ReportConfig { tier: Tier::Names, ..deep() },
        ReportConfig { focus: Focus::Errors, ..deep() },
        ReportConfig { shape: Shape::Levels(vec![5]), ..deep() },
        ReportConfig { categories: vec![given], ..deep() },
    ] {
        let script = merging(same);
        let report = varied(&script, &config, 4).await;
        assert!(asked_to_merge(&script).is_empty(), "{config:?}");
        assert_eq!(cut(&report).1, None);
    }
}

#[tokio::test]
async fn which_category_and_which_answer_comes_first_is_drawn_by_lot() {
    let config = ReportConfig {
        instructions: [("What would you like to learn?".to_owned(), "Who gives up?".to_owned())].into(),
        ..deep()
    };
    let mut first: BTreeMap<String, BTreeSet<(bool, String)>> = BTreeMap::new();
    for seed in 0..8 {
        let script = merging(two);
        varied(&script, &ReportConfig { seed, ..config.clone() }, 4).await;
        for request in asked_to_merge(&script) {
            let text = &request.messages[0].text;
            assert!(text.starts_with("What would you like to learn?\nWho gives up?\n"), "{text}");
            let mut lines: Vec<&str> = text.lines().filter(|line| line.starts_with("- ")).collect();
            let shown = lines[0].to_owned();
            lines.sort_unstable();
            let is_same_first = text.find("\nsame: ") < text.find("\ntwo: ");
            first.entry(lines.concat()).or_default().insert((is_same_first, shown));
        }
    }
    let orders = |of: &dyn Fn(&(bool, String)) -> String| {
        first.values().any(|seen| seen.iter().map(of).collect::<BTreeSet<_>>().len() > 1)
    };
    assert!(orders(&|(is_same_first, _)| is_same_first.to_string()), "either answer comes first: {first:?}");
    assert!(orders(&|(_, shown)| shown.clone()), "either category comes first: {first:?}");
}

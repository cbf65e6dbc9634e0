//! Conversations made from a seed: topics, wordings, failures, scores, costs.
//!
//! Enough variety for a taxonomy with several leaves, failures that go with a
//! version, and threads from one line to hundreds.

use assay_domain::{Feedback, FeedbackId, PriceTable, RunId, RunKind, RunPatch, ThreadId, TraceId, Usage};
use assay_store::{Batch, EmbeddedStore, Runs as _};
use serde_json::{Value, json};

/// What a corpus is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Corpus {
    pub(crate) threads: usize,
    /// At most [`TOPICS`] many.
    pub(crate) topics: usize,
    /// User and agent speak so often, give or take half.
    pub(crate) turns: usize,
    /// Sentences of an answer.
    pub(crate) sentences: usize,
    pub(crate) seed: u64,
}

impl Default for Corpus {
    fn default() -> Self {
        Self { threads: 60, topics: 5, turns: 2, sentences: 2, seed: 1 }
    }
}

const TOPICS: [(&str, [&str; 4]); 8] = [
    (
        "refund",
        [
            "I want my money back for",
            "please refund",
            "the amount was charged twice for",
            "when do I get the refund of",
        ],
    ),
    (
        "password",
        [
            "I forgot the password of",
            "reset the password for",
            "cannot log in, wrong password for",
            "my login is locked for",
        ],
    ),
    (
        "delivery",
        [
            "where is the parcel with",
            "when does the courier deliver",
            "track the shipment of",
            "the package never arrived with",
        ],
    ),
    (
        "invoice",
        [
            "send me the invoice of",
            "the tax number is missing on the bill for",
            "correct the billing address of",
            "I need a receipt for",
        ],
    ),
    (
        "booking",
        [
            "book a table and",
            "reserve a room with",
            "change the date of the reservation for",
            "cancel the booking of",
        ],
    ),
    (
        "recipe",
        [
            "how do I cook",
            "give me a recipe with",
            "what can replace eggs in",
            "how long does it bake, the dough for",
        ],
    ),
    (
        "code",
        [
            "my program crashes when it reads",
            "write a function that sorts",
            "explain this compiler error about",
            "review the patch for",
        ],
    ),
    (
        "weather",
        [
            "will it rain on",
            "what is the temperature near",
            "is there a storm warning for",
            "how much snow falls around",
        ],
    ),
];
const THINGS: [&str; 12] = [
    "the red shoes",
    "the old lamp",
    "my second order",
    "the garden chair",
    "a blue bicycle",
    "the office printer",
    "the winter coat",
    "our holiday",
    "the kitchen table",
    "a used laptop",
    "the music box",
    "the hiking boots",
];
const ANSWERS: [&str; 8] = [
    "I looked into it and found the entry from last week.",
    "The department in charge has been told and will write to you.",
    "This usually takes a few working days, depending on the country.",
    "You can follow the progress in your account at any time.",
    "Please check the message that was just sent to you.",
    "I am sorry that this has caused you trouble.",
    "Nothing else is needed from your side for the moment.",
    "If it happens again, tell me and I will go further.",
];

/// A number below `below` that follows from the parts.
pub(crate) fn dice(parts: &[u64], below: u64) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for part in parts {
        state = (state ^ part).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(31);
        state ^= state >> 29;
    }
    state = state.wrapping_mul(0x94d0_49bb_1331_11eb);
    (state ^ (state >> 32)) % below.max(1)
}

/// A store with one project, `shop`.
pub(crate) async fn store(corpus: Corpus) -> EmbeddedStore {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    let mut batch = Batch { project: "shop".into(), ..Batch::default() };
    for number in 0..corpus.threads {
        thread(corpus, number as u64, &mut batch);
    }
    store.append(batch).await.expect("appended");
    store
}

/// One conversation as the messages of one root run with a model call below.
fn thread(corpus: Corpus, number: u64, batch: &mut Batch) {
    let roll = |what: u64, below: u64| dice(&[corpus.seed, number, what], below);
    let (topic, wordings) = TOPICS[roll(1, corpus.topics.clamp(1, TOPICS.len()) as u64) as usize];
    let thing = THINGS[roll(2, THINGS.len() as u64) as usize];
    let request = format!("{} {thing}", wordings[roll(3, 4) as usize]);
    let turns = (corpus.turns as u64).max(1) / 2 + 1 + roll(4, (corpus.turns as u64).max(1));
    let mut messages = Vec::new();
    for turn in 0..turns {
        let says = match turn {
            0 => format!("{request}, number {number}."),
            _ => format!("And what about {}? It is about the {topic}.", THINGS[roll(50 + turn, 12) as usize]),
        };
        messages.push(json!({"role": "user", "content": says}));
        if turn + 1 < turns {
            messages.push(json!({"role": "assistant", "content": answer(corpus, number, turn, topic)}));
        }
    }
    // One version fails at delivery and invoices far more often.
    let is_new = roll(5, 3) == 0;
    let is_prone = is_new && matches!(topic, "delivery" | "invoice");
    let fails = roll(6, 100) < if is_prone { 60 } else { 6 };
    let error =
        fails.then(|| format!("ToolError: the {topic} service timed out after {} ms", 900 + roll(7, 400)));
    let answer = json!({"role": "assistant", "content": answer(corpus, number, turns, topic)});
    let id = RunId::from_name(&format!("run {} {number}", corpus.seed));
    let seconds = 1 + roll(8, 20) + if topic == "booking" { 30 } else { 0 };
    let start: assay_domain::Time = "2026-01-01T00:00:00Z".parse().expect("a time");
    let start = start + chrono::TimeDelta::minutes(number as i64);
    let root = RunPatch {
        trace: Some(TraceId::from(id)),
        thread: Some(ThreadId::from(format!("thread-{number:05}").as_str())),
        name: Some("agent".into()),
        kind: Some(RunKind::Chain),
        inputs: Some(json!({ "messages": messages })),
        outputs: if fails { None } else { Some(json!({ "messages": [answer] })) },
        error,
        start_time: Some(start),
        end_time: Some(start + chrono::TimeDelta::seconds(seconds as i64)),
        metadata: metadata(is_new, roll(9, 3)),
        usage: Some(Usage {
            input_tokens: 200,
            output_tokens: 50 + roll(10, 90),
            total_tokens: 340,
            ..Usage::default()
        }),
        id,
        is_creation: true,
        ..RunPatch::default()
    };
    batch.patches.push(root);
    if roll(11, 2) == 0 {
        batch.feedback.push(Feedback {
            id: FeedbackId::from_name(&format!("score {} {number}", corpus.seed)),
            run: Some(id),
            trace: Some(TraceId::from(id)),
            key: "helpful".into(),
            score: Some(if fails { 0.0 } else { (roll(12, 5) as f64) / 4.0 }),
            ..Feedback::default()
        });
    }
}

fn answer(corpus: Corpus, number: u64, turn: u64, topic: &str) -> String {
    let pick = |sentence: u64| ANSWERS[dice(&[corpus.seed, number, turn, sentence, 77], 8) as usize];
    let said: Vec<&str> = (0..corpus.sentences.max(1) as u64).map(pick).collect();
    format!("About the {topic}: {}", said.join(" "))
}

fn metadata(is_new: bool, tier: u64) -> Option<serde_json::Map<String, Value>> {
    let version = if is_new { "v2" } else { "v1" };
    let tier = ["free", "pro", "team"][tier as usize % 3];
    json!({"prompt_version": version, "customer_tier": tier}).as_object().cloned()
}

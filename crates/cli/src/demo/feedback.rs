//! What customers think of a conversation: a thumb up or down from some, one to
//! five stars from a few, a comment from the unhappy.

use serde_json::{Value, json};
use uuid::Uuid;

use super::random::Random;
use super::traces::{Written, timestamp};

const COMMENTS: &[&str] = &[
    "Did not help at all.",
    "still not solved",
    "I had to call in the end",
    "bot does not understand",
    "waste of time",
    "",
    "",
];

/// Asks the customer, who answers now and then and mostly fairly.
pub(crate) fn collect(written: &Written, thread: Uuid, solved: bool, random: &mut Random) -> Vec<Value> {
    let mut feedback = Vec::new();
    if random.chance(0.35) {
        let happy = random.chance(if solved { 0.92 } else { 0.12 });
        let comment = if happy { "" } else { random.pick(COMMENTS) };
        feedback.push(record(written, thread, "user_score", f64::from(u8::from(happy)), comment));
    }
    if random.chance(0.15) {
        let stars = 1 + random.weighted(if solved { &[1, 2, 9, 38, 50] } else { &[45, 30, 15, 7, 3] });
        feedback.push(record(written, thread, "csat", stars as f64, ""));
    }
    feedback
}

fn record(written: &Written, thread: Uuid, key: &str, score: f64, comment: &str) -> Value {
    let run = written.last_root.to_string();
    json!({
        "id": Uuid::new_v5(&thread, key.as_bytes()).to_string(),
        "thread_id": thread.to_string(),
        "run_id": run,
        "trace_id": run,
        "key": key,
        "score": score,
        "comment": (!comment.is_empty()).then_some(comment),
        "created_at": timestamp(written.end_micros + 20_000_000),
        "feedback_source": {"type": "app"},
    })
}

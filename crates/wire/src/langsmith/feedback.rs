//! Feedback as clients send it and as the API returns it: the body of
//! `POST /feedback`, a `feedback.*` part of a multipart body, a line of an export.
//!
//! What analyses ask for gets a field of its own; the rest of what is known to
//! mean something is kept word by word in [`Feedback::details`].

use assay_domain::{Feedback, FeedbackId, ProjectId};
use serde_json::{Map, Value};

use super::{take, take_text};
use crate::{Decoded, Names, time};

/// A longer key is no key.
const MAX_KEY: usize = 180;

/// What is kept as it came.
const DETAILS: [&str; 9] = [
    "feedback_source",
    "feedback_config",
    "feedback_group_id",
    "feedback_thread_id",
    "comparative_experiment_id",
    "start_time",
    "extra",
    "error",
    "address",
];

/// Decodes one feedback record, or a list of them.
#[must_use]
pub fn feedback(record: Value, names: Names<'_>) -> Decoded {
    let mut decoded = Decoded::default();
    let list = match record {
        Value::Array(list) => list,
        other => vec![other],
    };
    for (index, record) in list.into_iter().enumerate() {
        let Value::Object(fields) = record else {
            decoded.reject("", "a feedback record must be an object");
            continue;
        };
        match one(fields, names, FeedbackId::from_name(&format!("{}#{index}", names.unnamed))) {
            Ok(feedback) => decoded.feedback.push(feedback),
            Err(reason) => decoded.reject("", reason),
        }
    }
    decoded
}

fn one(mut fields: Map<String, Value>, names: Names<'_>, unnamed: FeedbackId) -> Result<Feedback, String> {
    let key = take_text(&mut fields, "key").ok_or("feedback without a key")?;
    if key.chars().count() > MAX_KEY {
        return Err(format!("a feedback key is longer than {MAX_KEY} characters"));
    }
    let run = take_text(&mut fields, "run_id").map(|id| names.run(&id));
    let trace = take_text(&mut fields, "trace_id").map(|id| names.run(&id).into());
    let project = take_text(&mut fields, "session_id").map(|id| project_id(&id));
    if run.is_none() && trace.is_none() && project.is_none() {
        return Err(format!("feedback {key:?} is about nothing: give it a run_id, trace_id or session_id"));
    }
    let id = take_text(&mut fields, "id");
    let given = take(&mut fields, "score");
    let mut details = details(&mut fields);
    if given.as_ref().is_some_and(|score| score.is_boolean() || score.is_i64() || score.is_u64()) {
        details.extend(given.clone().map(|score| ("score".to_owned(), score)));
    }
    let (score, label) = score(given);
    let source = details.get("feedback_source");
    let source = source.and_then(|source| source.get("type").unwrap_or(source).as_str()).map(str::to_owned);
    Ok(Feedback {
        id: id.map_or(unnamed, |id| names.feedback(&id)),
        run,
        trace,
        project,
        key,
        score,
        source,
        value: take(&mut fields, "value").or(label),
        comment: take_text(&mut fields, "comment"),
        correction: take(&mut fields, "correction"),
        created_at: take(&mut fields, "created_at").as_ref().and_then(time::of),
        modified_at: take(&mut fields, "modified_at").as_ref().and_then(time::of),
        details,
    })
}

fn project_id(text: &str) -> ProjectId {
    text.parse().unwrap_or_else(|_| ProjectId::from_name(text))
}

fn details(fields: &mut Map<String, Value>) -> Map<String, Value> {
    DETAILS.into_iter().filter_map(|key| Some((key.to_owned(), take(fields, key)?))).collect()
}

/// A score as a number, or what was given instead of one.
pub(crate) fn score(given: Option<Value>) -> (Option<f64>, Option<Value>) {
    match given {
        Some(Value::Bool(flag)) => (Some(f64::from(u8::from(flag))), None),
        Some(Value::Number(number)) => (number.as_f64().filter(|score| score.is_finite()), None),
        Some(Value::Null) | None => (None, None),
        Some(other) => (None, Some(other)),
    }
}

#[cfg(test)]
mod tests {
    use assay_domain::RunId;
    use serde_json::json;

    use super::*;

    const ID: &str = "33c08c32-435c-4788-b973-b5bee4a31f87";

    fn decode(record: Value) -> Feedback {
        let decoded = feedback(record, Names::everywhere(RunId::default()));
        assert_eq!(decoded.rejected, []);
        decoded.feedback.into_iter().next().expect("feedback")
    }

    #[test]
    fn a_score_keeps_its_type() {
        for (given, number, kept) in [
            (json!(true), 1.0, Some(json!(true))),
            (json!(3), 3.0, Some(json!(3))),
            (json!(3.0), 3.0, None),
            (json!(0.5), 0.5, None),
        ] {
            let one = decode(json!({"key": "k", "run_id": ID, "score": given}));
            assert_eq!((one.score, one.details.get("score").cloned()), (Some(number), kept), "{given}");
        }
    }

    #[test]
    fn feedback_on_a_whole_project_names_no_run() {
        let one = decode(json!({"key": "k", "run_id": null, "trace_id": null, "session_id": ID}));
        assert_eq!((one.run, one.trace, one.project), (None, None, ID.parse().ok()));
    }

    #[test]
    fn what_the_client_says_beside_the_score_is_kept_word_by_word() {
        let source = json!({"type": "model", "metadata": {"__run": {"run_id": ID}}});
        let one = decode(json!({
            "key": "k", "run_id": ID, "feedback_source": source, "error": true, "comparative_experiment_id": ID,
            "extra": null, "modified_at": "2026-01-02T00:00:00Z", "extend_trace_retention": false,
        }));
        assert_eq!(one.source.as_deref(), Some("model"));
        assert_eq!(one.modified_at, time::parse("2026-01-02"));
        let expected = json!({"feedback_source": source, "comparative_experiment_id": ID, "error": true});
        assert_eq!(Value::Object(one.details), expected);
    }

    #[test]
    fn keys_are_bounded() {
        let decoded =
            feedback(json!({"key": "k".repeat(181), "run_id": ID}), Names::everywhere(RunId::default()));
        assert_eq!(decoded.rejected[0].reason, "a feedback key is longer than 180 characters");
        assert!(
            feedback(json!({"key": "é".repeat(180), "run_id": ID}), Names::everywhere(RunId::default()))
                .rejected
                .is_empty()
        );
    }
}

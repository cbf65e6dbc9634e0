//! Mustache templates for the prompt that summarizes a thread.
//!
//! Only variables, as documented for summary prompts: `{{run.inputs}}`,
//! `{{run.outputs}}`, `{{run.error}}`, each with a dotted path below it that may
//! count from the end (`{{run.outputs.messages.-1.content}}`),
//! `{{run.feedback}}`, `{{run.feedback.<key>}}` and `{{all_thread_messages}}`.
//! Objects are written as JSON, and what is absent is empty. `run` is the
//! thread's most recent root run.

use assay_domain::{ReportConfig, Run, Thread};
use serde_json::Value;

use crate::Error;

/// What a variable may stand for.
const ROOTS: [&str; 5] = ["run.inputs", "run.outputs", "run.error", "run.feedback", "all_thread_messages"];

/// Characters of one variable's value that reach the prompt.
const LONGEST: usize = 24_000;

/// Checks the template of a config.
///
/// # Errors
/// [`Error::Invalid`], naming the variable that does not exist.
pub fn check(config: &ReportConfig) -> Result<(), Error> {
    let Some(template) = &config.summary_prompt else { return Ok(()) };
    let mut variables = 0;
    for piece in pieces(template) {
        let Piece::Variable(path) = piece else { continue };
        variables += 1;
        let is_known = ROOTS
            .iter()
            .any(|root| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
        if !is_known {
            return Err(Error::Invalid(format!(
                "the summary prompt has no variable {{{{{path}}}}}; there are {}",
                ROOTS.map(|root| format!("{{{{{root}}}}}")).join(", ")
            )));
        }
    }
    if variables == 0 {
        return Err(Error::Invalid(
            "the summary prompt needs at least one variable, such as {{run.inputs}} or {{all_thread_messages}}".into(),
        ));
    }
    Ok(())
}

/// Fills a template for one thread. `messages` is the rendered conversation,
/// `feedback` the mean score by key; `clean` takes out what must not leave.
pub(crate) fn fill(
    template: &str,
    thread: &Thread,
    messages: &str,
    feedback: &Value,
    clean: &dyn Fn(&str) -> String,
) -> String {
    let run = thread.traces.iter().rev().find_map(|trace| trace.root());
    let mut text = String::with_capacity(template.len() + messages.len());
    for piece in pieces(template) {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Variable("all_thread_messages") => text.push_str(messages),
            // Cleaned before it is cut: half a secret is not found.
            Piece::Variable(path) => text.push_str(&cut(&clean(&value(path, run, feedback)))),
        }
    }
    text
}

fn value(path: &str, run: Option<&Run>, feedback: &Value) -> String {
    let Some(rest) = path.strip_prefix("run.") else { return String::new() };
    let (root, below) = rest.split_once('.').unwrap_or((rest, ""));
    match (root, run) {
        ("inputs", Some(run)) => written(lookup(&run.inputs, below)),
        ("outputs", Some(run)) => written(lookup(&run.outputs, below)),
        ("error", Some(run)) => run.error.clone().unwrap_or_default(),
        ("feedback", _) => written(lookup(feedback, below)),
        _ => String::new(),
    }
}

/// The value at a dotted path; indexes below zero count from the end.
fn lookup<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').filter(|step| !step.is_empty()).try_fold(value, |value, step| match value {
        Value::Object(map) => map.get(step),
        Value::Array(list) => {
            let index: i64 = step.parse().ok()?;
            let length = i64::try_from(list.len()).ok()?;
            let index = if index < 0 { length + index } else { index };
            list.get(usize::try_from(index).ok()?)
        }
        _ => None,
    })
}

fn written(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The beginning and the end of a long value.
fn cut(text: &str) -> String {
    let count = text.chars().count();
    if count <= LONGEST {
        return text.to_owned();
    }
    let head: String = text.chars().take(LONGEST / 2).collect();
    let tail: String = text.chars().skip(count - LONGEST / 2).collect();
    format!("{head}\n… {} characters left out …\n{tail}", count - LONGEST)
}

#[derive(Debug, PartialEq)]
enum Piece<'t> {
    Text(&'t str),
    Variable(&'t str),
}

/// A template in pieces; `{{{path}}}` is the same as `{{path}}`, and an open
/// brace without its partner is text.
fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find("{{") {
        let Some(length) = rest[open..].find("}}") else { break };
        if open > 0 {
            found.push(Piece::Text(&rest[..open]));
        }
        let inside = &rest[open + 2..open + length];
        found.push(Piece::Variable(inside.trim_matches(['{', '}', '&', ' '])));
        rest = &rest[open + length + 2..];
        rest = if inside.starts_with('{') { rest.strip_prefix('}').unwrap_or(rest) } else { rest };
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use assay_domain::{ProjectId, RunId, ThreadId};

    use super::*;

    #[test]
    fn paths_count_from_the_end_and_what_is_absent_is_empty() {
        let value = serde_json::json!({"messages": [{"content": "a"}, {"content": "b"}], "n": 3});
        assert_eq!(written(lookup(&value, "messages.-1.content")), "b");
        assert_eq!(written(lookup(&value, "messages.0.content")), "a");
        assert_eq!(written(lookup(&value, "messages.7.content")), "");
        assert_eq!(written(lookup(&value, "n")), "3");
    }

    #[test]
    fn a_template_is_filled_from_the_last_root_run_its_feedback_and_the_messages() {
        let run = Run {
            inputs: serde_json::json!({"question": "where?"}),
            outputs: serde_json::json!({"messages": [{"content": "first"}, {"content": "last, sk-1"}]}),
            error: Some("timed out".into()),
            ..Run::unknown(RunId::default(), ProjectId::default())
        };
        let trace = assay_domain::Trace::new(run.trace, vec![run]);
        let thread = Thread { id: ThreadId("t".into()), traces: vec![trace], feedback: Vec::new() };
        let feedback = serde_json::json!({"helpful": 0.25, "kind": 1.0});
        let template = "{{run.inputs.question}}|{{run.outputs.messages.-1.content}}|{{run.error}}|\
                        {{run.feedback.helpful}}|{{run.feedback}}|{{all_thread_messages}}|{{run.inputs.none}}";
        let filled =
            fill(template, &thread, "[0] user: where?", &feedback, &|text| text.replace("sk-1", "***"));
        let expected = r#"where?|last, ***|timed out|0.25|{"helpful":0.25,"kind":1.0}|[0] user: where?|"#;
        assert_eq!(filled, expected);
    }

    #[test]
    fn unknown_variables_and_templates_without_any_are_refused_by_name() {
        let with =
            |prompt: &str| ReportConfig { summary_prompt: Some(prompt.into()), ..ReportConfig::default() };
        assert!(check(&with("Sum up {{ run.outputs.messages.-1 }}")).is_ok());
        assert!(check(&with("Sum up {{{all_thread_messages}}}")).is_ok());
        let error = check(&with("Sum up {{runs}}")).unwrap_err().to_string();
        assert!(error.contains("{{runs}}"), "{error}");
        assert!(check(&with("Sum up")).is_err());
    }

    #[test]
    fn braces_without_partner_are_text() {
        let found: Vec<Piece<'_>> = pieces("a {{b}} {{ c").collect();
        assert_eq!(found, [Piece::Text("a "), Piece::Variable("b"), Piece::Text(" {{ c")]);
    }
}

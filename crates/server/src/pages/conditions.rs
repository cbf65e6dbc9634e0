//! The filter of a list: shown condition by condition, built from a form,
//! refused at the character.

use assay_store::{Condition, Filter, FilterError, Plain};
use assay_ui::text;
use assay_ui::web::listing::{Field, Problem, Shown};
use serde_json::{Value, json};

use super::state::State;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;
use crate::filters::quoted;

/// Name, label, what the value is, known values, an example.
const FIELDS: [(&str, &str, &str, &[&str], &str); 17] = [
    ("status", "Status", "choice", &["error", "success", "pending"], "error"),
    ("name", "Name", "text", &[], "agent"),
    ("search", "Text anywhere", "search", &[], "refund"),
    ("inputs", "Text in inputs", "search", &[], "refund"),
    ("outputs", "Text in outputs", "search", &[], "sorry"),
    ("error", "Error", "text", &[], "timeout"),
    ("latency", "Latency", "number", &[], "5s"),
    ("first_token_latency", "Time to first token", "number", &[], "800ms"),
    ("total_tokens", "Tokens", "number", &[], "1000"),
    ("total_cost", "Cost in US dollars", "number", &[], "0.05"),
    ("tags", "Tag", "tags", &[], "production"),
    ("metadata", "Metadata", "entry", &[], "v2"),
    ("feedback", "Feedback score", "score", &[], "0.5"),
    ("model", "Model", "text", &[], "gpt-5"),
    (
        "run_type",
        "Kind of run",
        "choice",
        &["llm", "chain", "tool", "retriever", "embedding", "prompt", "parser"],
        "llm",
    ),
    ("thread_id", "Thread", "text", &[], "thread-17"),
    ("trace_id", "Trace", "choice", &[], ""),
];

/// Values that occur, by field.
#[derive(Default)]
pub(super) struct Known {
    pub(super) names: Vec<String>,
    pub(super) models: Vec<String>,
    pub(super) tags: Vec<String>,
    pub(super) metadata_keys: Vec<String>,
    pub(super) feedback_keys: Vec<String>,
}

/// The fields of the form.
pub(super) fn fields(known: &Known) -> Vec<Field> {
    let of = |name: &str, fixed: &[&str]| match name {
        "name" => known.names.clone(),
        "model" => known.models.clone(),
        "tags" => known.tags.clone(),
        "metadata" => known.metadata_keys.clone(),
        "feedback" => known.feedback_keys.clone(),
        _ => fixed.iter().map(ToString::to_string).collect(),
    };
    let field = |(name, label, kind, fixed, example): (&'static str, _, _, &[&str], _)| Field {
        name,
        label,
        kind,
        known: of(name, fixed),
        example,
    };
    FIELDS.map(field).into()
}

/// The filter of an address, parsed.
pub(super) fn read(state: &State) -> Result<Option<Filter>, FilterError> {
    let text = state.get("filter").filter(|text| !text.trim().is_empty());
    text.map(Filter::parse).transpose()
}

/// All conditions with the addresses that take each away.
pub(super) fn shown(state: &State, filter: &Filter) -> Vec<Shown> {
    let with_address = |one: Shown| Shown { without: state.with(&[("filter", &one.without)]).href(), ..one };
    one_by_one(filter).into_iter().map(with_address).collect()
}

/// All conditions, each with the filter that is left without it.
fn one_by_one(filter: &Filter) -> Vec<Shown> {
    let all = filter.conditions();
    let shown = |(at, condition): (usize, &Condition)| {
        let others = all.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other);
        let (field, operator, value) = words(condition);
        Shown {
            field: text::cut(&text::line(&field), 60).into_owned(),
            operator,
            value: text::cut(&text::line(&value), 200).into_owned(),
            without: joined(others.cloned().collect()),
            source: condition.source.clone(),
        }
    };
    all.iter().enumerate().map(shown).collect()
}

/// A filter for scripts: as it is written, and its conditions with the filter that is left without each.
pub(super) fn json(state: &State, filter: Option<&Filter>) -> Value {
    let condition = |one: Shown| {
        let Shown { field, operator, value, without, .. } = one;
        json!({ "field": field, "operator": operator, "value": value, "without": without })
    };
    let conditions: Vec<Value> =
        filter.map(one_by_one).unwrap_or_default().into_iter().map(condition).collect();
    json!({ "filter": state.get("filter").unwrap_or_default(), "conditions": conditions })
}

/// What a list is narrowed by, as one filter: conditions, and the words that are looked for.
///
/// `None` where it is not narrowed, or by what cannot be understood.
pub(super) fn whole(state: &State) -> Option<String> {
    let mut all = read(state).ok()?.map(|filter| filter.conditions()).unwrap_or_default();
    if let Some(words) = state.get("q").filter(|words| !words.trim().is_empty()) {
        all.extend(Filter::parse(&format!("search({})", quoted(words))).ok()?.conditions());
    }
    Some(joined(all)).filter(|text| !text.is_empty())
}

/// Several conditions as one filter; nothing where there are none.
fn joined(mut conditions: Vec<Condition>) -> String {
    if conditions.len() == 1 {
        return conditions.swap_remove(0).source;
    }
    if conditions.is_empty() {
        return String::new();
    }
    let parts: Vec<String> = conditions.into_iter().map(alone).collect();
    format!("and({})", parts.join(", "))
}

/// What is said of a key must not pair with what stands beside it.
fn alone(condition: Condition) -> String {
    let is_open =
        condition.plain.as_ref().is_none_or(|plain| plain.field.contains('_') && plain.key.is_none());
    if is_open && !condition.source.starts_with("and(") {
        return format!("and({})", condition.source);
    }
    condition.source
}

/// A condition as people say it: field, operator, value.
fn words(condition: &Condition) -> (String, String, String) {
    let Some(Plain { field, key, operator, value }) = &condition.plain else {
        return ("Filter".into(), String::new(), condition.source.clone());
    };
    let label = FIELDS.iter().find(|(name, ..)| name == field).map_or(field.as_str(), |(_, label, ..)| label);
    let label = match (label, key) {
        (_, Some(key)) => format!("{field} {key}"),
        ("metadata_key", None) => "Metadata".into(),
        ("feedback_key", None) => "Feedback".into(),
        (label, None) => label.to_owned(),
    };
    if value == "null" && (operator == "eq" || operator == "neq") {
        return (label, if operator == "eq" { "is not there" } else { "is there" }.into(), String::new());
    }
    let inner = value.strip_prefix('%').and_then(|value| value.strip_suffix('%'));
    let is_key = field.ends_with("_key") && key.is_none();
    let operator = match (operator.as_str(), inner) {
        ("eq", _) if is_key => "has",
        ("neq", _) if is_key => "has no",
        ("like", Some(inner)) => return (label, "contains".into(), inner.to_owned()),
        ("eq", _) => "is",
        ("neq", _) => "is not",
        ("gt", _) => ">",
        ("gte", _) => "≥",
        ("lt", _) => "<",
        ("lte", _) => "≤",
        ("in", _) => "is one of",
        ("has", _) => "has",
        ("exists", _) => "has",
        ("like", _) => "is like",
        ("search", _) => "contains",
        (other, _) => other,
    };
    (label, operator.to_owned(), value.clone())
}

/// The address with the condition of the form added; `None` where none was sent.
///
/// 400 where the form makes no sense, or the filter that it is added to.
pub(super) fn added(state: &State, params: &Params) -> ApiResult<Option<State>> {
    let Some(field) = params.get("field") else { return Ok(None) };
    let new = composed(
        field,
        params.get("key").unwrap_or_default(),
        params.get("operator").unwrap_or("eq"),
        params.get("value").unwrap_or_default(),
    )?;
    let bad = |error: FilterError| ApiError::bad_request(crate::filters::describe("filter", &error));
    let mut all = read(state).map_err(bad)?.map(|filter| filter.conditions()).unwrap_or_default();
    let added = Filter::parse(&new).map_err(bad)?;
    all.extend(added.conditions());
    Ok(Some(state.with(&[("filter", &joined(all))])))
}

/// A condition of the form in the filter language.
fn composed(field: &str, key: &str, operator: &str, value: &str) -> ApiResult<String> {
    let known = FIELDS.iter().find(|(name, ..)| *name == field);
    let Some((_, _, kind, ..)) = known else {
        return Err(ApiError::invalid(&["query", "field"], "this is no field of the form"));
    };
    let text = quoted(value.trim());
    let pattern = quoted(&format!("%{}%", value.trim()));
    let list = || {
        let items: Vec<String> = value.split(',').map(|item| quoted(item.trim())).collect();
        format!("[{}]", items.join(", "))
    };
    let compare = |field: &str| match operator {
        "contains" => format!("like({field}, {pattern})"),
        "in" => format!("in({field}, {})", list()),
        "present" => format!("neq({field}, null)"),
        "absent" => format!("eq({field}, null)"),
        other => format!("{other}({field}, {text})"),
    };
    if !["eq", "neq", "contains", "in", "gt", "gte", "lt", "lte", "present", "absent"].contains(&operator) {
        return Err(ApiError::invalid(&["query", "operator"], "this is no operator of the form"));
    }
    // Numbers are ordered as such only where they are written as such.
    let is_ordered = matches!(operator, "gt" | "gte" | "lt" | "lte");
    let is_number = value.trim().parse::<f64>().is_ok_and(f64::is_finite);
    let entry = |key_field: &str, value_field: &str| match operator {
        "present" => format!("eq({key_field}, {})", quoted(key)),
        "absent" => format!("neq({key_field}, {})", quoted(key)),
        _ => {
            let test = match is_ordered && is_number {
                true => format!("{operator}({value_field}, {})", value.trim()),
                false => compare(value_field),
            };
            format!("and(eq({key_field}, {}), {test})", quoted(key))
        }
    };
    Ok(match (*kind, field) {
        ("search", "search") => format!("search({text})"),
        ("search", field) => format!("search({field}, {text})"),
        ("tags", _) => match operator {
            "eq" => format!("has(tags, {text})"),
            "neq" => format!("not(has(tags, {text}))"),
            _ => compare("tags"),
        },
        ("entry", _) => entry("metadata_key", "metadata_value"),
        ("score", _) if operator == "absent" => format!("not(eq(feedback_key, {}))", quoted(key)),
        ("score", _) => entry("feedback_key", "feedback_score"),
        (_, field) => compare(field),
    })
}

/// Why a filter cannot be understood, cut where it goes wrong.
pub(super) fn problem(error: &FilterError) -> Problem {
    let mut chars = error.snippet.chars();
    let before: String = chars.by_ref().take(error.caret).collect();
    let at: String = chars.next().into_iter().collect();
    let visible = |part: &str| text::visible(part).into_owned();
    Problem {
        message: text::line(&error.message),
        column: error.column,
        before: visible(&before),
        at: visible(&at),
        after: visible(chars.as_str()),
    }
}

/// The same for scripts.
pub(super) fn problem_json(error: &FilterError) -> Value {
    let Problem { message, column, before, at, after } = problem(error);
    json!({ "problem": { "message": message, "column": column, "before": before, "at": at, "after": after } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(filter: &str) -> State {
        let pairs = vec![("filter".to_owned(), filter.to_owned())];
        State {
            path: "/p/1/traces".into(),
            parts: String::new(),
            pairs: if filter.is_empty() { Vec::new() } else { pairs },
        }
    }

    fn add(filter: &str, field: &str, key: &str, operator: &str, value: &str) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([("field", field), ("key", key), ("operator", operator), ("value", value)]);
        let params = Params::read(&form.finish());
        let added = added(&state(filter), &params).expect("a condition").expect("one was sent");
        added.get("filter").expect("a filter").to_owned()
    }

    #[test]
    fn every_field_and_operator_of_the_form_makes_a_filter() {
        for (field, _, kind, ..) in FIELDS {
            let operators: &[&str] = match kind {
                "text" => &["eq", "neq", "contains", "in", "present", "absent"],
                "number" => &["gt", "gte", "lt", "lte", "eq", "neq"],
                "choice" => &["eq", "neq", "in"],
                "entry" => &["eq", "neq", "contains", "gt", "gte", "lt", "lte", "present", "absent"],
                "tags" => &["eq", "neq", "contains", "present", "absent"],
                "search" => &["contains"],
                _ => &["gt", "gte", "lt", "lte", "eq", "present", "absent"],
            };
            let value = match field {
                "status" => "error",
                "run_type" => "llm",
                "trace_id" => "00000000-0000-0000-0000-000000000001",
                _ => "17",
            };
            for operator in operators {
                let filter = add("", field, "k", operator, value);
                assert!(Filter::parse(&filter).is_ok(), "{filter}");
            }
        }
    }

    #[test]
    fn conditions_are_added_and_taken_away_one_by_one() {
        let one = add("", "status", "", "eq", "error");
        assert_eq!(one, r#"eq(status, "error")"#);
        let two = add(&one, "metadata", "env", "eq", "prod");
        let three = add(&two, "metadata", "tier", "present", "");
        let filter = Filter::parse(&three).expect("a filter");
        let shown = shown(&state(&three), &filter);
        let words: Vec<String> =
            shown.iter().map(|one| format!("{} {} {}", one.field, one.operator, one.value)).collect();
        assert_eq!(words, ["Status is error", "metadata env is prod", "Metadata has tier"]);
        assert!(shown[2].without.ends_with(&state(&two).query()), "{}", shown[2].without);
    }

    #[test]
    fn scripts_get_each_condition_with_the_filter_that_is_left_without_it() {
        let text = add(&add("", "status", "", "eq", "error"), "metadata", "env", "eq", "prod");
        let state = state(&text);
        let filter = Filter::parse(&text).expect("a filter");
        let json = json(&state, Some(&filter));
        assert_eq!(json["filter"], text);
        assert_eq!(json["conditions"][0]["field"], "Status");
        assert_eq!(json["conditions"][1]["without"], r#"eq(status, "error")"#);
        assert_eq!(json["conditions"].as_array().map(Vec::len), Some(2));
        assert_eq!(
            super::json(&State { pairs: Vec::new(), ..state }, None)["conditions"],
            serde_json::json!([])
        );
    }

    #[test]
    fn what_a_list_is_narrowed_by_is_one_filter() {
        let state = state(r#"eq(status, "error")"#).with(&[("q", "a \"refund\"")]);
        let text = whole(&state).expect("a filter");
        assert_eq!(Filter::parse(&text).expect("a filter").conditions().len(), 2, "{text}");
        assert!(whole(&state.with(&[("q", ""), ("filter", "")])).is_none());
        assert!(whole(&state.with(&[("filter", "eq(")])).is_none());
    }

    #[test]
    fn quotes_and_brackets_in_values_stay_values() {
        let filter = add("", "name", "", "eq", "a\"), eq(status, \"error\\");
        let parsed = Filter::parse(&filter).expect("a filter");
        assert_eq!(parsed.conditions().len(), 1);
    }

    #[test]
    fn a_problem_is_cut_at_its_place() {
        let error = Filter::parse("eq(name, )").expect_err("a bad filter");
        let problem = problem(&error);
        assert_eq!((problem.before.as_str(), problem.at.as_str(), problem.column), ("eq(name, ", ")", 10));
    }
}

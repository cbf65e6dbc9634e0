//! What somebody answers who stands in for a model at a rehearsal, and how long
//! the model's own answer would be.
//!
//! The values keep the analysis going: threads are summed up by their first
//! sentences, categories named by the first words of a member. The lengths follow from the
//! form asked for and, where answers repeat the material, from the prompt.

use assay_llm::{Request, Schema, tokens};
use serde_json::{Map, Value, json};

use crate::model::lot;

/// Tokens of a JSON field around its value: quotes, name, colon, comma.
const FIELD: u64 = 4;
/// Tokens of a name and of a sentence that describes something.
const NAME: u64 = 3;
const SENTENCE: u64 = 18;
/// Characters of a request, and of a summary: at least and at most.
const REQUEST: usize = 120;
const SUMMARY: (usize, usize) = (160, 300);
/// Quotes of a thread, and tokens of the longest.
const QUOTES: usize = 2;
const LONGEST_QUOTE: u64 = 30;
/// Key points and highlights of an executive summary; what a point says beside its fact, and a
/// highlight beside its reason.
const POINTS: u64 = 6;
const POINT: u64 = 8;
const HIGHLIGHTS: u64 = 5;
const HIGHLIGHT: u64 = 9;
/// Tokens of a reason: at least and at most.
const REASON: (u64, u64) = (6, 25);
/// Words that speak of something that went wrong.
const TROUBLE: [&str; 16] = [
    "error",
    "fail",
    "wrong",
    "sorry",
    "unable",
    "cannot",
    "can't",
    "could not",
    "broken",
    "timed out",
    "timeout",
    "missing",
    "never",
    "crash",
    "locked",
    "not work",
];
/// Who speaks before the conversation begins.
const SETTING: [&str; 2] = ["system", "developer"];
/// Of 256, how often the answer to a question is yes.
const SELDOM: u8 = 64;
/// Tokens of an answer nobody here knows.
const UNKNOWN: u64 = 100;

/// The played value, and the tokens the model's own answer would have. Attributes named
/// in `filters` are true; what is a matter of taste is answered differently in each `take`.
pub(super) fn answer(request: &Request, filters: &[String], take: u64) -> (Value, u64) {
    let text = request.messages.first().map_or("", |message| message.text.as_str());
    let schema = request.schema.as_ref();
    let form = schema.map_or(&Value::Null, |schema| &schema.schema);
    let (value, output) = match schema.map_or("", |schema| schema.name.as_str()) {
        "thread" => thread(text, form, filters, take),
        "category" => (named(text), 2 * FIELD + NAME + SENTENCE),
        "top_categories" => tops(text),
        "arrangement" => arrangement(text, form),
        // Two categories cost more than one.
        "merging" => (json!({"verdict": "two"}), FIELD + 1),
        "choice" => (json!({"choice": "A"}), FIELD + 1),
        "executive_summary" => {
            (json!({"title": "", "key_points": [], "highlights": []}), 3 * FIELD + 10 + concluding(text))
        }
        _ => (json!({}), UNKNOWN),
    };
    (value, output.min(u64::from(request.max_tokens)))
}

/// What is played of a thread whose prompt nobody wrote, by what is known of it without.
pub(super) fn sketch(request: &str, summary: &str, schema: &Schema, filters: &[String], take: u64) -> Value {
    let text = format!("<conversation>\n[0] user: {request}\n[1] assistant: {summary}\n");
    thread(&text, &schema.schema, filters, take).0
}

fn thread(text: &str, form: &Value, filters: &[String], take: u64) -> (Value, u64) {
    let said = text.rsplit_once("<conversation>").map_or(text, |(_, said)| said);
    // Who speaks, and what: what an agent is told to be is not what anybody wants.
    let spoken: Vec<(&str, &str)> = said
        .lines()
        .filter_map(|line| line.split_once("] ")?.1.split_once(": "))
        .filter(|(speaker, _)| !SETTING.contains(speaker))
        .collect();
    let is_sentence = |part: &&str| part.contains(char::is_alphanumeric);
    let sentences = || {
        spoken
            .iter()
            .flat_map(|(_, words)| words.split_inclusive(['.', '!', '?']))
            .map(str::trim)
            .filter(is_sentence)
    };
    let request: String = sentences().next().unwrap_or_default().chars().take(REQUEST).collect();
    let mut summary = String::new();
    for sentence in sentences() {
        if summary.len() >= SUMMARY.0 {
            break;
        }
        summary.push_str(sentence);
        summary.push(' ');
    }
    let summary: String = summary.chars().take(SUMMARY.1).collect();
    let quoted: u64 =
        sentences().take(QUOTES).map(|sentence| tokens::count(sentence).min(LONGEST_QUOTE)).sum();
    let mut output = 4 * FIELD + tokens::count(&request) + tokens::count(&summary);
    output += QUOTES as u64 * 2 * FIELD + quoted;
    let mut attributes = Map::new();
    let asked = form["properties"]["attributes"]["properties"].as_object().into_iter().flatten();
    for (name, schema) in asked {
        let value = match filters.contains(name) {
            // More threads cost more.
            true => json!(true),
            false => typical(schema, lot(&[said, name, &take.to_string()])),
        };
        output += FIELD + tokens::count(name) + tokens::count(&value.to_string());
        attributes.insert(name.clone(), value);
    }
    let mut value =
        json!({"request": request, "summary": summary.trim(), "evidence": [], "attributes": attributes});
    // Asked of failures only. Whether something went wrong shows in the words, more or less.
    if form["properties"].get("problem").is_some() {
        let lower = said.to_lowercase();
        let trouble = TROUBLE.iter().any(|word| lower.contains(word)).then(|| request.clone());
        let quote = trouble.as_ref().and(sentences().next());
        for (name, told) in [("problem", json!(trouble)), ("problem_quote", json!(quote))] {
            output += FIELD + tokens::count(name) + tokens::count(&told.to_string());
            value[name] = told;
        }
    }
    (value, output)
}

/// A category named and described in the words of its first member, at the usual length: what
/// later prompts say of it is as long as it will be.
fn named(text: &str) -> Value {
    let first = text.lines().find_map(|line| line.strip_prefix("- ")).unwrap_or_default();
    let upto = |most: u64| {
        let mut said = String::new();
        for word in first.split_whitespace() {
            if tokens::count(&said) >= most {
                break;
            }
            said.push_str(word);
            said.push(' ');
        }
        said.trim_end().to_owned()
    };
    json!({"name": upto(NAME), "description": upto(SENTENCE)})
}

/// Tokens of the sentences of an executive summary, which repeat facts and speak of conversations.
fn concluding(text: &str) -> u64 {
    let labelled = |label: &str| -> Vec<&str> {
        text.lines().filter_map(|line| Some(line.strip_prefix(label)?.split_once("] ")?.1)).collect()
    };
    let mean = |lines: &[&str], part: &dyn Fn(&str) -> u64| {
        lines.iter().map(|line| part(line)).sum::<u64>() / (lines.len() as u64).max(1)
    };
    let (facts, threads) = (labelled("[F"), labelled("[T"));
    let sentence = |line: &str| {
        let (_, said) = line.split_once(") ").unwrap_or(("", line));
        tokens::count(said.split_inclusive(['.', '!', '?']).next().unwrap_or(said)).clamp(REASON.0, REASON.1)
    };
    POINTS.min(facts.len() as u64) * (POINT + mean(&facts, &tokens::count))
        + HIGHLIGHTS.min(threads.len() as u64) * (HIGHLIGHT + mean(&threads, &sentence))
}

/// A value an attribute may well have. Most questions are answered alike for most threads.
fn typical(schema: &Value, lot: [u8; 32]) -> Value {
    if let Some(options) = schema["enum"].as_array() {
        // Each half as often as the one before; the last is none at all.
        let some = options.len().saturating_sub(1).max(1);
        let place = lot[0].leading_zeros() as usize;
        return options.get(place.min(some - 1)).cloned().unwrap_or_default();
    }
    match schema["type"][0].as_str().unwrap_or_default() {
        "boolean" => json!(lot[0] < SELDOM),
        "integer" | "number" => json!(2),
        _ => json!("a few words of the thread"),
    }
}

/// As many tops as are asked for, named after the first categories.
fn tops(text: &str) -> (Value, u64) {
    let wanted =
        text.rsplit_once("Propose about ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    let wanted: usize = wanted.unwrap_or(5);
    let names = text.lines().filter_map(|line| line.strip_prefix("- "));
    let tops: Vec<Value> = names
        .take(wanted)
        .map(|line| json!({"name": line.split(" (").next().unwrap_or(line), "description": ""}))
        .collect();
    let output = FIELD + tops.len() as u64 * (2 * FIELD + NAME + SENTENCE);
    (json!({"categories": tops}), output)
}

/// Every category under some top, in turn.
fn arrangement(text: &str, form: &Value) -> (Value, u64) {
    let choices = form.pointer("/properties/placed/items/properties/top/enum").and_then(Value::as_array);
    let choices = choices.map_or(&[][..], Vec::as_slice);
    let numbers = text.lines().filter_map(|line| line.split_once(". ")?.0.parse::<usize>().ok());
    let mut placed = Vec::new();
    for number in numbers {
        if let Some(top) = choices.get(number % choices.len().max(1)) {
            placed.push(json!({"number": number, "top": top}));
        }
    }
    let value = json!({"placed": placed});
    let output = tokens::count(&value.to_string());
    (value, output)
}

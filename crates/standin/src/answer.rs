//! Answers from the request alone.
//!
//! For a schema: a value that satisfies it, whose strings are words of the
//! material, whose choices are the options that share most words with it, whose
//! quotes stand in it letter by letter, whose lists are as long as their
//! descriptions ask for. Two lists are the same where what nearly every line of the one says is
//! said in the other, too (asked by the options `same` and `two`). Without a schema: its first sentences.
//! Now and then a choice is wrong on purpose ([`Behavior::wrong`]).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::behavior::{Behavior, roll};
use crate::prompt::Prompt;
use crate::words::{overlap, shorten, stems};

/// No schema is followed deeper: one that refers to itself ends here.
const DEEPEST: usize = 24;

/// Words that something went wrong leaves.
const TROUBLE: &str =
    "error failed fails wrong timeout timed sorry broken cannot unable never missing crashes locked";

/// Words in this share of a list's lines are what it is about; in that, they are not.
const USUAL: f64 = 0.7;
const RARE: f64 = 0.3;

/// Numbers as descriptions of lists write them, from one.
const COUNTS: [&str; 12] =
    ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];

pub(crate) fn prose(prompt: &Prompt) -> String {
    let text = format!("{} {}", prompt.sentence(0), prompt.sentence(1));
    shorten(&text, 400)
}

pub(crate) fn structured(schema: &Value, prompt: &Prompt, behavior: &Behavior) -> Value {
    let writer = Writer { root: schema, prompt, behavior };
    writer.value(schema, &Place { path: String::new(), name: "", turn: 0, depth: 0 })
}

struct Writer<'a> {
    root: &'a Value,
    prompt: &'a Prompt,
    behavior: &'a Behavior,
}

/// Where in the answer we are.
struct Place<'a> {
    path: String,
    /// The nearest property.
    name: &'a str,
    /// Which element of the nearest list.
    turn: usize,
    depth: usize,
}

impl Writer<'_> {
    fn value(&self, schema: &Value, place: &Place<'_>) -> Value {
        if place.depth > DEEPEST {
            return Value::Null;
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.value(target, &place.deeper()));
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if said_of(schema).contains("null where nothing")
            && overlap(&stems(TROUBLE), &self.prompt.material) == 0
        {
            return Value::Null;
        }
        if let Some(options) = schema.get("enum").and_then(Value::as_array) {
            let alike = is_same_or_two(options).then(|| self.alike()).flatten();
            return self.choice(options, alike, place);
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            let ways = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
            let mut real = ways.filter(|way| way.get("type").and_then(Value::as_str) != Some("null"));
            if let Some(way) = real.next() {
                return self.value(way, &place.deeper());
            }
        }
        match kind(schema) {
            "object" => self.object(schema, place),
            "array" => self.list(schema, place),
            "integer" => json!(self.number(schema, place).round() as i64),
            "number" => json!(self.number(schema, place)),
            "boolean" => json!(self.truth(schema, place)),
            "null" => Value::Null,
            _ => Value::String(self.text(schema, place)),
        }
    }

    fn object(&self, schema: &Value, place: &Place<'_>) -> Value {
        let mut fields = Map::new();
        for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let inside = Place {
                path: format!("{}/{name}", place.path),
                name,
                turn: place.turn,
                depth: place.depth + 1,
            };
            fields.insert(name.clone(), self.value(inner, &inside));
        }
        Value::Object(fields)
    }

    fn list(&self, schema: &Value, place: &Place<'_>) -> Value {
        let items = schema.get("items").unwrap_or(&Value::Null);
        let bound =
            |name: &str| schema.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let (least, most) = (bound("minItems").unwrap_or(0), bound("maxItems").unwrap_or(usize::MAX));
        if kind(items) == "integer" && items.get("enum").is_none() {
            let numbers = self.numbers(place, least, most);
            if !numbers.is_empty() {
                return json!(numbers);
            }
        }
        let (low, high) = self.length_asked(said_of(schema)).unwrap_or((1, 3));
        // The middle, and now and then one more or less.
        let middle = (low + high) / 2;
        let wanted = match (self.dice("length", place) * 4.0) as usize {
            0 => middle.saturating_sub(1).max(low),
            1 => (middle + 1).min(high),
            _ => middle,
        };
        let mut values: Vec<Value> = Vec::new();
        // More turns than wanted: equal values are left out.
        for turn in 0..(wanted.max(least) * 4) {
            if values.len() >= wanted.clamp(least, most.max(least)) {
                break;
            }
            let inside = Place {
                path: format!("{}/{turn}", place.path),
                name: place.name,
                turn,
                depth: place.depth + 1,
            };
            let value = self.value(items, &inside);
            if !values.contains(&value) || turn >= wanted.max(least) * 3 && values.len() < least {
                values.push(value);
            }
        }
        Value::Array(values)
    }

    /// How many elements the words of a list ask for: `one to three`, `up to ten`, `every`.
    fn length_asked(&self, said: &str) -> Option<(usize, usize)> {
        let words: Vec<&str> = said.split_whitespace().collect();
        let number = |at: usize| {
            let word = words.get(at)?.to_lowercase();
            COUNTS.iter().position(|count| *count == word).map(|place| place + 1)
        };
        if words.first().is_some_and(|word| word.eq_ignore_ascii_case("every")) {
            let lines = self.prompt.numbered().count().clamp(1, 60);
            return Some((lines, lines));
        }
        if let ["About" | "about", count, ..] = words[..] {
            return count.parse().ok().filter(|count| (1..=60).contains(count)).map(|count| (count, count));
        }
        let to = words.iter().position(|word| *word == "to")?;
        let low = if to > 0 { number(to - 1).unwrap_or(1) } else { 1 };
        number(to + 1).filter(|high| *high >= low).map(|high| (low, high))
    }

    /// Labels of lines that speak of the keyword of this turn, or of any.
    fn numbers(&self, place: &Place<'_>, least: usize, most: usize) -> Vec<i64> {
        let topic: BTreeSet<String> =
            self.keyword(place.turn).map(|word| word.chars().take(5).collect()).into_iter().collect();
        let all: Vec<(i64, &str)> = self.prompt.numbered().collect();
        let near = all.iter().filter(|(_, line)| overlap(&topic, line) > 0).map(|(number, _)| *number);
        let mut found: Vec<i64> = near.take(most).collect();
        for (number, _) in &all {
            if found.len() >= least.max(1).min(most) {
                break;
            }
            if !found.contains(number) {
                found.push(*number);
            }
        }
        found
    }

    /// Whether the last two lists of the prompt speak of the same, as far as words show it: nothing
    /// that most lines of the one say is missing from most lines of the other. `None` where there are no two.
    fn alike(&self) -> Option<bool> {
        let [.., one, other] = &self.prompt.lists[..] else { return None };
        let lines = |list: &[String]| list.iter().map(|line| stems(line)).collect::<Vec<_>>();
        let (one, other) = (lines(one), lines(other));
        let share = |list: &[BTreeSet<String>], stem: &String| {
            list.iter().filter(|line| line.contains(stem)).count() as f64 / list.len() as f64
        };
        let said: BTreeSet<&String> = one.iter().chain(&other).flatten().collect();
        let shares: Vec<(f64, f64)> =
            said.into_iter().map(|stem| (share(&one, stem), share(&other, stem))).collect();
        let usual = |(a, b): &(f64, f64)| a.min(*b) >= USUAL;
        let differs = |(a, b): &(f64, f64)| a.max(*b) >= USUAL && a.min(*b) <= RARE;
        Some(shares.iter().any(usual) && !shares.iter().any(differs))
    }

    /// The option that shares most words with the material, or that says whether two are `alike`; of
    /// equals, dice.
    fn choice(&self, options: &[Value], alike: Option<bool>, place: &Place<'_>) -> Value {
        let material = stems(&self.prompt.material);
        let score = |option: &Value| {
            let words = option.as_str().map(|option| self.prompt.meaning(option)).unwrap_or_default();
            let fits = alike.map(|alike| alike == (option.as_str() == Some("same")));
            let dice = self.dice(&format!("option {option}"), place);
            (fits, overlap(&material, &words), (dice * 1e6) as u64)
        };
        let mut ranked: Vec<&Value> = options.iter().collect();
        ranked.sort_by_key(|option| std::cmp::Reverse(score(option)));
        if self.behavior.is_outside(&self.prompt.whole, &place.path) {
            return json!("something else altogether");
        }
        let wrong = ranked.len() > 1 && self.behavior.is_wrong(&self.prompt.whole, &place.path);
        let rank = if wrong {
            1 + (self.dice("wrong", place) * (ranked.len() - 1) as f64) as usize
        } else {
            place.turn
        };
        ranked.get(rank % ranked.len().max(1)).map_or(Value::Null, |option| (*option).clone())
    }

    fn number(&self, schema: &Value, place: &Place<'_>) -> f64 {
        let bound = |names: [&str; 2]| names.iter().find_map(|name| schema.get(*name)?.as_f64());
        let low = bound(["minimum", "exclusiveMinimum"]);
        let high = bound(["maximum", "exclusiveMaximum"]);
        let name = place.name.to_lowercase();
        if ["index", "message", "number"].iter().any(|part| name.contains(part)) || name.ends_with("id") {
            let named = self.prompt.numbered().map(|(number, _)| number as f64);
            let mut fit =
                named.filter(|n| low.is_none_or(|low| *n >= low) && high.is_none_or(|high| *n <= high));
            if let Some(number) = fit.nth(place.turn) {
                return number;
            }
        }
        let low = low.unwrap_or(0.0);
        let high = high.unwrap_or(low + 5.0).max(low);
        let between = low + (0.3 + 0.6 * self.dice("number", place)) * (high - low);
        if kind(schema) == "integer" {
            between.round().clamp(low, high)
        } else {
            (between * 100.0).round() / 100.0
        }
    }

    /// True where the material speaks of what is asked.
    fn truth(&self, schema: &Value, place: &Place<'_>) -> bool {
        let asked = format!(
            "{} {}",
            place.name.replace('_', " "),
            schema.get("description").and_then(Value::as_str).unwrap_or_default()
        );
        let speaks = overlap(&stems(&asked), &self.prompt.material) > 0;
        speaks != self.behavior.is_wrong(&self.prompt.whole, &place.path)
    }

    fn text(&self, schema: &Value, place: &Place<'_>) -> String {
        let most = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(2_000) as usize;
        let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(0) as usize;
        let name = place.name.to_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        let said = said_of(schema).to_lowercase();
        let mut text = if let Some(retold) = self.retold(said_of(schema), place) {
            retold
        } else if said.contains("no numbers") || said.contains("without numbers") {
            shorten(self.prompt.sentence_without_digits(place.turn), most.min(200))
        } else if said.starts_with("one sentence") {
            shorten(&self.sentences(place.turn, 60), most.min(300))
        } else if has(&["quote", "evidence", "excerpt"]) {
            // Quotes are substrings, also when they are cut.
            let sentence = self.prompt.sentence(place.turn);
            sentence.chars().take(most.min(160)).collect::<String>().trim_end().to_owned()
        } else if has(&["summary", "description", "reason", "text", "explanation"]) {
            shorten(&self.sentences(place.turn * 2, 160), most.min(300))
        } else if has(&["title", "name", "label", "topic", "category"]) {
            let words: Vec<String> =
                (0..2).filter_map(|n| self.keyword(place.turn * 2 + n)).map(capital).collect();
            shorten(&words.join(" "), most)
        } else {
            shorten(self.prompt.sentence(place.turn), most.min(120))
        };
        if text.is_empty() {
            text = "nothing said".chars().take(most).collect();
        }
        while text.chars().count() < least {
            text.push('.');
        }
        text
    }

    /// Where labels are asked for (`such as [F1]`): a labelled line in words, and
    /// its label in place of what it ends with. A wrong one has a number of its own.
    fn retold(&self, said: &str, place: &Place<'_>) -> Option<String> {
        let (_, example) = said.split_once("label").and_then(|(_, rest)| rest.split_once("such as "))?;
        let kind = example.trim_start_matches('[').chars().next().filter(|c| c.is_ascii_uppercase())?;
        let lines = self.prompt.labelled(kind);
        if said.contains("without brackets") {
            return lines.get(place.turn).map(|(label, _)| label.clone());
        }
        let pick = (self.dice("label", place) * lines.len() as f64) as usize;
        let (label, line) = lines.get(pick)?;
        let words = line.rsplit_once(':').map_or(line.as_str(), |(words, _)| words);
        let own = if self.behavior.is_wrong(&self.prompt.whole, &place.path) { " about 42 %," } else { "" };
        Some(format!("{}:{own} [{label}]", capital(words)))
    }

    /// Sentences of the material from one on, until there are so many characters, three at most.
    fn sentences(&self, from: usize, least: usize) -> String {
        let mut text = self.prompt.sentence(from).to_owned();
        for next in 1..3 {
            if text.len() >= least {
                break;
            }
            text.push(' ');
            text.push_str(self.prompt.sentence(from + next));
        }
        text
    }

    fn keyword(&self, index: usize) -> Option<&str> {
        let all = &self.prompt.keywords;
        (!all.is_empty()).then(|| all[index % all.len()].as_str())
    }

    fn dice(&self, what: &str, place: &Place<'_>) -> f64 {
        let seed = self.behavior.seed.to_le_bytes();
        roll(&[what.as_bytes(), place.path.as_bytes(), &seed, self.prompt.whole.as_bytes()])
    }
}

impl Place<'_> {
    fn deeper(&self) -> Self {
        Self { path: self.path.clone(), depth: self.depth + 1, ..*self }
    }
}

/// Whether it is asked if two are the same, and nothing else.
fn is_same_or_two(options: &[Value]) -> bool {
    options.len() == 2 && ["same", "two"].iter().all(|word| options.iter().any(|option| option == word))
}

/// What a schema says of itself.
fn said_of(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread() -> Prompt {
        Prompt::new(
            "Read the thread. Categories:\nc1: Refund requests\nc2: Delivery problems",
            "user: My parcel never arrived, the delivery is two weeks late.\nassistant: I am sorry about the delivery.",
        )
    }

    fn schema() -> Value {
        json!({"type": "object", "properties": {
            "summary": {"type": "string", "maxLength": 200},
            "category": {"enum": ["c1", "c2"]},
            "late": {"type": "boolean", "description": "whether a delivery was late"},
            "quotes": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2},
            "score": {"type": "integer", "minimum": 1, "maximum": 5},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
            "note": {"anyOf": [{"type": "null"}, {"type": "string"}]}},
            "$defs": {"tag": {"type": "string", "enum": ["money", "time"]}}})
    }

    #[test]
    fn an_answer_is_taken_from_the_thread_and_repeats() {
        let value = structured(&schema(), &thread(), &Behavior::default());
        assert_eq!(value, structured(&schema(), &thread(), &Behavior::default()));
        assert_eq!(value["category"], "c2");
        assert_eq!(value["late"], true);
        for quote in value["quotes"].as_array().expect("a list") {
            assert!(thread().material.contains(quote.as_str().expect("a text")));
        }
        let score = value["score"].as_i64().expect("a number");
        assert!((1..=5).contains(&score));
        assert!(value["note"].is_string());
    }

    #[test]
    fn choices_are_wrong_as_often_as_asked_for() {
        let behavior = Behavior { wrong: 0.3, ..Behavior::default() };
        let wrong = (0..400)
            .filter(|n| {
                let prompt = Prompt::new("c1: Refunds\nc2: Delivery", &format!("user: late delivery {n}"));
                structured(&json!({"enum": ["c1", "c2"]}), &prompt, &behavior) == "c1"
            })
            .count();
        assert!((90..150).contains(&wrong), "{wrong} of 400, 120 expected");
    }

    #[test]
    fn lists_that_speak_of_the_same_are_the_same_and_others_are_two() {
        let verdict = json!({"enum": ["two", "same"], "description": "One kind of request, or two."});
        let answer_to = |schema: &Value, one: [&str; 3], other: [&str; 3], behavior: &Behavior| {
            let list = |lines: [&str; 3]| lines.map(|line| format!("- {line}\n")).concat();
            let text = format!(
                "One, such as:\n{}The other, such as:\n{}Answers:\nsame: both",
                list(one),
                list(other)
            );
            structured(schema, &Prompt::new("Decide.", &text), behavior)
        };
        let answer =
            |one: [&str; 3], other: [&str; 3], behavior: &Behavior| answer_to(&verdict, one, other, behavior);
        let refunds = ["refund for shoes", "a refund, please, for the lamp", "refunds of coats"];
        let others = ["my refund for a chair", "refund the bicycle", "when is the refund there"];
        let parcels = ["where is the parcel", "parcel never arrived", "track my parcel"];
        let usual = Behavior::default();
        assert_eq!(answer(refunds, others, &usual), "same");
        assert_eq!(answer(refunds, parcels, &usual), "two");
        assert_eq!(answer(parcels, ["weather", "storm", "snow"], &usual), "two", "nothing in common");
        let wrong = Behavior { wrong: 1.0, ..Behavior::default() };
        assert_eq!(answer(refunds, parcels, &wrong), "same");
        // Another question is answered by what is talked about, whatever it says of sameness.
        let topic = json!({
            "enum": ["a refund for shoes, a lamp, a chair", "same"],
            "description": "What they want, or the same as before.",
        });
        assert_ne!(answer_to(&topic, refunds, others, &usual), "same");
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"type": "object", "properties": {"child": {"$ref": "#"}}});
        assert!(structured(&schema, &thread(), &Behavior::default()).is_object());
    }
}

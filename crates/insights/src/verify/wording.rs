//! Whether the words of a claim speak of what its numbers are about.
//!
//! A number that can be recomputed may still stand in the wrong sentence: the
//! rate of one category beside the name of another, a share where the words say
//! failure, a thread that is no example of what is claimed. The rules are those
//! a careful reader would go by; they know no sentence by heart, so they hold
//! for the local writer and for models alike.

use std::collections::BTreeSet;

use assay_domain::Report;
use assay_domain::report::{Assignment, AttributeValue, Category, CategoryKind, Claim, ClaimValue, Measure};

/// A kind of number, and how sentences speak of it.
struct Kind {
    /// One of these stands in a sentence with such a number.
    words: &'static [&'static str],
    /// Where one of these stands beside a count or share of threads, it is not about those.
    strong: &'static [&'static str],
}

const FAILING: Kind = Kind {
    words: &["fail", "wrong", "problem", "unsuccess", "unsolved", "unresolved"],
    strong: &["fail", "unsuccess"],
};
const ERRING: Kind = Kind { words: &["error", "crash", "exception", "abort"], strong: &["error", "crash"] };
const LASTING: Kind = Kind {
    words: &[
        "slow", "fast", "quick", "take", "took", "long", "duration", "second", "median", "wait", "laten",
        "time",
    ],
    strong: &["duration", "median", "latency", "seconds"],
};
const COSTING: Kind = Kind {
    words: &["cost", "money", "spen", "dollar", "expens", "pay", "paid", "waste", "price", "cheap"],
    strong: &["cost"],
};
const LIKING: Kind = Kind {
    words: &["feedback", "scor", "rating", "rated", "people rate", "users rate", "like", "satisf"],
    strong: &["feedback", "score"],
};
const USING: Kind = Kind { words: &["token"], strong: &["token"] };
const KINDS: [&Kind; 6] = [&FAILING, &ERRING, &LASTING, &COSTING, &LIKING, &USING];

/// How all threads are spoken of.
const EVERYTHING: &[&str] = &["all ", "overall", "total", "every", "whole", "across", "in all"];
/// How the category "Other" is spoken of.
const NOWHERE: &[&str] = &["no category", "other", "the rest", "left"];

/// Letters by which two forms of a word are taken for one.
const STEM: usize = 5;

/// Checks the words of a claim against its queries and references.
///
/// # Errors
/// The first misfit, in words.
pub(super) fn fits(report: &Report, claim: &Claim) -> Result<(), String> {
    let sentence = Sentence::of(report, &claim.template);
    own_numbers(claim, &sentence)?;
    subjects(report, claim, &sentence)?;
    measures(claim, &sentence)?;
    references(report, claim, &sentence)?;
    let cited: Vec<&Assignment> = claim.references.iter().filter_map(|&rank| cited(report, rank)).collect();
    let mut text = claim.text.to_lowercase();
    for filter in claim.values.iter().filter_map(|value| value.query.attribute.as_ref()) {
        text = text.replace(&plain(&filter.value), " ");
    }
    match invented_quote(report, &text, &cited) {
        Some(quote) => Err(format!("nothing it cites says {quote:?}")),
        None => Ok(()),
    }
}

/// A quoted passage of several words that is neither a name of the report nor
/// known of any of these threads.
pub(crate) fn invented_quote(report: &Report, text: &str, threads: &[&Assignment]) -> Option<String> {
    let names = report.taxonomy.nodes.iter().map(|node| plain(&node.name));
    let mut names: Vec<String> =
        names.chain(report.statistics.feedback.keys().map(|key| plain(key))).collect();
    names.retain(|name| !name.is_empty());
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    // Names may hold quotation marks of their own, and quotes may hold names.
    let without_names = |text: String| {
        names.iter().fold(text, |text, name| {
            if text.contains(name.as_str()) { text.replace(name.as_str(), "…") } else { text }
        })
    };
    let known: Vec<String> = threads.iter().map(|thread| without_names(known_of(thread))).collect();
    let text = without_names(text.to_lowercase());
    let quotes = text.split(['"', '“', '”', '„', '«', '»']).skip(1).step_by(2);
    quotes
        .map(str::trim)
        .filter(|quote| quote.contains(' '))
        .find(|quote| !known.iter().any(|known| known.contains(quote)))
        .map(str::to_owned)
}

/// Everything the report says of a thread, in lower case.
fn known_of(thread: &Assignment) -> String {
    let mut known = format!("{}\n{}\n{}", thread.request, thread.summary, thread.path.join("\n"));
    let mut add = |text: &str| {
        known.push('\n');
        known.push_str(text);
    };
    thread.failure.iter().for_each(|failure| add(failure));
    thread.evidence.iter().for_each(|evidence| add(&evidence.quote));
    for value in thread.attributes.values() {
        match value {
            AttributeValue::Text(text) => add(text),
            AttributeValue::Labels(labels) => labels.iter().for_each(|label| add(label)),
            AttributeValue::Boolean(_) | AttributeValue::Number(_) => {}
        }
    }
    known.to_lowercase()
}

/// A name or slot of a template, in the order they stand.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// Lower case.
    Name(String),
    Slot(usize),
}

struct Sentence {
    pieces: Vec<Piece>,
    /// Everything but the names of categories, in lower case.
    rest: String,
    whole: String,
}

impl Sentence {
    fn of(report: &Report, template: &str) -> Self {
        let mut names: Vec<String> = report.taxonomy.nodes.iter().map(|node| plain(&node.name)).collect();
        // The longest name that fits is the one that is meant.
        names.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        names.dedup();
        let text = template.to_lowercase();
        let (mut pieces, mut rest) = (Vec::new(), String::new());
        let mut at = 0;
        while let Some(next) = text[at..].chars().next() {
            let is_start = !rest.ends_with(char::is_alphanumeric);
            let begins = |name: &&String| {
                !name.is_empty()
                    && text[at..].starts_with(name.as_str())
                    && !text[at + name.len()..].starts_with(char::is_alphanumeric)
            };
            if let Some(name) = names.iter().find(begins).filter(|_| is_start) {
                pieces.push(Piece::Name(name.clone()));
                rest.push_str(" … ");
                at += name.len();
                continue;
            }
            if let Some((slot, length)) = slot(&text[at..]) {
                pieces.push(Piece::Slot(slot));
                rest.push_str(&text[at..at + length]);
                at += length;
                continue;
            }
            rest.push(next);
            at += next.len_utf8();
        }
        Self { pieces, rest, whole: text }
    }

    fn names(&self) -> BTreeSet<&str> {
        let names = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some(name.as_str()),
            Piece::Slot(_) => None,
        });
        names.collect()
    }

    fn says(&self, words: &[&str]) -> bool {
        says(&self.rest, words)
    }

    /// The part of the sentence that a slot stands in.
    fn clause(&self, slot: usize) -> &str {
        let mark = format!("{{{slot}}}");
        self.rest.split([',', ';', ':']).find(|clause| clause.contains(&mark)).unwrap_or_default()
    }

    /// What follows a slot.
    fn after(&self, slot: usize) -> &str {
        self.rest.split_once(&format!("{{{slot}}}")).map_or("", |(_, after)| after)
    }

    fn before(&self, slot: usize) -> &str {
        self.rest.split_once(&format!("{{{slot}}}")).map_or("", |(before, _)| before)
    }
}

/// The slot at the beginning of a text, and its length.
fn slot(text: &str) -> Option<(usize, usize)> {
    let inner = text.strip_prefix('{')?;
    let close = inner.find('}')?;
    Some((inner[..close].parse().ok()?, close + 2))
}

/// As names stand in templates.
fn plain(name: &str) -> String {
    name.replace(['{', '}', '#'], " ").to_lowercase()
}

/// Whether a word of the text begins with one of these.
fn says(text: &str, words: &[&str]) -> bool {
    let is_start = |at: usize| !text[..at].ends_with(char::is_alphanumeric);
    words.iter().any(|word| text.match_indices(word).any(|(at, _)| is_start(at)))
}

/// A text with something else for some words, where they stand for themselves and not within
/// other words.
pub(crate) fn replace_words(text: &str, words: &str, with: &str) -> String {
    if words.is_empty() {
        return text.to_owned();
    }
    let joins = |a: Option<char>, b: Option<char>| {
        a.is_some_and(char::is_alphanumeric) && b.is_some_and(char::is_alphanumeric)
    };
    let mut replaced = String::with_capacity(text.len());
    let mut done = 0;
    for (at, found) in text.match_indices(words) {
        let end = at + found.len();
        let goes_on = joins(text[..at].chars().next_back(), found.chars().next())
            || joins(found.chars().next_back(), text[end..].chars().next());
        if !goes_on {
            replaced.push_str(&text[done..at]);
            replaced.push_str(with);
            done = end;
        }
    }
    replaced.push_str(&text[done..]);
    replaced
}

/// No digit stands outside of slots, references, names and attribute values.
fn own_numbers(claim: &Claim, sentence: &Sentence) -> Result<(), String> {
    let mut rest = sentence.rest.clone();
    for value in &claim.values {
        let filter = value.query.attribute.iter();
        let mut words: Vec<String> = filter.flat_map(|one| [plain(&one.value), plain(&one.name)]).collect();
        if let Measure::FeedbackMean { key } = &value.query.measure {
            words.push(plain(key));
        }
        // As the local writer shows them.
        words.extend(words.clone().iter().map(|word| word.trim_start_matches("metadata.").replace('_', " ")));
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        for word in words.iter().filter(|word| !word.is_empty()) {
            rest = replace_words(&rest, word, " ");
        }
    }
    for slot in 0..claim.values.len() {
        rest = rest.replace(&format!("{{{slot}}}"), " ");
    }
    for rank in claim.references.iter().rev() {
        rest = rest.replace(&format!("#{rank}"), " ");
    }
    if rest.contains(|c: char| c.is_numeric() || c == '%') {
        return Err("the text states a number without a query".to_owned());
    }
    Ok(())
}

// ---------------------------------------------------------------- subjects

/// Every number about a category stands beside the name of that category.
fn subjects(report: &Report, claim: &Claim, sentence: &Sentence) -> Result<(), String> {
    let about = |slot: usize| {
        let id = claim.values.get(slot)?.query.category.as_ref()?;
        let node = report.category(id);
        let is_other = node.is_some_and(|node| node.kind == CategoryKind::Other) && sentence.says(NOWHERE);
        (!is_other).then(|| node.map_or_else(String::new, |node| plain(&node.name)))
    };
    for (slot, value) in claim.values.iter().enumerate() {
        let Some(name) = about(slot) else {
            let after = sentence.after(slot);
            let is_about_one =
                after.trim_start().starts_with("of its ") || after.trim_start().starts_with("of their ");
            let counts = matches!(
                value.query.measure,
                Measure::Threads | Measure::Categories | Measure::TopCategories
            );
            let is_about_all = counts || sentence.names().is_empty() || sentence.says(EVERYTHING);
            // `Name (3)` is about the name.
            let before = sentence.before(slot).trim_end();
            let belongs = before.strip_suffix('(').is_some_and(|before| before.trim_end().ends_with('…'));
            if is_about_one || belongs || !is_about_all {
                return Err(format!("value {slot} is about all threads, the words are about some"));
            }
            continue;
        };
        let is_of_all = matches!(value.query.measure, Measure::Share | Measure::AttributeShareOutside);
        let after = sentence.after(slot).trim_start();
        if !is_of_all && (after.starts_with("overall") || after.starts_with("in all")) {
            return Err(format!("value {slot} is about {name:?}, the words are about all threads"));
        }
        if !sentence.names().contains(name.as_str()) && !is_hinted(&name, sentence) {
            return Err(format!("value {slot} is about {name:?}, which the words do not name"));
        }
    }
    let pieces: Vec<Piece> = (sentence.pieces.iter())
        .filter(|piece| match piece {
            Piece::Name(_) => true,
            Piece::Slot(slot) => about(*slot).is_some_and(|name| sentence.names().contains(name.as_str())),
        })
        .cloned()
        .collect();
    if is_aligned(&pieces, &|slot| about(slot).unwrap_or_default()) {
        Ok(())
    } else {
        Err("its numbers stand beside the names of other categories".to_owned())
    }
}

/// Whether the words speak of a category without its exact name, and name no other.
fn is_hinted(name: &str, sentence: &Sentence) -> bool {
    let stems = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
        words.map(|word| word.chars().take(STEM).collect()).collect()
    };
    let (wanted, said) = (stems(name), stems(&sentence.rest));
    let known = wanted.iter().filter(|stem| said.contains(*stem)).count();
    sentence.names().is_empty() && known > 0 && known * 2 >= wanted.len()
}

/// Whether every number goes with a name before it, or with one after it, or
/// first with first and second with second.
fn is_aligned(pieces: &[Piece], about: &dyn Fn(usize) -> String) -> bool {
    let names = pieces.iter().filter_map(|piece| match piece {
        Piece::Name(name) => Some(name.clone()),
        Piece::Slot(_) => None,
    });
    let slots = pieces.iter().filter_map(|piece| match piece {
        Piece::Slot(slot) => Some(about(*slot)),
        Piece::Name(_) => None,
    });
    let begins_with_number = matches!(pieces.first(), Some(Piece::Slot(_)));
    follow(pieces.iter(), about)
        || (begins_with_number && follow(pieces.iter().rev(), about))
        || names.eq(slots)
}

/// Whether every number comes after the name of what it is about, with only
/// names and numbers of the same group between.
fn follow<'p>(mut pieces: impl Iterator<Item = &'p Piece>, about: &dyn Fn(usize) -> String) -> bool {
    // The names since the last number.
    let (mut group, mut is_over) = (BTreeSet::new(), false);
    pieces.all(|piece| match piece {
        Piece::Name(name) => {
            if std::mem::take(&mut is_over) {
                group.clear();
            }
            group.insert(name.clone());
            true
        }
        Piece::Slot(slot) => {
            is_over = true;
            group.contains(&about(*slot))
        }
    })
}

// ---------------------------------------------------------------- measures

/// Every number of a kind stands in words that speak of that kind.
fn measures(claim: &Claim, sentence: &Sentence) -> Result<(), String> {
    for (slot, value) in claim.values.iter().enumerate() {
        let clause = sentence.clause(slot);
        let speaks_of_some = KINDS.iter().any(|kind| says(clause, kind.strong));
        let place = if speaks_of_some { clause } else { sentence.rest.as_str() };
        if !speaks_of(value, place, sentence) {
            return Err(format!("value {slot} is no number of the kind the words speak of"));
        }
        let beside = |kind: &Kind| {
            let is_such =
                |value: &ClaimValue| kind_of(&value.query.measure).is_some_and(|of| of.words == kind.words);
            let in_clause = |other: usize| clause.contains(&format!("{{{other}}}"));
            claim.values.iter().enumerate().any(|(other, value)| in_clause(other) && is_such(value))
        };
        let speaks_of_another = KINDS.iter().any(|kind| says(clause, kind.strong) && !beside(kind));
        if kind_of(&value.query.measure).is_none() && value.query.attribute.is_none() && speaks_of_another {
            return Err(format!("value {slot} counts threads, the words are about something else"));
        }
        if sentence.before(slot).trim_end().ends_with("against") && !compares(claim, slot) {
            return Err(format!("value {slot} is compared with a number of another kind"));
        }
        let next = sentence.after(slot).split_whitespace().next().unwrap_or_default();
        let next = next.trim_matches(|c: char| !c.is_alphanumeric());
        let counted = match next {
            "top" => Some(Measure::TopCategories),
            "categories" | "subcategories" => Some(Measure::Categories),
            "threads" | "conversations" => Some(Measure::Threads),
            _ => None,
        };
        if counted.is_some_and(|counted| counted != value.query.measure) {
            return Err(format!("value {slot} does not count what the words name"));
        }
        let counts =
            matches!(value.query.measure, Measure::Threads | Measure::Categories | Measure::TopCategories);
        let after = sentence.after(slot).trim_start();
        if counts && (after.starts_with("of all") || after.starts_with("of the threads")) {
            return Err(format!("value {slot} is a count, the words are about a part"));
        }
        if claim.values[..slot].iter().any(|before| before.query == value.query) {
            return Err(format!("value {slot} says the same as one before"));
        }
    }
    Ok(())
}

/// Whether words speak of what a number is.
fn speaks_of(value: &ClaimValue, place: &str, sentence: &Sentence) -> bool {
    if let Some(filter) = &value.query.attribute {
        let (name, value) = (plain(&filter.name).replace(['_', '.'], " "), plain(&filter.value));
        let is_flag = matches!(value.as_str(), "true" | "false");
        let text = &sentence.whole;
        return (!is_flag && text.contains(&value))
            || name.split(' ').any(|word| word.len() > 3 && text.contains(word));
    }
    match &value.query.measure {
        Measure::FeedbackMean { key } => {
            says(place, LIKING.words) || sentence.rest.contains(&key.to_lowercase())
        }
        Measure::TopCategories => says(place, &["top ", "main "]),
        Measure::Categories => says(place, &["categor", "subcategor", "topic"]),
        Measure::Threads => says(place, &["thread", "conversation", "chat", "session", "request"]),
        measure => kind_of(measure).is_none_or(|kind| says(place, kind.words)),
    }
}

/// Whether a number stands beside one of its own kind.
fn compares(claim: &Claim, slot: usize) -> bool {
    let Some(before) = slot.checked_sub(1).and_then(|before| claim.values.get(before)) else { return false };
    let kind = |value: &ClaimValue| value.query.measure.clone();
    let measure = kind(&claim.values[slot]);
    match kind(before) {
        Measure::AttributeShare => {
            let is_counterpart = claim.values[slot].query.attribute == before.query.attribute
                && claim.values[slot].query.category == before.query.category;
            measure == Measure::AttributeShareOutside && is_counterpart
        }
        other => measure == other,
    }
}

fn kind_of(measure: &Measure) -> Option<&'static Kind> {
    match measure {
        Measure::FailureRate => Some(&FAILING),
        Measure::ErrorRate => Some(&ERRING),
        Measure::LatencyP50 | Measure::LatencyP99 => Some(&LASTING),
        Measure::TotalCost | Measure::CostP50 => Some(&COSTING),
        Measure::FeedbackMean { .. } => Some(&LIKING),
        Measure::TotalTokens => Some(&USING),
        Measure::Threads
        | Measure::Categories
        | Measure::TopCategories
        | Measure::Share
        | Measure::AttributeShare
        | Measure::AttributeShareOutside => None,
    }
}

// -------------------------------------------------------------- references

/// Every thread cited belongs to what the claim is about.
fn references(report: &Report, claim: &Claim, sentence: &Sentence) -> Result<(), String> {
    let named = sentence.names();
    for &rank in &claim.references {
        let Some(thread) = cited(report, rank) else { continue };
        let mut above = Vec::new();
        let mut next = report.category(&thread.category);
        while let Some(node) = next.filter(|_| above.len() <= report.taxonomy.nodes.len()) {
            above.push(node);
            next = node.parent.as_ref().and_then(|parent| report.category(parent));
        }
        let is_named = |node: &&Category| named.contains(plain(&node.name).as_str());
        if !named.is_empty() && !above.iter().any(is_named) {
            return Err(format!("#{rank} is a thread of another category"));
        }
        for value in claim.values.iter().filter(|value| value.query.measure == Measure::AttributeShare) {
            if value.query.attribute.as_ref().is_some_and(|filter| !super::has(thread, filter)) {
                return Err(format!("#{rank} is no example of what is said"));
            }
        }
    }
    Ok(())
}

fn cited(report: &Report, rank: usize) -> Option<&Assignment> {
    let highlight = report.executive_summary.highlights.get(rank.checked_sub(1)?)?;
    report.assignments.iter().find(|one| one.thread == highlight.thread)
}

#[cfg(test)]
mod tests {
    use super::replace_words;

    #[test]
    fn a_value_that_is_a_digit_does_not_excuse_numbers_it_stands_in() {
        assert_eq!(replace_words("of version 2, in 22 countries", "2", " "), "of version  , in 22 countries");
        assert_eq!(replace_words("late, later; late", "late", "x"), "x, later; x");
        assert_eq!(replace_words("c++ and c++11", "c++", "x"), "x and x11");
        assert_eq!(replace_words("same", "", "x"), "same");
    }
}

//! The price table that ships with Assay, and the format users override it in.
//!
//! Prices are US dollars per million tokens, written as text so that they stay
//! exact. Entries are tried in order; of those in force, the newest wins. How a
//! table is applied is the domain's business ([`PriceTable::cost`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_domain::PriceTable;
use assay_domain::price::Price;
use regex::Regex;
use rust_decimal::Decimal;
use serde::Deserialize;

/// Why a price table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read price table: {0}")]
    Syntax(#[from] toml::de::Error),
    #[error("price of {name:?}: {reason}")]
    Entry { name: String, reason: String },
}

/// One entry as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    provider: Option<String>,
    /// RFC 3339; absent: always.
    valid_from: Option<String>,
    /// A regular expression for the bare name of the model: the path before it
    /// (`openai/`, `us.anthropic.`) and a date or version after it are allowed for.
    model: Option<String>,
    /// A regular expression for the whole name, taken as it is.
    #[serde(rename = "match")]
    pattern: Option<String>,
    input: String,
    #[serde(default = "nothing")]
    output: String,
    #[serde(default)]
    input_details: BTreeMap<String, String>,
    #[serde(default)]
    output_details: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    price: Vec<Entry>,
}

fn nothing() -> String {
    "0".to_owned()
}

/// The list prices known when this version was made.
///
/// # Panics
/// Never: the table is part of the program and a test reads it.
#[must_use]
pub fn builtin() -> PriceTable {
    parse(include_str!("prices.toml")).expect("the built-in price table is sound")
}

/// Reads a table in the format of the built-in one.
///
/// # Errors
/// Names the entry that cannot be read, and why.
pub fn parse(toml: &str) -> Result<PriceTable, Error> {
    let file: File = toml::from_str(toml)?;
    let prices = file.price.into_iter().map(price).collect::<Result<_, _>>()?;
    Ok(PriceTable { prices, ..PriceTable::default() })
}

fn price(entry: Entry) -> Result<Price, Error> {
    let Entry { name, provider, valid_from, model, pattern, input, output, input_details, output_details } =
        entry;
    let fail = |reason: String| Error::Entry { name: name.clone(), reason };
    let expression = match (model, pattern) {
        (Some(model), None) => whole_name(&model),
        (None, Some(pattern)) => pattern,
        _ => return Err(fail("give either `model` or `match`".to_owned())),
    };
    let regex = Regex::new(&expression).map_err(|error| fail(error.to_string()))?;
    let per_token = |text: &str| -> Result<Decimal, Error> {
        let per_million: Decimal = text.parse().map_err(|_| fail(format!("{text:?} is not a price")))?;
        if per_million.is_sign_negative() {
            return Err(fail(format!("{text:?} is negative")));
        }
        Ok((per_million / Decimal::from(1_000_000)).normalize())
    };
    let by_class = |classes: &BTreeMap<String, String>| -> Result<BTreeMap<String, Decimal>, Error> {
        classes.iter().map(|(class, text)| Ok((class.clone(), per_token(text)?))).collect()
    };
    let valid_from = match valid_from {
        Some(text) => Some(crate::time::parse(&text).ok_or_else(|| fail(format!("{text:?} is not a time")))?),
        None => None,
    };
    Ok(Price {
        provider,
        valid_from,
        matches: Arc::new(move |model| regex.is_match(model)),
        input: per_token(&input)?,
        output: per_token(&output)?,
        input_details: by_class(&input_details)?,
        output_details: by_class(&output_details)?,
        name,
    })
}

/// The bare name in the forms in which hosts write it.
fn whole_name(model: &str) -> String {
    const VERSION: &str = r"(?:[-@:](?:\d{4}-\d{2}-\d{2}|\d{8}|\d{2}-\d{4}|\d{2}-\d{2}|\d{3,4}|latest|preview|exp|experimental|thinking|v\d+(?::\d+)?))*";
    format!(r"(?i)^(?:.*[/.:])?(?:{model}){VERSION}$")
}

#[cfg(test)]
mod tests {
    use assay_domain::Usage;

    use super::*;

    #[track_caller]
    fn check(model: &str, expected: Option<(&str, &str)>) {
        let table = builtin();
        let found = table.find(None, model, crate::time::parse("2025-11-01"));
        let million = Decimal::from(1_000_000);
        let found = found.map(|price| {
            (
                (price.input * million).normalize().to_string(),
                (price.output * million).normalize().to_string(),
            )
        });
        assert_eq!(found, expected.map(|(input, output)| (input.to_owned(), output.to_owned())), "{model}");
    }

    #[test]
    fn models_are_found_under_the_names_hosts_give_them() {
        check("gpt-4o-mini", Some(("0.15", "0.6")));
        check("gpt-4o-mini-2024-07-18", Some(("0.15", "0.6")));
        check("openai/gpt-4o", Some(("2.5", "10")));
        check("gpt-4.1-2025-04-14", Some(("2", "8")));
        check("claude-3-5-sonnet-20241022", Some(("3", "15")));
        check("us.anthropic.claude-3-5-sonnet-20241022-v2:0", Some(("3", "15")));
        check("anthropic/claude-3-7-sonnet-latest", Some(("3", "15")));
        check("claude-opus-4-1-20250805", Some(("15", "75")));
        check("models/gemini-2.5-flash", Some(("0.3", "2.5")));
        check("gemini-2.5-flash-lite", Some(("0.1", "0.4")));
        check("deepseek/deepseek-chat", Some(("0.28", "0.42")));
        check("my-own-model", None);
        check("gpt-4o-but-not-really", None);
    }

    #[test]
    fn older_runs_have_older_prices() {
        let table = builtin();
        let price = table.find(None, "deepseek-chat", crate::time::parse("2025-05-01")).expect("a price");
        assert_eq!(price.output.to_string(), "0.0000011");
    }

    #[test]
    fn cached_tokens_are_cheaper() {
        let usage = Usage {
            input_tokens: 1_000_000,
            input_details: BTreeMap::from([("cache_read".into(), 1_000_000)]),
            ..Usage::default()
        };
        let cost = builtin().cost(None, Some("claude-sonnet-4-5"), None, &usage).expect("a cost");
        assert_eq!(cost.total.normalize().to_string(), "0.3");
    }

    #[test]
    fn a_broken_table_names_the_entry() {
        let error = parse("[[price]]\nname = \"m\"\nmodel = \"(\"\ninput = \"1\"").expect_err("broken");
        assert!(error.to_string().starts_with("price of \"m\": "), "{error}");
        let error = parse("[[price]]\nname = \"m\"\nmodel = \"m\"\ninput = \"free\"").expect_err("broken");
        assert_eq!(error.to_string(), "price of \"m\": \"free\" is not a price");
        assert!(parse("[[price]]\nnome = 1").is_err());
    }
}

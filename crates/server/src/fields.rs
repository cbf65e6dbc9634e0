//! Values as they stand in requests and answers: moments, amounts, lists.
//!
//! Requests are read leniently (one id or a list of them, moments in any
//! form); answers are exact: moments name their zone, money is decimal text
//! in v1 and a number in v2 (contract 0.7).

use std::collections::BTreeMap;

use assay_domain::Time;
use assay_store::FeedbackStats;
use chrono::SecondsFormat;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// A moment in a body: RFC 3339 with or without a zone, or epoch milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub(crate) struct Moment(pub(crate) Time);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        assay_wire::time::of(&value).map(Self).ok_or_else(|| {
            let shown: String = value.to_string().chars().take(80).collect();
            D::Error::custom(format!("{shown} is not a date-time"))
        })
    }
}

/// Reads a list, a single value in its place, or null.
pub(crate) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "neither a list of valid values nor a valid value")]
    enum Given<T> {
        Many(Vec<T>),
        One(T),
        None(()),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::Many(values) => values,
        Given::One(value) => vec![value],
        Given::None(()) => Vec::new(),
    })
}

/// A moment as v1 writes it: `2026-02-12T22:14:48.648851+00:00`.
pub(crate) fn v1_time(time: Time) -> Value {
    Value::String(time.to_rfc3339_opts(SecondsFormat::Micros, false))
}

/// A moment as v2 writes it: `2026-02-12T22:14:48.648851Z`.
pub(crate) fn v2_time(time: Time) -> Value {
    Value::String(time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

/// Money as v1 writes it: a plain decimal, without an exponent or idle zeros.
pub(crate) fn decimal(amount: Decimal) -> Value {
    Value::String(amount.normalize().to_string())
}

/// Money as v2 and statistics write it.
pub(crate) fn number(amount: Decimal) -> Value {
    // Through text: the nearest float to the decimal, not to a rounded quotient.
    let nearest = amount.normalize().to_string().parse().ok().or_else(|| amount.to_f64());
    json!(nearest)
}

/// What was said under each feedback key.
pub(crate) fn feedback_stats(by_key: &BTreeMap<String, FeedbackStats>) -> Value {
    let entries = by_key.iter().map(|(key, stats)| (key.clone(), one_feedback_stats(stats)));
    Value::Object(entries.collect::<Map<_, _>>())
}

fn one_feedback_stats(stats: &FeedbackStats) -> Value {
    json!({
        "n": stats.count,
        "avg": stats.mean,
        "stdev": stats.deviation,
        "min": stats.min,
        "max": stats.max,
        "errors": stats.errors,
        "values": stats.labels,
        "comments": stats.comments,
        "sources": stats.sources,
        "contains_thread_feedback": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_plain_decimal_text() {
        for (given, expected) in
            [("0.0000010", "0.000001"), ("1e-7", "0.0000001"), ("100", "100"), ("0", "0"), ("2.50", "2.5")]
        {
            let amount = Decimal::from_scientific(given).or_else(|_| given.parse()).expect("a decimal");
            assert_eq!(decimal(amount), json!(expected));
        }
        assert_eq!(number("0.000003".parse().expect("a decimal")).to_string(), "3e-6");
    }

    #[test]
    fn moments_name_their_zone() {
        let moment: Moment = serde_json::from_value(json!("2026-02-12T22:14:48.648851")).expect("a moment");
        assert_eq!(v1_time(moment.0), "2026-02-12T22:14:48.648851+00:00");
        assert_eq!(v2_time(moment.0), "2026-02-12T22:14:48.648851Z");
        assert!(serde_json::from_value::<Moment>(json!("soon")).is_err());
    }

    #[test]
    fn lists_may_be_single_values_or_null() {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default, deserialize_with = "list")]
            ids: Vec<u32>,
        }
        let read = |value| serde_json::from_value::<Body>(value).map(|body| body.ids);
        assert_eq!(read(json!({"ids": [1, 2]})).expect("a list"), [1, 2]);
        assert_eq!(read(json!({"ids": 3})).expect("a value"), [3]);
        assert!(read(json!({"ids": null})).expect("null").is_empty());
        assert!(read(json!({})).expect("nothing").is_empty());
        assert!(read(json!({"ids": "x"})).is_err());
    }
}

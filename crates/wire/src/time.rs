//! Moments as clients write them: RFC 3339 with or without a zone, and epoch
//! numbers in seconds, milliseconds, microseconds or nanoseconds.
//!
//! A moment that cannot be read is `None`, never a guess: a run without a time
//! is still a run.

use assay_domain::Time;
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::Value;

/// Reads a moment from JSON: text or a number.
#[must_use]
pub fn of(value: &Value) -> Option<Time> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => of_epoch(whole),
            None => of_epoch_float(number.as_f64()?),
        },
        _ => None,
    }
}

/// Reads a moment from text. Text without a zone is UTC.
#[must_use]
pub fn parse(text: &str) -> Option<Time> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return sane(time.to_utc());
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, format) {
            return sane(time.and_utc());
        }
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f %z"] {
        if let Ok(time) = DateTime::parse_from_str(text, format) {
            return sane(time.to_utc());
        }
    }
    if let Some(utc) = text.strip_suffix(" UTC") {
        return parse(utc);
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return sane(date.and_hms_opt(0, 0, 0)?.and_utc());
    }
    match text.parse::<i64>() {
        // Short numbers are years or counters, not moments.
        Ok(epoch) if text.len() >= 9 => of_epoch(epoch),
        Ok(_) => None,
        Err(_) => text.parse::<f64>().ok().filter(|epoch| *epoch >= 1e8).and_then(of_epoch_float),
    }
}

/// A count since 1970 whose unit follows from its size: seconds stay below
/// 10^11 (the year 5138), milliseconds below 10^14, microseconds below 10^17.
#[must_use]
pub fn of_epoch(count: i64) -> Option<Time> {
    let micros = match count.unsigned_abs() {
        0..100_000_000_000 => count.checked_mul(1_000_000)?,
        100_000_000_000..100_000_000_000_000 => count.checked_mul(1_000)?,
        100_000_000_000_000..100_000_000_000_000_000 => count,
        _ => count / 1_000,
    };
    sane(DateTime::from_timestamp_micros(micros)?)
}

fn of_epoch_float(count: f64) -> Option<Time> {
    if !count.is_finite() || count.abs() >= 9e18 {
        return None;
    }
    if count.abs() < 1e11 {
        return sane(DateTime::from_timestamp_micros((count * 1e6).round() as i64)?);
    }
    of_epoch(count as i64)
}

/// The moment that opens a segment of a dotted order: `20241013T070535809001Z…`.
#[must_use]
pub fn of_segment(segment: &str) -> Option<Time> {
    let stamp = segment.get(..21)?;
    NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%M%S%6f").ok().and_then(|time| sane(time.and_utc()))
}

/// Microseconds are what is kept, and years of four digits are what can be written down.
fn sane(time: Time) -> Option<Time> {
    let whole = DateTime::from_timestamp_micros(time.timestamp_micros())?;
    (0..=9999).contains(&chrono::Datelike::year(&whole)).then_some(whole)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: Value, expected: Option<&str>) {
        assert_eq!(of(&value).map(|time| time.to_rfc3339()), expected.map(str::to_owned), "{value}");
    }

    #[test]
    fn text_with_and_without_a_zone_is_read() {
        check(json!("2024-10-11T20:58:23.298773+00:00"), Some("2024-10-11T20:58:23.298773+00:00"));
        check(json!("2024-10-11T22:58:23+02:00"), Some("2024-10-11T20:58:23+00:00"));
        check(json!("2024-10-11T20:58:23.123456789Z"), Some("2024-10-11T20:58:23.123456+00:00"));
        check(json!("2024-10-11T20:58:23"), Some("2024-10-11T20:58:23+00:00"));
        check(json!("2024-10-11 20:58:23.5"), Some("2024-10-11T20:58:23.500+00:00"));
        check(json!("2024-10-11"), Some("2024-10-11T00:00:00+00:00"));
    }

    #[test]
    fn the_unit_of_an_epoch_follows_from_its_size() {
        let moment = Some("2024-10-13T07:05:35.809+00:00");
        check(json!(1728803135809_i64), moment);
        check(json!(1728803135.809), moment);
        check(json!(1728803135809000_i64), moment);
        check(json!(1728803135809000000_i64), moment);
        check(json!("1728803135809000000"), moment);
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for value in [json!(""), json!("soon"), json!(null), json!("2024-13-45"), json!(true), json!(1e300)] {
            check(value, None);
        }
    }

    #[test]
    fn a_dotted_order_segment_opens_with_its_time() {
        let time = of_segment("20241013T070535809001Z33c08c32-435c-4788-b973-b5bee4a31f87");
        assert_eq!(time.map(|time| time.to_rfc3339()).as_deref(), Some("2024-10-13T07:05:35.809001+00:00"));
        assert_eq!(of_segment("é0241013T070535809001Z"), None);
    }
}

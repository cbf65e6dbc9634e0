//! Values as people write them: sizes, spans of time, flags.

use std::time::Duration;

/// Bytes of `500`, `64KB`, `32MB`, `1GB`; thousands are 1024.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let letters = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(letters);
    let factor = match unit.trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        _ => return Err("write a size such as 500, 64KB, 32MB or 1GB".into()),
    };
    let number: usize = number.trim().parse().map_err(|_| "write a size such as 500, 64KB, 32MB or 1GB")?;
    number.checked_mul(factor).filter(|size| *size > 0).ok_or_else(|| "it is 0 or too large".into())
}

/// The time in `500ms`, `30s`, `5m`, `12h`, `14d`, `2w`; `None` for `off`.
///
/// # Errors
/// Says how to write it.
pub fn span(text: &str) -> Result<Option<Duration>, String> {
    let text = text.trim();
    if matches!(text.to_ascii_lowercase().as_str(), "off" | "none" | "never") {
        return Ok(None);
    }
    let help = || "write a time such as 500ms, 30s, 5m, 12h or 14d, or off".to_owned();
    let letters = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(help)?;
    let (number, unit) = text.split_at(letters);
    let milliseconds: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return Err(help()),
    };
    let number: u64 = number.trim().parse().map_err(|_| help())?;
    // A thousand years are long enough, and dates have an end.
    let most = 1000 * 365 * 86_400_000;
    let total = number.checked_mul(milliseconds).filter(|total| (1..=most).contains(total));
    total.map(|total| Some(Duration::from_millis(total))).ok_or_else(|| "it is 0 or too long".into())
}

/// The same time as people write it.
pub fn show_span(span: Option<Duration>) -> String {
    let Some(span) = span else { return "off".into() };
    let milliseconds = span.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let unit = units.into_iter().find(|(length, _)| milliseconds.is_multiple_of(*length));
    let (length, unit) = unit.unwrap_or((1, "ms"));
    format!("{}{unit}", milliseconds / length)
}

pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("write true or false".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_read_and_shown() {
        assert_eq!(size("32MB"), Ok(32 << 20));
        assert_eq!(size(" 5 kb "), Ok(5 << 10));
        assert_eq!(size("500"), Ok(500));
        for wrong in ["", "0", "MB", "-1", "1.5MB", "5XB", "99999999999GB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        for text in ["500ms", "30s", "5m", "36h", "14d", "off"] {
            assert_eq!(show_span(span(text).expect(text)), text);
        }
        assert_eq!(show_span(span("2w").expect("weeks")), "14d");
        for wrong in ["", "0s", "14", "d", "-1d", "1y", "99999999999999999d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}

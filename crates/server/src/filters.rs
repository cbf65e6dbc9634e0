//! Filter expressions out of requests, and what clients are told about bad ones.

use assay_store::{Filter, FilterError};

use crate::error::{ApiError, ApiResult};

/// Parses the expression of a field; absent and blank ones let everything through.
///
/// 400 names the field, the place, what is wrong there and the text around it.
pub(crate) fn parse(field: &str, text: Option<&str>) -> ApiResult<Option<Filter>> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    Filter::parse(text).map(Some).map_err(|error| ApiError::bad_request(describe(field, &error)))
}

/// A filter that holds for first runs of traces alone, whatever the runs below them are.
pub(crate) fn of_roots(filter: Option<Filter>) -> ApiResult<Option<Filter>> {
    let Some(filter) = filter else { return Ok(None) };
    let Some(roots) = parse("filter", Some("eq(is_root, true)"))? else { return Ok(None) };
    all(vec![roots, filter])
}

/// All of several expressions.
pub(crate) fn all(filters: Vec<Filter>) -> ApiResult<Option<Filter>> {
    match filters.len() {
        0 | 1 => Ok(filters.into_iter().next()),
        _ => {
            let texts: Vec<String> = filters.iter().map(Filter::to_string).collect();
            // Each in its own parentheses: what one says of a key must not pair with what another says.
            let each: Vec<String> = texts.iter().map(|text| format!("and({text})")).collect();
            parse("filter", Some(&format!("and({})", each.join(", "))))
        }
    }
}

/// A condition that all words of a text occur.
pub(crate) fn search(text: &str) -> ApiResult<Option<Filter>> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    parse("query", Some(&format!("search({})", quoted(text))))
}

/// A text as the filter language writes it.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// One line: field, place, what is wrong, and the text around the place.
pub(crate) fn describe(field: &str, error: &FilterError) -> String {
    let FilterError { message, column, snippet, .. } = error;
    format!("{field}: column {column}: {message}; near `{}`", snippet.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_field_place_and_text() {
        let error = parse("trace_filter", Some("eq(name, )")).expect_err("a bad filter");
        let detail = error.detail.as_str().expect("text");
        assert!(detail.starts_with("trace_filter: column 10: "), "{detail}");
        assert!(detail.ends_with("near `eq(name, )`"), "{detail}");
    }

    #[test]
    fn texts_survive_quoting() {
        for text in ["plain", "say \"hi\"", "back\\slash", "it's"] {
            let filter = parse("filter", Some(&format!("eq(name, {})", quoted(text))));
            assert!(filter.is_ok_and(|filter| filter.is_some()), "{text}");
        }
        assert_eq!(search("  ").expect("nothing to look for"), None);
    }

    #[test]
    fn several_filters_become_one() {
        let filter = |text| parse("filter", Some(text)).expect("a filter").expect("a filter");
        let both = all(vec![filter("eq(name, \"a\")"), filter("gt(latency, 1)")]).expect("a filter");
        assert_eq!(both.expect("a filter").to_string(), "and(and(eq(name, \"a\")), and(gt(latency, 1)))");
        assert_eq!(all(Vec::new()).expect("none"), None);
    }
}

//! Claims taken apart, so that each number can show where it comes from and
//! each `#n` can lead to its thread.

use assay_domain::Report;
use assay_domain::report::{Claim, ClaimValue, Measure, Query};

/// A stretch of a claim's text.
#[derive(Clone, Debug, PartialEq)]
pub enum Segment<'a> {
    Text(&'a str),
    Value(&'a ClaimValue),
    /// Rank of a highlight.
    Reference(usize),
}

/// Splits a claim into text, values and references.
///
/// The segments say exactly what `claim.text` says: where the template and the
/// text disagree, the text is shown as it is, with its references.
#[must_use]
pub fn segments(claim: &Claim) -> Vec<Segment<'_>> {
    let found = split(&claim.template, claim, true);
    let said: String = found
        .iter()
        .map(|segment| match segment {
            Segment::Text(text) => (*text).to_owned(),
            Segment::Value(value) => value.shown.clone(),
            Segment::Reference(rank) => format!("#{rank}"),
        })
        .collect();
    if said == claim.text { found } else { split(&claim.text, claim, false) }
}

fn split<'a>(text: &'a str, claim: &'a Claim, with_values: bool) -> Vec<Segment<'a>> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < text.len() {
        let found = match text.as_bytes()[at] {
            b'{' if with_values => slot(&text[at..])
                .and_then(|(index, length)| Some((Segment::Value(claim.values.get(index)?), length))),
            b'#' => number(&text[at + 1..])
                .filter(|(rank, _)| claim.references.contains(rank))
                .map(|(rank, digits)| (Segment::Reference(rank), digits + 1)),
            _ => None,
        };
        if let Some((segment, length)) = found {
            if start < at {
                out.push(Segment::Text(&text[start..at]));
            }
            out.push(segment);
            at += length;
            start = at;
        } else {
            at += 1;
        }
    }
    if start < text.len() {
        out.push(Segment::Text(&text[start..]));
    }
    out
}

/// `{12}` at the start: the number and the length of the slot.
fn slot(text: &str) -> Option<(usize, usize)> {
    let (index, digits) = number(&text[1..])?;
    (text.as_bytes().get(1 + digits) == Some(&b'}')).then_some((index, digits + 2))
}

/// Leading digits: their number and how many they are.
fn number(text: &str) -> Option<(usize, usize)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, digits))
}

/// What a query counts, in words: `share of all threads that are in “Refunds”`.
#[must_use]
pub fn describe(query: &Query, report: &Report) -> String {
    let place = match &query.category {
        Some(id) => {
            let name = report.category(id).map_or(id.as_str(), |category| category.name.as_str());
            format!("in “{name}”")
        }
        None => "in the whole report".to_owned(),
    };
    let condition = match &query.attribute {
        Some(filter) => format!(" with {} = {}", filter.name, filter.value),
        None => String::new(),
    };
    match &query.measure {
        Measure::Threads => format!("analysed threads {place}{condition}"),
        Measure::Share => format!("estimated share of all threads that are {place}{condition}"),
        Measure::AttributeShare => format!("estimated share of the threads {place} that are{condition}"),
        Measure::AttributeShareOutside => {
            let elsewhere = place.replacen("in ", "outside of ", 1);
            format!("estimated share of the threads {elsewhere} that are{condition}")
        }
        Measure::Categories => format!("categories {place}"),
        Measure::TopCategories => "categories at the top level".to_owned(),
        Measure::ErrorRate => {
            format!("estimated share of the threads {place}{condition} whose root run ended in an error")
        }
        Measure::FailureRate => {
            format!("estimated share of the threads {place}{condition} in which some failure shows")
        }
        Measure::LatencyP50 => format!("median latency of the threads {place}{condition}"),
        Measure::LatencyP99 => format!("99th percentile of latency of the threads {place}{condition}"),
        Measure::TotalCost => format!("cost of the analysed threads {place}{condition}, added up"),
        Measure::CostP50 => format!("median cost of the threads {place}{condition}"),
        Measure::TotalTokens => format!("tokens of the analysed threads {place}{condition}, added up"),
        Measure::FeedbackMean { key } => {
            format!("mean feedback “{key}” of the threads {place}{condition} that have it")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(shown: &str) -> ClaimValue {
        let query = Query { measure: Measure::Threads, category: None, attribute: None };
        ClaimValue { query, value: 1.0, shown: shown.into() }
    }

    #[test]
    fn a_claim_splits_into_text_values_and_references() {
        let claim = Claim {
            template: "{0} of {1} fail {9} {x} #1, #12.".into(),
            values: vec![value("12.5 %"), value("8")],
            references: vec![1],
            text: "12.5 % of 8 fail {9} {x} #1, #12.".into(),
        };
        assert_eq!(
            segments(&claim),
            [
                Segment::Value(&claim.values[0]),
                Segment::Text(" of "),
                Segment::Value(&claim.values[1]),
                Segment::Text(" fail {9} {x} "),
                Segment::Reference(1),
                Segment::Text(", #12."),
            ]
        );
    }

    #[test]
    fn the_text_wins_where_template_and_text_disagree() {
        let claim = Claim {
            template: "{0}".into(),
            values: vec![value("8")],
            references: vec![2],
            text: "nine #2é".into(),
        };
        assert_eq!(segments(&claim), [Segment::Text("nine "), Segment::Reference(2), Segment::Text("é")]);
    }
}

//! The state of a page as it stands in its address: read, changed, written.
//!
//! Whatever one chooses on a page is a parameter of its address, so that every
//! view can be kept, sent and gone back to.

use std::time::Duration;

use assay_domain::Time;
use assay_ui::web::listing::Choice;
use chrono::SecondsFormat;
use url::form_urlencoded::Serializer;

use crate::error::{ApiError, ApiResult};
use crate::extract::Params;

/// Times that count back from now: parameter, words, length in seconds.
const RANGES: [(&str, &str, u64); 5] = [
    ("1h", "Last hour", 3_600),
    ("24h", "Last 24 hours", 86_400),
    ("7d", "Last 7 days", 604_800),
    ("30d", "Last 30 days", 2_592_000),
    ("90d", "Last 90 days", 7_776_000),
];
/// No honest address is longer.
const MAX_VALUE: usize = 16 << 10;

/// Path and parameters of a page.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) path: String,
    /// Where its parts are asked for.
    pub(super) parts: String,
    pub(super) pairs: Vec<(String, String)>,
}

impl State {
    /// The parameters of these names, in their order, where they say something.
    pub(super) fn read(path: String, params: &Params, names: &[&str]) -> Self {
        let pair = |name: &&str| Some(((*name).to_owned(), params.get(name)?.to_owned()));
        let is_short = |pair: &(String, String)| pair.1.len() <= MAX_VALUE;
        Self { parts: path.clone(), path, pairs: names.iter().filter_map(pair).filter(is_short).collect() }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The same with other values; an empty one takes a parameter away. The place in a list is not kept.
    pub(super) fn with(&self, changes: &[(&str, &str)]) -> Self {
        let is_changed = |name: &str| name == "cursor" || changes.iter().any(|(other, _)| *other == name);
        let mut pairs: Vec<_> = self.pairs.iter().filter(|(name, _)| !is_changed(name)).cloned().collect();
        let said = changes.iter().filter(|(_, value)| !value.is_empty());
        pairs.extend(said.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self { path: self.path.clone(), parts: self.parts.clone(), pairs }
    }

    /// The same list from a place on; from its beginning where that is empty.
    pub(super) fn at(&self, cursor: &str) -> Self {
        let mut state = self.with(&[]);
        if !cursor.is_empty() {
            state.pairs.push(("cursor".to_owned(), cursor.to_owned()));
        }
        state
    }

    pub(super) fn query(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.pairs).finish()
    }

    pub(super) fn href(&self) -> String {
        self.below("")
    }

    /// Where the page is asked for without its frame, in whatever state.
    pub(super) fn part(&self) -> String {
        format!("{}/part", self.parts)
    }

    /// The address of a part of the page, in the same state.
    pub(super) fn below(&self, name: &str) -> String {
        let query = self.query();
        let path = if name.is_empty() { self.path.clone() } else { format!("{}/{name}", self.parts) };
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }
}

/// The time a page is about.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) from: Option<Time>,
    pub(super) until: Option<Time>,
    /// In words; what is chosen by hand is written by the browser in the viewer's zone.
    pub(super) words: String,
    pub(super) range: Option<&'static str>,
}

impl Window {
    /// `range`, or `from` and `until`; 422 names the one that is neither.
    pub(super) fn read(params: &Params, now: Time) -> ApiResult<Self> {
        let (from, until) = (params.time("from")?, params.time("until")?);
        if from.is_some() || until.is_some() {
            return Ok(Self { from, until, words: "Chosen time".into(), range: None });
        }
        let Some(asked) = params.get("range").filter(|range| *range != "all") else {
            return Ok(Self { from: None, until: None, words: "All time".into(), range: None });
        };
        let known = RANGES.into_iter().find(|(name, ..)| *name == asked);
        let (name, words, seconds) = known.ok_or_else(|| {
            let names: Vec<&str> = RANGES.iter().map(|(name, ..)| *name).collect();
            ApiError::invalid(&["query", "range"], format!("expected all, {}", names.join(", ")))
        })?;
        let from = now - Duration::from_secs(seconds);
        Ok(Self { from: Some(from), until: None, words: words.to_owned(), range: Some(name) })
    }

    /// Links to all ranges.
    pub(super) fn choices(&self, state: &State) -> Vec<Choice> {
        let is_open = self.from.is_none() && self.until.is_none();
        let all = Choice {
            label: "All time".into(),
            href: state.with(&[("range", ""), ("from", ""), ("until", "")]).href(),
            is_current: is_open,
        };
        let ranges = RANGES.into_iter().map(|(name, words, _)| Choice {
            label: words.to_owned(),
            href: state.with(&[("range", name), ("from", ""), ("until", "")]).href(),
            is_current: self.range == Some(name),
        });
        std::iter::once(all).chain(ranges).collect()
    }

    /// Chosen moments for the fields of a form; relative times have none.
    pub(super) fn fields(&self) -> (String, String) {
        let shown = |time: Option<Time>| {
            let time = time.filter(|_| self.range.is_none());
            time.map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true)).unwrap_or_default()
        };
        (shown(self.from), shown(self.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_changed_and_written() {
        let params = Params::read("q=a+b&cursor=1.2&evil=1&filter=eq(name,%22x%22)");
        let state = State::read("/p/1/traces".into(), &params, &["filter", "q", "order", "cursor"]);
        assert_eq!(state.get("q"), Some("a b"));
        let changed = state.with(&[("q", ""), ("order", "asc")]);
        assert_eq!(changed.href(), "/p/1/traces?filter=eq%28name%2C%22x%22%29&order=asc");
        assert_eq!(state.with(&[("q", ""), ("filter", "")]).below("count"), "/p/1/traces/count");
    }

    #[test]
    fn times_are_relative_or_chosen() {
        let now: Time = "2026-01-31T14:00:00Z".parse().expect("a moment");
        let window = |query| Window::read(&Params::read(query), now);
        assert_eq!(window("range=1h").expect("a time").from, "2026-01-31T13:00:00Z".parse().ok());
        let chosen = window("from=2026-01-01T00:00:00Z&range=1h").expect("a time");
        assert_eq!(chosen.fields().0, "2026-01-01T00:00:00.000Z");
        assert!(chosen.until.is_none() && window("").expect("a time").from.is_none());
        assert!(window("range=soon").is_err() && window("from=soon").is_err());
    }
}

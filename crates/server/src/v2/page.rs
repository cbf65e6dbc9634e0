//! What the lists of v2 have in common: sizes, windows of time, envelopes.

use std::time::Duration;

use assay_domain::Time;
use serde_json::{Value, json};

use crate::app::App;
use crate::fields::Moment;

/// Lists go back so far where nobody says how far.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A page size within bounds.
pub(super) fn size(wanted: Option<i64>, usual: usize, most: usize) -> usize {
    wanted.map_or(usual, |wanted| usize::try_from(wanted).unwrap_or(0)).clamp(1, most)
}

/// The window from a moment (a day ago where absent) to one after it, which
/// belongs to it. The store's windows are open at their end.
pub(super) fn window(app: &App, from: Option<Moment>, to: Option<Moment>) -> (Option<Time>, Option<Time>) {
    let from = from.map_or_else(|| app.now() - DAY, |moment| moment.0);
    (Some(from), closed(to))
}

/// A moment that belongs to a window, as the end of one that is open.
pub(super) fn closed(to: Option<Moment>) -> Option<Time> {
    to.map(|moment| moment.0 + Duration::from_micros(1))
}

/// One page of a list. The last one has no cursor.
pub(super) fn envelope(items: Vec<Value>, next: Option<String>) -> Value {
    let has_more = next.is_some();
    match next {
        Some(next) => json!({ "items": items, "has_more": has_more, "next_cursor": next }),
        None => json!({ "items": items, "has_more": has_more }),
    }
}

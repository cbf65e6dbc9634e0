//! Dotted orders: where a run stands in its trace, as text that sorts.
//!
//! One segment per ancestor, root first, joined by dots: the start of the run
//! to the microsecond, then its id. Clients send them; for those that do not,
//! they are put together from the parent's.

use crate::{RunId, Time};

/// Each level adds some 60 bytes; runs so deep that theirs would be longer do without.
const MAX: usize = 4096;

/// The segment of one run, which is the whole order of a root.
#[must_use]
pub fn segment(start: Time, id: RunId) -> String {
    format!("{}{id}", start.format("%Y%m%dT%H%M%S%6fZ"))
}

/// The order of a run below a parent with this order; `None` where it would be too long.
#[must_use]
pub fn below(parent: &str, start: Time, id: RunId) -> Option<String> {
    let order = format!("{parent}.{}", segment(start, id));
    (order.len() <= MAX).then_some(order)
}

/// How many ancestors an order names.
#[must_use]
pub fn depth(order: &str) -> usize {
    order.bytes().filter(|byte| *byte == b'.').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_grows_by_one_segment_a_level_until_it_is_too_long() {
        let start = chrono::DateTime::from_timestamp_micros(1_800_000_000_000_001).expect("a time");
        let id = RunId::from_name("a");
        let root = segment(start, id);
        assert_eq!(root, format!("20270115T080000000001Z{id}"));
        let child = below(&root, start, id).expect("short");
        assert_eq!((child.as_str(), depth(&child)), (format!("{root}.{root}").as_str(), 1));
        assert_eq!(below(&"x".repeat(MAX), start, id), None);
    }
}

//! Which run a span is, under which parent, in which trace.
//!
//! * The trace is the 16 bytes of the trace id as a UUID.
//! * A run's id follows from its span alone: 8 zero bytes and the span id.
//!   Root spans are no exception. (The LangSmith collector gives a root the
//!   UUID of its trace instead. That cannot work across requests: children are
//!   exported before their parents and know only a span id, not whether it is
//!   the root's; and a trace with several roots would lose all but one.) The
//!   root is the run without a parent. Whoever names it by the UUID of its
//!   trace is understood all the same: the store looks it up.
//! * Span ids that are plainly not random (counters, `aaaa…`) repeat from trace
//!   to trace, so those become a UUID made from trace id and span id.
//! * `langsmith.trace.id`, `.span.id`, `.span.parent_id`, `.span.dotted_order`
//!   override; spans below such a span in the same request follow it.
//! * A span id that is used for two different spans of a request (other name
//!   or start) makes two runs; the earlier one keeps the children. The same span
//!   delivered again is the same run.

use std::collections::{HashMap, HashSet};

use assay_domain::{RunId, Time, TraceId};
use serde_json::Value;
use uuid::Uuid;

use super::span::{Span, hex};

/// Dotted orders grow with depth, by some 60 bytes a level; runs deeper than this do without.
const MAX_DEPTH: usize = 40;

/// Where a run stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub id: RunId,
    pub trace: TraceId,
    pub parent: Option<RunId>,
    /// Only where every ancestor up to a root is in the request, or where the span brings its own.
    pub dotted_order: Option<String>,
}

/// The places of the spans of one request, in their order.
pub(super) fn places(spans: &[Span]) -> Vec<Place> {
    let overrides: Vec<Overrides> = spans.iter().map(Overrides::of).collect();
    let mut places: Vec<Place> = own_ids(spans, &overrides)
        .into_iter()
        .zip(spans)
        .map(|(id, span)| Place {
            id,
            trace: TraceId(Uuid::from_bytes(span.trace_id)),
            parent: None,
            dotted_order: None,
        })
        .collect();
    let parents = parents(spans, &overrides, &mut places);
    descend(spans, &overrides, &parents, &mut places);
    places
}

/// What the span itself says about its place.
struct Overrides {
    trace: Option<Uuid>,
    id: Option<Uuid>,
    parent: Option<Uuid>,
    dotted_order: Option<String>,
    is_root: bool,
}

impl Overrides {
    fn of(span: &Span) -> Self {
        let text = |key: &str| span.attributes.get(key).and_then(Value::as_str);
        let uuid = |key: &str| Uuid::parse_str(text(key)?.trim()).ok();
        let dotted_order = text("langsmith.span.dotted_order").filter(|order| segments(order).is_some());
        let named = dotted_order.and_then(segments).unwrap_or_default();
        let from_end = |n: usize| named.len().checked_sub(n).map(|index| named[index]);
        let is_root = match span.attributes.get("langsmith.is_root") {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        };
        Self {
            trace: uuid("langsmith.trace.id").or_else(|| named.first().copied()),
            id: uuid("langsmith.span.id").or_else(|| from_end(1)),
            parent: uuid("langsmith.span.parent_id").or_else(|| from_end(2)),
            dotted_order: dotted_order.map(str::to_owned),
            is_root,
        }
    }
}

/// The ids in a dotted order, root first; none if a segment has none.
fn segments(order: &str) -> Option<Vec<Uuid>> {
    order
        .split('.')
        .map(|segment| Uuid::parse_str(segment.get(segment.len().checked_sub(36)?..)?).ok())
        .collect()
}

/// The run of a span of which nothing but its ids is known.
fn run_of(trace_id: &[u8; 16], span_id: [u8; 8]) -> RunId {
    let different: HashSet<u8> = span_id.into_iter().collect();
    if different.len() < 4 {
        return RunId::from_name(&format!("otel/{}/{}", hex(trace_id), hex(&span_id)));
    }
    RunId(Uuid::from_u128(u128::from(u64::from_be_bytes(span_id))))
}

fn own_ids(spans: &[Span], overrides: &[Overrides]) -> Vec<RunId> {
    type Look<'a> = (Option<Time>, &'a str);
    let mut earliest: HashMap<([u8; 16], [u8; 8]), Look> = HashMap::new();
    for span in spans {
        let look = (span.start, span.name.as_str());
        let known = earliest.entry((span.trace_id, span.span_id)).or_insert(look);
        *known = look.min(*known);
    }
    let mut ids = Vec::with_capacity(spans.len());
    for (span, overrides) in spans.iter().zip(overrides) {
        let look = (span.start, span.name.as_str());
        let is_first = earliest.get(&(span.trace_id, span.span_id)) == Some(&look);
        ids.push(match overrides.id {
            Some(id) => RunId(id),
            None if is_first => run_of(&span.trace_id, span.span_id),
            None => RunId::from_name(&format!(
                "otel/{}/{}/{}/{}",
                hex(&span.trace_id),
                hex(&span.span_id),
                span.start.map_or(0, |start| start.timestamp_micros()),
                span.name
            )),
        });
    }
    ids
}

/// Sets every parent, and returns the position of those that are in the request.
fn parents(spans: &[Span], overrides: &[Overrides], places: &mut [Place]) -> Vec<Option<usize>> {
    let mut position: HashMap<([u8; 16], [u8; 8]), usize> = HashMap::new();
    let mut position_of_run: HashMap<RunId, usize> = HashMap::new();
    for (index, span) in spans.iter().enumerate() {
        let first = position.entry((span.trace_id, span.span_id)).or_insert(index);
        if places[index].id == run_of(&span.trace_id, span.span_id) {
            *first = index;
        }
        position_of_run.entry(places[index].id).or_insert(index);
    }
    let mut found = Vec::with_capacity(spans.len());
    for (index, span) in spans.iter().enumerate() {
        let inside = span.parent_id.and_then(|parent| position.get(&(span.trace_id, parent)).copied());
        let parent = match (&overrides[index], span.parent_id, inside) {
            (Overrides { is_root: true, .. }, ..) => None,
            (Overrides { parent: Some(parent), .. }, ..) => Some(RunId(*parent)),
            (_, Some(_), Some(inside)) => Some(places[inside].id),
            (_, Some(parent), None) => Some(run_of(&span.trace_id, parent)),
            (_, None, _) => None,
        };
        let parent = parent.filter(|&parent| parent != places[index].id);
        places[index].parent = parent;
        found.push(parent.and_then(|parent| position_of_run.get(&parent).copied()));
    }
    found
}

/// Hands traces and dotted orders down from the topmost spans. Cycles are never entered.
fn descend(spans: &[Span], overrides: &[Overrides], parents: &[Option<usize>], places: &mut [Place]) {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); spans.len()];
    let mut stack = Vec::new();
    for (index, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) => children[*parent].push(index),
            None => stack.push((index, 0)),
        }
    }
    while let Some((index, depth)) = stack.pop() {
        let above = parents[index].map(|parent| places[parent].clone());
        // Where the parent is in this trace, its override is meant for this span too.
        let same_trace = parents[index].is_some_and(|parent| spans[parent].trace_id == spans[index].trace_id);
        let inherited = above.as_ref().filter(|_| same_trace).map(|place| place.trace);
        if let Some(trace) = overrides[index].trace.map(TraceId).or(inherited) {
            places[index].trace = trace;
        }
        places[index].dotted_order = overrides[index].dotted_order.clone().or_else(|| {
            let own = segment(spans[index].start?, places[index].id);
            match (above, places[index].parent) {
                (Some(above), _) if depth < MAX_DEPTH => Some(format!("{}.{own}", above.dotted_order?)),
                (None, None) => Some(own),
                _ => None,
            }
        });
        stack.extend(children[index].iter().map(|&child| (child, depth + 1)));
    }
}

fn segment(start: Time, id: RunId) -> String {
    format!("{}{id}", start.format("%Y%m%dT%H%M%S%6fZ"))
}

//! Where a run stands in its trace: its ancestors and its dotted order.
//!
//! Clients of LangSmith send the dotted order with each run; for others it
//! follows from the ancestors, which are looked up level by level for a whole
//! page at once. An ancestor that has not arrived leaves a gap: the order then
//! begins with the trace and the missing parent, as it will once they are there.

use std::collections::{HashMap, HashSet};

use assay_domain::{RunId, Time, TraceId};
use assay_store::{RunQuery, Runs as _, StoredRun};
use chrono::DateTime;

use crate::app::App;
use crate::error::ApiResult;

/// Deeper ancestors are not looked for.
const MAX_DEPTH: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// From the root down, without the run itself.
    pub(crate) parents: Vec<RunId>,
    pub(crate) dotted_order: String,
}

/// What is known of a run on the way up.
struct Link {
    parent: Option<RunId>,
    time: Option<Time>,
    order: Option<String>,
}

type Links = HashMap<RunId, Link>;

/// The places of these runs, in their order.
pub(crate) async fn of(app: &App, runs: &[StoredRun]) -> ApiResult<Vec<Place>> {
    let mut links: Links = runs.iter().map(|stored| (stored.run.id, link(stored))).collect();
    let mut tried = HashSet::new();
    for _ in 0..MAX_DEPTH {
        let unplaced = runs.iter().filter(|stored| stored.run.dotted_order.is_none());
        let missing = unplaced.filter_map(|stored| missing_ancestor(stored.run.id, &links));
        let missing: Vec<RunId> = missing.filter(|id| tried.insert(*id)).collect();
        if missing.is_empty() {
            break;
        }
        let query = RunQuery { limit: missing.len(), ids: missing, ..RunQuery::default() };
        for row in app.store.runs(&query).await?.items {
            links.insert(row.id, Link { parent: row.parent, time: row.start_time, order: None });
        }
    }
    Ok(runs.iter().map(|stored| place(stored.run.id, stored.run.trace, &links)).collect())
}

fn link(stored: &StoredRun) -> Link {
    let run = &stored.run;
    let time = run.start_time.or(run.end_time);
    Link { parent: run.parent, time, order: run.dotted_order.clone() }
}

/// The first ancestor of which nothing is known yet.
fn missing_ancestor(id: RunId, links: &Links) -> Option<RunId> {
    let mut current = id;
    for _ in 0..MAX_DEPTH {
        let link = links.get(&current)?;
        let parent = link.parent.filter(|_| link.order.is_none())?;
        if !links.contains_key(&parent) {
            return Some(parent);
        }
        current = parent;
    }
    None
}

fn place(id: RunId, trace: TraceId, links: &Links) -> Place {
    let mut parents = Vec::new();
    let mut segments = Vec::new();
    let mut current = id;
    let mut time = None;
    loop {
        let Some(link) = links.get(&current) else {
            // It has not arrived. Above it is at least the root.
            segments.push(segment(time, current));
            parents.push(current);
            let root = RunId::from(trace);
            if root != current && !parents.contains(&root) {
                segments.push(segment(time, root));
                parents.push(root);
            }
            break;
        };
        if current != id {
            parents.push(current);
        }
        if let Some(order) = &link.order {
            parents.extend(above(order));
            segments.push(order.clone());
            break;
        }
        time = link.time.or(time);
        segments.push(segment(link.time, current));
        match link.parent {
            // Its own ancestor, or nearly endless: let it end here.
            Some(parent) if parent == id || parents.contains(&parent) || parents.len() >= MAX_DEPTH => break,
            Some(parent) => current = parent,
            None => break,
        }
    }
    parents.reverse();
    segments.reverse();
    Place { parents, dotted_order: segments.join(".") }
}

/// The runs above the last of a dotted order, from the nearest up.
fn above(order: &str) -> impl Iterator<Item = RunId> {
    order
        .rsplit('.')
        .skip(1)
        .filter_map(|segment| segment.get(segment.len().checked_sub(36)?..)?.parse().ok())
}

fn segment(time: Option<Time>, id: RunId) -> String {
    let time = time.unwrap_or(DateTime::UNIX_EPOCH);
    format!("{}{id}", time.format("%Y%m%dT%H%M%S%6fZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> RunId {
        RunId(uuid::Uuid::from_u128(number))
    }

    fn links(known: &[(u128, Option<u128>, Option<&str>)]) -> Links {
        let link = |(run, parent, order): &(u128, Option<u128>, Option<&str>)| {
            let link = Link {
                parent: parent.map(id),
                time: "2026-01-01T00:00:00.5Z".parse().ok(),
                order: order.map(str::to_owned),
            };
            (id(*run), link)
        };
        known.iter().map(link).collect()
    }

    const TIME: &str = "20260101T000000500000Z";

    #[test]
    fn the_order_follows_from_the_ancestors() {
        let links = links(&[(1, None, None), (2, Some(1), None), (3, Some(2), None)]);
        let place = place(id(3), TraceId::from(id(1)), &links);
        assert_eq!(place.parents, [id(1), id(2)]);
        assert_eq!(place.dotted_order, format!("{TIME}{}.{TIME}{}.{TIME}{}", id(1), id(2), id(3)));
    }

    #[test]
    fn an_order_that_was_sent_is_trusted() {
        let sent = format!("{TIME}{}.{TIME}{}", id(1), id(2));
        let links = links(&[(2, Some(1), Some(&sent)), (3, Some(2), None)]);
        let child = place(id(3), TraceId::from(id(1)), &links);
        assert_eq!(child.parents, [id(1), id(2)]);
        assert_eq!(child.dotted_order, format!("{sent}.{TIME}{}", id(3)));
        let itself = place(id(2), TraceId::from(id(1)), &links);
        assert_eq!((itself.parents, itself.dotted_order), (vec![id(1)], sent));
    }

    #[test]
    fn a_missing_parent_is_named_between_trace_and_run() {
        let links = links(&[(3, Some(2), None)]);
        assert_eq!(missing_ancestor(id(3), &links), Some(id(2)));
        let place = place(id(3), TraceId::from(id(1)), &links);
        assert_eq!(place.parents, [id(1), id(2)]);
        assert_eq!(place.dotted_order, format!("{TIME}{}.{TIME}{}.{TIME}{}", id(1), id(2), id(3)));
    }

    #[test]
    fn a_cycle_of_parents_ends() {
        let links = links(&[(1, Some(2), None), (2, Some(1), None)]);
        assert_eq!(missing_ancestor(id(1), &links), None);
        assert_eq!(place(id(1), TraceId::from(id(1)), &links).parents, [id(2)]);
    }
}

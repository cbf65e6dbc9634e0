//! What clients leave out and only the server can know: times of arrival, and
//! the place in the trace of runs that name nothing but their parent.
//!
//! New clients send `dotted_order` and `trace_id` with everything; then there
//! is nothing to do here. Older ones, and plain `POST /runs`, leave both out.
//! What comes before its parent is placed by the store once that is there.

use std::collections::{HashMap, HashSet};

use assay_domain::{RunId, RunPatch, Time, TraceId, order};
use assay_store::Runs as _;
use chrono::{DateTime, TimeDelta};

use crate::app::App;
use crate::error::ApiResult;

/// The place of a run in its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    trace: TraceId,
    order: Option<String>,
}

/// Fills in, for creations: start time, trace and dotted order; for all: the depth in the trace.
pub(crate) async fn complete(app: &App, patches: &mut [RunPatch]) -> ApiResult<()> {
    let mut known = HashMap::new();
    for parent in parents_elsewhere(patches) {
        // By the id of a trace the store finds its root, which is no parent.
        if let Some(run) = app.store.run(parent).await?.filter(|run| run.id == parent) {
            known.insert(parent, Place { trace: run.trace, order: run.dotted_order });
        }
    }
    complete_with(patches, known, app.now());
    Ok(())
}

fn is_incomplete(patch: &RunPatch) -> bool {
    patch.is_creation && (patch.trace.is_none() || patch.dotted_order.is_none())
}

/// The parents of incomplete runs that are not among the patches.
fn parents_elsewhere(patches: &[RunPatch]) -> Vec<RunId> {
    let incomplete = patches.iter().filter(|patch| is_incomplete(patch));
    let mut parents: Vec<RunId> = incomplete.filter_map(|patch| patch.parent).collect();
    if !parents.is_empty() {
        let here: HashSet<RunId> =
            patches.iter().filter(|patch| patch.is_creation).map(|patch| patch.id).collect();
        parents.retain(|parent| !here.contains(parent));
        parents.sort_unstable();
        parents.dedup();
    }
    parents
}

fn complete_with(patches: &mut [RunPatch], mut known: HashMap<RunId, Place>, now: Time) {
    for patch in patches.iter_mut().filter(|patch| patch.is_creation && patch.start_time.is_none()) {
        patch.start_time = Some(made_at(patch.id, now).unwrap_or(now));
    }
    if patches.iter().any(is_incomplete) {
        place(patches, &mut known);
    }
    for patch in patches {
        if let Some(order) = &patch.dotted_order {
            let depth = order::depth(order);
            patch.metadata.get_or_insert_default().insert("ls_run_depth".into(), depth.into());
        }
    }
}

/// The time inside an id of version 7, if it can be meant: so a run that is sent
/// again gets the same start again.
fn made_at(id: RunId, now: Time) -> Option<Time> {
    let (seconds, nanos) = id.0.get_timestamp().filter(|_| id.0.get_version_num() == 7)?.to_unix();
    let time = DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)?;
    ((time - now).abs() < TimeDelta::days(30)).then_some(time)
}

/// Places every incomplete run below its parent, parents first.
fn place(patches: &mut [RunPatch], known: &mut HashMap<RunId, Place>) {
    let mut positions: HashMap<RunId, usize> = HashMap::new();
    for (position, patch) in patches.iter().enumerate().filter(|(_, patch)| patch.is_creation) {
        positions.insert(patch.id, position);
        if let (Some(trace), Some(order)) = (patch.trace, &patch.dotted_order) {
            known.insert(patch.id, Place { trace, order: Some(order.clone()) });
        }
    }
    let mut entered = HashSet::new();
    for start in 0..patches.len() {
        // Up to the first ancestor that was looked at, then down again. No run is
        // entered twice: not those below an orphan, nor those in a circle.
        let mut chain = Vec::new();
        let mut next = Some(start).filter(|&start| is_incomplete(&patches[start]));
        while let Some(position) = next {
            if known.contains_key(&patches[position].id) || !entered.insert(position) {
                break;
            }
            chain.push(position);
            next = patches[position].parent.and_then(|parent| positions.get(&parent).copied());
        }
        for position in chain.into_iter().rev() {
            let patch = &mut patches[position];
            let above = patch.parent.map(|parent| known.get(&parent));
            if let Some(place) = place_of(patch, above) {
                patch.trace = Some(place.trace);
                patch.dotted_order.clone_from(&place.order);
                known.insert(patch.id, place);
            }
        }
    }
}

/// The place of a run: `above` is its parent's, where it has one and that is known.
fn place_of(patch: &RunPatch, above: Option<Option<&Place>>) -> Option<Place> {
    let derived = match above {
        None => {
            let own = patch.start_time.map(|start| order::segment(start, patch.id));
            Some(Place { trace: TraceId::from(patch.id), order: own })
        }
        Some(Some(above)) => {
            let below = |parent: &String| order::below(parent, patch.start_time?, patch.id);
            let order = above.order.as_ref().and_then(below);
            if order.is_some() && patch.dotted_order.is_none() {
                // Of a span, the decoder knows but the trace of its own request.
                return Some(Place { trace: above.trace, order });
            }
            Some(Place { trace: above.trace, order })
        }
        // Until the parent comes, the run says itself what it can.
        Some(None) => patch.trace.map(|trace| Place { trace, order: None }),
    };
    let Place { trace, order } = derived?;
    Some(Place { trace: patch.trace.unwrap_or(trace), order: patch.dotted_order.clone().or(order) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> RunId {
        RunId::from_name(name)
    }

    fn now() -> Time {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
    }

    fn patch(name: &str, parent: Option<&str>) -> RunPatch {
        RunPatch { id: id(name), is_creation: true, parent: parent.map(id), ..RunPatch::default() }
    }

    fn completed(mut patches: Vec<RunPatch>, known: &[(&str, &str)]) -> Vec<RunPatch> {
        let known = known.iter().map(|(name, order)| {
            (id(name), Place { trace: id(name).into(), order: Some((*order).to_owned()) })
        });
        complete_with(&mut patches, known.collect(), now());
        patches
    }

    #[test]
    fn runs_that_name_only_their_parents_find_their_places_in_any_order() {
        let patches = completed(vec![patch("c", Some("b")), patch("b", Some("a")), patch("a", None)], &[]);
        let stamp = "20270115T080000000000Z";
        let root = format!("{stamp}{}", id("a"));
        let child = format!("{root}.{stamp}{}", id("b"));
        let orders: Vec<_> = patches.iter().filter_map(|patch| patch.dotted_order.clone()).collect();
        assert_eq!(orders, [format!("{child}.{stamp}{}", id("c")), child, root]);
        assert!(patches.iter().all(|patch| patch.trace == Some(id("a").into())));
        let depths: Vec<_> = patches
            .iter()
            .map(|patch| patch.metadata.as_ref().expect("metadata")["ls_run_depth"].clone())
            .collect();
        assert_eq!(depths, [2, 1, 0]);
    }

    #[test]
    fn a_parent_of_an_earlier_request_is_asked_for() {
        let patches = vec![patch("b", Some("a")), patch("x", None)];
        assert_eq!(parents_elsewhere(&patches), [id("a")]);
        let patches = completed(patches, &[("a", "above")]);
        assert_eq!(patches[0].trace, Some(id("a").into()));
        assert!(patches[0].dotted_order.as_ref().is_some_and(|order| order.starts_with("above.2027")));
    }

    #[test]
    fn orphans_and_circles_are_left_as_they_are() {
        let patches =
            completed(vec![patch("b", Some("unknown")), patch("x", Some("y")), patch("y", Some("x"))], &[]);
        assert!(
            patches.iter().all(|patch| patch.trace.is_none() && patch.dotted_order.is_none()),
            "{patches:?}"
        );
        assert!(patches.iter().all(|patch| patch.start_time == Some(now())));
    }

    #[test]
    fn a_very_deep_chain_stays_small() {
        let mut patches = vec![patch("0", None)];
        patches.extend((1..5000).map(|n| patch(&n.to_string(), Some(&(n - 1).to_string()))));
        patches.reverse();
        let patches = completed(patches, &[]);
        assert!(patches.iter().all(|patch| patch.trace == Some(id("0").into())));
        let longest = patches.iter().filter_map(|patch| patch.dotted_order.as_ref()).map(String::len).max();
        assert!(longest.is_some_and(|longest| longest <= 4096));
    }

    #[test]
    fn updates_are_no_place_to_guess() {
        let mut update = patch("a", None);
        update.is_creation = false;
        assert_eq!(completed(vec![update.clone()], &[]), [update]);
    }

    #[test]
    fn an_id_of_version_7_says_when_the_run_began() {
        let stamp = uuid::Timestamp::from_unix(uuid::NoContext, 1_799_999_000, 0);
        let mut known = patch("a", None);
        known.id = RunId(uuid::Uuid::new_v7(stamp));
        let made = completed(vec![known], &[])[0].start_time.expect("a time");
        assert_eq!(made.timestamp(), 1_799_999_000);
    }
}

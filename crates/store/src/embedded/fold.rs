//! From patches to a run: what is folded in which order.
//!
//! A record keeps its creation and its updates apart. Updates fold into one
//! another as they arrive; the run is the creation with the updates applied.
//! So a creation counts before all updates whenever it comes, and which of
//! two creations counts depends on what they say and not on which was first:
//! clients repeat themselves in any order. A whole record of a file does not;
//! of two of those the later counts.

use std::cmp::Ordering;

use assay_domain::{PriceTable, ProjectId, Run, RunId, RunPatch};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::format::{self, Record};

/// Enough of a digest to tell the patches of one run apart.
pub(crate) const SEEN: usize = 8;
/// So many patches of one run are remembered as seen.
const MAX_SEEN: usize = 512;

/// A patch on its way into the store.
pub(crate) struct Piece {
    pub(crate) is_creation: bool,
    /// Whether it replaces the creation before it, whatever that says.
    pub(crate) is_whole: bool,
    pub(crate) json: String,
    pub(crate) digest: [u8; 32],
    /// Whether it brings attachments.
    pub(crate) has_files: bool,
    /// Whether the cost of its run may follow from it.
    pub(crate) sets_cost: bool,
    /// Whether the place of its run in a trace may follow from it.
    pub(crate) sets_place: bool,
}

impl Piece {
    pub(crate) fn of(patch: &RunPatch) -> Self {
        let mut piece = Self::new(patch.is_creation, format::part_json(patch));
        piece.is_whole = patch.is_creation && patch.is_whole;
        piece.has_files = !patch.attachments.is_empty();
        piece.sets_cost = sets_cost(patch);
        piece.sets_place = patch.is_creation
            || patch.trace.is_some()
            || patch.parent.is_some()
            || patch.dotted_order.is_some();
        piece
    }

    fn new(is_creation: bool, json: String) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([u8::from(is_creation)]);
        hasher.update(json.as_bytes());
        let digest = hasher.finalize().into();
        let is_whole = false;
        Self { is_creation, is_whole, json, digest, has_files: false, sets_cost: true, sets_place: true }
    }

    pub(crate) fn mark(&self) -> &[u8] {
        &self.digest[..SEEN]
    }
}

/// Whether a patch says something of usage, model, provider or the time that prices depend on.
fn sets_cost(patch: &RunPatch) -> bool {
    let says = |map: &Option<Map<String, Value>>, key| map.as_ref().is_some_and(|map| map.contains_key(key));
    patch.usage.is_some()
        || patch.start_time.is_some()
        || says(&patch.metadata, "ls_model_name")
        || says(&patch.metadata, "ls_provider")
        || says(&patch.extra, "invocation_params")
}

/// Whether a piece with this mark has been folded before.
fn has_seen(seen: &[u8], mark: &[u8]) -> bool {
    seen.chunks_exact(SEEN).any(|known| known == mark)
}

/// Whether a piece must be folded: it is new, or it is whole and may not be what was said last.
pub(crate) fn is_news(seen: &[u8], piece: &Piece) -> bool {
    match piece.is_whole {
        true => seen.chunks_exact(SEEN).next_back() != Some(piece.mark()),
        false => !has_seen(seen, piece.mark()),
    }
}

/// Adds a mark as the latest; of very many, the oldest are forgotten.
pub(crate) fn see(seen: &mut Vec<u8>, mark: &[u8]) {
    if let Some(place) = seen.chunks_exact(SEEN).position(|known| known == mark) {
        seen.drain(place * SEEN..(place + 1) * SEEN);
    }
    if seen.len() >= MAX_SEEN * SEEN {
        seen.drain(..SEEN);
    }
    seen.extend_from_slice(mark);
}

/// Folds a piece into a record. Whether it is a second, different creation.
///
/// The piece must be news ([`is_news`]).
pub(crate) fn absorb(record: &mut Record, piece: &Piece, patch: RunPatch) -> bool {
    if !piece.is_creation {
        amend(record, patch);
        return false;
    }
    match &record.creation {
        None => record.creation = Some(piece.json.clone()),
        Some(known) if piece.is_whole => {
            let is_other = *known != piece.json;
            record.creation = Some(piece.json.clone());
            return is_other;
        }
        Some(known) => {
            if precedence(piece, &patch, known) == Ordering::Greater {
                record.creation = Some(piece.json.clone());
            }
            return true;
        }
    }
    false
}

/// Folds an update into a record.
pub(crate) fn amend(record: &mut Record, update: RunPatch) {
    match &mut record.updates {
        Some(known) => combine(known, update),
        None => record.updates = Some(update),
    }
}

/// How a creation compares with the one that counts so far: the one that
/// ends later is greater, else the longer, else the one with the greater digest.
fn precedence(piece: &Piece, patch: &RunPatch, known: &str) -> Ordering {
    let Ok(known_patch) = format::read_part(known) else { return Ordering::Greater };
    let digest = Piece::new(true, known.to_owned()).digest;
    // The news was not cut to microseconds yet.
    let end = patch.end_time.map(|time| time.timestamp_micros());
    let known_end = known_patch.end_time.map(|time| time.timestamp_micros());
    (end, piece.json.len(), piece.digest).cmp(&(known_end, known.len(), digest))
}

/// The run that a record amounts to, without its cost.
pub(crate) fn fold(record: Record, id: RunId, project: ProjectId) -> Result<Run, String> {
    let mut run = Run::unknown(id, project);
    if let Some(creation) = &record.creation {
        run.apply(format::read_part(creation)?);
    }
    if let Some(updates) = record.updates {
        run.apply(updates);
    }
    run.cost = record.cost;
    Ok(run)
}

/// Sets the cost that follows from usage and prices.
pub(crate) fn price(run: &mut Run, prices: &PriceTable) {
    run.cost =
        run.usage.as_ref().and_then(|usage| prices.cost(run.provider(), run.model(), run.start_time, usage));
}

/// Folds a later patch into an earlier one, so that applying the result is
/// applying both in turn (see [`Run::apply`]).
fn combine(known: &mut RunPatch, news: RunPatch) {
    // Spelled out in full: a new field must not be forgotten here.
    let RunPatch {
        id: _,
        is_creation: _,
        is_whole: _,
        project_name: _,
        trace,
        parent,
        thread,
        dotted_order,
        name,
        kind,
        start_time,
        end_time,
        first_token_time,
        inputs,
        outputs,
        error,
        events,
        tags,
        metadata,
        extra,
        serialized,
        reference_example,
        attachments,
        usage,
    } = news;
    replace(&mut known.trace, trace);
    replace(&mut known.parent, parent);
    replace(&mut known.thread, thread);
    replace(&mut known.dotted_order, dotted_order);
    replace(&mut known.name, name);
    replace(&mut known.kind, kind);
    replace(&mut known.start_time, start_time);
    replace(&mut known.end_time, end_time);
    replace(&mut known.first_token_time, first_token_time);
    replace_value(&mut known.inputs, inputs);
    replace_value(&mut known.outputs, outputs);
    replace(&mut known.error, error);
    replace(&mut known.events, events.filter(|events| !events.is_empty()));
    replace(&mut known.tags, tags.filter(|tags| !tags.is_empty()));
    merge(&mut known.metadata, metadata);
    merge(&mut known.extra, extra);
    replace_value(&mut known.serialized, serialized);
    replace(&mut known.reference_example, reference_example);
    for attachment in attachments {
        match known.attachments.iter_mut().find(|known| known.name == attachment.name) {
            Some(known) => *known = attachment,
            None => known.attachments.push(attachment),
        }
    }
    replace(&mut known.usage, usage);
}

fn replace<T>(known: &mut Option<T>, news: Option<T>) {
    if news.is_some() {
        *known = news;
    }
}

fn replace_value(known: &mut Option<Value>, news: Option<Value>) {
    let Some(news) = news else { return };
    let is_empty = match &news {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    if !is_empty || known.as_ref().is_none_or(Value::is_null) {
        *known = Some(news);
    }
}

fn merge(known: &mut Option<Map<String, Value>>, news: Option<Map<String, Value>>) {
    let Some(news) = news else { return };
    let known = known.get_or_insert_default();
    for (key, value) in news {
        if !value.is_null() {
            known.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value() -> impl Strategy<Value = Option<Value>> {
        prop::sample::select(vec![
            None,
            Some(Value::Null),
            Some(json!({})),
            Some(json!([])),
            Some(json!({"x": 1})),
            Some(json!({"y": 2})),
            Some(json!("text")),
        ])
    }

    fn map() -> impl Strategy<Value = Option<Map<String, Value>>> {
        prop::sample::select(vec![
            None,
            Some(json!({})),
            Some(json!({"a": 1, "b": null})),
            Some(json!({"b": 2, "a": 3})),
            Some(json!({"c": "d", "a": null})),
        ])
        .prop_map(|value| value.and_then(|value| value.as_object().cloned()))
    }

    prop_compose! {
        fn patch()(
            is_creation in any::<bool>(),
            inputs in value(),
            outputs in value(),
            metadata in map(),
            extra in map(),
            name in prop::option::of("[ab]"),
            tags in prop::option::of(prop::collection::vec("[xy]", 0..2)),
            second in prop::option::of(0i64..3),
        ) -> RunPatch {
            RunPatch {
                is_creation, inputs, outputs, metadata, extra, name, tags,
                end_time: second.and_then(|second| chrono::DateTime::from_timestamp(second, 0)),
                ..RunPatch::default()
            }
        }
    }

    fn folded<'a>(patches: impl IntoIterator<Item = &'a RunPatch>) -> Run {
        let mut record = Record::default();
        let mut seen = Vec::new();
        for patch in patches {
            let piece = Piece::of(patch);
            if is_news(&seen, &piece) {
                see(&mut seen, piece.mark());
                absorb(&mut record, &piece, patch.clone());
            }
        }
        fold(record, RunId::from_name("r"), ProjectId::from_name("p")).expect("just written")
    }

    proptest! {
        #[test]
        fn combined_patches_do_what_they_do_in_turn(base in patch(), first in patch(), second in patch()) {
            let mut in_turn = Run::unknown(RunId::from_name("r"), ProjectId::from_name("p"));
            in_turn.apply(base);
            let mut at_once = in_turn.clone();
            in_turn.apply(first.clone());
            in_turn.apply(second.clone());
            let mut both = first;
            combine(&mut both, second);
            at_once.apply(both);
            prop_assert_eq!(in_turn, at_once);
        }

        #[test]
        fn creations_count_first_and_in_no_order(patches in prop::collection::vec(patch(), 0..6), turn in 0usize..6) {
            let (creations, updates): (Vec<_>, Vec<_>) = patches.iter().partition(|patch| patch.is_creation);
            let usual = folded(creations.iter().chain(&updates).copied());
            let mut turned = creations.clone();
            if !turned.is_empty() {
                let middle = turn % turned.len();
                turned.rotate_left(middle);
            }
            prop_assert_eq!(&usual, &folded(patches.iter()));
            prop_assert_eq!(&usual, &folded(updates.iter().chain(&turned).copied()));
            prop_assert_eq!(&usual, &folded(patches.iter().chain(patches.iter())));
        }
    }
}

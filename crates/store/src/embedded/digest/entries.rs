//! Entries of a segment: which runs have which key and value, or which tag.
//!
//! Each distinct entry is kept once, with the places of the runs that have
//! it. Runs with very many or very long entries are only noted: of them
//! nothing is known.

use std::collections::HashMap;

use serde_json::Value;

use super::bits::{Bits, Known};
use super::pack::{Reader, put_number, put_place, put_text};
use crate::filter::Test;
use crate::filter::test::EntryTests;

/// Of a run with more entries, or with a longer one, nothing is kept.
const MAX_ENTRIES: usize = 64;
const MAX_LENGTH: usize = 256;

/// Collects the entries of a segment.
#[derive(Default)]
pub(super) struct Builder {
    /// By path and value; a node that holds others has none.
    places: HashMap<(String, Option<String>), Vec<u16>>,
    unknown: Vec<u16>,
}

impl Builder {
    /// Adds the entries of a run, as [`EntryTests::hold_somewhere`] goes through them.
    pub(super) fn add(&mut self, place: u16, value: &Value) {
        let mut found = Vec::new();
        collect(value, &mut String::new(), &mut found);
        let is_short = |(path, value): &(String, Option<String>)| {
            path.len() + value.as_ref().map_or(0, String::len) <= MAX_LENGTH
        };
        if found.len() > MAX_ENTRIES || !found.iter().all(is_short) {
            self.unknown.push(place);
            return;
        }
        found.sort_unstable();
        found.dedup();
        for entry in found {
            self.places.entry(entry).or_default().push(place);
        }
    }

    /// Nothing is known of a run.
    pub(super) fn pass(&mut self, place: u16) {
        self.unknown.push(place);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut entries: Vec<_> = self.places.into_iter().collect();
        entries.sort_unstable();
        let mut out = Vec::new();
        let put_places = |out: &mut Vec<u8>, places: &[u16]| {
            put_number(out, places.len());
            places.iter().for_each(|&place| put_place(out, place));
        };
        put_places(&mut out, &self.unknown);
        put_number(&mut out, entries.len());
        for ((path, value), places) in entries {
            put_text(&mut out, &path);
            put_number(&mut out, usize::from(value.is_some()));
            put_text(&mut out, value.as_deref().unwrap_or_default());
            put_places(&mut out, &places);
        }
        out
    }
}

/// Recursion is bounded by the depth in which values are stored.
fn collect(value: &Value, path: &mut String, found: &mut Vec<(String, Option<String>)>) {
    // One more than is kept tells that there are too many.
    if found.len() > MAX_ENTRIES {
        return;
    }
    match value {
        Value::Null => {}
        Value::Object(map) => {
            let length = path.len();
            if length > 0 {
                found.push((path.clone(), None));
            }
            for (key, value) in map {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(key);
                collect(value, path, found);
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            if !path.is_empty() {
                found.push((path.clone(), None));
            }
            items.iter().for_each(|item| collect(item, path, found));
        }
        Value::String(text) => found.push((path.clone(), Some(text.clone()))),
        other => found.push((path.clone(), Some(other.to_string()))),
    }
}

/// Of which runs some entry passes.
pub(super) fn holding(raw: &[u8], tests: &EntryTests) -> Option<Known> {
    known(raw, |path, value| tests.hold(path, value))
}

/// Of which runs some tag passes; see [`crate::filter::Expression::Tags`].
pub(super) fn tagged(raw: &[u8], test: &Test) -> Option<Known> {
    match test {
        Test::Absent => known(raw, |_, _| true).map(Known::not),
        Test::Present => known(raw, |_, _| true),
        test => known(raw, |_, tag| test.holds(tag)),
    }
}

fn known(raw: &[u8], passes: impl Fn(&str, Option<&str>) -> bool) -> Option<Known> {
    let mut reader = Reader(raw);
    let mut unknown = Bits::NONE;
    let count = reader.number()?;
    reader.places(count)?.for_each(|place| unknown.add(place.into()));
    let mut must = Bits::NONE;
    for _ in 0..reader.number()? {
        let path = reader.text()?;
        let has_value = reader.number()? == 1;
        let value = Some(reader.text()?).filter(|_| has_value);
        let count = reader.number()?;
        let places = reader.places(count)?;
        if passes(path, value) {
            places.for_each(|place| must.add(place.into()));
        }
    }
    Some(Known { must, may: must.or(&unknown) })
}

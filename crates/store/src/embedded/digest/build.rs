//! Making the digest of a segment from its runs.

use std::collections::{BTreeMap, HashMap};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use serde_json::Value;

use super::entries::Builder;
use super::pack::{self, put_number, put_place, put_text};
use super::segment::{
    HAS_ERROR, HAS_PARENT, HAS_START, IS_LONG, IS_THREADED, NO_TEXT, NOTHING, thread_digest,
};
use super::totals::{self, Totals};
use super::{Part, SIZE, keys_of, place, remove};
use crate::embedded::search;
use crate::embedded::stats::{FACTS, FACTS_WIDTH, ROOT_FACTS, facts};

/// Columns of numbers, as they follow the first few in [`SELECT`].
const NUMBERS: [Part; 6] =
    [Part::End, Part::FirstToken, Part::Latency, Part::InputTokens, Part::OutputTokens, Part::TotalTokens];
const TEXTS: [Part; 4] = [Part::Status, Part::Kind, Part::Name, Part::Model];

/// Texts of runs that take no more bytes than this are in the full-text index from beginning to end.
const SHORT: i64 = search::MAX_TEXT as i64;

/// Key, project, moment; then flags, [`NUMBERS`], cost, [`TEXTS`], tags, metadata, trace; of roots what
/// is known of their traces; how long the record of the run is.
const SELECT: &str = "runs.key, runs.project, runs.moment, runs.parent IS NOT NULL, runs.start, \
     runs.error IS NOT NULL, runs.end, runs.first_token, runs.latency, runs.input_tokens, runs.output_tokens, \
     runs.total_tokens, amount(runs.total_cost), runs.status, runs.kind, runs.name, runs.model, runs.tags, \
     runs.metadata, runs.trace, CASE WHEN whole.root = runs.key THEN whole.thread END, whole.activity, \
     coalesce(whole.start, whole.end), whole.is_threaded, length(payloads.body), \
     CASE WHEN length(payloads.body) <= ?3 THEN raw_length(payloads.body) END";
const SELECT_WIDTH: usize = 26;

/// Texts of one column, each distinct one once.
struct Texts {
    numbers: HashMap<String, u16>,
    places: Vec<u16>,
}

/// What one project has in the segment.
struct Zone {
    runs: i64,
    first: i64,
    last: i64,
    totals: Totals,
}

/// Digests a segment anew; inside a transaction.
pub(super) fn build(connection: &Connection, segment: i64) -> rusqlite::Result<()> {
    let (first, last) = keys_of(segment);
    let size = SIZE as usize;
    let mut numbers: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let parts =
        [Part::Project, Part::Flags, Part::Moment, Part::TotalCost, Part::Trace, Part::Activity, Part::Began];
    for part in parts.into_iter().chain(NUMBERS) {
        numbers.insert(part.number(), vec![NOTHING; size]);
    }
    let mut texts = TEXTS.map(|_| Texts { numbers: HashMap::new(), places: vec![NO_TEXT; size] });
    let mut threads = Threads { numbers: HashMap::new(), places: vec![NO_TEXT; size] };
    let (mut tags, mut metadata) = (Builder::default(), Builder::default());
    let mut zones: BTreeMap<i64, Zone> = BTreeMap::new();

    let sql = format!(
        "SELECT {SELECT}, {FACTS}, {ROOT_FACTS} FROM runs LEFT JOIN traces AS whole ON whole.key = runs.trace \
         LEFT JOIN payloads ON payloads.run = runs.key WHERE runs.key BETWEEN ?1 AND ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([first, last, SHORT])?;
    while let Some(row) = rows.next()? {
        let at = (number(row, 0)? - first) as usize;
        let mut put = |part: Part, number: i64| {
            if let Some(column) = numbers.get_mut(&part.number()) {
                column[at] = number;
            }
        };
        put(Part::Project, number(row, 1)?);
        put(Part::Moment, number(row, 2)?);
        put(Part::Flags, flags(row)?);
        for (part, column) in NUMBERS.into_iter().zip(6..) {
            put(part, number(row, column)?);
        }
        put(Part::TotalCost, cost(row)?);
        put(Part::Trace, number(row, 19)?);
        if let Some(thread) = row.get_ref(20)?.as_str_or_null().ok().flatten() {
            put(Part::Activity, number(row, 21)?);
            put(Part::Began, number(row, 22)?);
            threads.put(at, thread_digest(thread));
        }
        for (texts, column) in texts.iter_mut().zip(13..) {
            texts.put(at, row.get_ref(column)?);
        }
        add_entries(&mut tags, at, row.get_ref(17)?);
        add_entries(&mut metadata, at, row.get_ref(18)?);
        let zone = zones.entry(number(row, 1)?).or_insert_with(Zone::empty);
        zone.add(row)?;
    }
    drop(rows);

    remove(connection, segment)?;
    let put = |part: Part, body: Vec<u8>| write(connection, place(segment, part), &body);
    for part in parts.into_iter().chain(NUMBERS) {
        put(part, pack::pack_numbers(&numbers[&part.number()]))?;
    }
    for (part, texts) in TEXTS.into_iter().zip(texts) {
        put(part, pack::pack(&texts.finish()))?;
    }
    put(Part::Thread, pack::pack(&threads.finish()))?;
    put(Part::Tags, pack::pack(&tags.finish()))?;
    put(Part::Metadata, pack::pack(&metadata.finish()))?;
    zones.into_iter().try_for_each(|(project, zone)| zone.write(connection, project, segment))
}

fn write(connection: &Connection, key: i64, body: &[u8]) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO digests VALUES (?, ?)")?.execute(params![key, body]).map(drop)
}

/// Nothing where it is none.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    Ok(row.get_ref(column)?.as_i64_or_null().ok().flatten().unwrap_or(NOTHING))
}

/// The bits of the cost as a float. There is but one zero: the other has the bits of nothing.
fn cost(row: &Row<'_>) -> rusqlite::Result<i64> {
    let cost: Option<f64> = row.get(12)?;
    Ok(cost.map_or(NOTHING, |cost| (cost + 0.0).to_bits().cast_signed()))
}

fn flags(row: &Row<'_>) -> rusqlite::Result<i64> {
    let flag = |is_set: bool, flag: i64| if is_set { flag } else { 0 };
    Ok(flag(number(row, 3)? == 1, HAS_PARENT)
        | flag(number(row, 4)? != NOTHING, HAS_START)
        | flag(number(row, 5)? == 1, HAS_ERROR)
        | flag(number(row, 23)? == 1, IS_THREADED)
        | flag(number(row, 24)? != NOTHING && !(0..=SHORT).contains(&number(row, 25)?), IS_LONG))
}

fn add_entries(entries: &mut Builder, at: usize, json: ValueRef<'_>) {
    let Ok(Some(text)) = json.as_str_or_null() else { return };
    let at = u16::try_from(at).unwrap_or(NO_TEXT);
    match serde_json::from_str::<Value>(text) {
        Ok(value) => entries.add(at, &value),
        Err(_) => entries.pass(at),
    }
}

/// Threads of roots: each distinct one once.
struct Threads {
    numbers: HashMap<u64, u16>,
    places: Vec<u16>,
}

impl Threads {
    fn put(&mut self, at: usize, thread: u64) {
        let next = u16::try_from(self.numbers.len()).unwrap_or(NO_TEXT);
        self.places[at] = *self.numbers.entry(thread).or_insert(next);
    }

    fn finish(self) -> Vec<u8> {
        let mut threads: Vec<(u16, u64)> =
            self.numbers.into_iter().map(|(thread, number)| (number, thread)).collect();
        threads.sort_unstable();
        let mut out = Vec::new();
        put_number(&mut out, threads.len());
        threads.iter().for_each(|(_, thread)| out.extend_from_slice(&thread.to_le_bytes()));
        self.places.iter().for_each(|&place| put_place(&mut out, place));
        out
    }
}

impl Texts {
    fn put(&mut self, at: usize, text: ValueRef<'_>) {
        let Ok(Some(text)) = text.as_str_or_null() else { return };
        let next = u16::try_from(self.numbers.len()).unwrap_or(NO_TEXT);
        let number = match self.numbers.get(text) {
            Some(&number) => number,
            None => *self.numbers.entry(text.to_owned()).or_insert(next),
        };
        self.places[at] = number;
    }

    fn finish(self) -> Vec<u8> {
        let mut texts: Vec<(String, u16)> = self.numbers.into_iter().collect();
        texts.sort_unstable_by_key(|(_, number)| *number);
        let mut out = Vec::new();
        put_number(&mut out, texts.len());
        texts.iter().for_each(|(text, _)| put_text(&mut out, text));
        self.places.iter().for_each(|&place| put_place(&mut out, place));
        out
    }
}

impl Zone {
    fn empty() -> Self {
        Self { runs: 0, first: i64::MAX, last: i64::MIN, totals: Totals::default() }
    }

    fn add(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let moment = number(row, 2)?;
        self.runs += 1;
        self.first = self.first.min(moment);
        self.last = self.last.max(moment);
        self.totals.runs.add(&facts(row, SELECT_WIDTH)?);
        if number(row, 3)? == 0 {
            self.totals.roots.add(&facts(row, SELECT_WIDTH + FACTS_WIDTH)?);
        }
        Ok(())
    }

    fn write(self, connection: &Connection, project: i64, segment: i64) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "INSERT INTO zones (project, segment, runs, first, last, totals) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                project,
                segment,
                self.runs,
                self.first,
                self.last,
                totals::pack(self.totals)
            ])?;
        Ok(())
    }
}

//! Answering questions about a project from its digests.
//!
//! Segments that cannot matter are passed over; of the others, the digest
//! says which runs can match. Where it cannot be certain, and where there is
//! no digest (runs that arrived just now, or changed), the runs are asked.

use std::collections::BinaryHeap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::bits::{Bits, Known};
use super::segment::Segment;
use super::totals::{self, Totals};
use super::{Part, SIZE, WORTHWHILE, evaluate, keys_of, up_to};
use crate::embedded::patience::Deadline;
use crate::embedded::reader::Problem;
use crate::embedded::select::{self, KEYS, Scope};
use crate::{Order, RunQuery, Tally};

/// What a project has in one segment.
pub(super) struct Zone {
    pub(super) segment: i64,
    runs: u64,
    pub(super) first: i64,
    pub(super) last: i64,
}

/// Which of the kept sums answers a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Runs,
    Roots,
}

/// Whether all runs of a time, or all roots, are meant, which are added up already.
pub(crate) fn summed(query: &RunQuery) -> Option<Side> {
    if is_filtered(&RunQuery { is_root: None, ..query.clone() }) {
        return None;
    }
    match query.is_root {
        None => Some(Side::Runs),
        Some(true) => Some(Side::Roots),
        Some(false) => None,
    }
}

/// Whether more is asked of runs than their project and their time.
fn is_filtered(query: &RunQuery) -> bool {
    // Spelled out in full: a new condition must not be forgotten here.
    let RunQuery {
        projects: _,
        ids,
        trace,
        parent,
        kind,
        reference_examples,
        has_error,
        is_root,
        filter,
        trace_filter,
        tree_filter,
        start: _,
        end: _,
        order: _,
        limit: _,
        cursor: _,
        patience: _,
    } = query;
    !ids.is_empty()
        || trace.is_some()
        || parent.is_some()
        || kind.is_some()
        || !reference_examples.is_empty()
        || has_error.is_some()
        || is_root.is_some()
        || filter.is_some()
        || trace_filter.is_some()
        || tree_filter.is_some()
}

/// Whether a page is found sooner with digests than by walking back in time.
pub(crate) fn helps(connection: &Connection, query: &RunQuery, project: i64) -> rusqlite::Result<bool> {
    Ok(is_filtered(query) && is_large(connection, project)?)
}

pub(crate) fn is_large(connection: &Connection, project: i64) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT runs > ? FROM projects WHERE key = ?")?;
    statement.query_row([WORTHWHILE, project], |row| row.get(0))
}

/// The moments a query asks for: the first that is in and the last.
pub(super) fn window(query: &RunQuery) -> (i64, i64) {
    let start = query.start.map(|start| start.timestamp_micros());
    let Some(end) = query.end else { return (start.unwrap_or(i64::MIN), i64::MAX) };
    // The least integer stands for runs without any time.
    (start.unwrap_or(i64::MIN).max(i64::MIN + 1), end.timestamp_micros().saturating_sub(1))
}

pub(super) fn zones(
    connection: &Connection,
    project: i64,
    window: (i64, i64),
) -> rusqlite::Result<Vec<Zone>> {
    let mut statement = connection.prepare_cached(
        "SELECT segment, runs, first, last FROM zones WHERE project = ? AND last >= ? AND first <= ?",
    )?;
    let rows = statement.query_map(params![project, window.0, window.1], |row| {
        let runs = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        Ok(Zone { segment: row.get(0)?, runs, first: row.get(2)?, last: row.get(3)? })
    })?;
    rows.collect()
}

/// The runs that no digest speaks of, as ranges of keys.
pub(super) fn undigested(connection: &Connection, project: i64) -> rusqlite::Result<Vec<Scope>> {
    let range = |(first, last)| Scope::Range { project, first, last };
    let mut statement = connection.prepare_cached("SELECT segment FROM undigested ORDER BY segment DESC")?;
    let segments = statement.query_map([], |row| row.get::<_, i64>(0))?;
    let mut ranges = vec![range((up_to(connection)? * SIZE, i64::MAX))];
    for segment in segments {
        ranges.push(range(keys_of(segment?)));
    }
    Ok(ranges)
}

/// What a segment knows of the query, of the project's runs within the window.
pub(super) fn known(
    segment: &mut Segment<'_>,
    query: &RunQuery,
    project: i64,
    zone: &Zone,
    window: (i64, i64),
) -> rusqlite::Result<Known> {
    let scope = match zone.runs == SIZE.unsigned_abs() {
        true => Known::exactly(Bits::all()),
        false => segment.of_project(project)?.map_or_else(Known::open, Known::exactly),
    };
    let is_inside = window.0 <= zone.first && zone.last <= window.1;
    // Times are unpacked only where the window cuts through the segment.
    let moments = if is_inside { None } else { segment.numbers(Part::Moment)? };
    let in_time = match moments {
        _ if is_inside => Known::exactly(Bits::all()),
        Some(moments) => Known::exactly(Bits::of(|at| (window.0..=window.1).contains(&moments[at]))),
        None => Known::open(),
    };
    let scope = scope.and(&in_time);
    Ok(if scope.may.is_empty() { scope } else { scope.and(&evaluate::query(segment, query)?) })
}

// ----------------------------------------------------------------- counting

/// How many runs of a project a query selects; `None` where it is counted sooner without digests.
pub(crate) fn count(
    connection: &Connection,
    query: &RunQuery,
    project: i64,
    deadline: Deadline,
) -> Result<Option<Tally>, Problem> {
    if !is_large(connection, project)? {
        return Ok(None);
    }
    let (window, is_filtered) = (window(query), is_filtered(query));
    let mut total = 0;
    for scope in undigested(connection, project)? {
        total += select::count_in(connection, query, &scope)?;
    }
    for zone in zones(connection, project, window)? {
        if deadline.is_over() {
            return Ok(Some(Tally { count: total, is_exact: false }));
        }
        if !is_filtered && window.0 <= zone.first && zone.last <= window.1 {
            total += zone.runs;
            continue;
        }
        let mut segment = Segment::new(connection, zone.segment);
        let known = known(&mut segment, query, project, &zone, window)?;
        total += known.must.count();
        for scope in doubtful(&known, project, zone.segment) {
            total += select::count_in(connection, query, &scope)?;
        }
    }
    Ok(Some(Tally { count: total, is_exact: true }))
}

/// Where those runs of a segment are that must be asked themselves.
fn doubtful(known: &Known, project: i64, segment: i64) -> Vec<Scope> {
    keyed(&known.may.without(&known.must), project, segment)
}

/// Runs of a segment by their keys.
pub(super) fn keyed(places: &Bits, project: i64, segment: i64) -> Vec<Scope> {
    let (first, _) = keys_of(segment);
    let keys: Vec<i64> = places.places().map(|at| first + at as i64).collect();
    keys.chunks(KEYS).map(|keys| Scope::Keys { project, keys: keys.to_vec() }).collect()
}

// ------------------------------------------------------------------ adding up

/// Hands over the sums of all segments that lie within the window, and
/// returns where the other runs are.
pub(crate) fn totals(
    connection: &Connection,
    query: &RunQuery,
    project: i64,
    mut add: impl FnMut(Totals),
) -> Result<Vec<Scope>, Problem> {
    if !is_large(connection, project)? {
        return Ok(vec![Scope::Project(project)]);
    }
    let window = window(query);
    let mut statement = connection.prepare_cached(
        "SELECT segment, first, last, totals FROM zones WHERE project = ? AND last >= ? AND first <= ?",
    )?;
    let mut rows = statement.query(params![project, window.0, window.1])?;
    let mut rest = undigested(connection, project)?;
    while let Some(row) = rows.next()? {
        let (first, last): (i64, i64) = (row.get(1)?, row.get(2)?);
        let is_inside = window.0 <= first && last <= window.1;
        let sums = if is_inside { row.get_ref(3)?.as_blob().ok().and_then(totals::unpack) } else { None };
        match sums {
            Some(totals) => add(totals),
            None => {
                let (first, last) = keys_of(row.get(0)?);
                rest.push(Scope::Range { project, first, last });
            }
        }
    }
    Ok(rest)
}

/// The sums of a project in one segment; `None` where they cannot be read.
pub(super) fn totals_of(
    connection: &Connection,
    project: i64,
    segment: i64,
) -> rusqlite::Result<Option<Totals>> {
    let mut statement =
        connection.prepare_cached("SELECT totals FROM zones WHERE project = ? AND segment = ?")?;
    let packed: Option<Vec<u8>> = statement.query_row([project, segment], |row| row.get(0)).optional()?;
    Ok(packed.and_then(|packed| totals::unpack(&packed)))
}

/// The parts of a project in which runs can match; other scopes stay as they are.
pub(crate) fn narrow(connection: &Connection, query: &RunQuery, scope: Scope) -> Result<Vec<Scope>, Problem> {
    let Scope::Project(project) = scope else { return Ok(vec![scope]) };
    if !helps(connection, query, project)? {
        return Ok(vec![scope]);
    }
    let window = window(query);
    let mut narrowed = undigested(connection, project)?;
    for zone in zones(connection, project, window)? {
        let mut segment = Segment::new(connection, zone.segment);
        let known = known(&mut segment, query, project, &zone, window)?;
        let (first, last) = keys_of(zone.segment);
        if known.may.count() * 4 > SIZE.unsigned_abs() {
            narrowed.push(Scope::Range { project, first, last });
        } else {
            narrowed.extend(doubtful(&Known { must: Bits::NONE, ..known }, project, zone.segment));
        }
    }
    Ok(narrowed)
}

// ---------------------------------------------------------------------- pages

/// The part of a page that one project has.
pub(crate) struct PagePart {
    /// Moments and keys, in no order.
    pub(crate) found: Vec<(i64, i64)>,
    /// Where the next page begins, if time was up before this one was full.
    pub(crate) cut: Option<(i64, i64)>,
}

/// The first runs of a project that match, as moment and key, in the order
/// of the query; at most so many. `after` is where the page before ended.
pub(crate) fn page(
    connection: &Connection,
    query: &RunQuery,
    project: i64,
    after: Option<(i64, i64)>,
    limit: usize,
    deadline: Deadline,
) -> Result<PagePart, Problem> {
    let mut window = window(query);
    match (query.order, after) {
        (Order::NewestFirst, Some((moment, _))) => window.1 = window.1.min(moment),
        (Order::OldestFirst, Some((moment, _))) => window.0 = window.0.max(moment),
        (_, None) => {}
    }
    let mut best = Best { order: query.order, after, limit, places: BinaryHeap::new() };
    for scope in undigested(connection, project)? {
        best.add_all(select::page_in(connection, query, &scope, after, limit)?);
    }
    let mut zones = zones(connection, project, window)?;
    zones.sort_unstable_by_key(|zone| std::cmp::Reverse(best.promise(zone)));
    for zone in zones {
        if best.is_full_before(&zone) {
            break;
        }
        if deadline.is_over()
            && let Some(cut) = best.cut_before(&zone)
        {
            return Ok(PagePart { found: best.before(cut), cut: Some(cut) });
        }
        let mut segment = Segment::new(connection, zone.segment);
        let known = known(&mut segment, query, project, &zone, window)?;
        let (first, _) = keys_of(zone.segment);
        let Some(moments) = segment.numbers(Part::Moment)? else {
            let (first, last) = keys_of(zone.segment);
            let scope = Scope::Range { project, first, last };
            best.add_all(select::page_in(connection, query, &scope, after, limit)?);
            continue;
        };
        // The most promising go first, so that the rest need not be asked.
        let mut candidates: Vec<(i64, usize)> = known.may.places().map(|at| (moments[at], at)).collect();
        candidates.sort_unstable();
        if query.order == Order::NewestFirst {
            candidates.reverse();
        }
        candidates.retain(|&(moment, at)| best.is_after((moment, first + at as i64)));
        let mut doubtful: Vec<i64> = Vec::new();
        for (moment, at) in candidates {
            let place = (moment, first + at as i64);
            if best.is_full() && !best.would_take(place) {
                break;
            }
            if known.must.has(at) {
                best.add(place);
                continue;
            }
            doubtful.push(place.1);
            if doubtful.len() == KEYS {
                let scope = Scope::Keys { project, keys: std::mem::take(&mut doubtful) };
                best.add_all(select::page_in(connection, query, &scope, after, limit)?);
            }
        }
        if !doubtful.is_empty() {
            let scope = Scope::Keys { project, keys: doubtful };
            best.add_all(select::page_in(connection, query, &scope, after, limit)?);
        }
    }
    Ok(PagePart { found: best.places.into_iter().map(|place| best.order.undo(place)).collect(), cut: None })
}

/// The places found so far that come first, the last of them on top.
struct Best {
    order: Order,
    after: Option<(i64, i64)>,
    limit: usize,
    places: BinaryHeap<(i128, i128)>,
}

impl Best {
    fn is_after(&self, place: (i64, i64)) -> bool {
        self.after.is_none_or(|after| self.order.rank(place) > self.order.rank(after))
    }

    fn is_full(&self) -> bool {
        self.places.len() >= self.limit
    }

    fn would_take(&self, place: (i64, i64)) -> bool {
        !self.is_full() || self.places.peek().is_some_and(|&worst| self.order.rank(place) < worst)
    }

    fn add(&mut self, place: (i64, i64)) {
        if self.would_take(place) {
            self.places.push(self.order.rank(place));
            if self.places.len() > self.limit {
                self.places.pop();
            }
        }
    }

    fn add_all(&mut self, places: Vec<(i64, i64)>) {
        places.into_iter().for_each(|place| self.add(place));
    }

    /// The greater, the sooner a run of the zone can come.
    fn promise(&self, zone: &Zone) -> i128 {
        match self.order {
            Order::NewestFirst => i128::from(zone.last),
            Order::OldestFirst => -i128::from(zone.first),
        }
    }

    /// The place before which no run of this zone, or of a later one, can be; `None` where a page
    /// that ended there would be where the one before it ended.
    fn cut_before(&self, zone: &Zone) -> Option<(i64, i64)> {
        let cut = match self.order {
            Order::NewestFirst => (zone.last, i64::MAX),
            Order::OldestFirst => (zone.first, i64::MIN),
        };
        self.is_after(cut).then_some(cut)
    }

    /// Those that were found before a place.
    fn before(self, cut: (i64, i64)) -> Vec<(i64, i64)> {
        let (order, cut) = (self.order, self.order.rank(cut));
        self.places.into_iter().filter(|&place| place < cut).map(|place| order.undo(place)).collect()
    }

    /// Whether no run of the zone can come before those that were found.
    fn is_full_before(&self, zone: &Zone) -> bool {
        self.is_full() && self.places.peek().is_some_and(|&(worst, _)| -self.promise(zone) > worst)
    }
}

impl Order {
    /// What comes first has the lowest rank.
    fn rank(self, (moment, key): (i64, i64)) -> (i128, i128) {
        let (moment, key) = (i128::from(moment), i128::from(key));
        match self {
            Self::NewestFirst => (-moment, -key),
            Self::OldestFirst => (moment, key),
        }
    }

    fn undo(self, (moment, key): (i128, i128)) -> (i64, i64) {
        let sign = if self == Self::NewestFirst { -1 } else { 1 };
        // They were 64 bits wide before.
        ((moment * sign) as i64, (key * sign) as i64)
    }
}

//! The reports that were looked at last, kept in memory: as they were made, and
//! as they were edited, each with what its page needs to be made once.
//!
//! Reading a large report and putting edits into it takes longer than anybody
//! wants to wait at every click. What is here is used only while the store
//! still holds the same report, which it says by when it was stored; what was
//! deleted is taken out by [`Shelf::clear`].

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use assay_domain::{Edits, ProjectId, Report, ReportId, Time};
use assay_store::{Catalog as _, Error};
use assay_ui::web::report::Searchable;
use bytes::Bytes;

use crate::app::App;

/// Threads of all reports here together: about three kilobytes each, with what is beside them.
const MOST_THREADS: usize = 50_000;
/// However small they are.
const MOST: usize = 16;

/// The last ones looked at, the latest last.
#[derive(Default)]
pub(crate) struct Shelf(Mutex<Vec<Held>>);

struct Held {
    key: Key,
    report: Arc<Report>,
    beside: Arc<Beside>,
}

/// What is made of a report when its page first asks for it.
#[derive(Default)]
pub(crate) struct Beside {
    /// The packed list of its threads: without conversations, and with them.
    packed: [OnceLock<Bytes>; 2],
    searchable: OnceLock<Searchable>,
}

impl Beside {
    /// The list of threads, packed; made where it is not here yet.
    pub(crate) fn packed(
        &self,
        has_conversations: bool,
        make: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> io::Result<Bytes> {
        let place = &self.packed[usize::from(has_conversations)];
        if let Some(packed) = place.get() {
            return Ok(packed.clone());
        }
        // Two that ask at once make the same.
        let made = Bytes::from(make()?);
        Ok(place.get_or_init(|| made).clone())
    }

    pub(crate) fn searchable(&self, report: &Report) -> &Searchable {
        self.searchable.get_or_init(|| Searchable::new(report))
    }
}

/// Which report, of when, with which edits.
#[derive(Clone, PartialEq)]
pub(super) struct Key {
    id: ReportId,
    stored_at: Time,
    edits: Edits,
}

impl Shelf {
    fn get(&self, key: &Key) -> Option<Arc<Report>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of a report that was stored anew nothing is kept.
        held.retain(|one| one.key.id != key.id || one.key.stored_at == key.stored_at);
        let found = held.iter().position(|one| one.key == *key)?;
        let found = held.remove(found);
        let report = found.report.clone();
        held.push(found);
        Some(report)
    }

    fn put(&self, key: Key, report: &Arc<Report>) {
        let size = |one: &Held| one.report.assignments.len();
        if report.assignments.len() > MOST_THREADS {
            return;
        }
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of the states that edits go through only the last one is looked at.
        let is_replaced =
            |one: &Held| one.key.id == key.id && one.key.edits.0.is_empty() == key.edits.0.is_empty();
        held.retain(|one| !is_replaced(one));
        held.push(Held { key, report: report.clone(), beside: Arc::default() });
        while held.len() > MOST || held.iter().map(size).sum::<usize>() > MOST_THREADS {
            held.remove(0);
        }
    }

    /// What is kept beside a report that came from here; `None` for any other.
    pub(crate) fn beside(&self, report: &Arc<Report>) -> Option<Arc<Beside>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().find(|one| Arc::ptr_eq(&one.report, report)).map(|one| one.beside.clone())
    }

    /// Forgets everything: something in the store was deleted.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A report as it was made, and what it is kept under; `None` where the store has none.
pub(super) async fn made(
    app: &App,
    project: ProjectId,
    id: ReportId,
) -> Result<Option<(Option<Key>, Arc<Report>)>, Error> {
    let rows = app.store.reports(Some(project)).await?;
    let stored_at = rows.iter().find(|row| row.id == id).and_then(|row| row.stored_at);
    let key = stored_at.map(|stored_at| Key { id, stored_at, edits: Edits::default() });
    if let Some(report) = key.as_ref().and_then(|key| app.insights.shelf.get(key)) {
        return Ok(Some((key, report)));
    }
    let Some(report) = app.store.report(id).await?.map(Arc::new) else { return Ok(None) };
    if let Some(key) = &key {
        app.insights.shelf.put(key.clone(), &report);
    }
    Ok(Some((key, report)))
}

/// The report with edits in it, where it was made before.
pub(super) fn edited(app: &App, made: Option<&Key>, edits: &Edits) -> Option<Arc<Report>> {
    app.insights.shelf.get(&Key { edits: edits.clone(), ..made?.clone() })
}

/// Keeps the report with edits in it. Those before are looked at no more.
pub(super) fn keep(app: &App, made: Option<Key>, edits: &Edits, report: &Arc<Report>) {
    if let Some(made) = made {
        app.insights.shelf.put(Key { edits: edits.clone(), ..made }, report);
    }
}

#[cfg(test)]
mod tests {
    use assay_domain::report::ReportConfig;
    use chrono::DateTime;

    use super::*;

    fn key(number: u128, stored: i64) -> Key {
        let stored_at = DateTime::from_timestamp(stored, 0).expect("a time");
        Key { id: ReportId(uuid::Uuid::from_u128(number)), stored_at, edits: Edits::default() }
    }

    fn of(threads: usize) -> Arc<Report> {
        let one = serde_json::from_value(serde_json::json!({
            "thread": "t", "category": "c", "path": [], "confidence": 1.0, "reason": null, "summary": "",
            "request": "", "attributes": {}, "status": "success", "failure": null, "start_time": null,
            "latency": null, "total_tokens": 0, "cost": null, "feedback": {}, "weight": 1.0,
            "position": [0.0, 0.0], "traces": [], "run": null,
        }))
        .expect("an assignment");
        Arc::new(Report {
            version: 1,
            id: ReportId::default(),
            project: "p".to_owned(),
            config: ReportConfig::usage_patterns(),
            executive_summary: Default::default(),
            taxonomy: Default::default(),
            assignments: vec![one; threads],
            statistics: Default::default(),
            made: Default::default(),
        })
    }

    #[test]
    fn what_was_stored_anew_is_not_shown_as_it_was() {
        let shelf = Shelf::default();
        shelf.put(key(1, 10), &of(1));
        assert!(shelf.get(&key(1, 10)).is_some());
        assert!(shelf.get(&key(1, 11)).is_none());
        assert!(shelf.get(&key(1, 10)).is_none(), "the old one is gone");
    }

    #[test]
    fn what_is_made_of_a_report_is_made_once_and_goes_with_it() {
        let shelf = Shelf::default();
        let (first, second) = (of(1), of(2));
        shelf.put(key(1, 1), &first);
        let pack = |report: &Arc<Report>, byte: u8| {
            let beside = shelf.beside(report).expect("kept");
            beside.packed(true, || Ok(vec![byte])).expect("packed")[0]
        };
        assert_eq!((pack(&first, 1), pack(&first, 2)), (1, 1));
        // Another state of the report has its own, and one that is not kept here none.
        shelf.put(key(1, 2), &second);
        assert_eq!((pack(&second, 3), pack(&second, 4)), (3, 3));
        let beside = shelf.beside(&second).expect("kept");
        assert!(beside.packed(false, || Err(io::Error::other("no"))).is_err());
        assert_eq!(beside.packed(false, || Ok(vec![5])).expect("packed")[0], 5);
        shelf.clear();
        assert!(shelf.beside(&second).is_none());
    }

    #[test]
    fn the_reports_kept_stay_below_a_bound_of_threads_and_of_number() {
        let shelf = Shelf::default();
        shelf.put(key(1, 1), &of(MOST_THREADS / 2));
        shelf.put(key(2, 1), &of(MOST_THREADS / 2));
        assert!(shelf.get(&key(1, 1)).is_some());
        shelf.put(key(3, 1), &of(2));
        assert!(shelf.get(&key(2, 1)).is_none(), "the one not looked at for longest went");
        assert!(shelf.get(&key(1, 1)).is_some());
        shelf.put(key(4, 1), &of(MOST_THREADS + 1));
        assert!(shelf.get(&key(4, 1)).is_none(), "too large to keep");
        for number in 10..10 + 2 * MOST as u128 {
            shelf.put(key(number, 1), &of(1));
        }
        assert_eq!(shelf.0.lock().expect("a lock").len(), MOST);
    }
}

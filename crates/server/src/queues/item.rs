//! What waits in a queue: a run, who has it reserved, who is done with it.
//!
//! An item is a record of kind [`KIND`] under its queue, named by its run, so
//! that a run is in a queue at most once. The time of the record is the time
//! that orders the queue; an item that is put back goes to the end by it.

use assay_domain::{RunId, Time};
use assay_store::{Record, RecordQuery, Records as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Queue, items};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::fields::v1_time;

pub(super) const KIND: &str = "queue-item";

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) id: Uuid,
    pub(super) queue: Uuid,
    pub(super) run: RunId,
    /// Its place in the queue.
    pub(super) place: Time,
    pub(super) modified_at: Time,
    pub(super) details: Details,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Details {
    /// When it came, whatever its place is now.
    pub(super) added_at: Option<Time>,
    pub(super) last_reviewed_at: Option<Time>,
    pub(super) completed_by: Vec<Uuid>,
    pub(super) reservations: Vec<Reservation>,
    pub(super) source_proposed_example: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Reservation {
    pub(super) by: Uuid,
    pub(super) until: Time,
}

/// How far reviewers are with an item, as one of them sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Mine,
    Others,
    Completed,
}

impl Progress {
    pub(super) fn parse(text: &str) -> ApiResult<Self> {
        match text {
            "needs_my_review" => Ok(Self::Mine),
            "needs_others_review" => Ok(Self::Others),
            "completed" => Ok(Self::Completed),
            other => {
                let shown: String = other.chars().take(40).collect();
                let why = format!("{shown:?} is none of needs_my_review, needs_others_review and completed");
                Err(ApiError::invalid(&["query", "status"], why))
            }
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Mine => "needs_my_review",
            Self::Others => "needs_others_review",
            Self::Completed => "completed",
        }
    }
}

impl Item {
    pub(super) fn new(queue: Uuid, run: RunId, now: Time) -> Self {
        let details = Details { added_at: Some(now), ..Details::default() };
        Self { id: Uuid::now_v7(), queue, run, place: now, modified_at: now, details }
    }

    pub(super) fn of(record: Record) -> ApiResult<Self> {
        let damaged = || {
            tracing::error!(item = %record.id, "an item of an annotation queue cannot be read");
            ApiError::new(
                http::StatusCode::INTERNAL_SERVER_ERROR,
                "the queue cannot be read; the server's log says why",
            )
        };
        let run = record.name.as_deref().and_then(|name| name.parse().ok()).ok_or_else(damaged)?;
        let queue = record.parent.ok_or_else(damaged)?;
        let details = Details::deserialize(&record.body).map_err(|_| damaged())?;
        Ok(Self {
            id: record.id,
            queue,
            run,
            place: record.created_at,
            modified_at: record.modified_at,
            details,
        })
    }

    pub(super) fn record(&self) -> Record {
        Record {
            kind: KIND.to_owned(),
            id: self.id,
            parent: Some(self.queue),
            name: Some(self.run.to_string()),
            created_at: self.place,
            modified_at: self.modified_at,
            body: json!(self.details),
            ..Record::default()
        }
    }

    pub(super) fn is_completed(&self, queue: &Queue) -> bool {
        self.details.completed_by.len() >= queue.details.num_reviewers_per_item as usize
    }

    pub(super) fn progress(&self, queue: &Queue, reviewer: Uuid) -> Progress {
        if self.is_completed(queue) {
            Progress::Completed
        } else if self.details.completed_by.contains(&reviewer) {
            Progress::Others
        } else {
            Progress::Mine
        }
    }

    /// Who has it reserved at a moment.
    pub(super) fn reserved_by(&self, now: Time) -> Vec<Uuid> {
        let lasting = self.details.reservations.iter().filter(|reservation| reservation.until > now);
        lasting.map(|reservation| reservation.by).collect()
    }

    /// Whether others have reserved all the reviews that it still needs.
    pub(super) fn is_taken(&self, queue: &Queue, reviewer: Uuid, now: Time) -> bool {
        let others = self.reserved_by(now).into_iter().filter(|by| *by != reviewer).count();
        let needed = queue.details.num_reviewers_per_item as usize;
        queue.details.enable_reservations && self.details.completed_by.len() + others >= needed
    }

    /// The item by itself (`AnnotationQueueRunSchema`).
    pub(super) fn shape(&self) -> Value {
        json!({
            "id": self.id,
            "queue_id": self.queue,
            "run_id": self.run,
            "added_at": v1_time(self.details.added_at.unwrap_or(self.place)),
            "last_reviewed_time": self.details.last_reviewed_at.map(v1_time),
            "source_proposed_example_id": self.details.source_proposed_example,
        })
    }

    /// Adds what an answer tells of the item to what it tells of the run.
    pub(super) fn join(&self, mut run: Value, now: Time) -> Value {
        run["queue_run_id"] = json!(self.id);
        run["added_at"] = v1_time(self.details.added_at.unwrap_or(self.place));
        run["effective_added_at"] = v1_time(self.place);
        run["last_reviewed_time"] = json!(self.details.last_reviewed_at.map(v1_time));
        run["reserved_by"] = json!(self.reserved_by(now));
        run["completed_by"] = json!(self.details.completed_by);
        run["source_proposed_example_id"] = json!(self.details.source_proposed_example);
        run
    }
}

/// All items of a queue in order.
pub(super) async fn all(app: &App, queue: Uuid) -> ApiResult<Vec<Item>> {
    let query = RecordQuery { kind: KIND.to_owned(), parent: Some(queue), ..RecordQuery::default() };
    app.store.records(&query).await?.into_iter().map(Item::of).collect()
}

/// How many items a queue has.
pub(super) async fn count(app: &App, queue: Uuid) -> ApiResult<usize> {
    let query = RecordQuery {
        kind: KIND.to_owned(),
        parent: Some(queue),
        without_bodies: true,
        ..RecordQuery::default()
    };
    let runs = app.store.records(&query).await?.into_iter();
    let runs: Vec<RunId> = runs.filter_map(|record| record.name?.parse().ok()).collect();
    Ok(items::known(app, runs.into_iter()).await?.len())
}

/// The item with this id; 404 where there is none.
pub(super) async fn find(app: &App, id: Uuid) -> ApiResult<Item> {
    let record = app.store.record(KIND, id).await?;
    record
        .map(Item::of)
        .transpose()?
        .ok_or_else(|| ApiError::not_found(format!("item {id} of an annotation queue")))
}

/// The item of a queue for a run.
pub(super) async fn of_run(app: &App, queue: Uuid, run: RunId) -> ApiResult<Option<Item>> {
    let query = RecordQuery {
        kind: KIND.to_owned(),
        parent: Some(queue),
        name: Some(run.to_string()),
        ..RecordQuery::default()
    };
    app.store.records(&query).await?.pop().map(Item::of).transpose()
}

//! Lists of the examples that a dataset has now or had at a moment.
//!
//! The usual list (what there is now, newest first) is one page of the store.
//! Every other one first goes through the heads of all examples, which is quick
//! (see `ledger`), and reads the bodies of its own page only; conditions on
//! bodies read as many as it takes to fill the page.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use assay_domain::Time;
use assay_store::{Record, RecordQuery, Records as _};
use uuid::Uuid;

use super::ledger::{EXAMPLE, Example, Head, PAST, past_of};
use crate::app::App;
use crate::error::ApiResult;

/// When.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum At {
    #[default]
    Now,
    Moment(Time),
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
    ById,
    /// By chance, and the same for the same seed.
    Shuffled(u64),
}

/// A condition on the body of an example.
pub(super) type Condition = Box<dyn Fn(&Example) -> bool + Send + Sync>;

/// Which examples.
#[derive(Default)]
pub(super) struct Selection {
    /// Of this dataset; of all where absent.
    pub(super) dataset: Option<Uuid>,
    pub(super) at: At,
    /// Only these, where not empty.
    pub(super) ids: BTreeSet<Uuid>,
    /// In one of these splits, where not empty.
    pub(super) splits: Vec<String>,
    pub(super) conditions: Vec<Condition>,
    pub(super) order: Order,
}

/// So many bodies are read at once.
const AT_ONCE: usize = 500;

impl Selection {
    /// At most `limit` examples, leaving out the first `offset`.
    pub(super) async fn page(&self, app: &App, offset: usize, limit: usize) -> ApiResult<Vec<Example>> {
        if self.is_in_order_of_the_store() {
            let is_newest_first = self.order == Order::NewestFirst;
            let query = RecordQuery { offset, limit, is_newest_first, ..self.query(EXAMPLE) };
            return app.store.records(&query).await?.into_iter().map(Example::of).collect();
        }
        let heads = self.heads(app).await?;
        if self.conditions.is_empty() {
            let page: Vec<Head> = heads.into_iter().skip(offset).take(limit).collect();
            return load(app, &page).await;
        }
        let mut found = Vec::new();
        let mut skipped = 0;
        for chunk in heads.chunks(AT_ONCE) {
            for example in load(app, chunk).await?.into_iter().filter(|example| self.fits(example)) {
                if skipped < offset {
                    skipped += 1;
                } else if found.len() < limit {
                    found.push(example);
                }
            }
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    /// How many there are.
    pub(super) async fn count(&self, app: &App) -> ApiResult<usize> {
        let heads = self.heads(app).await?;
        if self.conditions.is_empty() {
            return Ok(heads.len());
        }
        let mut count = 0;
        for chunk in heads.chunks(AT_ONCE) {
            count += load(app, chunk).await?.iter().filter(|example| self.fits(example)).count();
        }
        Ok(count)
    }

    /// What is known of them without their bodies, in order. Conditions are not looked at.
    pub(super) async fn heads(&self, app: &App) -> ApiResult<Vec<Head>> {
        let query = RecordQuery { without_bodies: true, ..self.query(EXAMPLE) };
        let mut records = app.store.records(&query).await?;
        if let At::Moment(_) = self.at {
            records.extend(self.past(app).await?);
        }
        let mut heads: Vec<Head> =
            records.iter().filter_map(Head::of).filter(|head| self.covers(head)).collect();
        self.order.sort(&mut heads);
        Ok(heads)
    }

    async fn past(&self, app: &App) -> ApiResult<Vec<Record>> {
        if self.dataset.is_some() || self.ids.is_empty() {
            let query = RecordQuery { without_bodies: true, ids: Vec::new(), ..self.query(PAST) };
            return Ok(app.store.records(&query).await?);
        }
        let mut records = Vec::new();
        for id in &self.ids {
            records.extend(past_of(app, None, *id).await?);
        }
        Ok(records)
    }

    fn query(&self, kind: &str) -> RecordQuery {
        RecordQuery {
            kind: kind.to_owned(),
            parent: self.dataset,
            ids: self.ids.iter().copied().collect(),
            ..RecordQuery::default()
        }
    }

    fn is_in_order_of_the_store(&self) -> bool {
        let is_by_time = matches!(self.order, Order::NewestFirst | Order::OldestFirst);
        self.at == At::Now && self.splits.is_empty() && self.conditions.is_empty() && is_by_time
    }

    fn covers(&self, head: &Head) -> bool {
        let holds = match self.at {
            At::Now => head.until.is_none(),
            At::Moment(moment) => head.holds_at(moment),
        };
        let is_asked_for = self.ids.is_empty() || self.ids.contains(&head.example);
        let is_in_split =
            self.splits.is_empty() || head.splits.iter().any(|split| self.splits.contains(split));
        holds && is_asked_for && is_in_split
    }

    fn fits(&self, example: &Example) -> bool {
        self.conditions.iter().all(|condition| condition(example))
    }
}

impl Order {
    fn sort(self, heads: &mut [Head]) {
        let time = |head: &Head| (head.created_at, head.example);
        match self {
            Self::NewestFirst => heads.sort_by_key(|head| std::cmp::Reverse(time(head))),
            Self::OldestFirst => heads.sort_by_key(time),
            Self::ById => heads.sort_by_key(|head| head.example),
            Self::Shuffled(seed) => heads.sort_by_key(|head| {
                let mut hasher = DefaultHasher::new();
                (seed, head.example).hash(&mut hasher);
                hasher.finish()
            }),
        }
    }
}

/// The states with these heads, in order.
pub(super) async fn load(app: &App, heads: &[Head]) -> ApiResult<Vec<Example>> {
    let mut records: HashMap<Uuid, Record> = HashMap::new();
    for kind in [EXAMPLE, PAST] {
        let ids: Vec<Uuid> = heads.iter().filter(|head| head.kind == kind).map(|head| head.record).collect();
        if !ids.is_empty() {
            let query = RecordQuery { kind: kind.to_owned(), ids, ..RecordQuery::default() };
            records.extend(app.store.records(&query).await?.into_iter().map(|record| (record.id, record)));
        }
    }
    // One that was deleted in between is not there any more.
    heads.iter().filter_map(|head| records.remove(&head.record)).map(Example::of).collect()
}

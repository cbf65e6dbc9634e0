//! How much may be on its way into the store.
//!
//! Every batch takes room by its size in memory until it is answered. Whoever
//! finds no room waits a few seconds, then is told to come again: a store that
//! cannot keep up says so instead of filling the memory or hanging.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use assay_domain::RunPatch;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Batch;

/// What may be on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// So much at most, in memory.
    pub(crate) bytes: usize,
    /// So long somebody waits for room.
    pub(crate) patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 20, patience: Duration::from_secs(5) }
    }
}

/// Room is counted in these.
const UNIT: usize = 1 << 10;

/// Room that a batch takes; given back when this goes.
pub(crate) type Room = OwnedSemaphorePermit;

pub(crate) struct Gate {
    room: Arc<Semaphore>,
    units: usize,
    patience: Duration,
    alarm: Arc<Alarm>,
}

impl Gate {
    pub(crate) fn new(alarm: Arc<Alarm>, limits: Limits) -> Self {
        let units = limits.bytes / UNIT;
        Self { room: Arc::new(Semaphore::new(units)), units, patience: limits.patience, alarm }
    }

    /// Bytes on their way, about.
    pub(crate) fn taken(&self) -> usize {
        self.units.saturating_sub(self.room.available_permits()) * UNIT
    }

    /// Waits for room, then for what comes next. `None` where that takes too long.
    pub(crate) async fn enter<T>(&self, bytes: usize, next: impl Future<Output = T>) -> Option<(Room, T)> {
        // One that is larger than all the room there is goes in alone.
        let units = bytes.div_ceil(UNIT).clamp(1, self.units);
        let entered = async {
            let room = Arc::clone(&self.room).acquire_many_owned(u32::try_from(units).ok()?).await.ok()?;
            Some((room, next.await))
        };
        self.alarm.limit(self.patience, entered).await.flatten()
    }
}

/// Wakes futures that have waited long enough, on a thread of its own: they need no runtime with a clock.
#[derive(Default)]
pub(crate) struct Alarm {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By time, then in order of registration.
    sleepers: BTreeMap<(Instant, u64), Waker>,
    count: u64,
    is_closed: bool,
}

impl Alarm {
    /// Wakes whom it should until it is closed.
    pub(crate) fn work(&self) {
        let mut state = self.state();
        while !state.is_closed {
            let now = Instant::now();
            while let Some(entry) = state.sleepers.first_entry().filter(|entry| entry.key().0 <= now) {
                entry.remove().wake();
            }
            let next = state.sleepers.first_key_value().map(|((time, _), _)| *time - now);
            state = match next {
                Some(time) => self
                    .changed
                    .wait_timeout(state, time)
                    .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state),
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the future yields, or `None` if it has not in time.
    async fn limit<T>(&self, time: Duration, future: impl Future<Output = T>) -> Option<T> {
        let until = Instant::now() + time;
        let mut future = pin!(future);
        let mut sleeper = Sleeper { alarm: self, place: None };
        poll_fn(|context| {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                return Poll::Ready(Some(value));
            }
            if Instant::now() >= until {
                return Poll::Ready(None);
            }
            sleeper.sleep(until, context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// The place of one who waits; left when this goes.
struct Sleeper<'a> {
    alarm: &'a Alarm,
    place: Option<(Instant, u64)>,
}

impl Sleeper<'_> {
    fn sleep(&mut self, until: Instant, waker: Waker) {
        let mut state = self.alarm.state();
        let place = *self.place.get_or_insert_with(|| {
            state.count += 1;
            (until, state.count)
        });
        state.sleepers.insert(place, waker);
        drop(state);
        self.alarm.changed.notify_all();
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.alarm.state().sleepers.remove(&place);
        }
    }
}

// ------------------------------------------------------------------- weighing

/// Roughly how many bytes a batch takes in memory.
pub(crate) fn weight(batch: &Batch) -> usize {
    let feedback = batch.feedback.iter().map(|feedback| {
        256 + feedback.comment.as_ref().map_or(0, String::len)
            + weight_of_map(&feedback.details)
            + [&feedback.value, &feedback.correction].into_iter().flatten().map(weight_of).sum::<usize>()
    });
    let blobs = batch.blobs.iter().map(|(_, body)| body.len());
    batch.patches.iter().map(weight_of_patch).sum::<usize>() + feedback.sum::<usize>() + blobs.sum::<usize>()
}

fn weight_of_patch(patch: &RunPatch) -> usize {
    let values = [&patch.inputs, &patch.outputs, &patch.serialized].into_iter().flatten();
    let values = values.chain(patch.events.iter().flatten()).map(weight_of).sum::<usize>();
    let maps = [&patch.metadata, &patch.extra].into_iter().flatten().map(weight_of_map).sum::<usize>();
    let error = patch.error.as_ref().map_or(0, String::len);
    512 + values + maps + error
}

/// Recursion is bounded by what readers of JSON accept.
fn weight_of(value: &Value) -> usize {
    const NODE: usize = 32;
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight_of).sum(),
        Value::Object(map) => weight_of_map(map),
        _ => 0,
    }
}

fn weight_of_map(map: &Map<String, Value>) -> usize {
    map.iter().map(|(key, value)| 48 + key.len() + weight_of(value)).sum()
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::thread;

    use super::*;
    use crate::block_on;

    fn with_alarm(test: impl FnOnce(Arc<Alarm>)) {
        let alarm = Arc::new(Alarm::default());
        thread::scope(|scope| {
            scope.spawn(|| alarm.work());
            test(Arc::clone(&alarm));
            alarm.close();
        });
        assert!(alarm.state().sleepers.is_empty());
    }

    #[test]
    fn who_finds_no_room_waits_for_it_but_not_for_ever() {
        with_alarm(|alarm| {
            let gate = Gate::new(alarm, Limits { bytes: 10 * UNIT, patience: Duration::from_millis(20) });
            let enter = |bytes| block_on(gate.enter(bytes, ready(())));
            let first = enter(6 * UNIT).expect("room");
            assert_eq!(gate.taken(), 6 * UNIT);
            assert!(enter(5 * UNIT).is_none());
            assert!(enter(4 * UNIT).is_some());
            drop(first);
            // One that is too large for any room is alone, and not refused for ever.
            let alone = enter(1_000 * UNIT).expect("room");
            assert!(enter(1).is_none());
            drop(alone);
            assert_eq!(gate.taken(), 0);
        });
    }

    #[test]
    fn who_waits_enters_as_soon_as_there_is_room() {
        with_alarm(|alarm| {
            let gate = Gate::new(alarm, Limits { bytes: UNIT, patience: Duration::from_secs(60) });
            let first = block_on(gate.enter(UNIT, ready(()))).expect("room");
            thread::scope(|scope| {
                let waiting = scope.spawn(|| block_on(gate.enter(UNIT, ready(()))).is_some());
                while gate.alarm.state().sleepers.is_empty() {
                    thread::yield_now();
                }
                drop(first);
                assert!(waiting.join().expect("no panic"));
            });
        });
    }
}

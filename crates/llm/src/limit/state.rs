//! The state of a limiter: who waits, who is in, how wide the door is.
//!
//! Plain and without locks or clocks of its own: every function gets the
//! moment. Shares are served by stride scheduling: each has run up so many
//! strides, the one that waits and has run up least is next, and a stride is
//! the shorter the heavier the share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::outage::{Outage, Watch};
use super::pace::Bucket;
use super::{Limits, Outcome, Permit};
use crate::chat::Hints;

/// How many of the latest calls show whether we ask too much.
const RECENT: usize = 16;
/// So many of them sent away mean that the door is too wide; fewer are the
/// business of the calls concerned.
const TOO_MANY: usize = 6;
const STRIDE: u64 = 1 << 20;
/// Where a provider that sends us away does not say for how long.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) type Verdict = oneshot::Sender<Result<Permit, Outage>>;

#[derive(Debug)]
pub(super) struct State {
    most: usize,
    window: usize,
    in_flight: usize,
    /// Whether each of the latest calls was sent away.
    recent: VecDeque<bool>,
    /// Answers since the door was last widened.
    well: usize,
    requests: Bucket,
    tokens: Bucket,
    pause_until: Option<Instant>,
    watch: Watch,
    patience: Duration,
    unheard: Duration,
    /// Whether anybody was ever heard at the provider's address, by whichever model.
    heard: Arc<AtomicBool>,
    shares: BTreeMap<u64, Queue>,
    next_share: u64,
    /// How far the share had run up that was served last.
    reached: u64,
}

#[derive(Debug)]
struct Queue {
    stride: u64,
    run_up: u64,
    waiting: VecDeque<(u64, Verdict)>,
}

/// Somebody who may enter.
pub(super) struct Grant {
    pub(super) to: Verdict,
    pub(super) tokens: u64,
    pub(super) probe: bool,
}

impl State {
    pub(super) fn new(limits: &Limits, heard: Arc<AtomicBool>, now: Instant) -> Self {
        let most = limits.concurrency.max(1);
        Self {
            most,
            window: most,
            in_flight: 0,
            recent: VecDeque::with_capacity(RECENT),
            well: 0,
            requests: Bucket::new(limits.requests_per_minute, now),
            tokens: Bucket::new(limits.tokens_per_minute, now),
            pause_until: None,
            watch: Watch::default(),
            patience: limits.patience,
            unheard: limits.unheard,
            heard,
            shares: BTreeMap::new(),
            next_share: 0,
            reached: 0,
        }
    }

    pub(super) fn window(&self) -> usize {
        self.window
    }

    pub(super) fn open_share(&mut self, weight: u32) -> u64 {
        let id = self.next_share;
        self.next_share += 1;
        let queue = Queue {
            stride: STRIDE / u64::from(weight.max(1)),
            run_up: self.reached,
            waiting: VecDeque::new(),
        };
        self.shares.insert(id, queue);
        id
    }

    pub(super) fn close_share(&mut self, id: u64) {
        self.shares.remove(&id);
    }

    pub(super) fn wait(&mut self, id: u64, tokens: u64, to: Verdict) {
        if let Some(queue) = self.shares.get_mut(&id) {
            if queue.waiting.is_empty() {
                // Nobody saves up places by not asking for any.
                queue.run_up = queue.run_up.max(self.reached);
            }
            queue.waiting.push_back((tokens, to));
        }
    }

    /// Everybody who may enter now, in order; they count as in.
    pub(super) fn grants(&mut self, now: Instant) -> Vec<Grant> {
        let mut grants = Vec::new();
        while let Some(id) = self.next_in_line() {
            if self.watch.is_down() {
                if self.watch.take_probe(now) {
                    grants.extend(self.grant(id, true));
                }
                break;
            }
            let is_paused = self.pause_until.is_some_and(|until| until > now);
            if is_paused || self.in_flight >= self.window || self.bucket_ready_at(id, now).is_some() {
                break;
            }
            grants.extend(self.grant(id, false));
        }
        grants
    }

    fn grant(&mut self, id: u64, probe: bool) -> Option<Grant> {
        let queue = self.shares.get_mut(&id)?;
        let (tokens, to) = queue.waiting.pop_front()?;
        self.reached = self.reached.max(queue.run_up);
        queue.run_up = queue.run_up.saturating_add(queue.stride);
        self.in_flight += 1;
        self.requests.take(1);
        self.tokens.take(tokens);
        Some(Grant { to, tokens, probe })
    }

    fn next_in_line(&mut self) -> Option<u64> {
        for queue in self.shares.values_mut() {
            // Whoever was cancelled does not wait any more.
            while queue.waiting.front().is_some_and(|(_, to)| to.is_closed()) {
                queue.waiting.pop_front();
            }
        }
        let waiting = self.shares.iter().filter(|(_, queue)| !queue.waiting.is_empty());
        waiting.min_by_key(|(id, queue)| (queue.run_up, **id)).map(|(id, _)| *id)
    }

    fn bucket_ready_at(&mut self, id: u64, now: Instant) -> Option<Instant> {
        let tokens =
            self.shares.get(&id).and_then(|queue| queue.waiting.front()).map_or(0, |(tokens, _)| *tokens);
        self.requests.ready_at(1, now).max(self.tokens.ready_at(tokens, now))
    }

    /// When somebody may enter though nobody leaves.
    pub(super) fn next_wake(&mut self, now: Instant) -> Option<Instant> {
        let id = self.next_in_line()?;
        if self.watch.is_down() {
            return self.watch.next_probe();
        }
        if self.in_flight >= self.window {
            return None;
        }
        let paused = self.pause_until.filter(|until| *until > now);
        paused.max(self.bucket_ready_at(id, now))
    }

    pub(super) fn leave(
        &mut self,
        outcome: &Outcome<'_>,
        hints: &Hints,
        taken: u64,
        probe: bool,
        now: Instant,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let used = if let Outcome::Answered { tokens } = outcome { *tokens } else { 0 };
        self.tokens.correct(taken, used);
        self.requests.correct(1, 1);
        self.requests.hear(&hints.requests, now);
        self.tokens.hear(&hints.tokens, now);
        if !matches!(outcome, Outcome::Failed { connected: false, .. }) {
            self.heard.store(true, Ordering::Relaxed);
        }
        match outcome {
            Outcome::Answered { .. } => {
                self.watch.alive();
                self.note(false);
                self.widen();
            }
            Outcome::TooMany => {
                self.watch.alive();
                self.note(true);
                self.narrow(hints, now);
            }
            Outcome::Failed { cause, .. } => {
                self.watch.failed(cause, probe, self.patience(), now);
            }
        }
    }

    /// A call that was called off.
    pub(super) fn abandon(&mut self, taken: u64, probe: bool, now: Instant) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.tokens.correct(taken, 0);
        self.requests.correct(1, 1);
        if probe {
            self.watch.probe_abandoned(now);
        }
    }

    fn note(&mut self, sent_away: bool) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(sent_away);
    }

    /// One more at a time after a windowful of answers.
    fn widen(&mut self) {
        self.well += 1;
        if self.well >= self.window && self.window < self.most {
            self.window += 1;
            self.well = 0;
        }
    }

    /// Half as many at a time, and a pause for all, if many were sent away.
    fn narrow(&mut self, hints: &Hints, now: Instant) {
        if self.recent.iter().filter(|sent_away| **sent_away).count() < TOO_MANY {
            return;
        }
        self.window = (self.window / 2).max(1);
        self.recent.clear();
        self.well = 0;
        self.pause_until = Some(now + hints.retry_after.unwrap_or(PAUSE));
    }

    fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// How long an outage is waited out.
    fn patience(&self) -> Duration {
        if self.is_heard() { self.patience } else { self.unheard.min(self.patience) }
    }

    pub(super) fn outage(&self, now: Instant) -> Option<Outage> {
        self.watch.outage(now).map(|outage| Outage { unheard: !self.is_heard(), ..outage })
    }

    /// The outage that outlasted all patience, as of the latest probe.
    pub(super) fn given_up(&self, now: Instant) -> Option<Outage> {
        let outage = self.outage(now).filter(|outage| outage.lasted >= self.patience())?;
        self.watch.is_settled(now).then_some(outage)
    }

    /// The same, and everybody who waits in vain.
    pub(super) fn flush(&mut self, now: Instant) -> (Option<Outage>, Vec<Verdict>) {
        let Some(outage) = self.given_up(now) else { return (None, Vec::new()) };
        let waiting = self.shares.values_mut().flat_map(|queue| queue.waiting.drain(..));
        (Some(outage), waiting.map(|(_, to)| to).collect())
    }
}

//! How fast a provider may be asked, and who is next.
//!
//! A [`Limiter`] stands before one model of one provider and is shared by all
//! jobs of the process. Each job holds a [`Share`] of it; places go round the
//! shares by weight, so a job of a thousand threads does not keep out one of
//! ten. Limits adapt to what the provider says (`pace`); while it is down, one
//! call at a time probes and all others wait (`outage`). The whole state is
//! one struct under one lock that is never held across an await.

mod outage;
mod pace;
mod retry;
mod state;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::chat::Hints;
pub(crate) use outage::Outage;
pub use retry::Retry;
use state::State;

/// What a limiter starts from. Providers' own words narrow it, never widen it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Calls in flight at the same time, at least one.
    pub concurrency: usize,
    pub requests_per_minute: Option<u64>,
    /// Prompt and answer together.
    pub tokens_per_minute: Option<u64>,
    /// How long an outage is waited out before calls fail.
    pub patience: Duration,
    /// The same where no connection was ever made: a wrong address does not mend by waiting.
    pub unheard: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 20,
            requests_per_minute: None,
            tokens_per_minute: None,
            patience: Duration::from_secs(120),
            unheard: Duration::from_secs(7),
        }
    }
}

/// The door to one model.
#[derive(Clone, Debug)]
pub struct Limiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    /// Rung when the moment changed at which somebody may enter.
    changed: Notify,
}

/// A job's part of a limiter; let go when dropped.
#[derive(Debug)]
pub struct Share {
    limiter: Limiter,
    id: u64,
}

/// A place: whoever holds it may make one call.
#[derive(Debug)]
pub(crate) struct Permit {
    /// `None` once given back.
    limiter: Option<Limiter>,
    tokens: u64,
    probe: bool,
}

/// How a call ended, as far as limits are concerned.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// The provider did its work, whatever the answer.
    Answered { tokens: u64 },
    /// It asked to slow down.
    TooMany,
    /// It was not there, or nobody was: no connection was made.
    Failed { cause: &'a str, connected: bool },
}

impl Limiter {
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self::hearing(limits, Arc::default())
    }

    /// The same, told by others and telling them whether anybody was ever heard at the address.
    pub(crate) fn hearing(limits: &Limits, heard: Arc<AtomicBool>) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(State::new(limits, heard, Instant::now())),
            changed: Notify::new(),
        }))
    }

    /// A share for one job; of two that both wait, one of weight 2 gets twice
    /// as many places as one of weight 1.
    #[must_use]
    pub fn share(&self, weight: u32) -> Share {
        Share { limiter: self.clone(), id: self.state().open_share(weight) }
    }

    /// How many calls may be in flight at the moment.
    #[must_use]
    pub fn window(&self) -> usize {
        self.state().window()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets in whoever may enter now.
    fn pump(&self, now: Instant) {
        let grants = self.state().grants(now);
        for grant in grants {
            let permit = Permit { limiter: Some(self.clone()), tokens: grant.tokens, probe: grant.probe };
            // Who does not wait any more drops the permit, which is a place given back.
            let _ = grant.to.send(Ok(permit));
        }
    }
}

impl Share {
    /// Waits for a place for a call of about so many tokens.
    ///
    /// # Errors
    /// An [`Outage`] that has lasted longer than the limiter's patience.
    pub(crate) async fn enter(&self, tokens: u64) -> Result<Permit, Outage> {
        let (send, mut verdict) = oneshot::channel();
        {
            let mut state = self.limiter.state();
            if let Some(outage) = state.given_up(Instant::now()) {
                return Err(outage);
            }
            state.wait(self.id, tokens, send);
        }
        self.limiter.pump(Instant::now());
        loop {
            let changed = self.limiter.0.changed.notified();
            let wake = self.limiter.state().next_wake(Instant::now());
            let later = async {
                match wake {
                    Some(moment) => tokio::time::sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                said = &mut verdict => {
                    return said.unwrap_or_else(|_| Err(Outage::closed()));
                }
                () = later => self.limiter.pump(Instant::now()),
                () = changed => {}
            }
        }
    }

    /// The outage that keeps everybody waiting, if there is one.
    pub(crate) fn outage(&self) -> Option<Outage> {
        self.limiter.state().outage(Instant::now())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.limiter.state().close_share(self.id);
    }
}

impl Permit {
    /// Whether this call finds out if a provider is back.
    pub(crate) fn is_probe(&self) -> bool {
        self.probe
    }

    /// Gives the place back and says how it went. Returns the outage if it
    /// has outlasted all patience.
    pub(crate) fn leave(mut self, outcome: &Outcome<'_>, hints: &Hints) -> Option<Outage> {
        let limiter = self.limiter.take()?;
        let now = Instant::now();
        let (given_up, flushed) = {
            let mut state = limiter.state();
            state.leave(outcome, hints, self.tokens, self.probe, now);
            state.flush(now)
        };
        for waiting in flushed {
            if let Some(outage) = &given_up {
                let _ = waiting.send(Err(outage.clone()));
            }
        }
        limiter.pump(now);
        limiter.0.changed.notify_waiters();
        given_up
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(limiter) = self.limiter.take() {
            limiter.state().abandon(self.tokens, self.probe, Instant::now());
            limiter.pump(Instant::now());
            limiter.0.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests;

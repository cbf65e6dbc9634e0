//! A provider that is down: found out by calls in a row that failed, and
//! waited for by probing, one call at a time.
//!
//! Single failures are ordinary and retried by whoever made the call. Only a
//! run of them without any sign of life between is an outage.

use std::time::Duration;

use tokio::time::Instant;

/// So many failures without a sign of life are an outage.
const IN_A_ROW: u32 = 5;
const FIRST_PROBE: Duration = Duration::from_millis(500);
const SLOWEST_PROBE: Duration = Duration::from_secs(5);
/// Once patience is over, whoever asks within this time of a failed probe is
/// told at once; the next one after it probes.
const KNOWN_FOR: Duration = Duration::from_secs(1);

/// Why nobody gets in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outage {
    pub(crate) cause: String,
    pub(crate) lasted: Duration,
    /// Nobody was ever heard at the address.
    pub(crate) unheard: bool,
}

impl Outage {
    pub(super) fn closed() -> Self {
        Self { cause: "its limiter is gone".to_owned(), lasted: Duration::ZERO, unheard: false }
    }
}

/// What is known about the provider being there.
///
/// How long an outage is waited out depends on what is known of the address. Where somebody was
/// ever heard, if only a server that said it is busy, the provider will be back: patience is long.
/// Where no connection was ever made (refused, or a name nobody knows), it is far likelier that
/// the address is wrong or that nothing runs there: that is told within seconds. An outage in the
/// very first seconds of a job is waited out all the same, as long as something accepts the
/// connection, the process heard the provider before, or the job finds answers of it remembered;
/// only a provider that is switched off entirely when it is first asked looks like a wrong address.
#[derive(Debug, Default)]
pub(super) struct Watch {
    failures: u32,
    first_failure: Option<Instant>,
    cause: String,
    down: Option<Down>,
}

#[derive(Debug)]
struct Down {
    probes: u32,
    probing: bool,
    next_probe: Instant,
}

impl Watch {
    pub(super) fn is_down(&self) -> bool {
        self.down.is_some()
    }

    /// A sign of life.
    pub(super) fn alive(&mut self) {
        *self = Self::default();
    }

    pub(super) fn failed(&mut self, cause: &str, probe: bool, patience: Duration, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let first = *self.first_failure.get_or_insert(now);
        cause.clone_into(&mut self.cause);
        match &mut self.down {
            Some(down) if probe => {
                down.probing = false;
                down.probes += 1;
                let wait = FIRST_PROBE * 2_u32.saturating_pow(down.probes.min(8));
                let is_over = now.saturating_duration_since(first) >= patience;
                down.next_probe = now + if is_over { KNOWN_FOR } else { wait.min(SLOWEST_PROBE) };
            }
            // Calls from before the outage was known tell nothing new.
            Some(_) => {}
            None if self.failures >= IN_A_ROW => {
                self.down = Some(Down { probes: 0, probing: false, next_probe: now + FIRST_PROBE });
            }
            None => {}
        }
    }

    /// A probe that was called off says nothing; the next may go at once.
    pub(super) fn probe_abandoned(&mut self, now: Instant) {
        if let Some(down) = &mut self.down {
            (down.probing, down.next_probe) = (false, now);
        }
    }

    /// Whether a probe may go now; it is taken for gone then.
    pub(super) fn take_probe(&mut self, now: Instant) -> bool {
        match &mut self.down {
            Some(down) if !down.probing && down.next_probe <= now => {
                down.probing = true;
                true
            }
            _ => false,
        }
    }

    /// Whether there is nothing to wait for: no probe is out or due.
    pub(super) fn is_settled(&self, now: Instant) -> bool {
        self.down.as_ref().is_some_and(|down| !down.probing && down.next_probe > now)
    }

    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.down.as_ref().filter(|down| !down.probing).map(|down| down.next_probe)
    }

    pub(super) fn outage(&self, now: Instant) -> Option<Outage> {
        self.down.as_ref()?;
        let lasted = now.saturating_duration_since(self.first_failure?);
        Some(Outage { cause: self.cause.clone(), lasted, unheard: false })
    }
}

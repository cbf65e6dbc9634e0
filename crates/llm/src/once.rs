//! Names of exchanges, so that none is paid twice.
//!
//! Every request carries an `Idempotency-Key`. A provider that knows this header
//! ([draft-ietf-httpapi-idempotency-key-header]) does the work of all requests
//! of one name once: a call that broke off, or was under way when the process
//! was killed, is answered when it is made again. The name follows from the
//! question, from how often it was answered in vain and from the very bytes that
//! are sent, so whoever begins again repeats the same names in the same order.
//!
//! [draft-ietf-httpapi-idempotency-key-header]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::memo::Key;

pub(crate) const HEADER: &str = "idempotency-key";

/// Questions that are kept in mind at most.
const KEPT: usize = 10_000;

/// How often questions were answered in a way that could not be used.
///
/// Asking one of them again is a new question: the same name would give the same answer.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<Key, u32>>);

impl Failures {
    pub(crate) fn of(&self, question: &Key) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(question).copied().unwrap_or_default()
    }

    pub(crate) fn note(&self, question: Key) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= KEPT {
            failures.clear();
        }
        *failures.entry(question).or_default() += 1;
    }
}

/// The name of asking this (a question, or its repair) for the `round`-th time.
#[must_use]
pub(crate) fn name(request: &Key, round: u32) -> Key {
    Sha256::new().chain_update(request).chain_update(round.to_le_bytes()).finalize().into()
}

/// The header's value for these bytes: a string of structured fields, quotes included.
#[must_use]
pub(crate) fn value(name: &Key, body: &[u8]) -> String {
    let digest: Key = Sha256::new().chain_update(name).chain_update(body).finalize().into();
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_until_the_question_the_body_or_the_round_is_another() {
        let of = |question: u8, round, body: &[u8]| value(&name(&[question; 32], round), body);
        assert_eq!(of(1, 0, b"x"), of(1, 0, b"x"));
        let all = [of(1, 0, b"x"), of(1, 1, b"x"), of(2, 0, b"x"), of(1, 0, b"y")];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        assert!(all.iter().all(|value| value.len() == 34 && value.starts_with('"') && value.ends_with('"')));
    }

    #[test]
    fn failures_are_counted_by_question_and_few_enough_are_kept() {
        let failures = Failures::default();
        failures.note([1; 32]);
        failures.note([1; 32]);
        assert_eq!((failures.of(&[1; 32]), failures.of(&[2; 32])), (2, 0));
        for number in 0..=KEPT as u64 {
            failures.note(Sha256::digest(number.to_le_bytes()).into());
        }
        assert!(failures.0.lock().expect("no panic").len() <= KEPT);
    }
}

//! Remembers answers by content, and asks the same only once at a time.
//!
//! [`key`] is what an answer is remembered by; [`Memory`] is where, handed in by
//! the caller, because this crate keeps nothing; [`Flights`] lets callers that
//! ask the same at the same time share one call. Only answers that passed every
//! check are remembered: no refusal, nothing malformed, nothing cut off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use assay_domain::Usage;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::Error;
use crate::chat::{Answer, Answering, Finish, Request, Speaker};

/// What an answer is remembered by.
pub type Key = [u8; 32];

type Failure = Arc<dyn std::error::Error + Send + Sync>;

/// Where answers are kept. What goes in is opaque and comes back as it was.
pub trait Memory: Send + Sync {
    /// What is remembered under a key, if anything.
    fn recall<'a>(&'a self, key: &'a Key) -> Answering<'a, Result<Option<Vec<u8>>, Failure>>;

    /// Remembers durably; when it returns, a restart finds the answer.
    fn remember<'a>(&'a self, key: &'a Key, answer: Vec<u8>) -> Answering<'a, Result<(), Failure>>;
}

/// Remembers for as long as it lives.
#[derive(Debug, Default)]
pub struct InMemory(Mutex<HashMap<Key, Vec<u8>>>);

impl Memory for InMemory {
    fn recall<'a>(&'a self, key: &'a Key) -> Answering<'a, Result<Option<Vec<u8>>, Failure>> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        Box::pin(std::future::ready(Ok(found)))
    }

    fn remember<'a>(&'a self, key: &'a Key, answer: Vec<u8>) -> Answering<'a, Result<(), Failure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(*key, answer);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Hashes everything an answer depends on: the provider's name, model,
/// parameters, the whole prompt, the schema and the seed. Not the stage: what
/// an answer is for does not change it.
#[must_use]
pub fn key(provider: &str, request: &Request) -> Key {
    // Taken apart in full: a new parameter must not be forgotten here.
    let Request { stage: _, model, system, messages, schema, max_tokens, temperature, seed } = request;
    let mut hash = Hash(Sha256::new());
    hash.text("assay answer 1");
    hash.text(provider);
    hash.text(model);
    hash.text(system);
    hash.number(messages.len() as u64);
    for message in messages {
        hash.text(match message.speaker {
            Speaker::User => "user",
            Speaker::Model => "model",
        });
        hash.text(&message.text);
    }
    hash.number(u64::from(schema.is_some()));
    if let Some(schema) = schema {
        hash.text(&schema.name);
        hash.text(&schema.description);
        hash.text(&schema.schema.to_string());
    }
    hash.number(u64::from(*max_tokens));
    for number in [temperature.map(f64::to_bits), *seed] {
        hash.number(u64::from(number.is_some()));
        hash.number(number.unwrap_or(0));
    }
    hash.0.finalize().into()
}

struct Hash(Sha256);

impl Hash {
    /// With its length, so that neighbours cannot lend each other letters.
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }
}

/// An answer as it is kept. New fields get defaults: old ones are read forever.
#[derive(Serialize, Deserialize)]
struct Kept {
    text: String,
    model: String,
    input: u64,
    output: u64,
    #[serde(default)]
    input_details: std::collections::BTreeMap<String, u64>,
    #[serde(default)]
    output_details: std::collections::BTreeMap<String, u64>,
    #[serde(default)]
    estimated: bool,
}

pub(crate) fn pack(answer: &Answer) -> Vec<u8> {
    let usage = &answer.usage;
    let kept = Kept {
        text: answer.text.clone(),
        model: answer.model.clone(),
        input: usage.input_tokens,
        output: usage.output_tokens,
        input_details: usage.input_details.clone(),
        output_details: usage.output_details.clone(),
        estimated: answer.usage_is_estimated,
    };
    serde_json::to_vec(&kept).unwrap_or_default()
}

/// The answer, not yet checked again; `None` for bytes that hold none.
pub(crate) fn unpack(bytes: &[u8]) -> Option<Answer> {
    let kept: Kept = serde_json::from_slice(bytes).ok()?;
    let usage = Usage {
        input_tokens: kept.input,
        output_tokens: kept.output,
        total_tokens: kept.input.saturating_add(kept.output),
        input_details: kept.input_details,
        output_details: kept.output_details,
        stated_cost: None,
    };
    Some(Answer {
        text: kept.text,
        value: None,
        usage,
        usage_is_estimated: kept.estimated,
        model: kept.model,
        finish: Finish::Stop,
        remembered: true,
    })
}

/// Calls in the air, by key.
#[derive(Debug, Default)]
pub struct Flights(Mutex<HashMap<Key, Flight>>);

type Flight = Arc<OnceCell<Result<Answer, Error>>>;

impl Flights {
    /// Makes the call, or waits for the one that is already under way.
    ///
    /// Everybody gets the same answer, and the same refusal. An error that is
    /// the asker's own (budget, deadline, outage) is not shared: the next in
    /// line asks for itself, as it does when the one that asked was cancelled.
    pub(crate) async fn share(
        &self,
        key: Key,
        call: impl Future<Output = Result<Answer, Error>>,
    ) -> Result<Answer, Error> {
        let flight = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let landing = Landing { flights: self, key, flight };
        let landed = landing.flight.get_or_try_init(|| async {
            match call.await {
                Err(error) if error.is_final() || matches!(error, Error::GaveUp { .. }) => Err(error),
                shared => Ok(shared),
            }
        });
        landed.await?.clone()
    }
}

/// Forgets a flight when the last one aboard has left.
struct Landing<'a> {
    flights: &'a Flights,
    key: Key,
    flight: Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and ours: nobody can board while we hold the lock.
        if Arc::strong_count(&self.flight) <= 2 {
            flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;
    use crate::chat::{Message, Schema};

    #[test]
    fn whatever_changes_an_answer_changes_its_key_and_nothing_else_does() {
        let base = Request::new("read", "m", "hello");
        let schema =
            Schema { name: "a".into(), description: String::new(), schema: json!({"type": "object"}) };
        let changed = [
            Request { model: "n".into(), ..base.clone() },
            Request { system: "s".into(), ..base.clone() },
            Request { messages: vec![Message::user("hell"), Message::user("o")], ..base.clone() },
            Request { messages: vec![Message::model("hello")], ..base.clone() },
            Request { schema: Some(schema), ..base.clone() },
            Request { max_tokens: 5, ..base.clone() },
            Request { temperature: Some(0.0), ..base.clone() },
            Request { seed: Some(0), ..base.clone() },
        ];
        let mut keys: Vec<Key> = changed.iter().map(|request| key("p", request)).collect();
        keys.push(key("p", &base));
        keys.push(key("q", &base));
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), changed.len() + 2);
        assert_eq!(key("p", &Request { stage: "name".into(), ..base.clone() }), key("p", &base));
    }

    #[test]
    fn an_answer_comes_back_as_it_was_kept() {
        let usage = Usage {
            input_tokens: 9,
            output_tokens: 3,
            total_tokens: 12,
            input_details: [("cache_read".to_owned(), 4)].into(),
            ..Usage::default()
        };
        let answer = Answer::of_text("m", "{\"a\":1}", usage);
        let back = unpack(&pack(&answer)).expect("an answer");
        assert_eq!(back, Answer { remembered: true, ..answer });
        assert_eq!(unpack(b"{}"), None);
    }

    #[tokio::test]
    async fn the_next_in_line_asks_when_the_first_is_cancelled() {
        let flights = Flights::default();
        let asked = AtomicUsize::new(0);
        let stuck = flights.share([1; 32], std::future::pending());
        let second = flights.share([1; 32], async {
            asked.fetch_add(1, Ordering::SeqCst);
            Ok(Answer::of_text("m", "yes", Usage::default()))
        });
        tokio::pin!(second);
        {
            tokio::pin!(stuck);
            let neither = async {
                tokio::select! { biased; _ = &mut stuck => {}, _ = &mut second => {} }
            };
            let waited = tokio::time::timeout(std::time::Duration::from_millis(20), neither).await;
            assert!(waited.is_err() && asked.load(Ordering::SeqCst) == 0);
        }
        assert_eq!(second.await.expect("an answer").text, "yes");
        assert!(flights.0.lock().expect("no panic").is_empty());
    }
}

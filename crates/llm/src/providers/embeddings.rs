//! Embeddings of a provider, behind the same trait as those of the process.
//!
//! [`Embed`] blocks and may be called from anywhere, an async task included, so
//! this embedder brings a small runtime of its own and waits on a thread of its
//! own. Texts go out in batches, several at a time, as far as the budget allows;
//! what may pass by itself is retried as patiently as any call.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assay_domain::Usage;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use url::Url;

use super::{Connection, Settings, failure, hints};
use crate::budget::Budget;
use crate::chat::{Message, Request};
use crate::embed::Embed;
use crate::limit::{Limits, Retry};
use crate::memo::Key;
use crate::{Error, tokens};

/// The name of all exchanges: the texts that are sent tell them apart.
const VECTORS: Key = *b"assay vectors                   ";
/// Texts in one request, and requests at the same time.
const BATCH: usize = 64;
const AT_ONCE: usize = 4;
/// A text's characters that are sent at most: models read about this much.
const LONGEST: usize = 24_000;

/// What their money is booked under.
const STAGE: &str = "embed";

/// How a provider is asked for vectors.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Shorter vectors than the model's own, where it can.
    pub dimensions: Option<usize>,
    pub retry: Retry,
    /// What is paid from it; nothing is counted without one.
    pub budget: Option<Arc<Budget>>,
}

/// An embedding model of a provider.
pub struct ProviderEmbedder {
    connection: Connection,
    url: Url,
    provider: String,
    model: String,
    name: String,
    dimensions: usize,
    terms: Terms,
    /// Taken only to shut down without blocking; the lock is held for moments.
    runtime: Mutex<Option<Runtime>>,
    handle: tokio::runtime::Handle,
}

impl ProviderEmbedder {
    /// Reaches the provider once, to learn how long its vectors are. Blocks.
    ///
    /// # Errors
    /// [`Error::Configuration`], whatever the provider answers to the first text, and
    /// [`Error::Unpriced`] where there is a cap and nobody knows what the model costs.
    pub fn connect(settings: Settings, model: &str, terms: Terms) -> Result<Self, Error> {
        let url =
            super::settings::endpoint(&settings.base_url, "embeddings", settings.api_version.as_deref())?;
        let connection = Connection::new(&settings, &url)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Error::Configuration(format!("no thread can be started: {error}")))?;
        let handle = runtime.handle().clone();
        let mut embedder = Self {
            connection,
            url,
            provider: settings.name.clone(),
            model: model.to_owned(),
            name: String::new(),
            dimensions: 0,
            terms,
            runtime: Mutex::new(Some(runtime)),
            handle,
        };
        let first = embedder.embed(&["how long is a vector?"])?;
        embedder.dimensions = first.first().map_or(0, Vec::len);
        embedder.name = format!("{}/{model}/{}", settings.name, embedder.dimensions);
        Ok(embedder)
    }

    async fn embed_all(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let mut vectors = Vec::with_capacity(texts.len());
        let batches: Vec<&[&str]> = texts.chunks(BATCH).collect();
        for group in batches.chunks(AT_ONCE) {
            let mut calls = tokio::task::JoinSet::new();
            for (place, texts) in group.iter().enumerate() {
                let batch = self.batch(texts);
                calls.spawn(async move { (place, batch.post().await) });
            }
            let mut done = vec![Vec::new(); group.len()];
            while let Some(call) = calls.join_next().await {
                let (place, batch) = call.map_err(|error| Error::Configuration(error.to_string()))?;
                if let Some(slot) = done.get_mut(place) {
                    *slot = batch?;
                }
            }
            vectors.extend(done.into_iter().flatten());
        }
        Ok(vectors)
    }

    fn batch(&self, texts: &[&str]) -> Batch {
        let texts: Vec<String> = texts
            .iter()
            .map(|text| {
                // Providers refuse empty texts.
                if text.trim().is_empty() { " ".to_owned() } else { text.chars().take(LONGEST).collect() }
            })
            .collect();
        let mut body = json!({"model": self.model, "input": texts, "encoding_format": "float"});
        if let Some(dimensions) = self.terms.dimensions {
            body["dimensions"] = json!(dimensions);
        }
        let messages = texts.into_iter().map(Message::user).collect();
        Batch {
            connection: self.connection.clone(),
            url: self.url.clone(),
            provider: self.provider.clone(),
            asked: Request { messages, max_tokens: 0, ..Request::new(STAGE, &self.model, "") },
            body: body.to_string().into_bytes(),
            dimensions: (self.dimensions > 0).then_some(self.dimensions),
            terms: self.terms.clone(),
        }
    }
}

/// Texts that go out together.
struct Batch {
    connection: Connection,
    url: Url,
    provider: String,
    /// What money is put aside for.
    asked: Request,
    body: Vec<u8>,
    /// The length of every vector, once it is known.
    dimensions: Option<usize>,
    terms: Terms,
}

impl Batch {
    /// Their vectors, with patience.
    async fn post(&self) -> Result<Vec<Vec<f32>>, Error> {
        let (start, retry) = (Instant::now(), &self.terms.retry);
        let mut attempt = 0;
        loop {
            let error = match self.post_paid().await {
                Err(error) if error.is_retryable() => error,
                done => {
                    self.connection.heard.store(true, Ordering::Relaxed);
                    return done;
                }
            };
            attempt += 1;
            let asked_for = match &error {
                Error::RateLimited { retry_after, .. } => *retry_after,
                _ => None,
            };
            let wait: Duration = retry.wait(attempt, asked_for, &[0; 32]);
            if let Some(error) = self.unreachable(&error, start.elapsed()) {
                return Err(error);
            }
            if start.elapsed() + wait > retry.deadline {
                let (place, seconds) = (self.connection.place.clone(), start.elapsed().as_secs_f64());
                return Err(Error::GaveUp { place, seconds, cause: error.to_string() });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// What to say where nobody was ever there, for as long as that is tried.
    fn unreachable(&self, error: &Error, since: Duration) -> Option<Error> {
        let Connection { place, heard, .. } = &self.connection;
        match error {
            Error::Unavailable { connected: false, cause, .. } if !heard.load(Ordering::Relaxed) => {
                let (place, seconds) = (place.clone(), since.as_secs_f64());
                let is_over = since >= Limits::default().unheard;
                is_over.then(|| Error::Unreachable { place, seconds, cause: cause.clone() })
            }
            _ => {
                heard.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    /// Once, as far as the money goes.
    async fn post_paid(&self) -> Result<Vec<Vec<f32>>, Error> {
        let Some(budget) = &self.terms.budget else {
            return self.post_once().await.map(|(vectors, _)| vectors);
        };
        let mut reservation = budget.reserve(&self.provider, &self.asked).await?;
        reservation.sent();
        match self.post_once().await {
            Ok((vectors, tokens)) => {
                let tokens = tokens.unwrap_or_else(|| tokens::of_prompt(&self.asked));
                let usage = Usage { input_tokens: tokens, total_tokens: tokens, ..Usage::default() };
                reservation.settle(&usage);
                Ok(vectors)
            }
            // Dropped as it is: it may be billed.
            Err(error @ Error::Unavailable { maybe_billed: true, .. }) => Err(error),
            Err(error) => {
                reservation.free();
                Err(error)
            }
        }
    }

    /// The vectors, and the tokens the provider counted.
    async fn post_once(&self) -> Result<(Vec<Vec<f32>>, Option<u64>), Error> {
        let Self { connection, url, body, .. } = self;
        let reply = connection.http.post(url, body.clone(), &VECTORS).await;
        let reply = reply.map_err(|broken| connection.unavailable(broken))?;
        let parsed: Option<Value> = serde_json::from_slice(&reply.body).ok();
        if !reply.status.is_success() {
            let hints = hints::read(&reply.headers);
            let (key, status) = (connection.key.as_ref(), reply.status.as_u16());
            return Err(failure::read(&connection.place, key, status, parsed.as_ref(), &reply.body, &hints));
        }
        let count = self.asked.messages.len();
        let vectors = parsed.as_ref().and_then(|body| vectors(body, count)).filter(|vectors| {
            let wanted = self.dimensions.or_else(|| vectors.first().map(Vec::len));
            vectors.iter().all(|vector| Some(vector.len()) == wanted)
        });
        let counted = parsed.as_ref().and_then(|body| body.pointer("/usage/prompt_tokens")?.as_u64());
        vectors.map(|vectors| (vectors, counted)).ok_or_else(|| Error::Rejected {
            place: connection.place.clone(),
            status: reply.status.as_u16(),
            message: "its answer does not hold one vector of equal length per text".to_owned(),
            parameter: None,
        })
    }
}

/// One unit vector per text, in order; `None` where something is missing.
fn vectors(body: &Value, count: usize) -> Option<Vec<Vec<f32>>> {
    let mut vectors = vec![Vec::new(); count];
    for (place, item) in body.get("data")?.as_array()?.iter().enumerate() {
        let index =
            item.get("index").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(place);
        let numbers = item.get("embedding")?.as_array()?;
        let mut vector: Vec<f32> =
            numbers.iter().map(|n| n.as_f64().map(|n| n as f32)).collect::<Option<_>>()?;
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|x| *x /= length);
        }
        *vectors.get_mut(index)? = vector;
    }
    vectors.iter().all(|vector| !vector.is_empty()).then_some(vectors)
}

impl Embed for ProviderEmbedder {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        // A runtime must not be waited for on a thread that drives another one.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| self.handle.block_on(self.embed_all(texts)));
            waiting
                .join()
                .unwrap_or_else(|_| Err(Error::Configuration("the embedding thread panicked".into())))
        })
    }
}

impl Drop for ProviderEmbedder {
    fn drop(&mut self) {
        // Dropping a runtime waits, which is not allowed inside another one.
        let mut runtime = self.runtime.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(runtime) = runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_in_the_order_of_their_texts_at_unit_length() {
        let body =
            json!({"data": [{"index": 1, "embedding": [0.0, 2.0]}, {"index": 0, "embedding": [3.0, 4.0]}]});
        assert_eq!(vectors(&body, 2), Some(vec![vec![0.6, 0.8], vec![0.0, 1.0]]));
        assert_eq!(vectors(&body, 3), None);
        assert_eq!(vectors(&body, 1), None);
        assert_eq!(vectors(&json!({"data": [{"embedding": ["x"]}]}), 1), None);
    }
}

//! Answers by `Idempotency-Key`, as Stripe keeps them.
//!
//! The same key with the same body gives the answer that was made for the
//! first, or waits for it while it is being made, even where whoever asked first
//! is gone; nothing is counted or charged again. With another body it is refused.
//! What was sent away (429) or failed (5xx) is not kept.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::sync::watch;

/// Keys that are kept at most; the oldest go first.
const KEPT: usize = 20_000;

/// An answer that can be given more than once.
#[derive(Clone, Debug)]
pub(crate) struct Whole {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The connection of whoever asked first breaks.
    pub(crate) breaks: bool,
}

impl Whole {
    /// To whoever asked first the connection may break: headers go out, then nothing.
    pub(crate) fn into_response(self, is_first: bool) -> Response {
        if self.breaks && is_first {
            let broken = futures_util::stream::once(async {
                Err::<Bytes, _>(std::io::Error::other("disconnected on purpose"))
            });
            return Response::new(Body::from_stream(broken));
        }
        (self.status, self.headers, self.body).into_response()
    }
}

type Making = watch::Receiver<Option<Whole>>;

#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_key: HashMap<String, (u64, Making)>,
    order: VecDeque<String>,
}

/// What is known of a key.
pub(crate) enum Claim {
    /// Nothing: whoever asks has to make the answer and send it here.
    New(watch::Sender<Option<Whole>>, Making),
    Known(Making),
    /// It was another body.
    Other,
}

impl Answers {
    pub(crate) fn claim(&self, key: &str, print: u64) -> Claim {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, making)) = kept.by_key.get(key) {
            return if *known == print { Claim::Known(making.clone()) } else { Claim::Other };
        }
        let (sender, making) = watch::channel(None);
        kept.by_key.insert(key.to_owned(), (print, making.clone()));
        kept.order.push_back(key.to_owned());
        if kept.order.len() > KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.by_key.remove(&oldest);
        }
        Claim::New(sender, making)
    }

    pub(crate) fn forget(&self, key: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.by_key.remove(key);
        kept.order.retain(|known| known != key);
    }
}

/// The answer once it is there; `None` where it never will be.
pub(crate) async fn made(mut making: Making) -> Option<Whole> {
    making.wait_for(Option::is_some).await.ok()?.clone()
}

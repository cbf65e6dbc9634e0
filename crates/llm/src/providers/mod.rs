//! Who answers over HTTP: one file per API, and what they share.
//!
//! A [`Provider`] is an address, a key and one of the [`Api`]s. `openai`,
//! `responses` and `anthropic` are pure functions from [`Request`] to JSON and
//! back; `compatible` knows how servers that only resemble OpenAI differ, and
//! learns it from their complaints; `failure` reads what went wrong. A provider
//! asks once: retries, limits, money and memory are [`crate::Asker`]'s.

mod anthropic;
mod compatible;
mod embeddings;
mod failure;
mod hints;
mod known;
mod openai;
mod responses;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assay_domain::Usage;
use http::HeaderMap;
use serde_json::Value;
use url::Url;

pub use embeddings::{ProviderEmbedder, Terms as EmbedderTerms};
pub use settings::{Api, KeyHeader, Settings};

use crate::chat::{Answer, Answering, Exchange, Exchanged, Finish, Hints, Request};
use crate::http::{Http, Reply, header};
use crate::memo::Key;
use crate::{Error, Secret, tokens};
use compatible::{Fits, Quirks};

/// A model provider at an address. Making one opens no connection.
pub struct Provider {
    name: String,
    api: Api,
    url: Url,
    connection: Connection,
    fits: Fits,
}

/// An address, and how to knock there.
#[derive(Clone)]
struct Connection {
    place: String,
    key: Option<Secret>,
    http: Http,
    /// Whether a connection was ever made.
    heard: Arc<AtomicBool>,
}

impl Connection {
    fn new(settings: &Settings, url: &Url) -> Result<Self, Error> {
        let mut map = HeaderMap::new();
        if let Some(key) = &settings.key {
            let (header_name, text) = match settings.key_header {
                KeyHeader::Bearer => ("authorization", Secret::new(format!("Bearer {}", key.expose()))),
                KeyHeader::ApiKey => ("api-key", key.clone()),
                KeyHeader::XApiKey => ("x-api-key", key.clone()),
            };
            map.extend([header(header_name, &text)?]);
        }
        if settings.api == Api::Anthropic {
            map.extend([header("anthropic-version", &Secret::new(anthropic::VERSION))?]);
        }
        for (name, value) in &settings.headers {
            map.extend([header(name, value)?]);
        }
        let http =
            Http::new(url, map, settings.timeout, settings.proxy.as_ref(), settings.ca_file.as_deref())?;
        let place = settings::place(&settings.name, &settings.base_url)?;
        Ok(Self { place, key: settings.key.clone(), http, heard: Arc::default() })
    }

    fn unavailable(&self, broken: crate::http::Broken) -> Error {
        Error::Unavailable {
            place: self.place.clone(),
            cause: broken.cause,
            maybe_billed: broken.maybe_arrived,
            connected: broken.maybe_arrived,
        }
    }
}

impl Provider {
    /// # Errors
    /// [`Error::Configuration`], where the settings cannot work.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let url =
            settings::endpoint(&settings.base_url, settings.api.path(), settings.api_version.as_deref())?;
        let connection = Connection::new(&settings, &url)?;
        Ok(Self { fits: Fits::new(settings.api), name: settings.name, api: settings.api, url, connection })
    }

    /// One request and what came of it, again only where the server said which
    /// parameter it does not know: such a request was not processed.
    async fn ask(&self, request: &Request, name: &Key) -> Exchanged {
        if let Err(error) = check(request) {
            return Exchanged { answer: Err(error), hints: Hints::default() };
        }
        loop {
            let quirks = self.fits.of(&request.model);
            let exchanged = self.ask_once(request, quirks, name).await;
            if let Err(error) = &exchanged.answer
                && self.fits.learn(&request.model, quirks, request, error)
            {
                continue;
            }
            return exchanged;
        }
    }

    async fn ask_once(&self, request: &Request, quirks: Quirks, name: &Key) -> Exchanged {
        let body = match self.api {
            Api::OpenAi | Api::Compatible => openai::encode(request, quirks),
            Api::Responses => responses::encode(request, quirks),
            Api::Anthropic => anthropic::encode(request, quirks),
        };
        let reply = match self.connection.http.post(&self.url, body.to_string().into_bytes(), name).await {
            Ok(reply) => reply,
            Err(broken) => {
                return Exchanged {
                    answer: Err(self.connection.unavailable(broken)),
                    hints: Hints::default(),
                };
            }
        };
        let hints = hints::read(&reply.headers);
        Exchanged { answer: self.read(request, &reply, &hints), hints }
    }

    fn read(&self, request: &Request, reply: &Reply, hints: &Hints) -> Result<Answer, Error> {
        let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let is_success = reply.status.is_success();
        let stated = body.as_ref().filter(|_| is_success).and_then(failure::stated_inside);
        if !is_success || stated.is_some() {
            let status = stated.unwrap_or(reply.status.as_u16());
            return Err(failure::read(
                &self.connection.place,
                self.connection.key.as_ref(),
                status,
                body.as_ref(),
                &reply.body,
                hints,
            ));
        }
        let decoded = body.as_ref().and_then(|body| match self.api {
            Api::OpenAi | Api::Compatible => openai::decode(body),
            Api::Responses => responses::decode(body),
            Api::Anthropic => anthropic::decode(body),
        });
        let Some(raw) = decoded else {
            let cause = format!("its answer is not of the form of {}", self.api.words());
            return Err(Error::Unavailable {
                place: self.connection.place.clone(),
                cause,
                maybe_billed: true,
                connected: true,
            });
        };
        Ok(raw.into_answer(request))
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address itself may hold a password or a key.
        f.debug_tuple("Provider").field(&self.connection.place).finish()
    }
}

impl Exchange for Provider {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self) -> &str {
        &self.connection.place
    }

    fn exchange<'a>(&'a self, request: &'a Request, name: &'a Key) -> Answering<'a, Exchanged> {
        Box::pin(self.ask(request, name))
    }
}

/// What can be known to be wrong before anything is sent.
fn check(request: &Request) -> Result<(), Error> {
    let wrong = |what: &str| Err(Error::Configuration(what.to_owned()));
    if request.model.trim().is_empty() {
        return wrong("the request names no model");
    }
    if request.messages.is_empty() {
        return wrong("the request has no message");
    }
    if request.max_tokens == 0 {
        return wrong("the request allows no tokens for the answer");
    }
    match &request.schema {
        Some(schema) if schema.schema.get("type").and_then(Value::as_str) != Some("object") => {
            wrong("the root of an answer's schema must be of type object")
        }
        _ => Ok(()),
    }
}

/// What an API's answer says, before anything is checked.
#[derive(Debug)]
struct Raw {
    text: String,
    finish: Finish,
    model: Option<String>,
    usage: Option<Usage>,
}

impl Raw {
    fn into_answer(self, request: &Request) -> Answer {
        let usage_is_estimated = self.usage.is_none();
        let usage = self.usage.unwrap_or_else(|| {
            let (input, output) = (tokens::of_prompt(request), tokens::count(&self.text));
            Usage {
                input_tokens: input,
                output_tokens: output,
                total_tokens: input + output,
                ..Usage::default()
            }
        });
        Answer {
            text: self.text,
            value: None,
            usage,
            usage_is_estimated,
            model: self.model.unwrap_or_else(|| request.model.clone()),
            finish: self.finish,
            remembered: false,
        }
    }
}

/// Counts of one side of a call: the total and the classes that are not zero.
fn usage(input: (u64, &[(&str, Option<u64>)]), output: (u64, &[(&str, Option<u64>)])) -> Usage {
    let classes = |details: &[(&str, Option<u64>)]| {
        details
            .iter()
            .filter_map(|(class, count)| Some(((*class).to_owned(), count.filter(|count| *count > 0)?)))
            .collect()
    };
    Usage {
        input_tokens: input.0,
        output_tokens: output.0,
        total_tokens: input.0.saturating_add(output.0),
        input_details: classes(input.1),
        output_details: classes(output.1),
        stated_cost: None,
    }
}

fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer)?.as_u64()
}

#[cfg(test)]
mod tests;

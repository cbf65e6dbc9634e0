//! What we ask of a language model, whoever answers.
//!
//! [`Request`] goes in, [`Answer`] comes out, [`Chat`] is who answers. Nothing
//! here knows a provider, HTTP, money or memory: implementations live beside
//! this file. [`crate::Asker`] is the whole of it (memo, limits, budget,
//! repair) over a [`crate::Provider`]; [`crate::Script`] answers in tests.
//!
//! A caller that wants structure sets [`Request::schema`] and reads
//! [`Answer::value`]; a caller that wants prose leaves it out and reads
//! [`Answer::text`]. Dropping the future of a call cancels it.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use assay_domain::Usage;
use serde_json::Value;

use crate::Error;
use crate::memo::Key;

/// One question to a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What the money of this call is booked under, such as `summarize`. Not
    /// part of what an answer is remembered by.
    pub stage: Cow<'static, str>,
    /// The model, as its provider names it.
    pub model: String,
    /// Who the model is to be and what it must do; may be empty.
    pub system: String,
    /// The conversation so far, at least one message; the last is the user's.
    pub messages: Vec<Message>,
    /// The form the answer must have; none for prose.
    pub schema: Option<Schema>,
    /// The most tokens the answer may have. What the call may cost at worst
    /// follows from it, so keep it honest.
    pub max_tokens: u32,
    /// Left out, the provider decides. Models that take none do not get it.
    pub temperature: Option<f64>,
    /// Sent where the provider takes one; part of what is remembered anyway,
    /// so that another seed asks again.
    pub seed: Option<u64>,
}

/// One turn of the conversation with the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub speaker: Speaker,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    User,
    /// The model itself: its earlier answer.
    Model,
}

/// The form of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Letters, digits, `_` and `-`, at most 64: providers refuse other names.
    pub name: String,
    /// One sentence for the model.
    pub description: String,
    /// A JSON Schema whose root is an object. Where every object lists all its
    /// properties as required and allows no others, providers that can will
    /// guarantee the form (OpenAI's strict mode); otherwise it is checked here.
    pub schema: Value,
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The answer as it was written; of a structured one its JSON.
    pub text: String,
    /// The answer as a value that satisfies the schema; `None` without schema.
    pub value: Option<Value>,
    /// What the answer took, a repair round included.
    pub usage: Usage,
    /// The provider did not say what it took, so this was estimated.
    pub usage_is_estimated: bool,
    /// The model that answered, in the provider's exact words.
    pub model: String,
    pub finish: Finish,
    /// It comes from the memory: nothing was asked and nothing paid.
    pub remembered: bool,
}

/// Why a model stopped writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It was done.
    Stop,
    /// It ran into [`Request::max_tokens`] or the end of its window.
    Length,
    /// It would not answer, or a filter kept the answer back.
    Refusal,
}

/// A boxed future, so that [`Chat`] can be a trait object.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Answers questions; what a stage of the analysis holds.
pub trait Chat: Send + Sync {
    /// Who answers, for the report: the provider's name, no key.
    fn name(&self) -> &str;

    /// Answers one question.
    ///
    /// With a schema, `value` is present and satisfies it. Refusal, truncation
    /// and answers of a wrong form are errors of their own
    /// ([`Error::Refused`], [`Error::Truncated`], [`Error::Malformed`]): one
    /// thread is skipped. [`Error::is_final`] says when asking for anything
    /// else would fail as well. Dropping the future cancels the call.
    fn answer<'a>(&'a self, request: &'a Request) -> Answering<'a, Result<Answer, Error>>;

    /// The answer if it is remembered. Asks nobody, costs nothing, books nothing.
    ///
    /// # Errors
    /// Where the memory fails.
    fn recall<'a>(&'a self, _: &'a Request) -> Answering<'a, Result<Option<Answer>, Error>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// About how many tokens the prompt of a request has.
    fn prompt_tokens(&self, request: &Request) -> u64 {
        crate::tokens::of_prompt(request)
    }

    /// Who is down, where and why, while calls wait for it to come back.
    fn waits_for(&self) -> Option<String> {
        None
    }
}

/// What a provider said about its limits beside an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    /// How long to wait before asking again.
    pub retry_after: Option<Duration>,
    pub requests: Allowance,
    pub tokens: Allowance,
}

/// One of a provider's limits, as far as it told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Allowance {
    /// Per minute.
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
    /// Until it is whole again.
    pub reset: Option<Duration>,
}

/// One exchange with a provider: the raw answer and what was said about limits.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// `text`, `finish` and `usage` as the provider gave them; `value` is never
    /// set: nothing was checked.
    pub answer: Result<Answer, Error>,
    pub hints: Hints,
}

/// Puts one question to a provider, once: no retries, no limits, no memory.
pub trait Exchange: Send + Sync {
    /// The provider's name, as it stands in reports and memo keys.
    fn name(&self) -> &str;

    /// Name and address without secrets, for messages.
    fn place(&self) -> &str;

    /// `name` is that of this exchange: two of one name are one, where a provider knows
    /// `Idempotency-Key`, and are paid once.
    fn exchange<'a>(&'a self, request: &'a Request, name: &'a Key) -> Answering<'a, Exchanged>;
}

impl Request {
    /// A question with one message and no frills.
    #[must_use]
    pub fn new(stage: impl Into<Cow<'static, str>>, model: &str, text: impl Into<String>) -> Self {
        Self {
            stage: stage.into(),
            model: model.to_owned(),
            system: String::new(),
            messages: vec![Message::user(text)],
            schema: None,
            max_tokens: 1024,
            temperature: None,
            seed: None,
        }
    }
}

impl Message {
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self { speaker: Speaker::User, text: text.into() }
    }

    #[must_use]
    pub fn model(text: impl Into<String>) -> Self {
        Self { speaker: Speaker::Model, text: text.into() }
    }
}

impl Answer {
    /// An answer that came whole, not yet checked.
    #[must_use]
    pub fn of_text(model: &str, text: impl Into<String>, usage: Usage) -> Self {
        Self {
            text: text.into(),
            value: None,
            usage,
            usage_is_estimated: false,
            model: model.to_owned(),
            finish: Finish::Stop,
            remembered: false,
        }
    }
}

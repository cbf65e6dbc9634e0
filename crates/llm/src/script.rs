//! A model that answers from a script: for tests and demonstrations.
//!
//! The script is a function from request to [`Line`], so a test says what the
//! model does in the same words as what it is asked. It keeps what it was asked.
//! As [`Chat`] it checks forms as the real thing does, but never repairs; as
//! [`Exchange`] it stands in for a provider under [`crate::Asker`].

use std::sync::{Mutex, PoisonError};

use assay_domain::Usage;
use serde_json::Value;

use crate::chat::{Answer, Answering, Chat, Exchange, Exchanged, Finish, Hints, Request};
use crate::memo::Key;
use crate::structured::{Flaw, Form, checked};
use crate::{Error, tokens};

/// What the model does with one request.
#[derive(Clone, Debug)]
pub enum Line {
    /// It answers this value; whether it is of the form asked for is checked.
    Json(Value),
    /// It answers this text as it is.
    Text(String),
    /// It will not answer, for this reason.
    Refuse(String),
    /// It is cut off after this text.
    CutOff(String),
    /// The exchange fails.
    Fail(Error),
}

type Play = dyn Fn(&Request) -> Line + Send + Sync;

/// A scripted model.
pub struct Script {
    play: Box<Play>,
    /// Held for moments only.
    asked: Mutex<Vec<Request>>,
}

impl Script {
    #[must_use]
    pub fn new(play: impl Fn(&Request) -> Line + Send + Sync + 'static) -> Self {
        Self { play: Box::new(play), asked: Mutex::default() }
    }

    /// Everything that was asked so far, in the order it came.
    #[must_use]
    pub fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn perform(&self, request: &Request) -> Result<Answer, Error> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let (text, finish) = match (self.play)(request) {
            Line::Json(value) => (value.to_string(), Finish::Stop),
            Line::Text(text) => (text, Finish::Stop),
            Line::Refuse(reason) => (reason, Finish::Refusal),
            Line::CutOff(text) => (text, Finish::Length),
            Line::Fail(error) => return Err(error),
        };
        let (input, output) = (tokens::of_prompt(request), tokens::count(&text));
        let usage = Usage {
            input_tokens: input,
            output_tokens: output,
            total_tokens: input + output,
            ..Usage::default()
        };
        Ok(Answer { finish, ..Answer::of_text(&request.model, text, usage) })
    }

    fn answer_checked(&self, request: &Request) -> Result<Answer, Error> {
        let form = request.schema.as_ref().map(Form::new).transpose()?;
        checked(request, form.as_ref(), self.perform(request)?).map_err(|flaw| match *flaw {
            Flaw::Final(error) => error,
            Flaw::Mistake { answer, mistake } => Error::Malformed { model: answer.model, reason: mistake },
        })
    }
}

impl Chat for Script {
    fn name(&self) -> &str {
        "script"
    }

    fn answer<'a>(&'a self, request: &'a Request) -> Answering<'a, Result<Answer, Error>> {
        Box::pin(std::future::ready(self.answer_checked(request)))
    }
}

impl Exchange for Script {
    fn name(&self) -> &str {
        "script"
    }

    fn place(&self) -> &str {
        "script"
    }

    fn exchange<'a>(&'a self, request: &'a Request, _: &'a Key) -> Answering<'a, Exchanged> {
        let exchanged = Exchanged { answer: self.perform(request), hints: Hints::default() };
        Box::pin(std::future::ready(exchanged))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chat::Schema;

    fn question() -> Request {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        let schema = Schema { name: "n".into(), description: "a number".into(), schema };
        Request { schema: Some(schema), ..Request::new("test", "m", "how many?") }
    }

    #[tokio::test]
    async fn the_form_is_checked_as_by_the_real_thing() {
        let script = Script::new(|_| Line::Json(json!({"n": 3})));
        let answer = script.answer(&question()).await.expect("an answer");
        assert_eq!(answer.value, Some(json!({"n": 3})));
        assert_eq!(script.asked(), [question()]);
        let wrong = Script::new(|_| Line::Json(json!({"n": "three"})));
        assert!(matches!(wrong.answer(&question()).await, Err(Error::Malformed { .. })));
        let refusing = Script::new(|_| Line::Refuse("no".into()));
        assert!(matches!(refusing.answer(&question()).await, Err(Error::Refused { .. })));
        let cut = Script::new(|_| Line::CutOff("{\"n\":".into()));
        assert!(matches!(cut.answer(&question()).await, Err(Error::Truncated { .. })));
    }
}

//! Asks a provider the whole way: memory, form, limits, money.
//!
//! [`Endpoint`] is what all jobs of a process share about one provider; an
//! [`Asker`] is one job's way to it and the [`Chat`] its stages hold. Read
//! [`Asker::ask`] first: what was remembered is handed out, the same question is
//! asked once, a wrong form is repaired once, each exchange waits for its place,
//! puts its worst cost aside and is retried where that helps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::Error;
use crate::budget::Budget;
use crate::chat::{Answer, Answering, Chat, Exchange, Exchanged, Request};
use crate::limit::{Limiter, Limits, Outage, Outcome, Permit, Retry, Share};
use crate::memo::{Flights, Key, Memory, key, pack, unpack};
use crate::once::{self, Failures};
use crate::structured::{Flaw, Form, checked, repair};
use crate::tokens::Calibration;

/// One provider, as all jobs of a process share it.
pub struct Endpoint {
    provider: Arc<dyn Exchange>,
    limits: Limits,
    /// Providers count by model, and models fail one by one.
    limiters: Mutex<BTreeMap<String, Limiter>>,
    /// Whether anybody was ever heard at its address, now or, by what is remembered, earlier.
    heard: Arc<AtomicBool>,
    flights: Flights,
    failures: Failures,
    calibration: Calibration,
}

/// What is a job's own.
#[derive(Clone)]
pub struct Job {
    /// Beside a job of weight 1, one of weight 2 gets twice the places.
    pub weight: u32,
    pub budget: Arc<Budget>,
    pub memory: Arc<dyn Memory>,
    pub retry: Retry,
}

/// One job's way to one provider.
pub struct Asker {
    endpoint: Arc<Endpoint>,
    job: Job,
    shares: Mutex<BTreeMap<String, Arc<Share>>>,
    forms: Mutex<BTreeMap<String, Arc<Form>>>,
}

/// The moment a call must be over, and how long that was from its start.
#[derive(Clone, Copy)]
struct Deadline {
    start: Instant,
    end: Instant,
}

impl Endpoint {
    #[must_use]
    pub fn new(provider: Arc<dyn Exchange>, limits: Limits) -> Self {
        Self {
            provider,
            limits,
            limiters: Mutex::default(),
            heard: Arc::default(),
            flights: Flights::default(),
            failures: Failures::default(),
            calibration: Calibration::default(),
        }
    }

    /// About how many tokens a prompt has, by what this provider counted so far.
    #[must_use]
    pub fn prompt_tokens(&self, request: &Request) -> u64 {
        self.calibration.of_prompt(request)
    }

    /// The limiter that stands before a model.
    #[must_use]
    pub fn limiter(&self, model: &str) -> Limiter {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Limiter::hearing(&self.limits, self.heard.clone());
        limiters.entry(model.to_owned()).or_insert_with(new).clone()
    }
}

impl Asker {
    #[must_use]
    pub fn new(endpoint: Arc<Endpoint>, job: Job) -> Self {
        Self { endpoint, job, shares: Mutex::default(), forms: Mutex::default() }
    }

    /// What this job may spend and has spent.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.job.budget
    }

    async fn ask(&self, request: &Request) -> Result<Answer, Error> {
        let form = self.form(request)?;
        let key = key(self.endpoint.provider.name(), request);
        if let Some(answer) = self.recall_booked(&key, request, form.as_deref()).await? {
            return Ok(answer);
        }
        let call = async {
            // Whoever asked the same before us may have landed meanwhile.
            if let Some(answer) = self.recall_booked(&key, request, form.as_deref()).await? {
                return Ok(answer);
            }
            let round = self.endpoint.failures.of(&key);
            let asked = self.ask_for_form(request, form.as_deref(), round).await;
            if let Err(Error::Refused { .. } | Error::Truncated { .. } | Error::Malformed { .. }) = asked {
                self.endpoint.failures.note(key);
            }
            let answer = asked?;
            let kept = self.job.memory.remember(&key, pack(&answer)).await;
            kept.map(|()| answer).map_err(Error::Memory)
        };
        self.endpoint.flights.share(key, call).await
    }

    /// What is remembered, booked as an answer that cost nothing.
    async fn recall_booked(
        &self,
        key: &Key,
        request: &Request,
        form: Option<&Form>,
    ) -> Result<Option<Answer>, Error> {
        let answer = self.kept(key, request, form).await?;
        if answer.is_some() {
            self.job.budget.note_remembered(&request.stage);
            self.endpoint.heard.store(true, Ordering::Relaxed);
        }
        Ok(answer)
    }

    async fn kept(&self, key: &Key, request: &Request, form: Option<&Form>) -> Result<Option<Answer>, Error> {
        let bytes = self.job.memory.recall(key).await.map_err(Error::Memory)?;
        // What does not check any more is not remembered any more.
        Ok(bytes.and_then(|bytes| unpack(&bytes)).and_then(|answer| checked(request, form, answer).ok()))
    }

    /// Asks, and once more with the mistake shown if the form is wrong.
    async fn ask_for_form(
        &self,
        request: &Request,
        form: Option<&Form>,
        round: u32,
    ) -> Result<Answer, Error> {
        let deadline = Deadline::after(self.job.retry.deadline);
        let first = self.attempt(request, round, deadline).await?;
        let (wrong, mistake) = match checked(request, form, first).map_err(|flaw| *flaw) {
            Ok(answer) => return Ok(answer),
            Err(Flaw::Final(error)) => return Err(error),
            Err(Flaw::Mistake { answer, mistake }) => (answer, mistake),
        };
        let again = repair(request, &wrong.text, &mistake);
        let mut second = self.attempt(&again, round, deadline).await?;
        second.usage += &wrong.usage;
        second.usage_is_estimated |= wrong.usage_is_estimated;
        checked(request, form, second).map_err(|flaw| match *flaw {
            Flaw::Final(error) => error,
            Flaw::Mistake { answer, mistake } => Error::Malformed { model: answer.model, reason: mistake },
        })
    }

    /// One exchange that was answered, after as many as it takes.
    async fn attempt(&self, request: &Request, round: u32, deadline: Deadline) -> Result<Answer, Error> {
        let share = self.share(&request.model);
        let mut last = None;
        let attempts = self.attempts(request, round, &share, &mut last);
        if let Ok(done) = tokio::time::timeout_at(deadline.end, attempts).await {
            return done;
        }
        if let Some(outage) = share.outage() {
            return Err(self.down(outage));
        }
        let place = self.endpoint.provider.place().to_owned();
        let seconds = (deadline.end - deadline.start).as_secs_f64();
        let cause =
            last.map_or_else(|| "no free place within the time-out".to_owned(), |error| cause_of(&error));
        Err(Error::GaveUp { place, seconds, cause })
    }

    async fn attempts(
        &self,
        request: &Request,
        round: u32,
        share: &Share,
        last: &mut Option<Error>,
    ) -> Result<Answer, Error> {
        let seed = key(self.endpoint.provider.name(), request);
        let name = once::name(&seed, round);
        let start = Instant::now();
        let (mut attempt, mut broken) = (0_u32, 0);
        loop {
            let (exchanged, probe) = self.exchange(request, &name, share).await?;
            let error = match exchanged.answer {
                Err(error) if error.is_retryable() => error,
                done => return done,
            };
            let asked_for = match &error {
                Error::RateLimited { retry_after, .. } => *retry_after,
                _ => None,
            };
            broken += u32::from(matches!(error, Error::Unavailable { maybe_billed: true, .. }) && !probe);
            if broken > self.job.retry.broken {
                return Err(self.broken_too_often(broken, start, &error));
            }
            *last = Some(error);
            attempt = attempt.saturating_add(1);
            tokio::time::sleep(self.job.retry.wait(attempt, asked_for, &seed)).await;
        }
    }

    /// Waits for money and a place, asks once, books and reports. Also says
    /// whether the call was a probe.
    async fn exchange(
        &self,
        request: &Request,
        name: &Key,
        share: &Share,
    ) -> Result<(Exchanged, bool), Error> {
        let provider = &self.endpoint.provider;
        let counted = self.endpoint.prompt_tokens(request);
        let mut reservation = self.job.budget.reserve(provider.name(), request).await?;
        let tokens = counted + u64::from(request.max_tokens) / 4;
        let permit = share.enter(tokens).await.map_err(|outage| self.down(outage))?;
        let probe = permit.is_probe();
        reservation.sent();
        let exchanged = provider.exchange(request, name).await;
        match &exchanged.answer {
            Ok(answer) => {
                self.endpoint.calibration.observe(
                    &request.model,
                    crate::tokens::of_prompt(request),
                    answer.usage.input_tokens,
                );
                reservation.settle(&answer.usage);
            }
            // Dropped as it is: it may be billed.
            Err(Error::Unavailable { maybe_billed: true, .. }) => drop(reservation),
            Err(_) => reservation.free(),
        }
        self.report(permit, &exchanged)?;
        Ok((exchanged, probe))
    }

    /// Gives the place back; fails if this was the last straw of an outage.
    fn report(&self, permit: Permit, exchanged: &Exchanged) -> Result<(), Error> {
        let cause;
        let outcome = match &exchanged.answer {
            Ok(answer) => Outcome::Answered { tokens: answer.usage.total_tokens },
            Err(Error::RateLimited { .. }) => Outcome::TooMany,
            Err(error @ Error::Unavailable { connected, .. }) => {
                cause = cause_of(error);
                Outcome::Failed { cause: &cause, connected: *connected }
            }
            // Whatever it said, it is there.
            Err(_) => Outcome::Answered { tokens: 0 },
        };
        match permit.leave(&outcome, &exchanged.hints) {
            Some(outage) if exchanged.answer.is_err() => Err(self.down(outage)),
            _ => Ok(()),
        }
    }

    fn down(&self, Outage { cause, lasted, unheard }: Outage) -> Error {
        let (place, seconds) = (self.endpoint.provider.place().to_owned(), lasted.as_secs_f64());
        match unheard {
            true => Error::Unreachable { place, seconds, cause },
            false => Error::Outage { place, seconds, cause },
        }
    }

    /// One call's trouble: the provider may well answer others.
    fn broken_too_often(&self, times: u32, since: Instant, error: &Error) -> Error {
        Error::GaveUp {
            place: self.endpoint.provider.place().to_owned(),
            seconds: since.elapsed().as_secs_f64(),
            cause: format!("it broke {times} times, the last time: {}", cause_of(error)),
        }
    }

    fn share(&self, model: &str) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || Arc::new(self.endpoint.limiter(model).share(self.job.weight));
        shares.entry(model.to_owned()).or_insert_with(open).clone()
    }

    fn form(&self, request: &Request) -> Result<Option<Arc<Form>>, Error> {
        let Some(schema) = &request.schema else { return Ok(None) };
        let written = schema.schema.to_string();
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(form) = forms.get(&written) {
            return Ok(Some(form.clone()));
        }
        let form = Arc::new(Form::new(schema)?);
        // A job has few forms; one that made its own for each call must not fill the memory.
        if forms.len() >= 64 {
            forms.clear();
        }
        forms.insert(written, form.clone());
        Ok(Some(form))
    }
}

impl Chat for Asker {
    fn name(&self) -> &str {
        self.endpoint.provider.name()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> Answering<'a, Result<Answer, Error>> {
        Box::pin(self.ask(request))
    }

    fn recall<'a>(&'a self, request: &'a Request) -> Answering<'a, Result<Option<Answer>, Error>> {
        Box::pin(async move {
            let form = self.form(request)?;
            self.kept(&key(self.endpoint.provider.name(), request), request, form.as_deref()).await
        })
    }

    fn prompt_tokens(&self, request: &Request) -> u64 {
        self.endpoint.prompt_tokens(request)
    }

    fn waits_for(&self) -> Option<String> {
        let shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let outage = shares.values().find_map(|share| share.outage())?;
        Some(format!("{} ({})", self.endpoint.provider.place(), outage.cause))
    }
}

impl Deadline {
    fn after(span: std::time::Duration) -> Self {
        let start = Instant::now();
        Self { start, end: start + span }
    }
}

/// What happened, without the place, which the outer message names.
fn cause_of(error: &Error) -> String {
    match error {
        Error::Unavailable { cause, .. } => cause.clone(),
        Error::RateLimited { message, .. } => format!("it asks to slow down: {message}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use assay_domain::PriceTable;
    use serde_json::json;

    use super::*;
    use crate::memo::InMemory;
    use crate::{Line, Schema, Script};

    fn asker(script: Script, memory: Arc<dyn Memory>) -> (Asker, Arc<Script>) {
        let script = Arc::new(script);
        let endpoint = Arc::new(Endpoint::new(script.clone(), Limits::default()));
        let budget = Arc::new(Budget::new(None, Arc::new(PriceTable::default())));
        (Asker::new(endpoint, Job { weight: 1, budget, memory, retry: Retry::default() }), script)
    }

    fn question() -> Request {
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        let schema = Schema { name: "n".into(), description: "a number".into(), schema };
        Request { schema: Some(schema), ..Request::new("count", "m", "how many?") }
    }

    #[tokio::test]
    async fn a_repaired_answer_is_remembered_under_the_first_question_with_what_both_took() {
        let script = Script::new(|request| match request.messages.len() {
            1 => Line::Json(json!({"n": "three"})),
            _ => Line::Json(json!({"n": 3})),
        });
        let (asker, script) = asker(script, Arc::new(InMemory::default()));
        let first = asker.answer(&question()).await.expect("a repaired answer");
        assert_eq!(first.value, Some(json!({"n": 3})));
        assert_eq!(script.asked().len(), 2);
        let prompts: u64 = script.asked().iter().map(crate::tokens::of_prompt).sum();
        assert_eq!(first.usage.input_tokens, prompts);
        let again = asker.answer(&question()).await.expect("a remembered answer");
        assert!(again.remembered && again.value == first.value);
        assert_eq!(script.asked().len(), 2);
    }

    #[tokio::test]
    async fn what_is_remembered_in_another_form_is_asked_again() {
        let memory = Arc::new(InMemory::default());
        let (asker, script) = asker(Script::new(|_| Line::Json(json!({"n": 1}))), memory.clone());
        let key = key("script", &question());
        let damaged = Answer::of_text("m", "{\"n\":", assay_domain::Usage::default());
        memory.remember(&key, pack(&damaged)).await.expect("room");
        assert!(!asker.answer(&question()).await.expect("an answer").remembered);
        assert_eq!(script.asked().len(), 1);
    }

    /// Fails as soon as it is told to.
    #[derive(Default)]
    struct Failing(AtomicBool);

    type Failure = Arc<dyn std::error::Error + Send + Sync>;

    impl Memory for Failing {
        fn recall<'a>(&'a self, _: &'a Key) -> Answering<'a, Result<Option<Vec<u8>>, Failure>> {
            let broken = || -> Failure { Arc::new(std::io::Error::other("disk full")) };
            let answer = if self.0.load(Ordering::SeqCst) { Err(broken()) } else { Ok(None) };
            Box::pin(std::future::ready(answer))
        }

        fn remember<'a>(&'a self, _: &'a Key, _: Vec<u8>) -> Answering<'a, Result<(), Failure>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[tokio::test]
    async fn without_its_memory_nothing_is_asked() {
        let memory = Arc::new(Failing::default());
        let (asker, script) = asker(Script::new(|_| Line::Json(json!({"n": 1}))), memory.clone());
        memory.0.store(true, Ordering::SeqCst);
        let error = asker.answer(&question()).await.expect_err("no memory");
        assert!(matches!(error, Error::Memory(_)) && error.is_final());
        assert!(script.asked().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_is_back_after_a_while_is_waited_for() {
        let start = Instant::now();
        let script = Script::new(move |_| {
            if start.elapsed() < std::time::Duration::from_secs(30) {
                let (place, cause) = ("p".to_owned(), "connection refused".to_owned());
                return Line::Fail(Error::Unavailable { place, cause, maybe_billed: false, connected: true });
            }
            Line::Json(json!({"n": 1}))
        });
        let (asker, _) = asker(script, Arc::new(InMemory::default()));
        let questions: Vec<Request> = (0..20).map(|n| Request { seed: Some(n), ..question() }).collect();
        let answers = futures_util::future::join_all(questions.iter().map(|one| asker.answer(one))).await;
        assert!(answers.iter().all(Result::is_ok));
        let seconds = start.elapsed().as_secs_f64();
        assert!((30.0..45.0).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_stays_away_is_given_up_by_all_at_once() {
        let script = Script::new(|_| {
            let (place, cause) = ("p".to_owned(), "connection refused".to_owned());
            Line::Fail(Error::Unavailable { place, cause, maybe_billed: false, connected: true })
        });
        let (asker, _) = asker(script, Arc::new(InMemory::default()));
        let questions: Vec<Request> = (0..200).map(|n| Request { seed: Some(n), ..question() }).collect();
        let start = Instant::now();
        let answers = futures_util::future::join_all(questions.iter().map(|one| asker.answer(one))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(Error::Outage { .. }))));
        assert!(start.elapsed() < std::time::Duration::from_secs(150), "{:?}", start.elapsed());
    }
}

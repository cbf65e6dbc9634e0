//! What calls may cost, and what they did.
//!
//! A [`Budget`] belongs to one job. Before each exchange the most it can cost is
//! put aside ([`Budget::reserve`]), after it the true cost is booked; spent and
//! put aside together never exceed the cap, however many calls run at once. An
//! exchange that broke off may be billed all the same, so it is booked at its
//! worst and counted as `lost`. A [`Journal`] makes the cap hold across crashes.
//! Prices are the domain's [`PriceTable`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assay_domain::{PriceTable, Usage};
use rust_decimal::Decimal;
use tokio::sync::Notify;

use crate::chat::{Answering, Request};
use crate::{Error, tokens};

/// Keeps what may have been spent, for whoever begins again after a crash.
pub trait Journal: Send + Sync {
    /// Returns once [`Budget::at_most`] of now, or more, is kept. Nothing is sent before.
    fn keep<'a>(&'a self, budget: &'a Budget) -> Answering<'a, Result<(), Error>>;
}

/// The money of one job, in US dollars.
pub struct Budget {
    cap: Option<Decimal>,
    prices: Arc<PriceTable>,
    journal: Option<Arc<dyn Journal>>,
    purse: Mutex<Purse>,
    /// Rung when something put aside was booked or given back.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Purse {
    spent: Decimal,
    put_aside: Decimal,
    /// Exchanges that something is put aside for.
    open: usize,
    stages: BTreeMap<String, Spend>,
}

/// What one stage used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spend {
    /// Exchanges that were answered, repairs included.
    pub calls: u64,
    /// Answers that came from the memory, for nothing.
    pub remembered: u64,
    /// Exchanges that broke off after they were sent.
    pub lost: u64,
    pub usage: Usage,
    /// What is booked, the lost ones at their worst.
    pub cost: Decimal,
    /// Calls of models without a known price: their cost is not in `cost`.
    pub unpriced: u64,
}

/// Money put aside for one exchange: given back when dropped unsent, booked at
/// its worst when dropped after [`Reservation::sent`].
pub(crate) struct Reservation<'a> {
    budget: &'a Budget,
    request: &'a Request,
    provider: String,
    aside: Decimal,
    sent: bool,
    done: bool,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("cap", &self.cap).field("purse", &self.purse).finish_non_exhaustive()
    }
}

impl Budget {
    /// Without a cap money is only counted.
    #[must_use]
    pub fn new(cap: Option<Decimal>, prices: Arc<PriceTable>) -> Self {
        Self { cap, prices, journal: None, purse: Mutex::default(), freed: Notify::new() }
    }

    /// The same for a job that goes on: `spent` counts against its cap.
    #[must_use]
    pub fn with_spent(self, spent: Decimal) -> Self {
        self.purse().spent = spent;
        self
    }

    /// The same, with everything it may have spent kept before it is.
    #[must_use]
    pub fn with_journal(self, journal: Arc<dyn Journal>) -> Self {
        Self { journal: Some(journal), ..self }
    }

    #[must_use]
    pub fn cap(&self) -> Option<Decimal> {
        self.cap
    }

    /// Everything booked so far.
    #[must_use]
    pub fn spent(&self) -> Decimal {
        self.purse().spent
    }

    /// The same, and the worst case of everything under way.
    #[must_use]
    pub fn at_most(&self) -> Decimal {
        let purse = self.purse();
        purse.spent.saturating_add(purse.put_aside)
    }

    /// Waits until nothing is under way: then all that was spent is booked.
    pub async fn quiet(&self) {
        loop {
            let freed = self.freed.notified();
            if self.purse().open == 0 {
                return;
            }
            freed.await;
        }
    }

    /// By stage, in the order of their names.
    #[must_use]
    pub fn by_stage(&self) -> BTreeMap<String, Spend> {
        self.purse().stages.clone()
    }

    /// What tokens of a model cost; `None` where no price is known.
    #[must_use]
    pub fn price(&self, provider: &str, model: &str, usage: &Usage) -> Option<Decimal> {
        let cost = self.prices.cost(Some(provider), Some(model), Some(chrono::Utc::now()), usage)?;
        Some(cost.total)
    }

    /// The most an exchange can cost: every byte a token, the longest answer,
    /// each at the dearest class of its side.
    #[must_use]
    pub fn worst_case(&self, provider: &str, request: &Request) -> Option<Decimal> {
        let price = self.prices.find(Some(provider), &request.model, Some(chrono::Utc::now()))?;
        let dearest = |base: Decimal, classes: &BTreeMap<String, Decimal>| {
            classes.values().copied().fold(base, Decimal::max)
        };
        let input = Decimal::from(tokens::at_most(request))
            .saturating_mul(dearest(price.input, &price.input_details));
        let output =
            Decimal::from(request.max_tokens).saturating_mul(dearest(price.output, &price.output_details));
        Some(input.saturating_add(output))
    }

    /// Puts the worst case of one exchange aside, waiting for others to finish
    /// while that could make room.
    ///
    /// # Errors
    /// [`Error::OverBudget`], where what is spent leaves too little;
    /// [`Error::Unpriced`], where there is a cap but no price.
    pub(crate) async fn reserve<'a>(
        &'a self,
        provider: &str,
        request: &'a Request,
    ) -> Result<Reservation<'a>, Error> {
        let worst = self.worst_case(provider, request);
        if worst.is_none() && self.cap.is_some() {
            return Err(Error::Unpriced { model: request.model.clone() });
        }
        let needed = worst.unwrap_or_default();
        loop {
            let freed = self.freed.notified();
            if self.try_put_aside(needed)? {
                break;
            }
            freed.await;
        }
        // From here on dropping it gives the money back.
        let (provider, aside) = (provider.to_owned(), needed);
        let reservation = Reservation { budget: self, request, provider, aside, sent: false, done: false };
        if let Some(journal) = &self.journal {
            journal.keep(self).await?;
        }
        Ok(reservation)
    }

    /// Whether there was room; an error where there never will be.
    fn try_put_aside(&self, needed: Decimal) -> Result<bool, Error> {
        let mut purse = self.purse();
        if let Some(cap) = self.cap {
            let spent = purse.spent;
            if spent.saturating_add(needed) > cap {
                return Err(Error::OverBudget { cap, spent: spent.normalize(), needed: needed.normalize() });
            }
            if spent.saturating_add(purse.put_aside).saturating_add(needed) > cap {
                return Ok(false);
            }
        }
        purse.put_aside = purse.put_aside.saturating_add(needed);
        purse.open += 1;
        Ok(true)
    }

    /// Takes note of an answer that cost nothing.
    pub(crate) fn note_remembered(&self, stage: &str) {
        self.purse().stages.entry(stage.to_owned()).or_default().remembered += 1;
    }

    fn purse(&self) -> MutexGuard<'_, Purse> {
        self.purse.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation<'_> {
    /// From here on the exchange may be billed.
    pub(crate) fn sent(&mut self) {
        self.sent = true;
    }

    /// Books what the exchange took and frees the rest.
    pub(crate) fn settle(mut self, usage: &Usage) {
        let price = self.budget.price(&self.provider, &self.request.model, usage);
        self.finish(price.unwrap_or_default(), |spend| {
            spend.calls += 1;
            spend.usage += usage;
            spend.unpriced += u64::from(price.is_none());
        });
    }

    /// Gives everything back: the provider did not do the work.
    pub(crate) fn free(mut self) {
        self.finish(Decimal::ZERO, |_| {});
    }

    fn finish(&mut self, cost: Decimal, note: impl FnOnce(&mut Spend)) {
        self.done = true;
        {
            let mut purse = self.budget.purse();
            purse.put_aside = purse.put_aside.saturating_sub(self.aside);
            purse.open = purse.open.saturating_sub(1);
            purse.spent = purse.spent.saturating_add(cost);
            let spend = purse.stages.entry(self.request.stage.clone().into_owned()).or_default();
            spend.cost = spend.cost.saturating_add(cost);
            note(spend);
        }
        self.budget.freed.notify_waiters();
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let (cost, lost) = if self.sent { (self.aside, 1) } else { (Decimal::ZERO, 0) };
        self.finish(cost, |spend| spend.lost += lost);
    }
}

#[cfg(test)]
mod tests {
    use assay_domain::price::Price;

    use super::*;

    /// A dollar per token in, two per token out.
    fn prices() -> Arc<PriceTable> {
        let price = Price {
            name: "m".into(),
            provider: None,
            valid_from: None,
            matches: Arc::new(|model| model == "m"),
            input: Decimal::ONE,
            output: Decimal::TWO,
            input_details: BTreeMap::new(),
            output_details: BTreeMap::new(),
        };
        Arc::new(PriceTable { prices: vec![price], beneath: None })
    }

    fn call() -> Request {
        Request { max_tokens: 10, ..Request::new("read", "m", "four") }
    }

    /// 420 tokens in at most (see `tokens::at_most`), 10 out.
    const WORST: u32 = 440;

    fn used(input: u64, output: u64) -> Usage {
        Usage { input_tokens: input, output_tokens: output, total_tokens: input + output, ..Usage::default() }
    }

    #[tokio::test]
    async fn what_is_spent_and_put_aside_never_exceeds_the_cap() {
        let budget = Budget::new(Some(Decimal::from(2 * WORST)), prices());
        let request = call();
        assert_eq!(budget.worst_case("p", &request), Some(Decimal::from(WORST)));
        let first = budget.reserve("p", &request).await.expect("room");
        let second = budget.reserve("p", &request).await.expect("room");
        let third = budget.reserve("p", &request);
        tokio::pin!(third);
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), &mut third).await;
        assert!(waited.is_err(), "there is no room before somebody finishes");
        first.settle(&used(4, 3));
        assert_eq!(budget.spent(), Decimal::from(10));
        second.free();
        let third = third.await.expect("room again");
        third.settle(&used(420, 10));
        assert_eq!(budget.spent(), Decimal::from(450));
        let none = budget.reserve("p", &request).await;
        assert!(matches!(none, Err(Error::OverBudget { .. })));
        let stages = budget.by_stage();
        assert_eq!((stages["read"].calls, stages["read"].cost), (2, Decimal::from(450)));
    }

    #[tokio::test]
    async fn a_call_that_broke_off_is_booked_at_its_worst_and_one_never_sent_not_at_all() {
        let budget = Budget::new(None, prices());
        let request = call();
        drop(budget.reserve("p", &request).await.expect("room"));
        assert_eq!(budget.spent(), Decimal::ZERO);
        let mut broken = budget.reserve("p", &request).await.expect("room");
        broken.sent();
        drop(broken);
        assert_eq!(budget.spent(), Decimal::from(WORST));
        assert_eq!(budget.by_stage()["read"].lost, 1);
    }

    #[tokio::test]
    async fn a_cap_needs_a_price_and_counting_does_not() {
        let request = Request { model: "unknown".into(), ..call() };
        let capped = Budget::new(Some(Decimal::ONE), prices());
        assert!(matches!(capped.reserve("p", &request).await, Err(Error::Unpriced { .. })));
        let counted = Budget::new(None, prices());
        counted.reserve("p", &request).await.expect("no cap").settle(&used(1, 1));
        assert_eq!(counted.by_stage()["read"].unpriced, 1);
        assert_eq!(counted.spent(), Decimal::ZERO);
    }

    #[tokio::test]
    async fn a_job_that_goes_on_has_spent_already() {
        let budget = Budget::new(Some(Decimal::from(WORST)), prices()).with_spent(Decimal::ONE);
        assert!(matches!(budget.reserve("p", &call()).await, Err(Error::OverBudget { .. })));
    }

    /// Keeps the highest amount it was shown.
    #[derive(Default)]
    struct Highest(Mutex<Vec<Decimal>>);

    impl Journal for Highest {
        fn keep<'a>(&'a self, budget: &'a Budget) -> Answering<'a, Result<(), Error>> {
            self.0.lock().expect("no panic").push(budget.at_most());
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[tokio::test]
    async fn everything_that_may_be_spent_is_in_the_journal_before_it_is() {
        let journal = Arc::new(Highest::default());
        let budget = Budget::new(None, prices()).with_journal(journal.clone());
        let request = call();
        let first = budget.reserve("p", &request).await.expect("no cap");
        let second = budget.reserve("p", &request).await.expect("no cap");
        first.settle(&used(4, 3));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), budget.quiet()).await.is_err());
        second.free();
        budget.quiet().await;
        drop(budget.reserve("p", &request).await.expect("no cap"));
        let expected = [WORST, 2 * WORST, 10 + WORST].map(Decimal::from);
        assert_eq!(*journal.0.lock().expect("no panic"), expected);
    }
}

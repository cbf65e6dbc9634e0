//! What a token costs: the table that turns [`Usage`] into [`Cost`].
//!
//! The table that ships with Assay is read by the `wire` crate; this module
//! only knows how to apply one. Matching is not by regular expression here:
//! an entry brings its matcher along as a function, so that this crate needs
//! no pattern engine.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::{Cost, Time, Usage};

/// Prices of one model, in US dollars per token.
#[derive(Clone)]
pub struct Price {
    pub name: String,
    /// Only for this provider, if set.
    pub provider: Option<String>,
    /// Applies to runs that start at or after this moment.
    pub valid_from: Option<Time>,
    pub matches: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    pub input: Decimal,
    pub output: Decimal,
    /// Classes of input tokens with a price of their own, such as `cache_read`.
    pub input_details: BTreeMap<String, Decimal>,
    pub output_details: BTreeMap<String, Decimal>,
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Price")
            .field("name", &self.name)
            .field("provider", &self.provider)
            .field("input", &self.input)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

/// Prices by model. Earlier entries win over later ones of the same validity.
#[derive(Clone, Debug, Default)]
pub struct PriceTable {
    pub prices: Vec<Price>,
    /// Asked only about models for which no entry applies: the prices that
    /// ship with Assay, beneath those of its users.
    pub beneath: Option<Arc<PriceTable>>,
}

impl PriceTable {
    /// The price of a model at a moment: of the entries that match, the one
    /// that came into force last.
    #[must_use]
    pub fn find(&self, provider: Option<&str>, model: &str, at: Option<Time>) -> Option<&Price> {
        let applies = |price: &&Price| {
            let in_force = match (price.valid_from, at) {
                (Some(from), Some(at)) => from <= at,
                _ => true,
            };
            let same_provider = match (&price.provider, provider) {
                (Some(wanted), Some(given)) => wanted.eq_ignore_ascii_case(given),
                (Some(_), None) => false,
                (None, _) => true,
            };
            in_force && same_provider && (price.matches)(model)
        };
        let mut best: Option<&Price> = None;
        for price in self.prices.iter().filter(applies) {
            if best.is_none_or(|best| price.valid_from > best.valid_from) {
                best = Some(price);
            }
        }
        best.or_else(|| self.beneath.as_ref()?.find(provider, model, at))
    }

    /// The cost of a model call. A cost the client stated wins; without a
    /// price the cost is unknown, which is not the same as zero.
    #[must_use]
    pub fn cost(
        &self,
        provider: Option<&str>,
        model: Option<&str>,
        at: Option<Time>,
        usage: &Usage,
    ) -> Option<Cost> {
        if let Some(stated) = &usage.stated_cost {
            return Some(stated.clone());
        }
        let price = self.find(provider, model?, at)?;
        let (input, input_details) =
            side_cost(usage.input_tokens, &usage.input_details, price.input, &price.input_details);
        let (output, output_details) =
            side_cost(usage.output_tokens, &usage.output_details, price.output, &price.output_details);
        Some(Cost { input, output, total: input.saturating_add(output), input_details, output_details })
    }
}

/// Tokens of a class with its own price cost that price, all others the base price.
fn side_cost(
    tokens: u64,
    details: &BTreeMap<String, u64>,
    base: Decimal,
    prices: &BTreeMap<String, Decimal>,
) -> (Decimal, BTreeMap<String, Decimal>) {
    let mut left_over = tokens;
    let mut total = Decimal::ZERO;
    let mut by_class = BTreeMap::new();
    for (class, count) in details {
        let Some(price) = prices.get(class) else { continue };
        // A class cannot hold more tokens than there are: clients do send such details.
        let count = (*count).min(left_over);
        left_over -= count;
        let cost = Decimal::from(count).saturating_mul(*price);
        total = total.saturating_add(cost);
        by_class.insert(class.clone(), cost);
    }
    total = total.saturating_add(Decimal::from(left_over).saturating_mul(base));
    (total, by_class)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(name: &str, provider: Option<&str>, input: &str, output: &str) -> Price {
        let wanted = name.to_owned();
        Price {
            name: name.to_owned(),
            provider: provider.map(str::to_owned),
            valid_from: None,
            matches: Arc::new(move |model| model == wanted),
            input: input.parse().expect("a decimal"),
            output: output.parse().expect("a decimal"),
            input_details: BTreeMap::new(),
            output_details: BTreeMap::new(),
        }
    }

    #[test]
    fn cached_tokens_cost_their_own_price_and_the_rest_the_base_price() {
        let mut entry = price("m", None, "0.000002", "0.00001");
        entry.input_details.insert("cache_read".into(), "0.000001".parse().expect("a decimal"));
        let table = PriceTable { prices: vec![entry], ..PriceTable::default() };
        let usage = Usage {
            input_tokens: 20,
            input_details: BTreeMap::from([("cache_read".into(), 5), ("text".into(), 15)]),
            ..Usage::default()
        };
        let cost = table.cost(None, Some("m"), None, &usage).expect("a price");
        assert_eq!(cost.total.to_string(), "0.000035");
    }

    #[test]
    fn a_stated_cost_wins_and_an_unknown_model_has_no_cost() {
        let table =
            PriceTable { prices: vec![price("m", Some("openai"), "1", "1")], ..PriceTable::default() };
        let stated = Cost { total: Decimal::ONE, ..Cost::default() };
        let usage = Usage { input_tokens: 9, stated_cost: Some(stated.clone()), ..Usage::default() };
        assert_eq!(table.cost(Some("openai"), Some("m"), None, &usage), Some(stated));
        assert_eq!(table.cost(Some("other"), Some("m"), None, &Usage::default()), None);
    }

    #[test]
    fn the_table_beneath_is_asked_only_where_no_entry_applies() {
        let moment = |seconds| Time::from_timestamp(seconds, 0).expect("a moment");
        let newer = Price { valid_from: Some(moment(100)), ..price("m", None, "1", "1") };
        let beneath =
            PriceTable { prices: vec![newer, price("other", None, "2", "2")], ..PriceTable::default() };
        let table = PriceTable { prices: vec![price("m", None, "3", "3")], beneath: Some(Arc::new(beneath)) };
        let input = |model| table.find(None, model, Some(moment(200))).map(|price| price.input.to_string());
        assert_eq!(input("m").as_deref(), Some("3"));
        assert_eq!(input("other").as_deref(), Some("2"));
        assert_eq!(input("none"), None);
    }
}

//! What customers want: the table of intents, how frequent each is, and which
//! tools the agent uses for it.
//!
//! The words are in `phrases/`, one file per intent.

use std::sync::LazyLock;

use super::phrases::Phrases;
use super::tools::Tool;

/// One thing customers ask for.
#[derive(Debug)]
pub(crate) struct Intent {
    /// The larger subject it belongs to.
    pub(crate) area: &'static str,
    /// What it is called in `planted.json`.
    pub(crate) name: &'static str,
    /// How many of a hundred conversations are about it.
    pub(crate) percent: usize,
    /// What the agent does, in this order, each with its probability.
    pub(crate) steps: &'static [(Tool, f64)],
    pub(crate) phrases: Phrases,
}

impl Intent {
    /// Whether the agent may use the tool for this intent.
    pub(crate) fn uses(&self, tool: Tool) -> bool {
        self.steps.iter().any(|&(step, _)| step == tool)
    }
}

/// Phrases for openings, thanks and everything else intents have in common.
pub(crate) static SHARED: LazyLock<Phrases> =
    LazyLock::new(|| Phrases::parse(include_str!("phrases/shared.txt")));

/// Phrases of the conversations that belong to no intent. Their share is what the intents leave over.
pub(crate) static OUTLIERS: LazyLock<Phrases> =
    LazyLock::new(|| Phrases::parse(include_str!("phrases/outliers.txt")));

const DELIVERY: &str = "Orders and delivery";
const RETURNS: &str = "Returns and refunds";
const PAYMENTS: &str = "Payments and invoices";
const ACCOUNT: &str = "Account and membership";
const PRODUCTS: &str = "Product advice";
const WARRANTY: &str = "Warranty and repair";

/// The intents, in the order they are planted.
#[rustfmt::skip]
pub(crate) static INTENTS: LazyLock<Vec<Intent>> = LazyLock::new(|| {
    use Tool::*;
    vec![
        intent(DELIVERY, "Track an order", 18, include_str!("phrases/track_order.txt"),
            &[(LookupOrder, 1.0), (TrackShipment, 1.0)]),
        intent(DELIVERY, "Change the delivery address", 7, include_str!("phrases/change_address.txt"),
            &[(VerifyIdentity, 0.3), (LookupOrder, 1.0), (UpdateAddress, 1.0)]),
        intent(DELIVERY, "Cancel an order", 5, include_str!("phrases/cancel_order.txt"),
            &[(LookupOrder, 1.0), (CancelOrder, 1.0), (IssueRefund, 0.6)]),
        intent(DELIVERY, "Damaged, wrong or missing item", 8, include_str!("phrases/damaged_item.txt"),
            &[(LookupOrder, 1.0), (SearchHelpCenter, 0.2), (CreateReturn, 0.7), (IssueRefund, 0.4)]),
        intent(RETURNS, "Return or exchange an item", 13, include_str!("phrases/start_return.txt"),
            &[(LookupOrder, 1.0), (SearchHelpCenter, 0.5), (CreateReturn, 1.0), (IssueRefund, 0.3)]),
        intent(RETURNS, "Ask where a refund is", 9, include_str!("phrases/refund_status.txt"),
            &[(LookupOrder, 1.0), (LookupPayments, 0.8), (IssueRefund, 0.5)]),
        intent(PAYMENTS, "Unexpected or double charge", 6, include_str!("phrases/double_charge.txt"),
            &[(VerifyIdentity, 0.5), (LookupPayments, 1.0), (IssueRefund, 0.6)]),
        intent(PAYMENTS, "Get or correct an invoice", 4, include_str!("phrases/invoice.txt"),
            &[(LookupOrder, 0.7), (GetInvoice, 1.0)]),
        intent(PAYMENTS, "Discount code or gift card", 4, include_str!("phrases/voucher.txt"),
            &[(CheckVoucher, 1.0), (SearchHelpCenter, 0.4)]),
        intent(ACCOUNT, "Cannot sign in", 6, include_str!("phrases/login.txt"),
            &[(VerifyIdentity, 1.0), (SearchHelpCenter, 0.4), (SendPasswordReset, 0.8)]),
        intent(ACCOUNT, "Cancel or pause the membership", 2, include_str!("phrases/membership.txt"),
            &[(VerifyIdentity, 0.4), (LookupSubscription, 1.0), (CancelSubscription, 0.9)]),
        intent(PRODUCTS, "Choose the right gear", 8, include_str!("phrases/recommend.txt"),
            &[(SearchProducts, 1.0), (SearchProducts, 0.4), (CheckStock, 0.3)]),
        intent(PRODUCTS, "Stock and availability", 3, include_str!("phrases/stock.txt"),
            &[(SearchProducts, 1.0), (CheckStock, 1.0)]),
        intent(WARRANTY, "Warranty claim or repair", 4, include_str!("phrases/warranty.txt"),
            &[(LookupOrder, 0.6), (SearchHelpCenter, 0.8), (OpenWarrantyClaim, 0.8)]),
    ]
});

fn intent(
    area: &'static str,
    name: &'static str,
    percent: usize,
    phrases: &'static str,
    steps: &'static [(Tool, f64)],
) -> Intent {
    Intent { area, name, percent, steps, phrases: Phrases::parse(phrases) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::language::Language;

    #[test]
    fn intents_leave_three_of_a_hundred_for_outliers() {
        assert_eq!(INTENTS.iter().map(|intent| intent.percent).sum::<usize>(), 97);
    }

    #[test]
    fn every_intent_can_be_asked_for_in_many_ways_and_every_language() {
        for intent in INTENTS.iter() {
            assert!(intent.phrases.lines("ask", Language::English).len() >= 25, "{}", intent.name);
            for section in ["terse", "context", "follow", "reply"] {
                assert!(
                    intent.phrases.lines(section, Language::English).len() >= 4,
                    "{} {section}",
                    intent.name
                );
            }
            for language in [Language::Spanish, Language::German, Language::French] {
                assert!(intent.phrases.lines("ask", language).len() >= 3, "{} {language:?}", intent.name);
                assert!(intent.phrases.lines("reply", language).len() >= 2, "{} {language:?}", intent.name);
            }
        }
    }

    #[test]
    fn no_word_gives_an_intent_away() {
        for intent in INTENTS.iter() {
            let asks = intent.phrases.lines("ask", Language::English);
            let mut counts = std::collections::HashMap::new();
            for ask in asks {
                let mut words: Vec<String> = ask
                    .split(|letter: char| !letter.is_alphanumeric() && letter != '{')
                    .filter(|word| word.len() > 4 && !word.starts_with('{'))
                    .map(str::to_lowercase)
                    .collect();
                words.sort();
                words.dedup();
                for word in words {
                    *counts.entry(word).or_insert(0) += 1;
                }
            }
            let (word, count) = counts.into_iter().max_by_key(|(_, count)| *count).expect("asks have words");
            assert!(count * 3 <= asks.len(), "{}: {word} is in {count} of {}", intent.name, asks.len());
        }
    }
}

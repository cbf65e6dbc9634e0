//! The tools the support agent has, with plausible arguments and results.
//!
//! A result may speak of trouble without being one: a failed delivery attempt
//! or a declined card is the customer's problem, not the agent's.

use serde_json::{Value, json};

use super::details::Details;
use super::random::Random;

/// A tool of the support agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    VerifyIdentity,
    LookupOrder,
    TrackShipment,
    UpdateAddress,
    CancelOrder,
    CreateReturn,
    IssueRefund,
    LookupPayments,
    GetInvoice,
    CheckVoucher,
    SendPasswordReset,
    SearchProducts,
    CheckStock,
    LookupSubscription,
    CancelSubscription,
    OpenWarrantyClaim,
    SearchHelpCenter,
    EscalateToHuman,
}

impl Tool {
    /// The name the model calls it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::VerifyIdentity => "verify_identity",
            Self::LookupOrder => "lookup_order",
            Self::TrackShipment => "track_shipment",
            Self::UpdateAddress => "update_address",
            Self::CancelOrder => "cancel_order",
            Self::CreateReturn => "create_return",
            Self::IssueRefund => "issue_refund",
            Self::LookupPayments => "lookup_payments",
            Self::GetInvoice => "get_invoice",
            Self::CheckVoucher => "check_voucher",
            Self::SendPasswordReset => "send_password_reset",
            Self::SearchProducts => "search_products",
            Self::CheckStock => "check_stock",
            Self::LookupSubscription => "lookup_subscription",
            Self::CancelSubscription => "cancel_subscription",
            Self::OpenWarrantyClaim => "open_warranty_claim",
            Self::SearchHelpCenter => "search_help_center",
            Self::EscalateToHuman => "escalate_to_human",
        }
    }

    /// How long a call usually takes, in seconds.
    pub(crate) fn median_seconds(self) -> f64 {
        match self {
            Self::TrackShipment => 0.9,
            Self::IssueRefund | Self::CreateReturn | Self::GetInvoice => 0.6,
            Self::SearchHelpCenter | Self::SearchProducts => 0.35,
            _ => 0.18,
        }
    }

    /// What the model passes for this conversation. `known_order` says whether
    /// the customer has told the order number.
    pub(crate) fn arguments(self, details: &Details, known_order: bool, random: &mut Random) -> Value {
        let order = details.order_id();
        match self {
            Self::LookupOrder if !known_order => json!({"email": details.email()}),
            Self::VerifyIdentity | Self::SendPasswordReset | Self::LookupSubscription => {
                json!({"email": details.email()})
            }
            Self::LookupOrder | Self::GetInvoice => json!({"order_id": order}),
            Self::TrackShipment => json!({"order_id": order, "carrier": details.carrier}),
            Self::UpdateAddress => json!({
                "order_id": order, "street": details.street, "zip": details.zip.to_string(), "city": details.city,
            }),
            Self::CancelOrder => json!({"order_id": order, "reason": "customer_request"}),
            Self::CreateReturn => json!({
                "order_id": order, "item": details.product.0,
                "resolution": random.pick(&["refund", "exchange", "replacement"]),
            }),
            Self::IssueRefund => json!({"order_id": order, "amount": details.amount, "currency": "EUR"}),
            Self::LookupPayments => json!({"email": details.email(), "card_last4": details.card.to_string()}),
            Self::CheckVoucher => json!({"code": details.code, "basket_total": details.amount}),
            Self::SearchProducts => {
                let price = (details.amount / 10.0).ceil() * 10.0;
                match random.below(3) {
                    0 => json!({"query": details.product.1, "max_price": price}),
                    1 => json!({"query": details.product.0, "in_stock": true}),
                    _ => json!({"query": details.other.1, "sort": "rating"}),
                }
            }
            Self::CheckStock => {
                json!({"product": details.product.0, "size": details.size, "store": details.city})
            }
            Self::CancelSubscription => {
                json!({"plan": "summit_club", "mode": random.pick(&["at_period_end", "pause", "now"])})
            }
            Self::OpenWarrantyClaim => json!({"product": details.product.0, "photos": random.below(4)}),
            Self::SearchHelpCenter => json!({"query": random.pick(&[
                "policy for this case", "deadlines and conditions", "what the customer has to do",
                "exceptions and fees", "step by step guide",
            ])}),
            Self::EscalateToHuman => {
                json!({"queue": "second_level", "summary": "customer asks for a person"})
            }
        }
    }

    /// What the tool answers when it works.
    pub(crate) fn result(self, details: &Details, random: &mut Random) -> Value {
        let order = details.order_id();
        match self {
            Self::VerifyIdentity => json!({"verified": true, "customer": details.name}),
            Self::LookupOrder => json!({
                "order_id": order, "status": random.pick(&["processing", "shipped", "delivered"]),
                "placed_on": details.ordered_on(), "total": details.amount, "currency": "EUR",
                "items": [{"name": details.product.0, "price": details.product.2, "size": details.size}],
            }),
            Self::TrackShipment => json!({
                "order_id": order, "carrier": details.carrier,
                "status": random.pick(&["in_transit", "in_transit", "out_for_delivery", "delivery_attempt_failed", "held_at_depot"]),
                "last_scan": details.city, "expected_on": details.due_on(),
            }),
            Self::UpdateAddress => json!({"order_id": order, "updated": true}),
            Self::CancelOrder => json!({"order_id": order, "status": "cancelled"}),
            Self::CreateReturn => {
                json!({"return_id": format!("RE-{}", random.between(10_000, 99_999)), "label": "sent"})
            }
            Self::IssueRefund => json!({
                "refund_id": format!("RF-{}", random.between(10_000, 99_999)), "amount": details.amount, "status": "accepted",
            }),
            Self::LookupPayments => json!({"payments": [
                {"on": details.ordered_on(), "amount": details.amount, "status": "captured"},
                {"on": details.ordered_on(), "amount": details.amount, "status": random.pick(&["captured", "pending", "declined", "refunded"])},
            ]}),
            Self::GetInvoice => {
                json!({"invoice": format!("INV-{}", details.number), "url": format!("https://trailandtarn.example/invoices/{}", details.number)})
            }
            Self::CheckVoucher => json!({
                "code": details.code, "valid": random.chance(0.5), "excludes": "reduced items", "expires_on": details.due_on(),
            }),
            Self::SendPasswordReset => json!({"sent_to": details.email(), "valid_minutes": 60}),
            Self::SearchProducts => json!({"hits": [
                {"name": details.product.0, "price": details.product.2, "rating": 4.6},
                {"name": details.other.0, "price": details.other.2, "rating": 4.3},
            ]}),
            Self::CheckStock => {
                json!({"product": details.product.0, "available": random.below(6), "next_delivery": details.due_on()})
            }
            Self::LookupSubscription => {
                json!({"plan": "summit_club", "renews_on": details.due_on(), "fee": details.less})
            }
            Self::CancelSubscription => json!({"plan": "summit_club", "ends_on": details.due_on()}),
            Self::OpenWarrantyClaim => json!({"claim_id": format!("WR-{}", details.number)}),
            Self::SearchHelpCenter => json!({"documents": [
                {"page_content": "Items can be handed in within 30 days. Original packaging is welcome but not required.", "metadata": {"source": "help/returns"}},
                {"page_content": "Repairs within two years are free of charge. The workshop needs photos and proof of purchase.", "metadata": {"source": "help/repairs"}},
            ]}),
            Self::EscalateToHuman => {
                json!({"ticket": format!("T-{}", random.between(10_000, 99_999)), "queue": "second_level"})
            }
        }
    }
}

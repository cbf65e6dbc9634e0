//! What goes wrong on purpose: nine failure modes, which conversations each
//! can befall, and what it does to them.
//!
//! A failure shows where the structure of a trace shows it (an error, a loop, a
//! missing answer), never only in a label.

use serde_json::{Value, json};

use super::dialogue::{Action, Dialogue, Ending, Turn, transfer};
use super::intents::Intent;
use super::language::{Language, Writer};
use super::planted::PlantedFailure;
use super::random::Random;
use super::tools::Tool;

/// A way for the agent to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    TrackingTimeout,
    MalformedRefund,
    SearchLoop,
    Refusal,
    RateLimited,
    Unanswered,
    ContextTooLong,
    WrongLanguage,
    PingPong,
}

/// The prompt before and after the release that brings [`Failure::MalformedRefund`].
pub(crate) const OLD_PROMPT: &str = "a1f3c27";
pub(crate) const NEW_PROMPT: &str = "7c9e04b";

/// The model whose context the long conversations overflow.
pub(crate) const SMALL_CONTEXT_MODEL: &str = "gpt-5-mini";

/// What decides whether a failure can befall a conversation.
pub(crate) struct Circumstances<'a> {
    pub(crate) intent: Option<&'a Intent>,
    pub(crate) language: Language,
    pub(crate) new_prompt: bool,
}

impl Failure {
    /// All of them; the scarcer its occasions, the earlier one is planted.
    pub(crate) const ALL: [Self; 9] = [
        Self::WrongLanguage,
        Self::MalformedRefund,
        Self::SearchLoop,
        Self::PingPong,
        Self::TrackingTimeout,
        Self::RateLimited,
        Self::Refusal,
        Self::ContextTooLong,
        Self::Unanswered,
    ];

    /// How many of a thousand conversations it befalls.
    pub(crate) fn per_mille(self) -> usize {
        match self {
            Self::TrackingTimeout | Self::Refusal | Self::Unanswered => 30,
            Self::MalformedRefund | Self::SearchLoop | Self::RateLimited => 25,
            Self::ContextTooLong | Self::WrongLanguage | Self::PingPong => 20,
        }
    }

    /// What is said about it in `planted.json`.
    pub(crate) fn planted(self) -> PlantedFailure {
        let (name, description, signature, goes_with) = match self {
            Self::TrackingTimeout => (
                "Carrier tracking times out",
                "The tool track_shipment gets no answer from the carrier and the agent gives up.",
                "tool error: carrier API timed out after 30 s, request id …",
                None,
            ),
            Self::MalformedRefund => (
                "Refund amount is malformed",
                "Since the new prompt the agent passes amounts to issue_refund as text, which is rejected.",
                "tool error: validation error for IssueRefund, amount, input '12,90 EUR'",
                Some(("prompt_commit", NEW_PROMPT)),
            ),
            Self::SearchLoop => (
                "Product search is repeated in a loop",
                "The agent calls search_products 6 to 12 times with the same arguments.",
                "loop: search_products with equal arguments",
                None,
            ),
            Self::Refusal => (
                "Legitimate request is refused",
                "The agent declines something it is there for.",
                "answer: a refusal",
                None,
            ),
            Self::RateLimited => (
                "Order lookup is rate limited",
                "lookup_order is answered 429 several times before it succeeds.",
                "tool error: 429 too many requests, retried",
                None,
            ),
            Self::Unanswered => (
                "Customer gets no answer",
                "The last message of the customer is not answered.",
                "conversation ends with the customer",
                None,
            ),
            Self::ContextTooLong => (
                "Model context is exceeded",
                "The conversation no longer fits the model, whose provider rejects the call.",
                "llm error: context_length_exceeded",
                Some(("ls_model_name", SMALL_CONTEXT_MODEL)),
            ),
            Self::WrongLanguage => (
                "Answer is in the wrong language",
                "The customer writes Spanish or German and is answered in English.",
                "language of answer differs from language of customer",
                None,
            ),
            Self::PingPong => (
                "Sub-agents hand over in circles",
                "orders_agent and billing_agent transfer the customer to each other again and again.",
                "hand-offs: orders_agent and billing_agent alternate",
                None,
            ),
        };
        PlantedFailure {
            name: name.to_owned(),
            description: description.to_owned(),
            signature: signature.to_owned(),
            goes_with: goes_with.map(|(attribute, value)| (attribute.to_owned(), value.to_owned())),
        }
    }

    /// Whether it can befall such a conversation.
    pub(crate) fn can_befall(self, circumstances: &Circumstances<'_>) -> bool {
        let Some(intent) = circumstances.intent else { return false };
        let english = circumstances.language == Language::English;
        match self {
            Self::TrackingTimeout => english && intent.uses(Tool::TrackShipment),
            Self::MalformedRefund => english && intent.uses(Tool::IssueRefund) && circumstances.new_prompt,
            Self::SearchLoop => english && intent.uses(Tool::SearchProducts),
            Self::Refusal => english,
            Self::RateLimited => intent.uses(Tool::LookupOrder),
            Self::Unanswered | Self::ContextTooLong => true,
            Self::WrongLanguage => matches!(circumstances.language, Language::Spanish | Language::German),
            Self::PingPong => {
                english
                    && (intent.uses(Tool::LookupPayments)
                        || intent.uses(Tool::GetInvoice)
                        || intent.uses(Tool::CheckVoucher)
                        || intent.uses(Tool::CancelSubscription))
            }
        }
    }

    /// Whether the customer still gets what they wanted.
    pub(crate) fn is_survivable(self) -> bool {
        self == Self::RateLimited
    }

    /// Makes it happen in a conversation that went well until now.
    pub(crate) fn inflict(self, dialogue: &mut Dialogue, writer: &Writer<'_>, random: &mut Random) {
        match self {
            Self::TrackingTimeout => time_out(dialogue, writer, random),
            Self::MalformedRefund => malform_refund(dialogue, writer, random),
            Self::SearchLoop => loop_search(dialogue, writer, random),
            Self::Refusal => refuse(dialogue, writer, random),
            Self::RateLimited => limit_rate(dialogue, writer, random),
            Self::Unanswered => fall_silent(dialogue, writer, random),
            Self::ContextTooLong => overflow_context(dialogue, writer, random),
            Self::WrongLanguage => answer_in_english(dialogue, writer, random),
            Self::PingPong => hand_over_in_circles(dialogue, writer, random),
        }
    }
}

/// The turn in which the work is done, made the last one.
fn last_working_turn(dialogue: &mut Dialogue) -> &mut Turn {
    dialogue.turns.truncate(dialogue.work + 1);
    &mut dialogue.turns[dialogue.work]
}

/// Where the turn calls the tool. The call is added if chance had left it out.
fn call_of(tool: Tool, turn: &mut Turn, writer: &Writer<'_>, random: &mut Random) -> usize {
    turn.actions.iter().position(|action| action.tool == tool.name()).unwrap_or_else(|| {
        let agent = turn.actions.last().and_then(|action| action.agent);
        let known_order = turn.user.contains(&writer.details.order_number.to_string());
        let call = Action { agent, ..Action::succeeding(tool, writer, known_order, random) };
        // An order is looked up before anything is done with it, but after a hand-off.
        let at = if tool == Tool::LookupOrder {
            turn.actions.iter().take_while(|action| action.tool.starts_with("transfer_")).count()
        } else {
            turn.actions.len()
        };
        turn.actions.insert(at, call);
        at
    })
}

fn time_out(dialogue: &mut Dialogue, writer: &Writer<'_>, random: &mut Random) {
    let turn = last_working_turn(dialogue);
    let at = call_of(Tool::TrackShipment, turn, writer, random);
    turn.actions.truncate(at + 1);
    let mut last_error = String::new();
    let attempts = random.between(1, 2);
    let template = turn.actions.pop().expect("the call was just found");
    for _ in 0..attempts {
        last_error =
            format!("TimeoutError: carrier API timed out after 30 s, request id req_{}", random.hex(12));
        turn.actions.push(Action {
            outcome: Err(last_error.clone()),
            seconds: 30.0 + random.log_normal(0.03, 0.6),
            ..template.clone()
        });
    }
    turn.ending = if random.chance(0.3) {
        Ending::Raised(last_error)
    } else {
        Ending::Answer(writer.shared("gave_up_tracking", random))
    };
}

fn malform_refund(dialogue: &mut Dialogue, writer: &Writer<'_>, random: &mut Random) {
    let turn = last_working_turn(dialogue);
    let at = call_of(Tool::IssueRefund, turn, writer, random);
    turn.actions.truncate(at + 1);
    let template = turn.actions.pop().expect("the call was just found");
    let amount = format!("{:.2} EUR", writer.details.amount).replace('.', ",");
    let error = format!(
        "ValidationError: 1 validation error for IssueRefund\namount\n  Input should be a valid number, unable to \
         parse string as a number [type=float_parsing, input_value='{amount}', input_type=str]"
    );
    for _ in 0..random.between(1, 2) {
        turn.actions.push(Action {
            arguments: json!({"order_id": writer.details.order_id(), "amount": amount}),
            outcome: Err(error.clone()),
            seconds: random.log_normal(0.02, 0.4),
            ..template.clone()
        });
    }
    turn.ending = if random.chance(0.25) {
        Ending::Raised(error)
    } else {
        Ending::Answer(writer.shared("gave_up_refund", random))
    };
}

fn loop_search(dialogue: &mut Dialogue, writer: &Writer<'_>, random: &mut Random) {
    let turn = last_working_turn(dialogue);
    let at = call_of(Tool::SearchProducts, turn, writer, random);
    turn.actions.truncate(at + 1);
    let mut template = turn.actions.pop().expect("the call was just found");
    if random.chance(0.5) {
        template.outcome = Ok(json!({"hits": []}));
    }
    for _ in 0..random.between(6, 12) {
        let seconds = random.log_normal(Tool::SearchProducts.median_seconds(), 0.5);
        turn.actions.push(Action { seconds, ..template.clone() });
    }
    if random.chance(0.7) {
        turn.ending = Ending::Answer(writer.shared("gave_up_search", random));
    }
}

fn refuse(dialogue: &mut Dialogue, writer: &Writer<'_>, random: &mut Random) {
    let turn = last_working_turn(dialogue);
    turn.actions.retain(|action| action.tool == Tool::LookupOrder.name());
    if random.chance(0.5) {
        turn.actions.clear();
    }
    turn.ending = Ending::Answer(writer.shared("refusal", random));
    if random.chance(0.5) {
        let pushed = writer.later_message("refusal_push", random);
        dialogue.turns.push(Turn::answered(pushed, writer.shared("refusal", random)));
    }
}

fn limit_rate(dialogue: &mut Dialogue, writer: &Writer<'_>, random: &mut Random) {
    let turn = &mut dialogue.turns[dialogue.work];
    let at = call_of(Tool::LookupOrder, turn, writer, random);
    let template = turn.actions[at].clone();
    let retries = random.between(4, 7);
    let refused = (0..retries).map(|attempt| Action {
        outcome: Err(format!(
            "HTTPStatusError: 429 Too Many Requests from orders-api: rate limit exceeded, retry after {} s",
            1 << attempt.min(4)
        )),
        // The client waits twice as long each time before it tries again.
        seconds: f64::from(1 << attempt.min(4)) * (1.0 + 0.1 * random.unit()),
        behind_the_scenes: true,
        ..template.clone()
    });
    let refused: Vec<Action> = refused.collect();
    turn.actions.splice(at..at, refused);
}

fn fall_silent(dialogue: &mut Dialogue, writer: &Writer<'_>, random: &mut Random) {
    dialogue.turns.truncate(dialogue.work + 1);
    if writer.language == Language::English && random.chance(0.4) {
        let question = writer.later_message("follow", random);
        dialogue.turns.push(Turn::answered(question, String::new()));
    }
    // A trace that holds the whole conversation would end with its last answer.
    dialogue.trace_per_turn = dialogue.turns.len() > 1;
    let turn = dialogue.turns.last_mut().expect("a dialogue has a turn");
    let started = random.chance(0.5);
    if !started {
        turn.actions.clear();
    }
    turn.ending = Ending::Silence { started };
}

fn overflow_context(dialogue: &mut Dialogue, writer: &Writer<'_>, random: &mut Random) {
    let turn = last_working_turn(dialogue);
    let at = call_of(Tool::SearchHelpCenter, turn, writer, random);
    turn.actions.truncate(at + 1);
    let input_tokens = random.between(272_600, 318_000);
    let page = "Terms and conditions, part of a page that was retrieved whole. ";
    turn.actions[at].outcome = Ok(Value::from(page.repeat(random.between(40, 70))));
    turn.ending = Ending::ModelError {
        message: format!(
            "BadRequestError: Error code: 400 - {{'error': {{'message': \"This model's maximum context length is 272000 \
             tokens. However, your messages resulted in {input_tokens} tokens. Please reduce the length of the \
             messages.\", 'type': 'invalid_request_error', 'param': 'messages', 'code': 'context_length_exceeded'}}}}"
        ),
        input_tokens,
    };
}

fn answer_in_english(dialogue: &mut Dialogue, writer: &Writer<'_>, random: &mut Random) {
    let details = writer.details.translated(Language::English);
    let english = writer.speaking(&details);
    let last = dialogue.turns.len() - 1;
    for (at, turn) in dialogue.turns.iter_mut().enumerate() {
        turn.ending = Ending::Answer(match at {
            at if at < dialogue.work => english.shared("ask_order", random),
            at if at == dialogue.work => english.own("reply", random),
            at if at == last => english.shared("goodbye", random),
            _ => english.shared("follow_reply", random),
        });
    }
}

fn hand_over_in_circles(dialogue: &mut Dialogue, writer: &Writer<'_>, random: &mut Random) {
    let turn = last_working_turn(dialogue);
    circle(turn, random.between(3, 5), writer, random);
    if random.chance(0.5) {
        let pushed = writer.later_message("ping_pong_push", random);
        let mut again = Turn::answered(pushed, String::new());
        circle(&mut again, 2, writer, random);
        dialogue.turns.push(again);
    }
}

fn circle(turn: &mut Turn, rounds: usize, writer: &Writer<'_>, random: &mut Random) {
    turn.actions.clear();
    let mut holder = None;
    // One more than pairs, so that both have had their rounds before somebody gives up.
    for hand_off in 0..=rounds * 2 {
        let next = if hand_off % 2 == 0 { "orders_agent" } else { "billing_agent" };
        let remark = random.chance(0.7).then(|| writer.shared("ping_pong", random));
        turn.actions.push(transfer(holder, next, remark, random));
        holder = Some(next);
    }
    turn.ending = Ending::Answer(writer.shared("ping_pong_end", random));
}

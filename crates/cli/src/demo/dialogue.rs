//! What happens in one conversation, before it is written down as runs: who
//! says what, which tools are called with which outcome, how each turn ends.
//!
//! [`compose`] writes a conversation in which everything works. What goes wrong
//! is put into it afterwards by [`super::failures`].

use serde_json::Value;

use super::intents::{Intent, OUTLIERS, SHARED};
use super::language::{Channel, Language, Writer};
use super::random::Random;
use super::tools::Tool;

/// A conversation between a customer and the agent. It has at least one turn.
#[derive(Debug)]
pub(crate) struct Dialogue {
    pub(crate) turns: Vec<Turn>,
    /// The turn in which the agent does what was asked for.
    pub(crate) work: usize,
    /// Whether each turn is a trace of its own, or all share one.
    pub(crate) trace_per_turn: bool,
}

/// A message of the customer and what the agent makes of it.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) user: String,
    pub(crate) actions: Vec<Action>,
    pub(crate) ending: Ending,
}

/// One call of a tool.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    /// The sub-agent that calls, if it is not the support agent itself.
    pub(crate) agent: Option<&'static str>,
    pub(crate) tool: &'static str,
    pub(crate) arguments: Value,
    pub(crate) outcome: Result<Value, String>,
    pub(crate) seconds: f64,
    /// What the agent says while calling.
    pub(crate) remark: Option<String>,
    /// Repeated by the tool's client, so the model neither asked for it nor sees it.
    pub(crate) behind_the_scenes: bool,
}

/// How a turn ends.
#[derive(Debug)]
pub(crate) enum Ending {
    Answer(String),
    /// Nothing comes back. `started` says whether the agent began to work.
    Silence {
        started: bool,
    },
    /// The model's provider refuses the call.
    ModelError {
        message: String,
        input_tokens: usize,
    },
    /// A tool's error ends the trace.
    Raised(String),
}

impl Turn {
    pub(crate) fn answered(user: String, answer: String) -> Self {
        Self { user, actions: Vec::new(), ending: Ending::Answer(answer) }
    }
}

impl Action {
    /// A call that works.
    pub(crate) fn succeeding(
        tool: Tool,
        writer: &Writer<'_>,
        known_order: bool,
        random: &mut Random,
    ) -> Self {
        Self {
            agent: None,
            tool: tool.name(),
            arguments: tool.arguments(writer.details, known_order, random),
            outcome: Ok(tool.result(writer.details, random)),
            seconds: random.log_normal(tool.median_seconds(), 0.5),
            remark: None,
            behind_the_scenes: false,
        }
    }
}

/// Writes a conversation about the intent, or about anything at all, that goes well.
pub(crate) fn compose(intent: Option<&Intent>, writer: &Writer<'_>, random: &mut Random) -> Dialogue {
    let first = writer.first_message(random);
    let turns_wanted = 1 + random.weighted(&[45, 33, 16, 6]);
    let mut dialogue =
        Dialogue { turns: Vec::new(), work: 0, trace_per_turn: turns_wanted > 1 && random.chance(0.45) };
    let Some(intent) = intent else {
        dialogue
            .turns
            .push(Turn::answered(first, OUTLIERS.say("reply", Language::English, writer.details, random)));
        if turns_wanted > 2 {
            dialogue.turns.push(Turn::answered(
                writer.later_message("follow", random),
                OUTLIERS.say("reply", Language::English, writer.details, random),
            ));
        }
        return dialogue;
    };

    let mut known_order = first.contains(&writer.details.order_number.to_string());
    let mut asked = first;
    if turns_wanted > 1 && !known_order && intent.uses(Tool::LookupOrder) && random.chance(0.7) {
        dialogue.turns.push(Turn::answered(asked, writer.shared("ask_order", random)));
        asked = writer.later_message("give_order", random);
        known_order = asked.contains(&writer.details.order_number.to_string());
        dialogue.work = 1;
    }
    dialogue.turns.push(working_turn(intent, asked, known_order, writer, random));
    while dialogue.turns.len() < turns_wanted {
        let is_last = dialogue.turns.len() + 1 == turns_wanted;
        dialogue.turns.push(further_turn(is_last, writer, random));
        if writer.language != Language::English {
            break;
        }
    }
    if writer.language == Language::English && random.chance(0.08) {
        delegate(&mut dialogue, random);
    }
    dialogue
}

fn working_turn(
    intent: &Intent,
    user: String,
    known_order: bool,
    writer: &Writer<'_>,
    random: &mut Random,
) -> Turn {
    let mut actions: Vec<Action> = Vec::new();
    for &(tool, probability) in intent.steps {
        if random.chance(probability) {
            let action = Action::succeeding(tool, writer, known_order, random);
            // Asking the same thing twice would look like the planted loop.
            if actions
                .iter()
                .all(|earlier| earlier.arguments != action.arguments || earlier.tool != action.tool)
            {
                actions.push(action);
            }
        }
    }
    Turn { user, actions, ending: Ending::Answer(writer.own("reply", random)) }
}

/// A later turn: thanks, a question that is easily answered, or the wish for a person.
fn further_turn(is_last: bool, writer: &Writer<'_>, random: &mut Random) -> Turn {
    if writer.language != Language::English || is_last && random.chance(0.45) {
        return Turn::answered(writer.later_message("thanks", random), writer.shared("goodbye", random));
    }
    if random.chance(0.06) {
        return Turn {
            user: writer.later_message("human", random),
            actions: vec![Action::succeeding(Tool::EscalateToHuman, writer, true, random)],
            ending: Ending::Answer(writer.shared("human_reply", random)),
        };
    }
    let mut turn =
        Turn::answered(writer.later_message("follow", random), writer.shared("follow_reply", random));
    if random.chance(0.3) {
        turn.actions.push(Action::succeeding(Tool::SearchHelpCenter, writer, true, random));
    }
    turn
}

/// Hands the work to a specialist once, which is a healthy thing to do.
fn delegate(dialogue: &mut Dialogue, random: &mut Random) {
    let specialist = random.pick(&["orders_agent", "billing_agent", "returns_agent"]);
    let actions = &mut dialogue.turns[dialogue.work].actions;
    for action in actions.iter_mut() {
        action.agent = Some(specialist);
    }
    actions.insert(0, transfer(None, specialist, None, random));
}

/// A call that hands the conversation to another agent.
pub(crate) fn transfer(
    from: Option<&'static str>,
    to: &'static str,
    remark: Option<String>,
    random: &mut Random,
) -> Action {
    let tool = match to {
        "orders_agent" => "transfer_to_orders_agent",
        "billing_agent" => "transfer_to_billing_agent",
        _ => "transfer_to_returns_agent",
    };
    Action {
        agent: from,
        tool,
        arguments: serde_json::json!({}),
        outcome: Ok(serde_json::json!({"transferred_to": to})),
        seconds: random.log_normal(0.01, 0.3),
        remark,
        behind_the_scenes: false,
    }
}

/// Everything a writer needs to speak about an intent.
pub(crate) fn writer<'a>(
    intent: Option<&'a Intent>,
    details: &'a super::details::Details,
    channel: Channel,
) -> Writer<'a> {
    let own = intent.map_or(&*OUTLIERS, |intent| &intent.phrases);
    Writer { own, shared: &SHARED, details, language: details.language, channel }
}

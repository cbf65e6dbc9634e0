//! Writes a conversation down as runs, in the shape a LangSmith client sends.
//!
//! A trace is a root chain `support_agent` with model and tool runs below it,
//! and a chain per sub-agent where one takes over. Time passes as runs take it.
//! What is said and what fails was decided before; nothing is decided here but
//! identifiers, durations and token counts.

use chrono::DateTime;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::dialogue::{Action, Dialogue, Ending, Turn};
use super::failures::{NEW_PROMPT, OLD_PROMPT, SMALL_CONTEXT_MODEL};
use super::language::{Channel, Language};
use super::random::Random;

/// The project the runs are sent to.
pub(crate) const PROJECT: &str = "trail-and-tarn-support";

/// What the instructions and tool definitions cost in every call.
const INSTRUCTION_TOKENS: usize = 1_150;

/// A conversation's circumstances, which end up as metadata.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) thread: Uuid,
    pub(crate) start_micros: i64,
    pub(crate) channel: Channel,
    pub(crate) language: Language,
    pub(crate) locale: &'static str,
    pub(crate) customer_tier: &'static str,
    pub(crate) app_version: &'static str,
    pub(crate) new_prompt: bool,
    pub(crate) model: Model,
}

/// Which model answers, and how its messages look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    OpenAi,
    /// Anthropic's model behind messages in OpenAI's shape, as frameworks translate them.
    Anthropic,
    /// Anthropic's model with its own content blocks.
    AnthropicBlocks,
}

impl Model {
    fn run_name(self) -> &'static str {
        if self == Self::OpenAi { "ChatOpenAI" } else { "ChatAnthropic" }
    }

    fn provider(self) -> &'static str {
        if self == Self::OpenAi { "openai" } else { "anthropic" }
    }

    fn model_name(self) -> &'static str {
        if self == Self::OpenAi { SMALL_CONTEXT_MODEL } else { "claude-sonnet-4-5" }
    }
}

/// The runs of a conversation, parents before children, and where feedback on it belongs.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) runs: Vec<Value>,
    pub(crate) last_root: Uuid,
    pub(crate) end_micros: i64,
}

/// Writes the conversation down.
pub(crate) fn write(dialogue: &Dialogue, setting: &Setting, random: &mut Random) -> Written {
    let mut scribe = Scribe {
        setting,
        random,
        runs: Vec::new(),
        now: setting.start_micros,
        history: Vec::new(),
        history_length: 0,
        cached_tokens: 0,
        common: common_metadata(setting),
    };
    let mut last_root = Uuid::nil();
    let traces: Vec<&[Turn]> =
        if dialogue.trace_per_turn { dialogue.turns.chunks(1).collect() } else { vec![&dialogue.turns[..]] };
    for (number, turns) in traces.into_iter().enumerate() {
        if number > 0 {
            scribe.wait_for_customer(75.0);
        }
        last_root = scribe.trace(turns);
    }
    let end_micros = scribe.now;
    let mut runs = scribe.runs;
    // A parent's dotted order is a prefix of its children's.
    runs.sort_by(|one, other| one.0.cmp(&other.0));
    Written { runs: runs.into_iter().map(|(_, run)| run).collect(), last_root, end_micros }
}

/// A run that has begun.
struct Open {
    id: Uuid,
    trace: Uuid,
    parent: Option<Uuid>,
    dotted_order: String,
    start: i64,
    name: &'static str,
    run_type: &'static str,
}

/// What is known when a run ends.
struct Close {
    inputs: Value,
    outputs: Value,
    error: Option<String>,
    metadata: Map<String, Value>,
    /// Runs that were never heard of again have no end.
    ended: bool,
}

/// How a turn went, for the root that contains it.
struct TurnResult {
    answer: Option<String>,
    error: Option<String>,
    ended: bool,
}

struct Scribe<'a> {
    setting: &'a Setting,
    random: &'a mut Random,
    runs: Vec<(String, Value)>,
    now: i64,
    history: Vec<Value>,
    history_length: usize,
    cached_tokens: usize,
    common: Map<String, Value>,
}

impl Scribe<'_> {
    /// Writes one trace and returns its id.
    fn trace(&mut self, turns: &[Turn]) -> Uuid {
        let root = self.open("support_agent", "chain", None);
        let mut result = TurnResult { answer: None, error: None, ended: true };
        for (number, turn) in turns.iter().enumerate() {
            if number > 0 {
                self.wait_for_customer(25.0);
            }
            result = self.turn(&root, turn);
        }
        let outputs = match (&result.answer, &result.error) {
            (Some(answer), None) => json!({"messages": [{"role": "assistant", "content": answer}]}),
            (None, None) if result.ended => json!({"messages": []}),
            _ => Value::Null,
        };
        let id = root.id;
        let close = Close {
            inputs: json!({"messages": [{"role": "user", "content": turns[0].user}]}),
            outputs,
            error: result.error,
            metadata: self.root_metadata(),
            ended: result.ended,
        };
        self.close(root, close);
        id
    }

    fn turn(&mut self, root: &Open, turn: &Turn) -> TurnResult {
        self.remember(json!({"role": "user", "content": turn.user}), turn.user.len());
        let mut agent: Option<Open> = None;
        let mut call_id = None;
        for action in &turn.actions {
            if agent.as_ref().map(|open| open.name) != action.agent {
                self.hand_over(agent.take(), action.agent, &turn.user);
                agent = action.agent.map(|name| self.open(name, "chain", Some(root)));
            }
            let parent = agent.as_ref().unwrap_or(root);
            let id = match call_id.take() {
                Some(id) => id,
                None => self.ask_for_tool(parent, action),
            };
            self.call_tool(parent, action);
            if action.behind_the_scenes {
                call_id = Some(id);
            } else {
                self.remember_result(action, &id);
            }
        }
        // The last transfer of a conversation may have had no successor to act.
        let result = self.finish(agent.as_ref().unwrap_or(root), turn);
        if let Some(open) = agent {
            let answer = result.answer.as_ref().map_or(
                Value::Null,
                |answer| json!({"messages": [{"role": "assistant", "content": answer, "name": open.name}]}),
            );
            let close = Close {
                inputs: json!({"messages": [{"role": "user", "content": turn.user}]}),
                outputs: answer,
                error: result.error.clone(),
                metadata: self.common.clone(),
                ended: result.ended,
            };
            self.close(open, close);
        }
        result
    }

    /// Ends the chain of a sub-agent that passes the conversation on.
    fn hand_over(&mut self, from: Option<Open>, to: Option<&'static str>, user: &str) {
        if let Some(open) = from {
            let close = Close {
                inputs: json!({"messages": [{"role": "user", "content": user}]}),
                outputs: json!({"goto": to.unwrap_or("support_agent")}),
                error: None,
                metadata: self.common.clone(),
                ended: true,
            };
            self.close(open, close);
        }
    }

    fn finish(&mut self, parent: &Open, turn: &Turn) -> TurnResult {
        match &turn.ending {
            Ending::Answer(answer) => {
                let message = self.spoken(answer, parent);
                self.call_model(parent, Ok((message.clone(), answer.len())));
                self.remember(message, answer.len());
                TurnResult { answer: Some(answer.clone()), error: None, ended: true }
            }
            Ending::Silence { started: false } => TurnResult { answer: None, error: None, ended: false },
            Ending::Silence { started: true } => {
                let nothing = self.spoken("", parent);
                self.call_model(parent, Ok((nothing, 0)));
                TurnResult { answer: None, error: None, ended: true }
            }
            Ending::ModelError { message, input_tokens } => {
                self.history_length = input_tokens * 4;
                self.call_model(parent, Err(message));
                TurnResult { answer: None, error: Some(message.clone()), ended: true }
            }
            Ending::Raised(error) => TurnResult { answer: None, error: Some(error.clone()), ended: true },
        }
    }

    /// The model's decision to call a tool. Returns the id of the call.
    fn ask_for_tool(&mut self, parent: &Open, action: &Action) -> String {
        let arguments = action.arguments.to_string();
        let remark = action.remark.as_deref();
        let length = arguments.len() + remark.map_or(0, str::len);
        let (id, mut message) = if self.setting.model == Model::AnthropicBlocks {
            let id = format!("toolu_01{}", self.random.token(20));
            let mut blocks: Vec<Value> =
                remark.iter().map(|text| json!({"type": "text", "text": text})).collect();
            blocks
                .push(json!({"type": "tool_use", "id": id, "name": action.tool, "input": action.arguments}));
            (id, json!({"role": "assistant", "content": blocks}))
        } else {
            let id = format!("call_{}", self.random.token(24));
            let call = json!({
                "id": id, "type": "function", "function": {"name": action.tool, "arguments": arguments},
            });
            (id, json!({"role": "assistant", "content": remark, "tool_calls": [call]}))
        };
        if let Some(agent) = action.agent {
            message["name"] = agent.into();
        }
        self.call_model(parent, Ok((message.clone(), length)));
        self.remember(message, length);
        id
    }

    fn remember_result(&mut self, action: &Action, id: &str) {
        let content = match &action.outcome {
            Ok(Value::String(text)) => text.clone(),
            Ok(result) => result.to_string(),
            Err(error) => json!({"error": error}).to_string(),
        };
        let length = content.len();
        let message = if self.setting.model == Model::AnthropicBlocks {
            let mut block = json!({"type": "tool_result", "tool_use_id": id, "content": content});
            if action.outcome.is_err() {
                block["is_error"] = true.into();
            }
            json!({"role": "user", "content": [block]})
        } else {
            json!({"role": "tool", "name": action.tool, "tool_call_id": id, "content": content})
        };
        self.remember(message, length);
    }

    fn spoken(&self, text: &str, parent: &Open) -> Value {
        let mut message = if self.setting.model == Model::AnthropicBlocks && !text.is_empty() {
            json!({"role": "assistant", "content": [{"type": "text", "text": text}]})
        } else {
            json!({"role": "assistant", "content": text})
        };
        if parent.name != "support_agent" {
            message["name"] = parent.name.into();
        }
        message
    }

    fn remember(&mut self, message: Value, length: usize) {
        self.history.push(message);
        self.history_length += length;
    }

    /// A model run that says the message, which has about `length` letters, or fails.
    fn call_model(&mut self, parent: &Open, reply: Result<(Value, usize), &String>) {
        let run = self.open(self.setting.model.run_name(), "llm", Some(parent));
        let mut messages = Vec::with_capacity(self.history.len() + 1);
        messages.push(json!({"role": "system", "content": instructions(self.setting.new_prompt)}));
        messages.extend(self.history.iter().cloned());
        let (outputs, error) = match reply {
            Ok((message, length)) => {
                let usage = self.usage(length);
                let tokens = usage["output_tokens"].as_u64().unwrap_or(0);
                let thinking = 0.4 + self.random.log_normal(0.6, 0.5);
                self.pass(thinking + tokens as f64 * 0.011);
                (json!({"messages": [message], "usage_metadata": usage}), None)
            }
            Err(error) => {
                let refusing = self.random.log_normal(1.6, 0.4);
                self.pass(refusing);
                (Value::Null, Some(error.clone()))
            }
        };
        let mut metadata = self.common.clone();
        metadata.insert("ls_provider".to_owned(), self.setting.model.provider().into());
        metadata.insert("ls_model_name".to_owned(), self.setting.model.model_name().into());
        metadata.insert("ls_model_type".to_owned(), "chat".into());
        metadata.insert("ls_temperature".to_owned(), 0.2.into());
        self.close(
            run,
            Close { inputs: json!({"messages": messages}), outputs, error, metadata, ended: true },
        );
    }

    fn usage(&mut self, length: usize) -> Value {
        let input = INSTRUCTION_TOKENS + self.history_length / 4;
        let mut output = length / 4 + 14;
        let cached = std::mem::replace(&mut self.cached_tokens, input / 128 * 128).min(input);
        if self.setting.model == Model::OpenAi {
            let reasoning = self.random.log_normal(90.0, 0.6) as usize / 64 * 64;
            output += reasoning;
            json!({
                "input_tokens": input, "output_tokens": output, "total_tokens": input + output,
                "input_token_details": {"cache_read": cached},
                "output_token_details": {"reasoning": reasoning},
            })
        } else {
            let written = if cached == 0 { INSTRUCTION_TOKENS } else { 0 };
            json!({
                "input_tokens": input, "output_tokens": output, "total_tokens": input + output,
                "input_token_details": {"cache_read": cached, "cache_creation": written},
            })
        }
    }

    fn call_tool(&mut self, parent: &Open, action: &Action) {
        let retriever = action.tool == "search_help_center";
        let run = self.open(action.tool, if retriever { "retriever" } else { "tool" }, Some(parent));
        self.pass(action.seconds);
        let outputs = match &action.outcome {
            Ok(Value::String(page)) => {
                json!({"documents": [{"page_content": page, "metadata": {"source": "help/terms"}}]})
            }
            Ok(result) if retriever => result.clone(),
            Ok(result) => json!({"output": result.to_string()}),
            Err(_) => Value::Null,
        };
        let close = Close {
            inputs: action.arguments.clone(),
            outputs,
            error: action.outcome.as_ref().err().cloned(),
            metadata: self.common.clone(),
            ended: true,
        };
        self.close(run, close);
    }

    fn open(&mut self, name: &'static str, run_type: &'static str, parent: Option<&Open>) -> Open {
        // A parent and its first child begin together, but never two runs of one name.
        let id = Uuid::new_v5(&self.setting.thread, format!("{name}/{}", self.now).as_bytes());
        let moment =
            DateTime::from_timestamp_micros(self.now).unwrap_or_default().format("%Y%m%dT%H%M%S%6fZ");
        let dotted_order = match parent {
            Some(parent) => format!("{}.{moment}{id}", parent.dotted_order),
            None => format!("{moment}{id}"),
        };
        Open {
            id,
            trace: parent.map_or(id, |parent| parent.trace),
            parent: parent.map(|parent| parent.id),
            dotted_order,
            start: self.now,
            name,
            run_type,
        }
    }

    fn close(&mut self, open: Open, close: Close) {
        let Close { inputs, outputs, error, metadata, ended } = close;
        let status = match (&error, ended) {
            (Some(_), _) => "error",
            (None, true) => "success",
            (None, false) => "pending",
        };
        let run = json!({
            "id": open.id.to_string(),
            "trace_id": open.trace.to_string(),
            "parent_run_id": open.parent.map(|id| id.to_string()),
            "dotted_order": open.dotted_order,
            "name": open.name,
            "run_type": open.run_type,
            "inputs": inputs,
            "outputs": outputs,
            "error": error,
            "status": status,
            "start_time": timestamp(open.start),
            "end_time": ended.then(|| timestamp(self.now)),
            "extra": {"metadata": metadata},
            "tags": ["support", self.setting.channel.name()],
            "session_name": PROJECT,
        });
        self.runs.push((open.dotted_order, run));
    }

    fn root_metadata(&self) -> Map<String, Value> {
        let setting = self.setting;
        let mut metadata = self.common.clone();
        for (key, value) in [
            ("customer_tier", setting.customer_tier),
            ("channel", setting.channel.name()),
            ("language", setting.language.code()),
            ("locale", setting.locale),
            ("app_version", setting.app_version),
            ("model", setting.model.model_name()),
        ] {
            metadata.insert(key.to_owned(), value.into());
        }
        metadata
    }

    fn wait_for_customer(&mut self, median: f64) {
        let seconds = self.random.log_normal(median, 0.7).min(600.0);
        self.pass(seconds);
    }

    fn pass(&mut self, seconds: f64) {
        // At least a little, so that no two siblings begin at the same moment.
        self.now += ((seconds * 1e6) as i64).max(400);
    }
}

/// What every run of the conversation carries.
fn common_metadata(setting: &Setting) -> Map<String, Value> {
    let prompt = if setting.new_prompt { NEW_PROMPT } else { OLD_PROMPT };
    let mut metadata = Map::new();
    metadata.insert("thread_id".to_owned(), setting.thread.to_string().into());
    metadata.insert("prompt_commit".to_owned(), prompt.into());
    metadata
}

/// The agent's instructions. The second version is where the malformed amounts come from.
fn instructions(new_prompt: bool) -> &'static str {
    if new_prompt {
        "You are the support agent of Trail & Tarn, an online shop for outdoor gear. Answer in the customer's \
         language, briefly and kindly. Look things up before you promise anything. Write amounts the way our \
         customers read them, for example 12,90 EUR. Hand over to a person when asked."
    } else {
        "You are the support agent of Trail & Tarn, an online shop for outdoor gear. Answer in the customer's \
         language, briefly and kindly. Look things up before you promise anything. Hand over to a person when asked."
    }
}

/// A time as LangSmith's clients write it.
pub(crate) fn timestamp(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).unwrap_or_default().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

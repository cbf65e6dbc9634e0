//! A thread as a model is shown it: whole where it fits, else what matters.
//!
//! Within a budget of tokens the messages are taken by importance: what was
//! asked first, how it ended, errors and the steps beside them, what else the
//! user said, what the agent said, what tools returned, and last the system's
//! words. Long messages keep their beginning and end. What is left out is said
//! in its place, and messages keep their numbers, so that evidence can name them.

use assay_domain::{Message, Part, Role, Transcript};
use assay_llm::tokens;

/// Tokens of one message by importance: request, ending, error, user, agent, tool, system.
const SHARES: [usize; 7] = [700, 500, 400, 300, 250, 150, 120];
/// About so many letters make a token.
const LETTERS: usize = 4;

/// Every message as it is shown and as evidence is checked against. `clean` takes
/// out what must not leave, before anything is cut: half a secret is not found.
pub(crate) fn lines(transcript: &Transcript, clean: &dyn Fn(&str) -> String) -> Vec<String> {
    transcript.messages.iter().enumerate().map(|(index, message)| clean(&line(index, message))).collect()
}

/// The thread in at most about `budget` tokens, from its [`lines`].
pub(crate) fn thread(transcript: &Transcript, whole: &[String], budget: usize) -> String {
    let ranks = ranks(&transcript.messages);
    let sizes: Vec<usize> = whole.iter().map(|line| count(line)).collect();
    if sizes.iter().sum::<usize>() <= budget {
        return whole.join("\n");
    }
    let mut order: Vec<usize> = (0..whole.len()).collect();
    order.sort_by_key(|&index| (ranks[index], index));
    let mut kept: Vec<Option<String>> = vec![None; whole.len()];
    let mut left = budget;
    for index in order {
        let share = SHARES[ranks[index]].min(budget / 2).max(8);
        let text = if sizes[index] <= share { whole[index].clone() } else { ends(&whole[index], share) };
        let size = count(&text);
        if size <= left {
            left -= size;
            kept[index] = Some(text);
        }
    }
    joined(kept)
}

fn line(index: usize, message: &Message) -> String {
    let mut text = format!("[{index}] {}", message.role.as_str());
    if let Some(name) = &message.name {
        text.push_str(&format!(" ({name})"));
    }
    text.push(':');
    let said = message.text();
    if !said.is_empty() {
        text.push(' ');
        text.push_str(said.trim());
    }
    for part in &message.parts {
        match part {
            Part::Media { kind, .. } => text.push_str(&format!(" <{kind:?}>")),
            Part::Other(value) => text.push_str(&format!(" {value}")),
            Part::Text(_) | Part::Thinking(_) | Part::Refusal(_) => {}
        }
    }
    for call in &message.tool_calls {
        text.push_str(&format!("\n  calls {}({})", call.name, call.arguments));
    }
    if let Some(error) = &message.error {
        text.push_str(&format!("\n  ERROR: {}", error.trim()));
    }
    text
}

/// Importance of every message: 0 is the highest.
fn ranks(messages: &[Message]) -> Vec<usize> {
    let failed = |index: usize| messages.get(index).is_some_and(|message| message.error.is_some());
    let first_user = messages.iter().position(|message| message.role == Role::User);
    let last_user = messages.iter().rposition(|message| message.role == Role::User);
    let ending = messages.len().saturating_sub(2);
    (0..messages.len())
        .map(|index| match messages[index].role {
            _ if Some(index) == first_user => 0,
            _ if index >= ending || Some(index) == last_user => 1,
            _ if failed(index) || failed(index + 1) || (index > 0 && failed(index - 1)) => 2,
            Role::User => 3,
            Role::Assistant => 4,
            Role::Tool => 5,
            Role::System => 6,
        })
        .collect()
}

/// Beginning and end of a long message, two to one.
fn ends(text: &str, share: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    let keep = (share * LETTERS).min(letters.len());
    let (head, tail) = (keep * 2 / 3, keep / 3);
    let left_out = letters.len() - head - tail;
    let head: String = letters[..head].iter().collect();
    let tail: String = letters[letters.len() - tail..].iter().collect();
    format!("{head} … {left_out} characters left out … {tail}")
}

fn joined(kept: Vec<Option<String>>) -> String {
    let mut lines = Vec::new();
    let mut gap = 0;
    for one in kept {
        match one {
            Some(text) => {
                if gap > 0 {
                    lines.push(format!("… {gap} messages left out …"));
                }
                gap = 0;
                lines.push(text);
            }
            None => gap += 1,
        }
    }
    if gap > 0 {
        lines.push(format!("… {gap} messages left out …"));
    }
    lines.join("\n")
}

fn count(text: &str) -> usize {
    usize::try_from(tokens::count(text)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use assay_domain::ToolCall;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_thread_keeps_request_error_and_ending() {
        let mut messages = vec![Message::text_of(Role::System, "be brief ".repeat(400))];
        messages.push(Message::text_of(Role::User, "where is my parcel?"));
        for step in 0..200 {
            messages.push(Message::text_of(Role::Assistant, format!("step {step} {}", "bla ".repeat(60))));
        }
        let mut failed = Message::text_of(Role::Tool, "no answer");
        failed.error = Some("timeout in carrier api".into());
        messages.insert(90, failed);
        messages.push(Message::text_of(Role::Assistant, "I could not find it."));
        let transcript = Transcript { messages };
        let whole = lines(&transcript, &str::to_owned);
        let text = thread(&transcript, &whole, 800);
        assert!(text.contains("where is my parcel?"));
        assert!(text.contains("[90] tool: no answer\n  ERROR: timeout in carrier api"));
        assert!(text.contains("I could not find it."));
        assert!(text.contains("messages left out"));
        assert!(count(&text) < 1000, "{}", count(&text));
        assert!(thread(&transcript, &whole, 1_000_000).contains("step 150"));
    }

    #[test]
    fn the_tool_calls_around_an_error_survive_where_others_do_not() {
        let call = |step: usize| ToolCall {
            id: None,
            name: "track_parcel".into(),
            arguments: json!({ "attempt": step }),
        };
        let mut messages = vec![Message::text_of(Role::User, "where is my parcel?")];
        for step in 1..200 {
            // Their words alone are more than the budget.
            let mut message = Message::text_of(Role::Assistant, format!("step {step} {}", "bla ".repeat(60)));
            message.tool_calls.push(call(step));
            messages.push(message);
        }
        // What failed, right after the call that led to it and before the one that tried again;
        // that one is said at such length that it is cut.
        let mut failed = Message::text_of(Role::Tool, "no answer");
        failed.error = Some("timeout in carrier api".into());
        messages.insert(121, failed);
        messages[122].parts = vec![Part::Text("let me try again ".repeat(400))];
        messages.push(Message::text_of(Role::Assistant, "I could not find it."));
        let transcript = Transcript { messages };
        let whole = lines(&transcript, &str::to_owned);
        let text = thread(&transcript, &whole, 1_000);
        let calls: Vec<&str> = text.lines().filter(|line| line.contains("calls track_parcel")).collect();
        for step in [120, 121] {
            let kept = format!("calls track_parcel({{\"attempt\":{step}}})");
            assert!(calls.iter().any(|line| line.ends_with(&kept)), "{kept}: {text}");
        }
        assert!(text.contains("[121] tool: no answer\n  ERROR: timeout in carrier api"), "{text}");
        assert!(text.contains("characters left out"), "{text}");
        for step in [100, 119, 122, 140] {
            assert!(!text.contains(&format!("{{\"attempt\":{step}}}")), "{step}: {text}");
        }
    }
}

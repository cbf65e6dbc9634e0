//! One line that tells a reader which payload this is.

use assay_domain::Role;
use serde_json::Value;

use crate::payload;

pub(crate) fn of(value: &Value, max_chars: usize) -> String {
    let messages = payload::read(value, Role::Assistant).messages;
    let said = |message: &&assay_domain::Message| !message.text().trim().is_empty();
    let text = messages
        .iter()
        .rev()
        .filter(|message| message.role == Role::User)
        .find(said)
        .or_else(|| messages.iter().rev().find(said))
        .map(assay_domain::Message::text)
        .or_else(|| {
            let call = messages.iter().rev().find_map(|message| message.tool_calls.last())?;
            Some(format!("{}({})", call.name, call.arguments))
        })
        .unwrap_or_default();
    cut(&text, max_chars)
}

/// What the user said first; as [`of`] where a user says nothing.
pub(crate) fn opening(value: &Value, max_chars: usize) -> String {
    let messages = payload::read(value, Role::Assistant).messages;
    let first =
        messages.iter().find(|message| message.role == Role::User && !message.text().trim().is_empty());
    first.map_or_else(|| of(value, max_chars), |message| cut(&message.text(), max_chars))
}

/// On one line, without control characters, at most `max_chars` characters long.
fn cut(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    for word in
        text.split(|char: char| char.is_whitespace() || char.is_control()).filter(|word| !word.is_empty())
    {
        if count > 0 && count < max_chars {
            line.push(' ');
            count += 1;
        }
        for char in word.chars() {
            if count == max_chars {
                // The last character gives way to the sign that there is more.
                line.pop();
                if max_chars > 0 {
                    line.push('…');
                }
                return line;
            }
            line.push(char);
            count += 1;
        }
    }
    line
}

//! A prompt as the stand-in understands it: which part is the material.
//!
//! Instructions and material come in one text. Lines of a conversation
//! (`user: …`, `[3] assistant: …`) are the material where there are any; else
//! everything the user wrote is. Lines with a label (`c1: refunds`, `[2] …`,
//! `- refunds`) say what the label stands for.

use crate::words::{keywords, sentences};

pub(crate) struct Prompt {
    /// Everything, for dice.
    pub(crate) whole: String,
    /// What is talked about.
    pub(crate) material: String,
    labelled: Vec<(String, String)>,
    pub(crate) keywords: Vec<String>,
    /// Lines that begin with a dash, by the list they stand in.
    pub(crate) lists: Vec<Vec<String>>,
}

const SPEAKERS: [&str; 6] = ["user", "human", "assistant", "ai", "tool", "customer"];

impl Prompt {
    pub(crate) fn new(system: &str, user: &str) -> Self {
        let spoken: Vec<&str> = user.lines().filter_map(said).collect();
        let material = if spoken.is_empty() { user.to_owned() } else { spoken.join("\n") };
        let labelled = system.lines().chain(user.lines()).filter_map(label).collect();
        let keywords = keywords(&material);
        Self { whole: format!("{system}\n{user}"), material, labelled, keywords, lists: lists(user) }
    }

    /// What a label stands for, if a line says so; else the label itself.
    pub(crate) fn meaning(&self, option: &str) -> String {
        let meant = self.labelled.iter().find(|(label, _)| label.eq_ignore_ascii_case(option));
        meant.map_or_else(|| option.to_owned(), |(label, text)| format!("{label} {text}"))
    }

    /// Numbers that label lines, with their lines.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (i64, &str)> {
        self.labelled.iter().filter_map(|(label, text)| Some((label.parse().ok()?, text.as_str())))
    }

    /// Lines with a label of one letter and a number, such as `F12`: label and line.
    pub(crate) fn labelled(&self, letter: char) -> Vec<(String, String)> {
        let is_such = |label: &str| {
            label
                .strip_prefix(letter)
                .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
        };
        self.labelled.iter().filter(|(label, _)| is_such(label)).cloned().collect()
    }

    /// A sentence of the material that states no number in digits, if there is one.
    pub(crate) fn sentence_without_digits(&self, index: usize) -> &str {
        let all = sentences(&self.material);
        let plain: Vec<&str> =
            all.into_iter().filter(|one| !one.contains(|c: char| c.is_ascii_digit())).collect();
        if plain.is_empty() { "worth a look" } else { plain[index % plain.len()] }
    }

    /// A sentence of the material, exactly as it stands there.
    pub(crate) fn sentence(&self, index: usize) -> &str {
        let all = sentences(&self.material);
        if all.is_empty() { self.material.trim() } else { all[index % all.len()] }
    }
}

/// Runs of lines that begin with a dash.
fn lists(text: &str) -> Vec<Vec<String>> {
    let mut lists = vec![Vec::new()];
    for line in text.lines() {
        match (line.trim_start().strip_prefix("- "), lists.last_mut()) {
            (Some(item), Some(list)) => list.push(item.to_owned()),
            (_, Some(list)) if !list.is_empty() => lists.push(Vec::new()),
            _ => {}
        }
    }
    lists.retain(|list| !list.is_empty());
    lists
}

/// What somebody said on a line of a conversation.
fn said(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = numbered(line).unwrap_or(line);
    let (speaker, text) = line.split_once(':')?;
    let speaker = speaker.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    (SPEAKERS.contains(&speaker.as_str()) && !text.trim().is_empty()).then(|| text.trim())
}

/// What follows the number of a message, which a line may begin with or come to: `Read this: [0] user: …`.
fn numbered(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once('[')?;
    let (number, rest) = rest.split_once(']')?;
    let is_number = number.chars().all(|c| c.is_ascii_digit());
    (is_number || before.is_empty()).then(|| rest.trim_start())
}

/// The label of a line and what follows it.
fn label(line: &str) -> Option<(String, String)> {
    let line = line.trim().trim_start_matches(['-', '*', ' ']);
    let (label, text) = if let Some(rest) = line.strip_prefix('[') {
        rest.split_once(']')?
    } else {
        let end = line.find([':', ')', '\t', '.'])?;
        (line.get(..end)?, line.get(end + 1..)?)
    };
    let label = label.trim().trim_matches(['"', '`', '*', '(']);
    let is_label = !label.is_empty() && label.chars().count() <= 60 && !text.trim().is_empty();
    is_label.then(|| (label.to_owned(), text.trim().trim_start_matches(':').trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conversation_is_the_material_and_labels_have_meanings() {
        let prompt = Prompt::new(
            "Sort threads.\nc1: Refunds and returns\nc2: Delivery times",
            "Thread:\n[0] user: Where is my parcel?\n[1] assistant: On its way.",
        );
        assert_eq!(prompt.material, "Where is my parcel?\nOn its way.");
        assert_eq!(prompt.meaning("c1"), "c1 Refunds and returns");
        assert_eq!(prompt.meaning("c9"), "c9");
        assert_eq!(prompt.numbered().count(), 2);
        assert_eq!(prompt.sentence(3), "On its way.");
        let inline =
            Prompt::new("Read.", "Read this: [0] user: Where is my parcel?\n[1] assistant: On its way.");
        assert_eq!(inline.material, prompt.material);
    }
}

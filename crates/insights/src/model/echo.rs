//! Titles that only repeat the prompt.
//!
//! A weak model now and then answers with a line of what it was told: a heading
//! (`Categories:`), the reader's question, a sentence of a thread. Such a title says nothing of a
//! category. What was told by us (instructions, headings) may not be repeated at all; what people
//! said may, as far as it is a title and not a whole sentence of theirs.

/// A title has no more words; a longer one that stands in a thread is a sentence of it.
const LONGEST_TITLE: usize = 6;
/// So many words in a row of the instructions are no accident.
const OF_INSTRUCTIONS: usize = 4;

/// Whether a title is a line of the prompt, or a part of the instructions in it.
///
/// `told` is what we tell every model, `text` the prompt: the reader's questions, headings, and
/// material in lines that begin with `- `.
pub(super) fn repeats(title: &str, told: &str, text: &str) -> bool {
    let said = words(title);
    if said.is_empty() {
        return true;
    }
    let is_sentence = said.len() > LONGEST_TITLE || title.trim_end().ends_with(['.', '!', '?', ':', '…']);
    is_told(&said, told)
        || text.lines().any(|line| match line.strip_prefix("- ") {
            Some(material) => is_sentence && is_whole(&said, material),
            None => is_whole(&said, line) || is_heading(&said, line),
        })
}

/// A sentence of the instructions, or a good part of one.
fn is_told(said: &[String], told: &str) -> bool {
    let is_part = said.len() >= OF_INSTRUCTIONS && words(told).windows(said.len()).any(|part| part == said);
    is_part || is_whole(said, told)
}

/// What stands before a colon.
fn is_heading(said: &[String], line: &str) -> bool {
    line.split_once(':').is_some_and(|(heading, _)| words(heading) == said)
}

/// All of a text, or a sentence of it.
fn is_whole(said: &[String], text: &str) -> bool {
    let mut sentences = text.split_inclusive(['.', '!', '?']);
    words(text) == said || sentences.any(|sentence| words(sentence) == said)
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "You name a category of conversations. A name is short.";
    const TEXT: &str = "How are your agent traces structured?\nOne paying customer of ours each.\n\nThe category holds 7 conversations.\nMembers:\n- Hi! Where is my parcel? It was sent on Monday.\n\
                        - refund status\nMembers say: parcel, courier\nA neighbour, which the name must not fit:\n- send me the invoice\n";

    #[test]
    fn headings_instructions_and_sentences_of_threads_are_no_titles() {
        for echo in [
            "Members",
            "Members:",
            "members say",
            "A neighbour, which the name must not fit",
            "How are your agent traces structured?",
            "a category of conversations",
            "A name is short",
            "One paying customer of ours each",
            "The category holds 7 conversations",
            "Hi!",
            "Where is my parcel?",
            "Hi! Where is my parcel? It was sent on Monday.",
            " ?! ",
        ] {
            assert!(repeats(echo, TOLD, TEXT), "{echo}");
        }
    }

    #[test]
    fn titles_in_the_words_of_people_stand() {
        for title in [
            "Refund status",
            "Parcel, courier",
            "Where parcels are",
            "Send me the invoice",
            "Paying customers",
            "A name is not known",
        ] {
            assert!(!repeats(title, TOLD, TEXT), "{title}");
        }
    }
}

//! What people changed of a report's categories, as every form of it says.

use assay_domain::report::HandEdit;

use crate::text;

/// A sentence without its full stop for each change, in the order of the categories.
pub(crate) fn words(edits: &[HandEdit]) -> Vec<String> {
    edits.iter().flat_map(of_category).collect()
}

fn of_category(edit: &HandEdit) -> Vec<String> {
    let HandEdit { category, renamed_to, is_described, is_hidden, merged_into } = edit;
    let made = text::name(category);
    let renamed = renamed_to.as_deref().map(|name| format!("“{made}” was renamed to “{}”", text::name(name)));
    let described = is_described.then(|| format!("“{made}” was given another description"));
    let hidden = is_hidden.then(|| format!("“{made}” was hidden: its threads count as “Other”"));
    let merged = merged_into
        .as_deref()
        .map(|target| format!("“{made}” was merged into “{}”: its threads count there", text::name(target)));
    [renamed, described, hidden, merged].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_said_by_the_name_the_category_was_made_with() {
        let edits = [
            HandEdit {
                category: "Refunds".into(),
                renamed_to: Some("Money back".into()),
                is_described: true,
                ..HandEdit::default()
            },
            HandEdit { category: "Hello".into(), is_hidden: true, ..HandEdit::default() },
            HandEdit {
                category: "Returns".into(),
                merged_into: Some("Money back".into()),
                ..HandEdit::default()
            },
        ];
        let words = words(&edits);
        assert_eq!(words.len(), 4);
        assert_eq!(words[0], "“Refunds” was renamed to “Money back”");
        assert_eq!(words[2], "“Hello” was hidden: its threads count as “Other”");
        assert_eq!(words[3], "“Returns” was merged into “Money back”: its threads count there");
    }
}

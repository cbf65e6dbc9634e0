//! Which conditions must hold of the same entry.
//!
//! Inside one `and`, conditions on a key and on values beside it speak of one
//! entry of metadata, inputs or outputs, or of one feedback record. Alone,
//! `eq` on a key asks whether there is such an entry, `neq` whether there is none.

use super::meaning::{Entries, Expression, FeedbackColumn};
use super::test::{EntryTests, Test};

/// A condition, or half of one: a test of a key or a value whose other half may stand beside it.
pub(super) enum Piece {
    Whole(Expression),
    Key(Entries, Test),
    Value(Entries, Test),
    Feedback(FeedbackColumn, Test),
}

/// Tests of one entry (or feedback record) that stand side by side.
#[derive(Default)]
struct Group {
    keys: Vec<Test>,
    /// Keys that it must not be.
    other_keys: Vec<Test>,
    values: Vec<(FeedbackColumn, Test)>,
}

/// Joins the halves that stand in one `and`: conditions on a key and on
/// values beside it must hold of the same entry. A second wanted key begins
/// the next entry.
pub(super) fn join(pieces: Vec<Piece>) -> Vec<Expression> {
    let mut out = Vec::new();
    let mut groups: [Vec<Group>; 4] = Default::default();
    for piece in pieces {
        let (family, is_key, column, test) = match piece {
            Piece::Whole(expression) => {
                out.push(expression);
                continue;
            }
            Piece::Key(entries, test) => (entries as usize, true, FeedbackColumn::Key, test),
            Piece::Value(entries, test) => (entries as usize, false, FeedbackColumn::Value, test),
            Piece::Feedback(column, test) => (3, column == FeedbackColumn::Key, column, test),
        };
        let groups = &mut groups[family];
        let is_wanted_key = is_key && !matches!(test, Test::Differs(_));
        if groups.last().is_none_or(|group| is_wanted_key && !group.keys.is_empty()) {
            groups.push(Group::default());
        }
        let Some(group) = groups.last_mut() else { continue };
        match (is_key, is_wanted_key) {
            (true, true) => group.keys.push(test),
            (true, false) => group.other_keys.push(test),
            _ => group.values.push((column, test)),
        }
    }
    let families = [Some(Entries::Metadata), Some(Entries::Inputs), Some(Entries::Outputs), None];
    for (entries, groups) in families.into_iter().zip(groups) {
        for group in groups {
            close(entries, group, &mut out);
        }
    }
    out
}

/// The conditions of one group. `None`: of feedback.
fn close(entries: Option<Entries>, group: Group, out: &mut Vec<Expression>) {
    let some = |keys: Vec<Test>, values: Vec<(FeedbackColumn, Test)>| match entries {
        Some(entries) => {
            let values = values.into_iter().map(|(_, test)| test).collect();
            Expression::Entry(entries, EntryTests { keys, values })
        }
        None => {
            let keys = keys.into_iter().map(|test| (FeedbackColumn::Key, test));
            Expression::Feedback(keys.chain(values).collect())
        }
    };
    let none =
        |keys: Vec<Test>, values: Vec<(FeedbackColumn, Test)>| Expression::Not(Box::new(some(keys, values)));
    let opposite = |test: Test| match test {
        Test::Differs(scalar) => Test::Is(scalar),
        other => other,
    };
    let Group { keys, other_keys, values } = group;
    let only_denies = values.iter().all(|(_, test)| matches!(test, Test::Differs(_)));
    if !keys.is_empty() {
        out.push(some(keys, values));
        out.extend(other_keys.into_iter().map(|test| none(vec![opposite(test)], Vec::new())));
    } else if !other_keys.is_empty() && !values.is_empty() {
        out.push(some(other_keys, values));
    } else if only_denies {
        // Nothing is wanted to be there: no entry may be what is denied.
        out.extend(other_keys.into_iter().map(|test| none(vec![opposite(test)], Vec::new())));
        out.extend(values.into_iter().map(|(column, test)| none(Vec::new(), vec![(column, opposite(test))])));
    } else {
        out.push(some(Vec::new(), values));
    }
}

pub(super) fn all(mut expressions: Vec<Expression>) -> Expression {
    match expressions.len() {
        1 => expressions.remove(0),
        _ => Expression::And(expressions),
    }
}

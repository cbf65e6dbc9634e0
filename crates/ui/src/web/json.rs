//! Values of any size as a tree that opens where one looks, and as plain text.
//!
//! A page carries the first levels; what lies below is asked for by its
//! address (a JSON pointer, RFC 6901) when it is opened. Lists and long texts
//! come in pieces. The templates are `templates/web/json.html` and `raw.html`.

use askama::Template;
use serde_json::Value;

use crate::format;
use crate::text;
pub use crate::value::pretty;

/// So many entries at a time.
pub const PAGE: usize = 100;
/// So many entries of a page are there from the beginning.
const AT_ONCE: usize = 160;
/// Levels that are open from the beginning.
const OPEN: usize = 3;
/// Longer texts are cut, and can be opened.
const SHORT: usize = 280;
/// Size of a piece of plain text, about.
const PIECE: usize = 48 << 10;
/// No path of a real payload is longer.
const MAX_POINTER: usize = 16 << 10;

/// Entries of one object or list, some of them with what is below.
#[derive(Template)]
#[template(path = "web/json.html")]
pub struct Tree {
    pub nodes: Vec<Node>,
    /// Where the next entries are; empty where these are the last.
    pub more: String,
    /// How many are left.
    pub rest: String,
}

/// One entry.
pub struct Node {
    pub key: String,
    /// Whether the key is a name, not a number.
    pub is_named: bool,
    /// `object`, `list`, `text`, `number`, `word`.
    pub kind: &'static str,
    /// The value, or what is in it.
    pub shown: String,
    /// Where what is below, or the whole text, is; empty where there is no more.
    pub href: String,
    pub children: Option<Tree>,
}

/// A piece of plain text.
#[derive(Template)]
#[template(path = "web/raw.html")]
pub struct Raw {
    pub body: String,
    /// Where the next piece is; empty where this is the last.
    pub next: String,
}

/// What is at an address of a value, and where its pieces are asked for.
pub struct Address<'a> {
    /// From a JSON pointer and a place in it to where it is answered.
    pub href: &'a dyn Fn(&str, usize) -> String,
}

impl Tree {
    /// The entries of `value` from `offset` on; `at` is its own pointer.
    #[must_use]
    pub fn new(value: &Value, at: &str, offset: usize, address: &Address<'_>) -> Self {
        let mut left = AT_ONCE;
        Self::level(value, at, offset, address, 0, &mut left)
    }

    fn level(
        value: &Value,
        at: &str,
        offset: usize,
        address: &Address<'_>,
        depth: usize,
        left: &mut usize,
    ) -> Self {
        let total = size(value);
        let mut nodes: Vec<Node> = Vec::new();
        let mut add = |key: String, is_named: bool, value: &Value, left: &mut usize| {
            let path = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
            *left = left.saturating_sub(1);
            nodes.push(Node::new(&key, is_named, value, &path, address, depth, left));
        };
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate().skip(offset).take(PAGE) {
                    add(index.to_string(), false, item, left);
                }
            }
            Value::Object(fields) => {
                for (key, item) in fields.iter().skip(offset).take(PAGE) {
                    add(key.clone(), true, item, left);
                }
            }
            _ => {}
        }
        let seen = offset + nodes.len();
        let has_more = seen < total && !nodes.is_empty();
        Self {
            nodes,
            more: if has_more { (address.href)(at, seen) } else { String::new() },
            rest: format::count(total.saturating_sub(seen) as u64),
        }
    }
}

impl Node {
    fn new(
        key: &str,
        is_named: bool,
        value: &Value,
        path: &str,
        address: &Address<'_>,
        depth: usize,
        left: &mut usize,
    ) -> Self {
        let mut node = Self {
            key: text::cut(&text::line(key), 200).into_owned(),
            is_named,
            kind: "word",
            shown: String::new(),
            href: String::new(),
            children: None,
        };
        match value {
            Value::String(words) => {
                node.kind = "text";
                let (shown, more) = super::talk::clip(words, SHORT);
                node.shown = if more > 0 { format!("{shown}…") } else { shown };
                if more > 0 {
                    node.href = (address.href)(path, 0);
                }
            }
            Value::Number(number) => {
                node.kind = "number";
                node.shown = number.to_string();
            }
            Value::Bool(_) | Value::Null => node.shown = value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                let count = size(value);
                node.kind = if value.is_array() { "list" } else { "object" };
                node.shown = match (value.is_array(), count) {
                    (true, 1) => "1 item".into(),
                    (true, count) => format!("{} items", format::count(count as u64)),
                    (false, 1) => "1 entry".into(),
                    (false, count) => format!("{} entries", format::count(count as u64)),
                };
                if count > 0 {
                    if depth + 1 < OPEN && *left > count {
                        node.children = Some(Tree::level(value, path, 0, address, depth + 1, left));
                    } else {
                        node.href = (address.href)(path, 0);
                    }
                }
            }
        }
        node
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    }
}

impl Raw {
    /// The piece of a text that begins at a byte; `next` makes the address of the one after it.
    #[must_use]
    pub fn piece(whole: &str, offset: usize, next: impl Fn(usize) -> String) -> Self {
        let start = boundary(whole, offset.min(whole.len()));
        let mut end = boundary(whole, (start + PIECE).min(whole.len()));
        if end < whole.len()
            && let Some(line) = whole[start..end].rfind('\n')
        {
            end = start + line + 1;
        }
        let rest = if end < whole.len() { next(end) } else { String::new() };
        Self { body: text::visible(&whole[start..end]).into_owned(), next: rest }
    }
}

/// The character that a byte belongs to.
fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// What a pointer leads to.
#[must_use]
pub fn find<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.len() > MAX_POINTER {
        return None;
    }
    value.pointer(pointer)
}

/// Where a text occurs in a value: pointers and the words around, at most `limit`.
#[must_use]
pub fn occurrences(value: &Value, needle: &str, limit: usize) -> Vec<(String, String)> {
    let needle = needle.to_lowercase();
    let mut found = Vec::new();
    let mut stack = vec![(String::new(), value)];
    while let Some((path, value)) = stack.pop() {
        if found.len() >= limit || needle.is_empty() {
            break;
        }
        match value {
            Value::Array(items) => {
                stack.extend(items.iter().enumerate().rev().map(|(at, item)| (format!("{path}/{at}"), item)));
            }
            Value::Object(fields) => {
                stack.extend(fields.iter().rev().map(|(key, item)| {
                    (format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), item)
                }))
            }
            Value::String(words) => {
                let lower = words.to_lowercase();
                if let Some(at) = lower.find(&needle) {
                    // Lower case may be longer or shorter: this is about where it is.
                    let start = boundary(words, at.saturating_sub(60).min(words.len()));
                    let around: String = words[start..].chars().take(160).collect();
                    found.push((path, text::line(&around)));
                }
            }
            Value::Number(number) if number.to_string().contains(&needle) => {
                found.push((path, number.to_string()));
            }
            _ => {}
        }
    }
    found
}

/// How often a text occurs in the texts and numbers of a value.
#[must_use]
pub fn count_of(value: &Value, needle: &str) -> usize {
    let needle = needle.to_lowercase();
    if needle.is_empty() {
        return 0;
    }
    let (mut count, mut stack) = (0, vec![value]);
    while let Some(value) = stack.pop() {
        match value {
            Value::Array(items) => stack.extend(items),
            Value::Object(fields) => stack.extend(fields.values()),
            Value::String(words) => count += words.to_lowercase().matches(&needle).count(),
            Value::Number(number) => count += number.to_string().matches(&needle).count(),
            Value::Null | Value::Bool(_) => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tree(value: &Value) -> Tree {
        Tree::new(value, "", 0, &Address { href: &|at, offset| format!("?at={at}&offset={offset}") })
    }

    #[test]
    fn the_first_levels_are_there_and_the_rest_has_an_address() {
        let tree = tree(&json!({ "a/b": { "c": { "d": { "e": 1 } } }, "n": null, "t": "x".repeat(1_000) }));
        let first = &tree.nodes[0];
        let inner = &first.children.as_ref().expect("open").nodes[0];
        let below = &inner.children.as_ref().expect("open, too").nodes[0];
        assert_eq!((below.shown.as_str(), below.href.as_str()), ("1 entry", "?at=/a~1b/c/d&offset=0"));
        assert_eq!(tree.nodes[1].shown, "null");
        assert_eq!(tree.nodes[2].href, "?at=/t&offset=0");
        assert!(tree.render().expect("markup").contains("a/b"));
    }

    #[test]
    fn long_lists_come_in_pieces() {
        let value = json!((0..250).collect::<Vec<_>>());
        let first = tree(&value);
        assert_eq!(
            (first.nodes.len(), first.rest.as_str(), first.more.as_str()),
            (100, "150", "?at=&offset=100")
        );
        let address = Address { href: &|_, offset| offset.to_string() };
        let last = Tree::new(&value, "", 200, &address);
        assert_eq!((last.nodes.len(), last.more.as_str()), (50, ""));
        assert!(Tree::new(&value, "", 1_000, &address).more.is_empty());
    }

    #[test]
    fn pieces_of_text_end_at_lines_and_add_up() {
        let whole = (0..20_000).map(|n| format!("line {n} ü")).collect::<Vec<_>>().join("\n");
        let (mut offset, mut seen) = (0, String::new());
        loop {
            let piece = Raw::piece(&whole, offset, |next| next.to_string());
            seen.push_str(&piece.body);
            if piece.next.is_empty() {
                break;
            }
            assert!(piece.body.ends_with('\n'));
            offset = piece.next.parse().expect("a number");
        }
        assert_eq!(seen, whole);
        assert_eq!(Raw::piece("ü", 1, |_| String::new()).body, "ü");
    }

    #[test]
    fn texts_are_found_with_their_place() {
        let value =
            json!({ "messages": [{ "content": "Where is my Refund?" }, { "content": "no" }], "n": 17 });
        assert_eq!(
            occurrences(&value, "refund", 5),
            [("/messages/0/content".to_owned(), "Where is my Refund?".to_owned())]
        );
        assert_eq!(occurrences(&value, "17", 5).len(), 1);
        assert!(occurrences(&value, "", 5).is_empty());
    }
}

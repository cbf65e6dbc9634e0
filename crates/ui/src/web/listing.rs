//! The pages of threads and of traces: a list that goes on as one scrolls,
//! with what was asked for above it.
//!
//! Both pages share the struct and the template `templates/web/listing.html`;
//! what changes when something else is asked for is [`ListingPage::part`],
//! what follows while scrolling only [`RowsDocument`], read by
//! `assets/web/in-place.js` and `listing.js`. Rows all have the same height, so that what is out
//! of sight can be taken away and brought back without anything moving.

use askama::Template;

use super::parts::{Badge, Empty, Moment, Pager};
use super::{Page, Shell};

/// A list of threads or traces.
#[derive(Template)]
#[template(path = "web/listing.html", blocks = ["main"])]
pub struct ListingPage {
    pub shell: Shell,
    /// `Threads` or `Traces`.
    pub heading: &'static str,
    /// One of them: `thread`.
    pub unit: &'static str,
    pub bar: Bar,
    pub columns: Vec<Column>,
    pub rows: Rows,
    pub empty: Empty,
    /// Where one can go on without a script; empty on the last page.
    pub next_page: String,
}

impl ListingPage {
    /// What stands within the frame, for a browser that has the frame already.
    #[must_use]
    pub fn part(&self) -> impl Page + '_ {
        self.as_main()
    }
}

/// What was asked for, and how to ask for something else.
#[derive(Default)]
pub struct Bar {
    /// Address of the page, without a query.
    pub path: String,
    /// Address of the page as it is shown.
    pub here: String,
    /// Where [`ListingPage::part`] is asked for, without a query.
    pub part: String,
    /// The whole query of the page, as name and value.
    pub state: Vec<(String, String)>,
    pub query: String,
    /// Which runs: address and whether it is this one.
    pub scopes: Vec<Choice>,
    pub ranges: Vec<Choice>,
    /// What the time is limited to, in words.
    pub range: String,
    /// RFC 3339, or empty.
    pub from: String,
    pub until: String,
    pub conditions: Vec<Shown>,
    /// The raw filter.
    pub filter: String,
    pub problem: Option<Problem>,
    pub fields: Vec<Field>,
    pub views: Vec<View>,
    pub views_pager: Pager,
    /// What the list would be saved under: the type of the view.
    pub view_kind: &'static str,
    /// The project, for saving views.
    pub project: String,
    /// Where the matches are counted, with the state and without.
    pub count: String,
    pub check: String,
    /// Where one learns of rows that arrived; empty where none can.
    pub news: String,
    /// The list without any condition; empty where there is none.
    pub clear: String,
}

impl Bar {
    /// What a form has to send along so that it only changes what it is about.
    #[must_use]
    pub fn kept(&self, except: &str) -> Vec<&(String, String)> {
        let is_out = |name: &str| name == "cursor" || except.split(' ').any(|other| other == name);
        self.state.iter().filter(|(name, _)| !is_out(name)).collect()
    }
}

/// A link among others.
pub struct Choice {
    pub label: String,
    pub href: String,
    pub is_current: bool,
}

/// A condition of the filter.
pub struct Shown {
    /// `status`, `metadata env`.
    pub field: String,
    /// `is`, `contains`, `>`.
    pub operator: String,
    pub value: String,
    /// The list without it.
    pub without: String,
    /// As the filter language writes it.
    pub source: String,
}

/// Why a filter cannot be understood.
pub struct Problem {
    pub message: String,
    pub column: usize,
    /// The text around the place: before it, at it, after it.
    pub before: String,
    pub at: String,
    pub after: String,
}

/// A field one can ask about.
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    /// `text`, `number`, `choice`, `entry`: what the value is.
    pub kind: &'static str,
    /// Known values, the frequent ones first; for entries, known keys.
    pub known: Vec<String>,
    /// An example of a value.
    pub example: &'static str,
}

/// A saved filter.
pub struct View {
    pub id: String,
    pub name: String,
    pub href: String,
    pub is_current: bool,
}

/// A column of the list.
pub struct Column {
    pub name: String,
    pub label: String,
    /// Sets its width.
    pub class: &'static str,
    pub is_on: bool,
    /// Where the list is sorted by it; empty where it cannot be.
    pub href: String,
    pub sorted: &'static str,
}

/// Some rows, and where more are.
#[derive(Template, Default)]
#[template(path = "web/rows.html")]
pub struct Rows {
    pub rows: Vec<Row>,
    /// Where these rows come from.
    pub from: String,
    /// Where the next ones come from; empty on the last page.
    pub next: String,
    /// The place of the first row, for learning of newer ones.
    pub first: String,
    /// Label and class of each column, in order: where there is no room for columns each cell says what it is.
    pub columns: Vec<(&'static str, &'static str)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
impl Rows {
    fn label(&self, at: &usize) -> &'static str {
        self.columns.get(*at).map_or("", |(label, _)| label)
    }

    fn class(&self, at: &usize) -> &'static str {
        self.columns.get(*at).map_or("", |(_, class)| class)
    }
}

/// Rows as a document of their own.
#[derive(Template)]
#[template(path = "web/rows_document.html")]
pub struct RowsDocument {
    pub rows: Rows,
}

pub struct Row {
    pub id: String,
    pub cells: Vec<Cell>,
}

/// What stands in a cell, on one line.
pub enum Cell {
    /// Leads to the row's own page: state, icon, words, address.
    Title {
        state: &'static str,
        icon: &'static str,
        kind: String,
        words: String,
        href: String,
    },
    Words(String),
    Error(String),
    Number(String),
    /// A number that wants attention.
    Alarm(String),
    Time(Moment),
    State(Badge),
    Chips(Vec<String>),
    /// Key and mean.
    Scores(Vec<(String, String)>),
    /// Shortened words, the whole of them, where it leads; nowhere if empty.
    Id {
        words: String,
        whole: String,
        href: String,
    },
}

/// The path of an icon, in a box of 16 by 16.
#[must_use]
pub fn kind_icon(kind: &str) -> &'static str {
    match kind {
        "llm" => "M8 1.8l1.5 4.2 4.2 1.5-4.2 1.5L8 13.2l-1.5-4.2L2.3 7.5 6.5 6z",
        "tool" => {
            "M10.2 2.2a3.4 3.4 0 0 0-3.3 4.3L2.4 11a1.6 1.6 0 0 0 2.3 2.3l4.5-4.5a3.4 3.4 0 0 0 4.3-4.2L11.4 6.7 9.3 4.6z"
        }
        "retriever" => "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM10.3 10.3 14 14",
        "embedding" => "M3 12.5h.01M8 8h.01M12.5 3.5h.01M3.5 7.5h.01M8 12.5h.01M12.5 11h.01M5.5 4h.01",
        "prompt" => "M3 3.5h10v7H8l-3 2.5v-2.5H3z",
        "parser" => "M6 2.5C4 2.5 4.8 7.2 3 8c1.8.8 1 5.5 3 5.5M10 2.5c2 0 1.2 4.7 3 5.5-1.8.8-1 5.5-3 5.5",
        _ => {
            "M6.7 9.3a2.6 2.6 0 0 1 0-3.7l2-2a2.6 2.6 0 0 1 3.7 3.7l-.9.9M9.3 6.7a2.6 2.6 0 0 1 0 3.7l-2 2a2.6 2.6 0 0 1-3.7-3.7l.9-.9"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_keep_everything_but_what_they_are_about() {
        let state = [("q", "x"), ("filter", "f"), ("cursor", "1.2"), ("order", "asc")];
        let state = state.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let bar = Bar { state, ..Bar::default() };
        let names = |except| bar.kept(except).into_iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert_eq!(names("q"), ["filter", "order"]);
        assert_eq!(names("filter order"), ["q"]);
    }

    #[test]
    fn rows_are_inert() {
        let href = "/p/1/traces/2?from=\"><script>".to_owned();
        let title = Cell::Title {
            state: "error",
            icon: kind_icon("llm"),
            kind: "llm".into(),
            words: "<img src=x onerror=alert(1)>".into(),
            href,
        };
        let cells = vec![title, Cell::Chips(vec!["<b>".into()]), Cell::Error("<script>".into())];
        let rows = Rows { rows: vec![Row { id: "\"x".into(), cells }], ..Rows::default() };
        let html = RowsDocument { rows }.render().expect("markup");
        assert!(!html.contains("<img") && !html.contains("<script") && !html.contains("<b>"), "{html}");
    }
}

//! The report in a terminal: key points, the tree with bars, what to read.
//!
//! Trace text passes [`text::line`] before it is measured or printed, so no
//! escape in it reaches the terminal; the only escapes are our own colours.

use std::collections::BTreeMap;
use std::fmt::Write;

use assay_domain::report::{Category, CategoryKind, Report};
use unicode_width::UnicodeWidthStr;

use crate::html::main_feedback;
use crate::markdown::{skipped_by_reason, title};
use crate::{format, models, text};

/// How the terminal is and how much to show.
#[derive(Clone, Debug)]
pub struct TerminalOptions {
    /// Columns; what does not fit is cut. Treated as 60 to 160.
    pub width: usize,
    /// ANSI colours.
    pub color: bool,
    /// Block characters and tree lines; plain ASCII otherwise.
    pub unicode: bool,
    /// Levels of the tree, 1 for the top categories only; all where absent.
    pub depth: Option<usize>,
    /// Siblings shown under one parent; the rest is counted.
    pub siblings: usize,
    /// Highlighted threads shown.
    pub highlights: usize,
}

impl Default for TerminalOptions {
    fn default() -> Self {
        Self { width: 100, color: false, unicode: true, depth: None, siblings: 24, highlights: 10 }
    }
}

/// The report as lines of at most `options.width` columns, with a final newline.
#[must_use]
pub fn terminal(report: &Report, options: &TerminalOptions) -> String {
    let mut screen = Screen { width: options.width.clamp(60, 160), options, out: String::new() };
    screen.head(report);
    screen.key_points(report);
    screen.tree(report);
    screen.highlights(report);
    screen.made(report);
    screen.out
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const YELLOW: &str = "33";
const CYAN: &str = "36";

struct Screen<'a> {
    width: usize,
    options: &'a TerminalOptions,
    out: String,
}

impl Screen<'_> {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.options.color && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Our own signs, in ASCII where the terminal has no other.
    fn sign(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.options.unicode { unicode } else { ascii }
    }

    fn plain(&self, text: String) -> String {
        if self.options.unicode {
            text
        } else {
            text.replace('–', "-").replace('·', "|").replace('±', "+-").replace('…', "~")
        }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn wrapped(&mut self, first: &str, rest: &str, body: &str, code: Option<&str>) {
        let body = self.plain(body.to_owned());
        for (index, line) in text::wrap(&body, self.width - first.width()).into_iter().enumerate() {
            let lead = if index == 0 { first } else { rest };
            let line = code.map_or_else(|| line.clone(), |code| self.paint(code, &line));
            self.line(&format!("{lead}{line}"));
        }
    }

    fn head(&mut self, report: &Report) {
        self.wrapped("", "", &text::line(&title(report)), Some(BOLD));
        let statistics = &report.statistics;
        let categories = report.taxonomy.children(None).count();
        let mut facts = vec![
            text::line(&report.project),
            format!("{} threads", format::count(statistics.threads)),
            format!(
                "{categories} top {}, {} in all",
                if categories == 1 { "category" } else { "categories" },
                report.taxonomy.nodes.len()
            ),
        ];
        if let (Some(first), Some(last)) = (report.made.first_activity, report.made.last_activity) {
            facts.push(format!("{} to {}", format::day(first), format::day(last)));
        }
        if let Some(key) = main_feedback(report)
            && let Some(mean) = statistics.feedback.get(key).and_then(|feedback| feedback.mean)
        {
            facts.push(format!("{} {}", text::line(key), format::number(mean)));
        }
        if let Some(latency) = statistics.latency {
            facts.push(format!("p50 {} p99 {}", format::seconds(latency.p50), format::seconds(latency.p99)));
        }
        if let Some(cost) = statistics.cost {
            facts.push(format::money(cost.total));
        }
        self.wrapped("", "", &facts.join(" · "), Some(DIM));
        self.out.push('\n');
    }

    fn key_points(&mut self, report: &Report) {
        let points = &report.executive_summary.key_points;
        for point in points {
            let bullet = self.sign("• ", "* ");
            self.wrapped(bullet, "  ", &text::line(&point.text), None);
        }
        if !points.is_empty() {
            self.out.push('\n');
        }
    }

    fn tree(&mut self, report: &Report) {
        if report.taxonomy.nodes.is_empty() {
            self.line("No threads were analysed: nothing matched, or everything was skipped.");
            self.out.push('\n');
            return;
        }
        let columns = Columns::for_width(self.width);
        let header = format!(
            "{} {} {:>7} {:>6} {:>8} {:>8} {:>9}",
            text::fit("Category", columns.name, true),
            text::fit("", columns.bar, true),
            "Share",
            self.sign("±", "+-"),
            "Failures",
            "p50",
            "Cost"
        );
        let header = self.paint(DIM, &header);
        self.line(&header);
        let children = children(report);
        let largest = report
            .taxonomy
            .nodes
            .iter()
            .filter(|category| category.parent.is_none())
            .map(|category| category.statistics.share.value)
            .fold(0.0, f64::max);
        // A stack, not recursion: reports from files may be nested at will.
        let mut stack: Vec<Step> = Vec::new();
        self.push_children(&children, None, "", 0, &mut stack);
        while let Some(step) = stack.pop() {
            match step {
                Step::More { prefix, count } => {
                    let more = self.plain(format!("{prefix}… {} more", format::count(count)));
                    let more = self.paint(DIM, &more);
                    self.line(&more);
                }
                Step::Node { category, prefix, branch, below, depth } => {
                    self.row(category, &prefix, branch, &columns, largest);
                    self.push_children(&children, Some(&category.id), &below, depth + 1, &mut stack);
                }
            }
        }
        self.out.push('\n');
    }

    fn push_children<'r>(
        &self,
        children: &BTreeMap<Option<&'r str>, Vec<&'r Category>>,
        parent: Option<&str>,
        prefix: &str,
        depth: usize,
        stack: &mut Vec<Step<'r>>,
    ) {
        if depth >= self.options.depth.unwrap_or(usize::MAX).min(8) {
            return;
        }
        let Some(siblings) = children.get(&parent) else { return };
        let shown = siblings.len().min(self.options.siblings.max(1));
        if shown < siblings.len() {
            stack.push(Step::More { prefix: prefix.to_owned(), count: siblings.len() - shown });
        }
        for (index, category) in siblings[..shown].iter().enumerate().rev() {
            let last = index + 1 == siblings.len();
            let (branch, trunk) = match (depth, last) {
                (0, _) => ("", ""),
                (_, false) => (self.sign("├ ", "|- "), self.sign("│ ", "|  ")),
                (_, true) => (self.sign("└ ", "`- "), self.sign("  ", "   ")),
            };
            let below = if depth == 0 { " ".to_owned() } else { format!("{prefix}{trunk}") };
            stack.push(Step::Node { category, prefix: prefix.to_owned(), branch, below, depth });
        }
    }

    fn row(&mut self, category: &Category, prefix: &str, branch: &str, columns: &Columns, largest: f64) {
        let statistics = &category.statistics;
        let lead = format!("{prefix}{branch}");
        let room = columns.name.saturating_sub(lead.width());
        let name = self.plain(text::fit(&text::line(&category.name), room, true));
        let name = match (category.parent.is_none(), category.kind) {
            (_, CategoryKind::Other | CategoryKind::Healthy) => self.paint(DIM, &name),
            (true, _) => self.paint(BOLD, &name),
            (false, _) => name,
        };
        let bar = self.bar(statistics.share.value / largest.max(f64::MIN_POSITIVE), columns.bar);
        let failures = format!("{:>8}", format::percent(statistics.failure_rate.value));
        let failures = match statistics.failure_rate.value {
            rate if rate >= 0.25 => self.paint(RED, &failures),
            rate if rate >= 0.10 => self.paint(YELLOW, &failures),
            _ => failures,
        };
        let lead = self.paint(DIM, &lead);
        let latency = statistics.latency.map_or_else(none, |latency| format::seconds(latency.p50));
        let cost = statistics.cost.map_or_else(none, |cost| format::money(cost.total));
        let half = format::plus_minus(&statistics.share);
        let half = half.trim_start_matches("± ");
        let mut row = String::new();
        let _ = write!(
            row,
            "{lead}{name} {} {:>7} {half:>6} {failures} {latency:>8} {cost:>9}",
            self.paint(CYAN, &bar),
            format::percent(statistics.share.value),
        );
        let row = self.plain(row);
        self.line(&row);
    }

    /// A bar of exactly `columns` columns, filled to `part` (0 to 1), in eighths where there are blocks.
    fn bar(&self, part: f64, columns: usize) -> String {
        let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let eighths = (part * columns as f64 * 8.0).round() as usize;
        if !self.options.unicode {
            let full = (eighths + 4) / 8;
            return text::fit(&"#".repeat(full), columns, true);
        }
        const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        // Something is not nothing: the thinnest sliver for any share above zero.
        let eighths = if part > 0.0 { eighths.max(1) } else { 0 };
        text::fit(&format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8]), columns, true)
    }

    fn highlights(&mut self, report: &Report) {
        let highlights = &report.executive_summary.highlights;
        if highlights.is_empty() || self.options.highlights == 0 {
            return;
        }
        let heading = self.paint(BOLD, "Threads worth reading");
        self.line(&heading);
        for highlight in highlights.iter().take(self.options.highlights) {
            let number = format!("{:>4} ", format!("#{}", highlight.rank));
            let reason =
                format!("{} ({})", text::line(&highlight.reason), text::line(&highlight.category_name));
            self.wrapped(&number, "     ", &reason, None);
            let what = text::line(&highlight.summary);
            let what = text::cut(&what, self.width * 2);
            self.wrapped("     ", "     ", &what, Some(DIM));
            self.wrapped("     ", "     ", &text::line(&highlight.thread.0), Some(CYAN));
        }
        self.out.push('\n');
    }

    fn made(&mut self, report: &Report) {
        let made = &report.made;
        let mut facts = vec![
            format!(
                "{} of {} matching threads drawn",
                format::count(made.sampled),
                format::count(made.population.max(made.sampled))
            ),
            format!("tier {}", text::line(&made.tier)),
            format!("embedder {}", text::line(&made.embedder)),
            format!("seed {}", report.config.seed),
            format!("coverage {}", format::percent(made.quality.coverage)),
            format!("confidence {}", format::number(made.quality.confidence)),
        ];
        if let Some(stability) = made.quality.stability {
            facts.push(format!("stability {}", format::number(stability)));
        }
        if made.claims_dropped > 0 {
            facts.push(format!("{} claims left out, not verified", made.claims_dropped));
        }
        facts.extend(models::facts(report));
        facts.push(format!("report {}", report.id));
        self.wrapped("", "", &facts.join(" · "), Some(DIM));
        if !made.skipped.is_empty() {
            let reasons: Vec<String> = skipped_by_reason(report)
                .into_iter()
                .take(4)
                .map(|(reason, count)| format!("{} ({})", text::line(&reason), format::count(count)))
                .collect();
            let skipped =
                format!("{} threads skipped: {}", format::count(made.skipped.len()), reasons.join(", "));
            self.wrapped("", "", &skipped, Some(YELLOW));
        }
    }
}

enum Step<'r> {
    Node { category: &'r Category, prefix: String, branch: &'static str, below: String, depth: usize },
    More { prefix: String, count: usize },
}

fn children(report: &Report) -> BTreeMap<Option<&str>, Vec<&Category>> {
    let mut children = BTreeMap::<_, Vec<_>>::new();
    for category in &report.taxonomy.nodes {
        children.entry(category.parent.as_deref()).or_default().push(category);
    }
    children
}

struct Columns {
    name: usize,
    bar: usize,
}

impl Columns {
    /// The numbers take 45 columns with their gaps; name and bar share the rest.
    fn for_width(width: usize) -> Self {
        let room = width.saturating_sub(45);
        let bar = (room / 4).clamp(4, 24).min(room.saturating_sub(10));
        Self { name: (room - bar).min(64), bar }
    }
}

fn none() -> String {
    format::NONE.into()
}

//! Markdown of messages as markup that cannot act.
//!
//! The parser only says where emphasis, lists or code begin and end; every
//! element is written here, from a short list, and every character of text is
//! escaped. Markup in the text is text. Links lead outside only by `http`,
//! `https` and `mailto`, images are links: nothing is fetched by looking.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::text;

/// Elements nest no deeper than this; what is deeper is written without its elements.
const MAX_DEPTH: usize = 24;
/// More events than any message needs to be read.
const MAX_EVENTS: usize = 40_000;

/// The markup of a text.
#[must_use]
pub(super) fn markup(source: &str) -> String {
    let source = text::visible(source);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut writer = Writer { out: String::with_capacity(source.len() * 5 / 4), ..Writer::default() };
    for event in Parser::new_ext(&source, options).take(MAX_EVENTS) {
        writer.event(event);
    }
    while let Some(end) = writer.open.pop() {
        writer.out.push_str(end);
    }
    writer.out
}

#[derive(Default)]
struct Writer {
    out: String,
    /// How to end what is open.
    open: Vec<&'static str>,
    in_head: bool,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(words)
            | Event::Html(words)
            | Event::InlineHtml(words)
            | Event::InlineMath(words)
            | Event::DisplayMath(words) => escape(&words, &mut self.out),
            Event::Code(words) => {
                self.out.push_str("<code>");
                escape(&words, &mut self.out);
                self.out.push_str("</code>");
            }
            Event::FootnoteReference(name) => {
                self.out.push('[');
                escape(&name, &mut self.out);
                self.out.push(']');
            }
            // Chat is written with single line ends; they are kept.
            Event::SoftBreak | Event::HardBreak => self.out.push_str("<br>"),
            Event::Rule => self.out.push_str("<hr>"),
            Event::TaskListMarker(is_done) => self.out.push_str(if is_done { "☑ " } else { "☐ " }),
        }
    }

    fn begin(&mut self, start: &str, end: &'static str) {
        if self.open.len() >= MAX_DEPTH {
            self.open.push("");
            return;
        }
        self.out.push_str(start);
        self.open.push(end);
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph => self.begin("<p>", "</p>"),
            // The page has its own headings: these are only seen as such.
            Tag::Heading { .. } => self.begin("<p class=\"heading\">", "</p>"),
            Tag::BlockQuote(_) => self.begin("<blockquote>", "</blockquote>"),
            Tag::CodeBlock(kind) => {
                let language = match &kind {
                    CodeBlockKind::Fenced(language) => language.split_whitespace().next().unwrap_or_default(),
                    CodeBlockKind::Indented => "",
                };
                if language.is_empty() || self.open.len() >= MAX_DEPTH {
                    self.begin("<pre class=\"code\">", "</pre>");
                } else {
                    self.begin("<pre class=\"code\" data-language=\"", "</pre>");
                    escape(language, &mut self.out);
                    self.out.push_str("\">");
                }
            }
            Tag::List(Some(first)) => {
                if first == 1 {
                    self.begin("<ol>", "</ol>");
                } else {
                    self.begin(&format!("<ol start=\"{first}\">"), "</ol>");
                }
            }
            Tag::List(None) => self.begin("<ul>", "</ul>"),
            Tag::Item => self.begin("<li>", "</li>"),
            Tag::Table(_) => {
                self.begin("<div class=\"prose-table\" tabindex=\"0\"><table>", "</table></div>")
            }
            Tag::TableHead => {
                self.in_head = true;
                self.begin("<thead><tr>", "</tr></thead>");
            }
            Tag::TableRow => self.begin("<tr>", "</tr>"),
            Tag::TableCell if self.in_head => self.begin("<th>", "</th>"),
            Tag::TableCell => self.begin("<td>", "</td>"),
            Tag::Emphasis => self.begin("<em>", "</em>"),
            Tag::Strong => self.begin("<strong>", "</strong>"),
            Tag::Strikethrough => self.begin("<del>", "</del>"),
            Tag::Link { dest_url, .. } => self.link(&dest_url, ""),
            Tag::Image { dest_url, .. } => self.link(&dest_url, "image: "),
            _ => self.begin("", ""),
        }
    }

    fn link(&mut self, target: &str, prefix: &str) {
        if !is_harmless(target) || self.open.len() >= MAX_DEPTH {
            self.begin("", "");
            self.out.push_str(prefix);
            return;
        }
        self.begin("<a rel=\"noopener noreferrer nofollow\" target=\"_blank\" href=\"", "</a>");
        escape(target, &mut self.out);
        self.out.push_str("\" title=\"");
        escape(target, &mut self.out);
        self.out.push_str("\">");
        self.out.push_str(prefix);
    }

    fn end(&mut self, tag: TagEnd) {
        if let TagEnd::TableHead = tag {
            self.in_head = false;
        }
        if let Some(end) = self.open.pop() {
            self.out.push_str(end);
        }
    }
}

/// Whether a browser that follows it only opens a page or a letter.
fn is_harmless(target: &str) -> bool {
    let Some((scheme, _)) = target.split_once(':') else { return false };
    ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && !target.chars().any(char::is_control)
}

fn escape(words: &str, out: &mut String) {
    for c in words.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_plain_elements() {
        assert_eq!(
            markup("# Hi\n\nsome **bold** `code`\nnext\n\n- one\n- two\n"),
            "<p class=\"heading\">Hi</p><p>some <strong>bold</strong> <code>code</code><br>next</p>\
             <ul><li>one</li><li>two</li></ul>"
        );
        assert_eq!(
            markup("```py x\na < b\n```"),
            "<pre class=\"code\" data-language=\"py\">a &lt; b\n</pre>"
        );
        assert!(markup("|a|b|\n|-|-|\n|1|2|").contains("<th>a</th><th>b</th></tr></thead><tr><td>1</td>"));
    }

    #[test]
    fn nothing_in_it_acts() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,<script>)",
            "![x](https://evil.example/p.png)",
            "<https://evil.example/\"onmouseover=alert(1)>",
            "```\"><script>\nx\n```",
            "[x]: javascript:alert(1)\n\n[x]",
            "<div style=\"background:red\">",
        ] {
            let markup = markup(hostile);
            for tag in markup.split('<').skip(1) {
                let tag = tag.split('>').next().unwrap_or_default();
                let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
                assert!(["p", "br", "code", "pre", "a"].contains(&name), "{hostile}: {markup}");
                let outside_of_quotes: String = tag.split('"').step_by(2).collect();
                assert!(!outside_of_quotes.contains("on"), "{hostile}: {markup}");
                let target = tag.split("href=\"").nth(1);
                assert!(target.is_none_or(|target| target.starts_with("https://")), "{hostile}: {markup}");
            }
        }
    }

    #[test]
    fn deep_and_long_texts_stay_bounded() {
        let deep = "> ".repeat(3_000) + "x";
        assert!(markup(&deep).matches("<blockquote>").count() <= MAX_DEPTH);
        let wide = "*a* ".repeat(60_000);
        assert!(markup(&wide).len() < wide.len() * 10);
    }
}

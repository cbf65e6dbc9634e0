//! Each payload through every field of a report and its conversations, in every form.

use assay_domain::report::Report;
use assay_domain::transcript::{Role, Transcript};
use assay_ui::{HtmlOptions, TerminalOptions};

use super::{fixture, hostile};

/// A report whose every text is `payload`, and a conversation of it.
fn poisoned(payload: &str) -> (Report, Transcript) {
    let mut report = fixture::report_of(40);
    hostile::poison(&mut report, &mut || payload.to_owned());
    let messages = [Role::System, Role::User, Role::Assistant, Role::Tool];
    (report, Transcript { messages: messages.map(|role| hostile::message(role, payload)).to_vec() })
}

fn page(report: &Report, transcript: &Transcript) -> String {
    let mut out = Vec::new();
    assay_ui::html_with(report, &|_: &_| Ok(Some(transcript.clone())), &HtmlOptions::default(), &mut out)
        .expect("written");
    String::from_utf8(out).expect("UTF-8")
}

/// The page in two parts: the markup without our own script, style and JSON blocks, and the blocks.
fn parts(page: &str) -> (String, Vec<&str>) {
    let mut markup = String::new();
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find("<script").into_iter().chain(rest.find("<style>")).min() {
        let is_style = rest[start..].starts_with("<style>");
        let open = start + rest[start..].find('>').expect("tags end") + 1;
        let end = if is_style { "</style>" } else { "</script>" };
        let close = open + rest[open..].find(end).expect("elements end");
        if rest[start..open].contains("application/json") {
            blocks.push(&rest[open..close]);
        }
        markup.push_str(&rest[..start]);
        rest = &rest[close + end.len()..];
    }
    markup.push_str(rest);
    (markup, blocks)
}

/// Counts of all tags in markup whose attribute values hold no `<`.
fn tags(markup: &str) -> Vec<(String, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for piece in markup.split('<').skip(1) {
        let name: String = piece.chars().take_while(|c| !c.is_whitespace() && *c != '>').collect();
        *counts.entry(name).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

#[test]
fn no_payload_adds_a_tag_an_attribute_or_a_way_out_to_the_page() {
    let (report, transcript) = poisoned("harmless");
    let page_of_harmless = page(&report, &transcript);
    let (markup, blocks) = parts(&page_of_harmless);
    let (expected, blocks_expected) = (tags(&markup), blocks.len());
    let quotes = markup.matches('"').count();
    for payload in hostile::PAYLOADS {
        let (report, transcript) = poisoned(payload);
        let page = page(&report, &transcript);
        let (markup, blocks) = parts(&page);
        assert_eq!(tags(&markup), expected, "tags change with {payload:?}");
        assert_eq!(markup.matches('"').count(), quotes, "quotes change with {payload:?}");
        assert_eq!(blocks.len(), blocks_expected, "{payload:?} opens or closes a script");
        for block in blocks {
            assert!(!block.contains(['<', '>', '&']), "{payload:?} is raw in JSON");
            serde_json::from_str::<serde_json::Value>(block).expect("blocks stay JSON");
        }
        for link in markup.split("href=\"").skip(1) {
            assert!(link.starts_with('#'), "{payload:?} becomes a link: {link:.60}");
        }
        assert_nothing_acts(&page, payload);
    }
}

#[test]
fn the_terminal_gets_no_escape_but_ours() {
    for payload in hostile::PAYLOADS {
        let (report, _) = poisoned(payload);
        let plain = assay_ui::terminal(&report, &TerminalOptions::default());
        assert_nothing_acts(&plain, payload);
        let options = TerminalOptions { color: true, ..TerminalOptions::default() };
        let colored = assay_ui::terminal(&report, &options);
        for escape in colored.split('\u{1b}').skip(1) {
            let ours = ["[0m", "[1m", "[2m", "[31m", "[33m", "[36m"];
            assert!(ours.iter().any(|code| escape.starts_with(code)), "{payload:?} escapes: {escape:.20?}");
        }
    }
}

#[test]
fn markdown_holds_no_tag_and_no_address() {
    for payload in hostile::PAYLOADS {
        let (report, _) = poisoned(payload);
        let text = assay_ui::markdown(&report);
        assert_nothing_acts(&text, payload);
        for line in text.lines() {
            // Code spans show their contents as they are.
            let outside =
                line.replace("\\`", "").split('`').step_by(2).collect::<String>().replace("\\:", "");
            assert!(!outside.contains('<'), "{payload:?} in {line}");
            assert!(!outside.contains("](") && !outside.contains("://"), "{payload:?} in {line}");
        }
    }
}

#[test]
fn no_cell_is_a_formula() {
    for payload in hostile::PAYLOADS {
        let (report, _) = poisoned(payload);
        let mut out = Vec::new();
        assay_ui::assignments_csv(&report, &mut out).expect("written");
        assert_nothing_acts(std::str::from_utf8(&out).expect("UTF-8"), payload);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(out.as_slice());
        for row in reader.records() {
            for cell in &row.expect("a row of the header's length") {
                let is_number = cell.parse::<f64>().is_ok();
                assert!(
                    is_number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                    "{payload:?}: {cell}"
                );
            }
        }
    }
}

#[test]
fn json_files_can_be_printed() {
    for payload in hostile::PAYLOADS {
        let (report, _) = poisoned(payload);
        assert_nothing_acts(&assay_ui::json(&report), payload);
        let mut out = Vec::new();
        assay_ui::assignments_jsonl(&report, &mut out).expect("written");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(text.lines().count(), report.assignments.len());
        assert_nothing_acts(&text, payload);
    }
}

#[track_caller]
fn assert_nothing_acts(text: &str, payload: &str) {
    let acts = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
    };
    let found = text.chars().find(acts);
    assert!(found.is_none(), "{payload:?} leaves {found:?}");
}

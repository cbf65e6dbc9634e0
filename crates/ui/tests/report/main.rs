//! What a report looks like in each form, and that hostile text stays text in all of them.

mod fixture;
mod format;
mod hostile;
mod inert;

use assay_domain::report::{Report, Status};
use assay_ui::{HtmlOptions, TerminalOptions};
use unicode_width::UnicodeWidthStr;

fn page(report: &Report, options: &HtmlOptions) -> String {
    let mut out = Vec::new();
    let conversations = |thread: &_| Ok(fixture::conversation(report, thread));
    assay_ui::html_with(report, &conversations, options, &mut out).expect("a page is written to memory");
    String::from_utf8(out).expect("a page is UTF-8")
}

/// The JSON block with this id.
fn block(page: &str, id: &str) -> serde_json::Value {
    let start = format!("<script type=\"application/json\" id=\"{id}\">");
    let from = page.find(&start).unwrap_or_else(|| panic!("no block {id}")) + start.len();
    let length = page[from..].find("</script>").expect("blocks end");
    serde_json::from_str(&page[from..from + length]).expect("blocks are JSON")
}

#[test]
fn the_page_is_the_same_every_time() {
    let report = fixture::report();
    let options = HtmlOptions::default();
    assert_eq!(page(&report, &options), page(&report, &options));
}

#[test]
fn the_page_asks_for_nothing_and_allows_only_its_own_script_and_style() {
    let page = page(&fixture::report(), &HtmlOptions::default());
    assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
    assert!(page.contains("require-trusted-types-for"));
    assert!(!page.contains("unsafe-"));
    for request in ["src=\"", "<link", "url(", "@import", "<iframe", "<object", "<embed", "fetch("] {
        assert!(!page.contains(request), "{request} in the page");
    }
}

#[test]
fn every_category_has_a_section_and_every_number_its_query() {
    let report = fixture::report();
    let page = page(&report, &HtmlOptions::default());
    for category in &report.taxonomy.nodes {
        assert!(page.contains(&format!("id=\"category/{}\"", category.id)));
        assert!(page.contains(&format!("href=\"#category/{}\"", category.id)));
    }
    assert!(
        page.contains("title=\"estimated share of all threads that are in “Orders and delivery”\n168 of 400 analysed threads, 95 % interval "),
    );
    assert!(page.contains("<a class=\"reference\" href=\"#thread/"));
}

#[test]
fn all_threads_are_listed_and_the_wanted_conversations_are_in() {
    let report = fixture::report();
    let options = HtmlOptions { conversations_per_category: 5, ..HtmlOptions::default() };
    let page = page(&report, &options);
    let threads = block(&page, "thread-data");
    let threads = threads.as_array().expect("a list");
    assert_eq!(threads.len(), 400);
    for (row, thread) in threads.iter().enumerate() {
        let there = page.contains(&format!("id=\"conversation-{row}\""));
        assert_eq!(there, thread["k"] == true, "row {row}");
    }
    let kept = threads.iter().filter(|thread| thread["k"] == true).count();
    assert!((11 * 5..11 * 5 + 60).contains(&kept), "{kept} conversations");
    for highlight in &report.executive_summary.highlights {
        let thread = threads.iter().find(|thread| thread["i"] == *highlight.thread.0).expect("listed");
        assert_eq!(thread["k"], true);
    }
    assert!(page.contains("Up to 5 conversations per category"));
}

#[test]
fn a_server_sends_of_threads_what_lists_need_and_their_words_when_they_are_looked_at() {
    use assay_ui::web::report;
    let made = fixture::report();
    let json = |bytes: std::io::Result<Vec<u8>>| -> serde_json::Value {
        serde_json::from_slice(&bytes.expect("JSON")).expect("JSON")
    };
    let all = json(report::threads(&made, true));
    let all = all.as_array().expect("a list");
    assert_eq!(all.len(), 400);
    assert!(all[0]["r"].is_string() && all[0]["g"].is_array());
    let last = &all[399];
    assert!(["r", "s", "x", "g", "n"].iter().all(|name| last.get(name).is_none()), "{last}");
    assert!(last["i"].is_string() && last["p"].is_array() && last["k"] == true);
    for (row, assignment) in all.iter().zip(&made.assignments) {
        assert_eq!(row.get("e").is_some(), assignment.failure.is_some());
    }
    let words = json(report::words(&made, &[399, 3, 4_000]));
    assert_eq!(words.as_object().map(serde_json::Map::len), Some(2));
    assert_eq!(words["399"]["r"], made.assignments[399].request);
    for name in ["s", "r", "x", "g", "n"] {
        assert_eq!(words["3"].get(name), all[3].get(name), "{name}");
    }
    // Words are searched where they are: in requests, ids, names of categories, in any case.
    let searchable = report::Searchable::new(&made);
    let found = |query: &str| {
        let found = json(report::found(&searchable, query));
        assert_eq!(found, json(report::found_once(&made, query)));
        found.as_array().expect("a list").len()
    };
    assert_eq!(found(""), 400);
    assert_eq!(found(&made.assignments[399].thread.0.to_uppercase()), 1);
    assert_eq!(found("no such words"), 0);
    let top = &made.taxonomy.nodes[0];
    assert!(found(&top.name) >= top.statistics.threads, "{}", top.name);
}

#[test]
fn a_page_keeps_to_its_limits_and_says_so() {
    let report = fixture::report_of(2_000);
    let options =
        HtmlOptions { threads: 300, conversation_bytes: 20_000, message_chars: 10, ..HtmlOptions::default() };
    let page = page(&report, &options);
    let listed = block(&page, "thread-data").as_array().expect("a list").len();
    assert!(listed <= 300 + 40, "{listed} threads");
    let conversations: usize = page
        .split("id=\"conversation-")
        .skip(1)
        .map(|rest| rest.find("</script>").expect("blocks end"))
        .sum();
    assert!(conversations < 25_000, "{conversations} bytes");
    assert!(page.contains("of 2,000 threads are listed"));
}

#[test]
fn missing_conversations_and_an_empty_report_are_fine() {
    let report = fixture::report_of(0);
    assert!(page(&report, &HtmlOptions::default()).contains("Nothing was analysed"));
    assert!(assay_ui::terminal(&report, &TerminalOptions::default()).contains("No threads were analysed"));
    assert!(assay_ui::markdown(&report).contains("No threads were analysed"));
    let mut out = Vec::new();
    assay_ui::html(&fixture::report(), &|_: &_| Ok(None), &mut out).expect("written");
    let page = String::from_utf8(out).expect("UTF-8");
    assert!(!page.contains("id=\"conversation-"));
}

#[test]
fn a_failing_source_of_conversations_fails_the_page() {
    let error = assay_ui::html(
        &fixture::report(),
        &|_: &_| Err(std::io::Error::other("store is gone")),
        &mut std::io::sink(),
    );
    assert_eq!(error.expect_err("fails").to_string(), "store is gone");
}

#[test]
fn a_thousand_categories_fit() {
    let report = fixture::wide_report(1_000);
    let page = page(&report, &HtmlOptions::default());
    assert_eq!(page.matches("<section class=\"view category\"").count(), 1_100);
    assert!(page.len() < 16 << 20, "{} bytes", page.len());
    assert!(assay_ui::terminal(&report, &TerminalOptions::default()).lines().count() < 400);
    assert!(assay_ui::markdown(&report).contains("more categories are in `report.json`"));
}

#[test]
fn the_terminal_tree_fits_its_width_and_lines_up() {
    let report = fixture::report();
    for width in [60, 80, 100, 140] {
        for unicode in [true, false] {
            let options = TerminalOptions { width, unicode, ..TerminalOptions::default() };
            let text = assay_ui::terminal(&report, &options);
            for line in text.lines() {
                assert!(line.width() <= width, "{} > {width}: {line}", line.width());
            }
            assert!(unicode || text.is_ascii(), "{text}");
        }
    }
}

#[test]
fn the_terminal_shows_this() {
    let report = fixture::report();
    let options = TerminalOptions { width: 80, highlights: 1, ..TerminalOptions::default() };
    let text = assay_ui::terminal(&report, &options);
    let tree: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("Category")).take(6).collect();
    assert_eq!(
        tree,
        [
            "Category                               Share      ± Failures      p50      Cost",
            "Orders and delivery         ████████  42.0 %    4.8    8.9 %    4.8 s     $1.53",
            " ├ Track a parcel           ████      21.0 %    4.0    7.1 %    3.4 s     $0.77",
            " ├ Change or cancel an ord… ██▌       13.0 %    3.3    5.8 %    5.7 s     $0.48",
            " └ Damaged or missing items █▌         8.0 %    2.7   18.8 %    9.4 s     $0.28",
            "Refunds and payments        █████▊    30.0 %    4.5   30.0 %    9.9 s     $1.17",
        ]
    );
    assert!(text.contains("3 threads skipped: no messages (3)"));
}

#[test]
fn depth_and_siblings_limit_the_tree() {
    let report = fixture::report();
    let options =
        TerminalOptions { depth: Some(1), siblings: 2, highlights: 0, ..TerminalOptions::default() };
    let text = assay_ui::terminal(&report, &options);
    assert!(text.contains("Refunds and payments") && text.contains("… 3 more"));
    assert!(!text.contains("Track a parcel"));
}

#[test]
fn markdown_has_the_summary_the_table_and_the_method() {
    let text = assay_ui::markdown(&fixture::report());
    for part in [
        "# Delivery dominates; refunds fail three times as often as the rest",
        "- Orders and delivery is what people come for: 42.0 % of all threads",
        "| Orders and delivery | 168 | 42.0 % ± 4.8 | 8.9 % | 0.87 | 4.8 s |",
        "| &emsp;Track a parcel | 84 |",
        "## Threads worth reading",
        "- skipped 3: no messages",
    ] {
        assert!(text.contains(part), "{part} not in:\n{text}");
    }
}

#[test]
fn what_was_asked_of_every_thread_comes_first() {
    let mut report = fixture::report();
    let question = serde_json::from_value(serde_json::json!({ "type": "string" })).expect("a question");
    report.config.attributes.insert("tools_used".into(), question);
    let text = assay_ui::markdown(&report);
    assert!(text.contains("## Questions asked of every thread\n\n- **tools\\_used** ("), "{text}");
    assert!(!assay_ui::markdown(&fixture::report()).contains("Questions asked"));
    let page = page(&report, &HtmlOptions::default());
    let all = page.find("class=\"attributes\"").expect("attributes");
    let first = page[all..].find("<figcaption>").map(|at| &page[all + at..]).expect("one");
    assert!(first.starts_with("<figcaption>tools used"), "{}", &first[..60]);
}

#[test]
fn the_table_of_assignments_has_one_row_per_thread() {
    let report = fixture::report();
    let mut out = Vec::new();
    assay_ui::assignments_csv(&report, &mut out).expect("written");
    let mut reader = csv::Reader::from_reader(out.as_slice());
    let header = reader.headers().expect("a header").clone();
    assert_eq!(&header[0], "id");
    assert!(header.iter().any(|name| name == "attribute.tools_used"));
    let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 400);
    assert_eq!(rows[0][1], report.assignments[0].path.join(" > "));
}

#[test]
fn the_lines_of_assignments_are_json_with_id_path_and_confidence() {
    let report = fixture::report();
    let mut out = Vec::new();
    assay_ui::assignments_jsonl(&report, &mut out).expect("written");
    let text = String::from_utf8(out).expect("UTF-8");
    assert_eq!(text.lines().count(), 400);
    let first: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["id"], *report.assignments[0].thread.0);
    assert_eq!(first["path"].as_array().expect("a path").len(), 2);
    assert!(first["confidence"].is_f64());
}

#[test]
fn the_json_reads_back_as_the_same_report_and_fits_its_schema() {
    let validator = jsonschema::validator_for(&assay_ui::schema()).expect("a schema");
    let (hostile, _) = hostile::report_and_conversation();
    for report in [fixture::report(), fixture::report_of(0), hostile] {
        let text = assay_ui::json(&report);
        assert_eq!(serde_json::from_str::<Report>(&text).expect("a report"), report);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    assert!(!validator.is_valid(&serde_json::json!({ "version": "one" })));
    assert_eq!(fixture::report().assignments.iter().filter(|one| one.status == Status::Error).count(), 44);
}

/// The published schema is generated. When the report changes, run
/// `cargo run -p assay-ui --example sample schema > docs/report.schema.json`.
#[test]
fn the_published_schema_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report.schema.json");
    let published = std::fs::read_to_string(&path).expect("docs/report.schema.json is there");
    assert!(published == format!("{:#}\n", assay_ui::schema()), "docs/report.schema.json is out of date");
}

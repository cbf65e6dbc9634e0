//! Writes the test suite's synthetic report as a page to standard output, or in another form:
//! `cargo run -p assay-ui --example sample [html|hostile|wide|large|crowd|empty|terminal|markdown|json|csv|jsonl|schema]`

use std::io::{self, Write};

use assay_ui::{HtmlOptions, TerminalOptions};

#[path = "../tests/report/fixture.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod fixture;
#[path = "../tests/report/hostile.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod hostile;

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let report = fixture::report();
    let form = std::env::args().nth(1).unwrap_or_else(|| "html".into());
    match form.as_str() {
        "html" => page(&report, &mut out)?,
        "hostile" => {
            let (report, conversation) = hostile::report_and_conversation();
            let options = HtmlOptions { conversation_bytes: 2 << 20, ..HtmlOptions::default() };
            assay_ui::html_with(&report, &|_: &_| Ok(Some(conversation.clone())), &options, &mut out)?;
        }
        "wide" => page(&fixture::wide_report(1_000), &mut out)?,
        "large" => page(&fixture::report_of(5_000), &mut out)?,
        "crowd" => {
            // As many as a server's page has; without conversations, which are not what counts here.
            let options = HtmlOptions { threads: 20_000, ..HtmlOptions::default() };
            assay_ui::html_with(&fixture::report_of(20_000), &|_: &_| Ok(None), &options, &mut out)?;
        }
        "empty" => page(&fixture::report_of(0), &mut out)?,
        "terminal" => {
            let width = std::env::args().nth(2).and_then(|width| width.parse().ok()).unwrap_or(100);
            let options = TerminalOptions { width, color: true, ..TerminalOptions::default() };
            out.write_all(assay_ui::terminal(&report, &options).as_bytes())?;
        }
        "markdown" => out.write_all(assay_ui::markdown(&report).as_bytes())?,
        "json" => out.write_all(assay_ui::json(&report).as_bytes())?,
        "csv" => assay_ui::assignments_csv(&report, &mut out)?,
        "jsonl" => assay_ui::assignments_jsonl(&report, &mut out)?,
        "schema" => writeln!(out, "{:#}", assay_ui::schema())?,
        other => return Err(io::Error::other(format!("unknown form {other:?}"))),
    }
    out.flush()
}

fn page(report: &assay_domain::Report, out: &mut dyn Write) -> io::Result<()> {
    assay_ui::html(report, &|thread: &_| Ok(fixture::conversation(report, thread)), out)
}

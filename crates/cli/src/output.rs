//! Printing: everything that came from a trace is made harmless first.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// Prints a line or a text. A reader that went away ends the command quietly.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Prints to standard error, where it does not mix with results.
pub(crate) fn note(text: &str) {
    // Whoever closed it does not want to know.
    let _ = writeln!(io::stderr(), "{}", plain(text));
}

/// What went wrong, and why, each cause once: some errors have their cause in their own words.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if !said.iter().any(|before| before.contains(&cause)) {
            said.push(cause);
        }
    }
    said.join(": ")
}

/// Whether the error is that nobody reads our output any more.
pub(crate) fn is_closed(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The text without anything a terminal would obey: control characters,
/// escape sequences and direction marks are shown, not executed.
pub(crate) fn plain(text: &str) -> String {
    text.split('\n').map(|line| assay_ui::text::visible(line)).collect::<Vec<_>>().join("\n")
}

/// A table with left-aligned columns, as wide as their widest cell.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let clean: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| assay_ui::text::line(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = clean.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(header.to_vec())];
    lines.extend(clean.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Columns of the terminal, 100 where there is none.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0)).clamp(60, 160)
}

/// Colours where somebody looks and does not mind (<https://no-color.org>).
pub(crate) fn wants_color() -> bool {
    is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

//! Public sets of traces, file to report.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use serde_json::Value;

use super::table::{Row, Target};
use super::{Bench, data, megabytes};

/// 23,700 short requests; many different texts to embed.
pub(super) fn clinc(bench: &Bench) -> Result<Vec<Row>> {
    let Some(data) = data() else { return Ok(skipped("clinc")) };
    without_labels(&data.join("clinc150/threads.jsonl.gz"), &bench.file("clinc150.jsonl"), bench.is_quick)?;
    report(bench, "clinc", "report {clinc150.jsonl} --out {report}", Target::AtMost(60.0))
}

/// 23,800 traces of two runs with tool calls.
pub(super) fn bfcl(bench: &Bench) -> Result<Vec<Row>> {
    let Some(data) = data() else { return Ok(skipped("bfcl")) };
    without_labels(&data.join("bfcl_2024_08/runs.jsonl.gz"), &bench.file("bfcl.jsonl"), bench.is_quick)?;
    report(bench, "bfcl", "report {bfcl.jsonl} --out {report}", Target::AtMost(90.0))
}

fn skipped(name: &'static str) -> Vec<Row> {
    eprintln!("{name}: the public data is not here; skipped");
    Vec::new()
}

/// Times `assay report` and says how much there was to embed.
pub(super) fn report(bench: &Bench, name: &'static str, command: &str, target: Target) -> Result<Vec<Row>> {
    let (_, measured) = bench.assay(command)?;
    let made = made(bench)?;
    let number = |key: &str| made[key].as_u64().unwrap_or_default();
    let note = format!(
        "{} threads, {} different texts ({} by the student)",
        number("sampled"),
        number("distinct_texts"),
        number("student_texts")
    );
    let target = Some(target).filter(|_| !bench.is_quick);
    #[expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]
    let rate = number("sampled") as f64 / measured.seconds;
    Ok(vec![
        Row::new(name, "seconds", measured.seconds, command)
            .target(target)
            .ratio(format!("{rate:.0} threads/s"))
            .note(&note),
        Row::new(name, "peak MB", megabytes(measured.peak_bytes), command).ratio(format!(
            "{:.1} kB a thread",
            megabytes(measured.peak_bytes) * 1024.0 / f64::max(rate * measured.seconds, 1.0)
        )),
    ])
}

/// How the report in `{report}` was made.
pub(super) fn made(bench: &Bench) -> Result<Value> {
    let text = std::fs::read(bench.file("report").join("report.json"))?;
    let mut report: Value = serde_json::from_slice(&text).context("report.json")?;
    Ok(report["made"].take())
}

/// Copies records without gold labels; where quick, twenty of every two hundred, so that most traces stay whole.
fn without_labels(from: &Path, to: &Path, is_quick: bool) -> Result<()> {
    let file = std::fs::File::open(from).with_context(|| from.display().to_string())?;
    let mut out = BufWriter::new(std::fs::File::create(to)?);
    for (index, line) in BufReader::new(GzDecoder::new(file)).lines().enumerate() {
        let mut record: Value = serde_json::from_str(&line?)?;
        if is_quick && index / 20 % 10 != 0 {
            continue;
        }
        if let Some(fields) = record.as_object_mut() {
            fields.remove("labels");
        }
        serde_json::to_writer(&mut out, &record)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

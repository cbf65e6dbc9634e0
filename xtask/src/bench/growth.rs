//! How time and memory grow with the number of threads: nothing may be quadratic.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::labelled::made;
use super::table::{Row, Target};
use super::{Bench, megabytes};

const SIZES: [u64; 5] = [1_000, 3_000, 10_000, 30_000, 100_000];
/// A growth of n^1.3 over the last step still allows for n log n and caches.
const MAX_EXPONENT: f64 = 1.3;

#[expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]
pub(super) fn growth(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut before: Option<(u64, f64, u64)> = None;
    for size in SIZES.into_iter().filter(|size| !bench.is_quick || *size <= 3_000) {
        make_corpus(bench, size)?;
        let command = "report {demo/traces.jsonl} {demo/feedback.jsonl} --project demo --out {report}";
        let (_, measured) = bench.assay(command)?;
        let made = made(bench)?;
        let is_last = size == 100_000;
        let grown = before.map(|(smaller, seconds, _)| {
            let (times, exponent) = exponent(size as f64 / smaller as f64, measured.seconds / seconds);
            format!("{times:.2} × the smaller one, n^{exponent:.2}")
        });
        let memory = before.map(|(smaller, _, bytes)| {
            let (times, exponent) =
                exponent(size as f64 / smaller as f64, measured.peak_bytes as f64 / bytes.max(1) as f64);
            format!("{times:.2} × the smaller one, n^{exponent:.2}")
        });
        let seconds = format!("seconds, {size} threads");
        rows.push(
            Row::new("growth", &seconds, measured.seconds, command)
                .target(is_last.then_some(Target::AtMost(600.0)))
                .ratio(grown.unwrap_or_default())
                .note(&format!(
                    "{} different texts ({} by the student)",
                    made["distinct_texts"], made["student_texts"]
                )),
        );
        rows.push(
            Row::new("growth", &format!("peak MB, {size} threads"), megabytes(measured.peak_bytes), command)
                .target(is_last.then_some(Target::AtMost(3072.0)))
                .ratio(memory.unwrap_or_default()),
        );
        if let (true, Some((smaller, seconds, _))) = (is_last, before) {
            let (_, exponent) = exponent(size as f64 / smaller as f64, measured.seconds / seconds);
            rows.push(
                Row::new("growth", "exponent of time, last step", exponent, command)
                    .target(Some(Target::AtMost(MAX_EXPONENT))),
            );
        }
        before = Some((size, measured.seconds, measured.peak_bytes));
    }
    Ok(rows)
}

/// How much more, and the power of the size that explains it.
fn exponent(size: f64, cost: f64) -> (f64, f64) {
    (cost, cost.ln() / size.ln())
}

/// Has the product make its demo corpus, and stops it before it goes on to analyse it.
pub(super) fn make_corpus(bench: &Bench, size: u64) -> Result<()> {
    let out = bench.file("demo");
    if out.exists() {
        std::fs::remove_dir_all(&out)?;
    }
    let mut child = Command::new(&bench.binary)
        .args(["demo", "--size", &size.to_string(), "--out"])
        .arg(&out)
        // What a stopped process leaves behind goes with the bench's folder.
        .env("TMPDIR", &bench.folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let deadline = Instant::now() + Duration::from_secs(300);
    // The answer key is written last.
    while !out.join("planted.json").is_file() {
        if child.try_wait()?.is_some() || Instant::now() > deadline {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // It may have ended by itself.
    let _ = child.kill();
    child.wait()?;
    let count = std::fs::read_to_string(out.join("traces.jsonl"))
        .context("the demo wrote no corpus")?
        .lines()
        .count();
    if (count as u64) < size {
        bail!("the demo made {count} runs for {size} threads");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quadratic_growth_has_exponent_two() {
        assert!((exponent(10.0, 100.0).1 - 2.0).abs() < 1e-9);
        assert!((exponent(3.0, 3.0).1 - 1.0).abs() < 1e-9);
    }
}

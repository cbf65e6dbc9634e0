//! What asking models takes beside the models' own time, and whether estimates hold.
//!
//! `models` reads threads of the demo corpus with the stand-in server, a process
//! of its own that takes a second for each answer: how close the run comes to
//! the arithmetic limit, processor time per call, memory. `estimate` runs the
//! test that estimates twenty jobs and then pays for them, and prints its table.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::growth::make_corpus;
use super::table::{Row, Target};
use super::{Bench, megabytes};
use crate::process;

/// Calls in flight at once.
const AT_ONCE: u32 = 20;

/// A running stand-in; ended when dropped.
pub(crate) struct Standin {
    process: Child,
    pub(crate) base_url: String,
}

impl Standin {
    pub(crate) fn start(program: &Path, latency_ms: u64) -> Result<Self> {
        let mut process = Command::new(program)
            .args(["--latency-ms", &latency_ms.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let out = process.stdout.take().context("its output")?;
        let mut base_url = String::new();
        BufReader::new(out).read_line(&mut base_url)?;
        Ok(Self { process, base_url: base_url.trim().to_owned() })
    }

    /// How many requests came.
    fn calls(&self) -> Result<u32> {
        let url = format!("{}/_calls", self.base_url.trim_end_matches("/v1"));
        let told = ureq::get(&url).call()?.body_mut().read_to_string()?;
        let told: serde_json::Value = serde_json::from_str(&told)?;
        let calls = told["calls"].as_u64().context("calls")?;
        Ok(u32::try_from(calls)?)
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What reading so many threads took.
struct Reading {
    calls: u32,
    measured: process::Measured,
}

pub(super) fn models(bench: &Bench) -> Result<Vec<Row>> {
    let (threads, latency_ms) = if bench.is_quick { (100, 100) } else { (1_000, 1_000) };
    let program = bench.standin()?;
    make_corpus(bench, threads)?;
    let import = "import {demo/traces.jsonl} {demo/feedback.jsonl} --project demo --data {store}";
    bench.assay(import)?;
    let run = "insights run --project demo --data {store}";
    // Vectors are made once, of the threads' words and of the model's, so that what follows
    // differs by the calls alone.
    bench.assay(run)?;
    read(bench, &program, Pass { name: "first", latency_ms: 0, threads })?;
    let (_, local) = bench.assay(run)?;
    let all = read(bench, &program, Pass { name: "all", latency_ms, threads })?;
    ensure!(u64::from(all.calls) * 2 > threads, "only {} calls came for {threads} threads", all.calls);
    // The same report with all answers remembered: what it holds beside is for the calls.
    let again = read(bench, &program, Pass { name: "all", latency_ms, threads })?;
    ensure!(again.calls == 0, "{} calls came for what is remembered", again.calls);

    let command = format!("{run} --tier deep --concurrency {AT_ONCE}");
    let limit = f64::from(all.calls) / f64::from(AT_ONCE) * latency_ms as f64 / 1_000.0;
    let cpu = (all.measured.cpu_seconds - local.cpu_seconds) * 1_000.0 / f64::from(all.calls);
    let per_call = {
        let more = all.measured.peak_bytes as f64 - again.measured.peak_bytes as f64;
        more / 1024.0 / f64::from(all.calls.max(1))
    };
    let whole = |target| (!bench.is_quick).then_some(Target::AtMost(target));
    let note = format!("{} calls of {latency_ms} ms, {AT_ONCE} at once: {limit:.1} s", all.calls);
    Ok(vec![
        Row::new("models", "seconds against the arithmetic limit", all.measured.seconds / limit, &command)
            .target(whole(1.1))
            .note(&note),
        Row::new("models", "seconds", all.measured.seconds, &command)
            .ratio(format!("{:.2} s without models", local.seconds)),
        Row::new("models", "processor ms per call", cpu, &command).target(whole(5.0)),
        Row::new("models", "peak MB", megabytes(all.measured.peak_bytes), &command)
            .ratio(format!("{:.0} MB without models", megabytes(local.peak_bytes))),
        Row::new("models", "KB held per call", per_call, &command)
            .target(whole(20.0))
            .note("beside the same report from remembered answers"),
    ])
}

/// One report by a model of its own name: what one answered is not remembered of another.
#[derive(Clone, Copy)]
struct Pass {
    name: &'static str,
    latency_ms: u64,
    threads: u64,
}

/// Has a model read threads, no answer remembered.
fn read(bench: &Bench, program: &Path, pass: Pass) -> Result<Reading> {
    let Pass { name, latency_ms, threads } = pass;
    let standin = Standin::start(program, latency_ms)?;
    let command = format!(
        "insights run --project demo --data {{store}} --sample {threads} --tier deep --model standin-{name} \
         --base-url {} --concurrency {AT_ONCE}",
        standin.base_url
    );
    let (_, measured) = bench.assay(&command)?;
    let calls = standin.calls()?;
    Ok(Reading { calls, measured })
}

pub(super) fn estimate(bench: &Bench) -> Result<Vec<Row>> {
    let test = "estimate::estimates_of_twenty_jobs_are_near_what_they_cost";
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--quiet", "--workspace", "--test", "it", test])
        .args(["--", "--exact", "--nocapture"])
        .env("TMPDIR", &bench.folder)
        .current_dir(crate::root())
        .stderr(Stdio::inherit())
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{told}");
    let near = told.lines().find_map(|line| Some(line.split_once(" of 20 within 15 %")?.0));
    let near: f64 = near.context("the test printed no result")?.trim().parse()?;
    let command = "insights estimate, then insights run";
    let row = Row::new("estimate", "of 20 jobs within 15 percent", near, command);
    Ok(vec![row.target(Some(Target::AtLeast(20.0)))])
}

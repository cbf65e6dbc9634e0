//! The server under load: what it takes in, and how quickly it answers meanwhile.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::table::{Row, Target};
use super::{Bench, megabytes};
use crate::load::{Figures, Kind, Plan, send};
use crate::process::{peak_of, resident_of};

/// A server of its own, on a free port, stopped when dropped.
struct Server {
    process: Child,
    url: String,
    agent: ureq::Agent,
}

impl Server {
    fn start(bench: &Bench, store: &Path) -> Result<Self> {
        let mut process = Command::new(&bench.binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(store)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = process.stdout.take().context("standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let url =
            line.trim().strip_prefix("listening on ").context("the server said something else")?.to_owned();
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        Ok(Self { process, url, agent })
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let text = body.to_string();
        let request =
            self.agent.post(format!("{}{path}", self.url)).header("content-type", "application/json");
        answer(request.send(text.as_bytes())?, path)
    }

    fn get(&self, path: &str) -> Result<Value> {
        answer(self.agent.get(format!("{}{path}", self.url)).call()?, path)
    }

    fn project(&self, name: &str) -> Result<String> {
        let found = self.get(&format!("/sessions?name={name}"))?;
        Ok(found[0]["id"].as_str().with_context(|| format!("no project {name}"))?.to_owned())
    }

    fn runs(&self, project: &str) -> Result<u64> {
        let stats = self.post("/runs/stats", &json!({ "session": [self.project(project)?] }))?;
        stats["run_count"].as_u64().context("run_count")
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>, path: &str) -> Result<Value> {
    let status = response.status();
    let text = response.body_mut().with_config().limit(64 << 20).read_to_string()?;
    ensure!(status.is_success(), "{path} answered {status}: {text}");
    Ok(serde_json::from_str(&text)?)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs by every way in, client included, and whether all that was acknowledged is there.
pub(super) fn ingest(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let long = if bench.is_quick { 5 } else { 300 };
    let short = if bench.is_quick { 5 } else { 60 };
    for (kind, name, seconds, per_request, at_least) in [
        (Kind::Multipart, "multipart", long, 100, 10_000.0),
        (Kind::Pairs, "pairs", short, 100, 6_000.0),
        (Kind::Otlp, "otlp", short, 200, 12_000.0),
        (Kind::Batch, "batch", short, 100, 10_000.0),
    ] {
        let server = Server::start(bench, &bench.file(name))?;
        let idle = resident_of(server.process.id());
        let time = Duration::from_secs(seconds);
        let plan = Plan {
            url: server.url.clone(),
            kind,
            time,
            per_request,
            project: name.into(),
            ..Plan::default()
        };
        let figures = send(&plan)?;
        let command =
            format!("cargo xtask load --kind {name} --seconds {seconds} --per-request {per_request}");
        let stored = server.runs(name)?;
        // Of pairs, the last creations have no end yet.
        ensure!(
            stored >= figures.runs,
            "{name}: {} runs were acknowledged, {stored} are stored",
            figures.runs
        );
        rows.extend(taken_in(bench, &figures, name, at_least, &command));
        let target = |target| if bench.is_quick { None } else { Some(target) };
        let peak = megabytes(peak_of(server.process.id()));
        rows.push(
            Row::new("ingest", &format!("{name}: MB, idle"), megabytes(idle), &command)
                .target(target(Target::AtMost(150.0))),
        );
        rows.push(
            Row::new("ingest", &format!("{name}: MB, peak"), peak, &command)
                .target(target(Target::AtMost(600.0))),
        );
    }
    Ok(rows)
}

fn taken_in(bench: &Bench, figures: &Figures, name: &str, at_least: f64, command: &str) -> Vec<Row> {
    let target = |target| if bench.is_quick { None } else { Some(target) };
    let note = format!("{} runs, all there; {} requests repeated", figures.runs, figures.repeated);
    let what = if name == "pairs" { "pairs/s" } else { "runs/s" };
    vec![
        Row::new("ingest", &format!("{name}: {what}"), figures.rate(), command)
            .target(target(Target::AtLeast(at_least)))
            .note(&note),
        Row::new("ingest", &format!("{name}: ms, p50"), figures.latency(0.5), command),
        Row::new("ingest", &format!("{name}: ms, p99"), figures.latency(0.99), command)
            .target(target(Target::AtMost(250.0))),
    ]
}

/// Asks; the number says which of several subjects to ask about.
type Ask = Box<dyn Fn(&Server, usize) -> Result<()>>;

/// One question, asked again and again.
struct Question {
    name: &'static str,
    /// Milliseconds.
    at_most: f64,
    ask: Ask,
}

/// Answers over a million runs, while more are coming in.
pub(super) fn query(bench: &Bench) -> Result<Vec<Row>> {
    let folder = bench.keep.clone().unwrap_or_else(|| bench.file("query"));
    std::fs::create_dir_all(&folder)?;
    let server = Server::start(bench, &folder)?;
    let fill = Plan { url: server.url.clone(), kind: Kind::Multipart, ..Plan::default() };
    // A store that was kept is there already.
    let mut stored = if server.project("load").is_ok() { server.runs("load")? } else { 0 };
    while stored < bench.runs {
        let seconds = if bench.is_quick { 1 } else { 10 };
        stored += send(&Plan { time: Duration::from_secs(seconds), ..fill.clone() })?.runs;
        eprintln!("  {stored} runs are stored");
    }
    let project = server.project("load")?;
    let page =
        server.post("/runs/query", &json!({ "session": [project], "limit": 100, "select": ["id"] }))?;
    let ids: Vec<String> =
        page["runs"].as_array().into_iter().flatten().map(|run| text(&run["id"])).collect();
    ensure!(!ids.is_empty(), "no runs to ask for");
    // The first search brings the index up to date; that is not what is timed.
    server
        .post("/runs/query", &json!({ "session": [project], "filter": "search(\"refund\")", "limit": 1 }))?;

    let load = Plan { rate: Some(1_000.0), time: Duration::from_secs(3_600), connections: 1, ..fill };
    let writer = std::thread::spawn(move || send(&load));
    let mut rows = Vec::new();
    for question in questions(&project, ids) {
        let mut times = Vec::new();
        for number in 0..if bench.is_quick { 10 } else { 100 } {
            let start = Instant::now();
            (question.ask)(&server, number).with_context(|| question.name)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let target = (!bench.is_quick).then_some(Target::AtMost(question.at_most));
        let note = format!(
            "p99 {:.1}; {stored} runs stored, 1,000 a second coming in",
            times[times.len() * 99 / 100]
        );
        rows.push(
            Row::new("query", &format!("{}: ms, p50", question.name), times[times.len() / 2], "serve")
                .target(target)
                .note(&note),
        );
    }
    let target = |target| if bench.is_quick { None } else { Some(target) };
    rows.push(
        Row::new("query", "MB, peak", megabytes(peak_of(server.process.id())), "serve")
            .target(target(Target::AtMost(600.0))),
    );
    drop(server);
    // It ends with the server, by a refused connection.
    drop(writer.join());
    Ok(rows)
}

fn questions(project: &str, ids: Vec<String>) -> Vec<Question> {
    let ask = |name, at_most, body: Value| Question {
        name,
        at_most,
        ask: Box::new(move |server: &Server, _| server.post("/runs/query", &body).map(drop)),
    };
    let page = |filter: &str| json!({ "session": [project], "filter": filter, "limit": 50 });
    let (by_id, by_trace) = (ids.clone(), ids);
    let counted =
        json!({ "session": [project], "filter": "and(eq(status, \"error\"), gt(latency, \"0.5s\"))" });
    let stats = format!("/sessions/{project}?include_stats=true");
    vec![
        Question {
            name: "run by id",
            at_most: 5.0,
            ask: Box::new(move |server, number| {
                server.get(&format!("/runs/{}", by_id[number % by_id.len()])).map(drop)
            }),
        },
        Question {
            name: "trace tree",
            at_most: 20.0,
            ask: Box::new(move |server, number| {
                server.post("/runs/query", &json!({ "trace": by_trace[number % by_trace.len()] })).map(drop)
            }),
        },
        ask("filtered page", 50.0, page("eq(status, \"error\")")),
        ask(
            "filtered page, rare",
            50.0,
            page("and(eq(status, \"error\"), eq(name, \"plan\"), gt(latency, \"1.06s\"))"),
        ),
        ask(
            "page by metadata",
            50.0,
            page("and(eq(metadata_key, \"user\"), eq(metadata_value, \"user-17\"))"),
        ),
        ask("full text", 150.0, page("search(\"card declined\")")),
        Question {
            name: "live count",
            at_most: 200.0,
            ask: Box::new(move |server, _| server.post("/runs/count", &counted).map(drop)),
        },
        Question {
            name: "project stats",
            at_most: 200.0,
            ask: Box::new(move |server, _| server.get(&stats).map(drop)),
        },
    ]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

//! `assay serve` from outside: what it acknowledged survives kill -9, and other
//! commands work beside it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Place, histories, signal, wait};

/// So often the server is killed under load.
const ROUNDS: u64 = 100;
/// No job of a test takes so long.
pub(crate) const JOB: Duration = Duration::from_secs(180);

/// A server over the store of a place, stopped when dropped.
pub(crate) struct Server {
    pub(crate) process: Option<Child>,
    pub(crate) url: String,
    pub(crate) agent: ureq::Agent,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) text: String,
}

impl Server {
    pub(crate) fn start(place: &Place) -> Self {
        let mut command = place.command("serve --listen 127.0.0.1:0");
        Self::launch(command.stderr(Stdio::null()))
    }

    /// Starts a server with a command of one's own.
    pub(crate) fn launch(command: &mut Command) -> Self {
        let mut process = command.spawn().expect("the binary");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("standard output");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(30))).build().new_agent();
        Self { process: Some(process), url, agent }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("a process").id()
    }

    /// The whole of an answer.
    pub(crate) fn answer(&self, path: &str, body: &Value) -> Answer {
        let request =
            self.agent.post(format!("{}{path}", self.url)).header("content-type", "application/json");
        let mut answer = request.send(body.to_string().as_bytes()).expect("an answer");
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        Answer {
            status: answer.status().as_u16(),
            retry_after: retry_after.map(str::to_owned),
            text: answer.body_mut().read_to_string().expect("text"),
        }
    }

    /// Status and JSON of an answer; `None` if there was no answer.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let text = body.to_string();
        let request =
            self.agent.post(format!("{}{path}", self.url)).header("content-type", "application/json");
        let mut answer = request.send(text.as_bytes()).ok()?;
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string().ok()?;
        Some((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// Ids of these that the server knows.
    pub(crate) fn known(&self, ids: &[String]) -> Vec<String> {
        let mut known = Vec::new();
        for ids in ids.chunks(100) {
            let body = json!({ "id": ids, "select": ["id"], "limit": 100 });
            let (status, page) = self.post("/runs/query", &body).expect("an answer");
            assert_eq!(status, 200, "{page}");
            let runs = page["runs"].as_array().expect("runs").iter();
            known.extend(runs.map(|run| run["id"].as_str().expect("an id").to_owned()));
        }
        known
    }

    /// The JSON of an answer.
    pub(crate) fn get(&self, path: &str) -> Value {
        serde_json::from_slice(&self.bytes(path)).expect("JSON")
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call().expect("an answer");
        let bytes = answer.body_mut().with_config().limit(64 << 20).read_to_vec().expect("a body");
        assert_eq!(answer.status().as_u16(), 200, "{}", String::from_utf8_lossy(&bytes));
        bytes
    }

    /// The job at this path, once it has ended.
    pub(crate) fn ended(&self, path: &str) -> Value {
        let begun = Instant::now();
        loop {
            let job = self.get(path);
            if job["status"] == "success" || job["status"] == "error" {
                return job;
            }
            assert!(begun.elapsed() < JOB, "{job}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn kill(mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("killed");
            process.wait().expect("gone");
        }
    }

    /// Asks it politely to end and waits until it has.
    pub(crate) fn stop(mut self) -> i32 {
        let process = self.process.take().expect("a process");
        signal(&process, "TERM");
        wait(process, "serve").code.expect("an exit code")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

pub(crate) fn id(number: u64) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

pub(crate) fn batch(numbers: std::ops::Range<u64>) -> Value {
    let run = |number: u64| {
        json!({
            "id": id(number), "trace_id": id(number), "name": "agent", "run_type": "chain",
            "dotted_order": format!("20261001T080000000000Z{}", id(number)),
            "start_time": "2026-10-01T08:00:00Z", "end_time": "2026-10-01T08:00:01Z", "session_name": "load",
            "inputs": {"question": "where is my parcel?"}, "outputs": {"answer": format!("number {number}")},
        })
    };
    json!({ "post": numbers.map(run).collect::<Vec<_>>() })
}

/// Sends batches until the server is gone; notes what was acknowledged.
fn send(server: &Server, next: &AtomicU64, is_over: &AtomicBool, acknowledged: &Mutex<Vec<String>>) {
    while !is_over.load(Ordering::Relaxed) {
        let first = next.fetch_add(7, Ordering::Relaxed);
        let Some((status, answer)) = server.post("/runs/batch", &batch(first..first + 7)) else { break };
        match status {
            200..300 => acknowledged.lock().expect("no panic").extend((first..first + 7).map(id)),
            429 | 503 => {}
            _ => panic!("{status}: {answer}"),
        }
    }
}

/// Sets a flag when it goes out of scope, also by a failed assertion.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_hundred_kills_under_load_lose_nothing_that_was_acknowledged() {
    let place = Place::new();
    let next = AtomicU64::new(0);
    let acknowledged = Mutex::new(Vec::new());
    let mut checked = 0;
    for round in 0..ROUNDS {
        let server = Server::start(&place);
        let all = acknowledged.lock().expect("no panic").clone();
        // What earlier rounds have shown to be there is asked for again at the end.
        assert_eq!(server.known(&all[checked..]).len(), all.len() - checked, "round {round}");
        checked = all.len();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| send(&server, &next, &is_over, &acknowledged));
            }
            // A moment that differs from round to round: sometimes before the first answer, sometimes long after.
            let moment = Duration::from_micros(1_000 + round * 7_919 % 60_000);
            let start = Instant::now();
            while start.elapsed() < moment {
                std::thread::yield_now();
            }
            signal(server.process.as_ref().expect("a process"), "KILL");
            is_over.store(true, Ordering::Relaxed);
        });
        server.kill();
    }
    let server = Server::start(&place);
    let all = acknowledged.into_inner().expect("no panic");
    assert!(all.len() > 200, "only {} runs were acknowledged in all rounds", all.len());
    assert_eq!(server.known(&all).len(), all.len());
    assert_eq!(server.stop(), 0);
    place.assay("doctor").ok();
}

#[test]
fn a_polite_end_keeps_everything_and_says_so() {
    let place = Place::new();
    let server = Server::start(&place);
    let (status, _) = server.post("/runs/batch", &batch(0..20)).expect("an answer");
    assert_eq!(status, 202);
    assert_eq!(server.stop(), 0);
    let listed = place.assay("runs list --project load --json --limit 100").ok().json();
    assert_eq!(listed.as_array().expect("a list").len(), 20);
}

#[test]
fn imports_and_reports_work_beside_a_running_server() {
    let place = Place::new();
    let server = Server::start(&place);
    place.write("chats.jsonl", histories(60).join("\n"));
    let is_over = AtomicBool::new(false);
    let (next, acknowledged) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        scope.spawn(|| send(&server, &next, &is_over, &acknowledged));
        let _over = Over(&is_over);
        place.assay("import chats.jsonl --project chats").ok();
        let report = place.assay("insights run --project chats --json").ok().json();
        assert_eq!(report["assignments"].as_array().expect("assignments").len(), 60);
    });
    let acknowledged = acknowledged.into_inner().expect("no panic");
    assert_eq!(server.known(&acknowledged).len(), acknowledged.len());
    // What was imported beside the server is visible through it at once.
    let query = json!({ "filter": "eq(is_root, true)", "limit": 100 });
    let (status, sessions) = server.post("/runs/query", &query).expect("an answer");
    assert_eq!(status, 200, "{sessions}");
    assert_eq!(server.stop(), 0);
    place.assay("doctor").ok();
}

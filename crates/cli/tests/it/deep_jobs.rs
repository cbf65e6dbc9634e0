//! Jobs of `assay serve` that ask models, over real HTTP: killed at any moment
//! they give the same report, and what was answered and kept is not asked again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use assay_standin::{Behavior, Standin};
use serde_json::{Value, json};

use crate::serving::Server;
use crate::support::{Place, histories};

const PATIENCE: Duration = Duration::from_secs(180);
const THREADS: usize = 300;
/// Calls in flight at once; so many can be answered and not yet kept when the server is killed.
const CONCURRENCY: u64 = 8;

/// So often the server is killed: `ASSAY_KILLS`, or a few times.
fn kills() -> u64 {
    std::env::var("ASSAY_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// A store with chats, and a stand-in for its server's models.
struct Scene {
    place: Place,
    standin: Standin,
    project: String,
}

impl Scene {
    fn new(runtime: &tokio::runtime::Runtime) -> Self {
        let behavior = Behavior { latency_ms: 60, ..Behavior::default() };
        let standin = runtime.block_on(Standin::start(behavior.into())).expect("a port");
        let place = Place::new();
        place.write("chats.jsonl", different(histories(THREADS)).join("\n"));
        place.assay("import chats.jsonl --project chats").ok();
        let listed = place.assay("project list --json").ok().json();
        let found = listed.as_array().expect("projects").iter().find(|one| one["name"] == "chats");
        let project = found.expect("the project")["id"].as_str().expect("an id").to_owned();
        Self { place, standin, project }
    }

    fn serve(&self) -> Server {
        let line = format!(
            "serve --listen 127.0.0.1:0 --models-base-url {} --models-thinking m",
            self.standin.base_url()
        );
        let mut command = self.place.command(&line);
        command.env("ASSAY_MODELS_CONCURRENCY", CONCURRENCY.to_string());
        Server::launch(command.stderr(std::process::Stdio::null()))
    }

    fn begin(&self, server: &Server) -> String {
        let path = format!("/sessions/{}/insights", self.project);
        let (status, job) = server.post(&path, &json!({"name": "n", "seed": 5})).expect("an answer");
        assert_eq!(status, 200, "{job}");
        format!("{path}/{}", job["id"].as_str().expect("an id"))
    }

    /// How often each question was answered.
    fn answered(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for request in self.standin.requests() {
            assert_eq!(request.outcome, "answered");
            *counts.entry(request.body.to_string()).or_default() += 1;
        }
        counts
    }
}

/// The histories with a word in each that no other has: what differs in numbers alone is asked once.
fn different(lines: Vec<String>) -> Vec<String> {
    let letter = |digit: usize| char::from(b'a' + u8::try_from(digit % 26).unwrap_or(0));
    let said = |(number, line): (usize, String)| {
        let mut chat: Value = serde_json::from_str(&line).expect("JSON");
        let word = String::from_iter([letter(number / 26), letter(number), 'x']);
        let asked = chat["messages"][1]["content"].as_str().expect("a question").to_owned();
        chat["messages"][1]["content"] = json!(format!("{asked} for {word}"));
        chat.to_string()
    };
    lines.into_iter().enumerate().map(said).collect()
}

fn end(server: &Server, path: &str) -> Value {
    let begun = Instant::now();
    loop {
        let job = server.get(path);
        if job["status"] == "success" || job["status"] == "error" {
            return job;
        }
        assert!(begun.elapsed() < PATIENCE, "{job}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_deep_job_killed_at_any_moment_gives_the_same_bytes_and_what_was_kept_is_not_asked_again() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let unbroken = Scene::new(&runtime);
    let server = unbroken.serve();
    let path = unbroken.begin(&server);
    assert_eq!(end(&server, &path)["status"], "success");
    let expected = server.bytes(&format!("{path}/files/report.json"));
    assert_eq!(server.stop(), 0);
    let once = unbroken.answered();
    assert!(once.values().all(|times| *times == 1) && once.len() > THREADS, "{} questions", once.len());

    let broken = Scene::new(&runtime);
    let mut server = broken.serve();
    let path = broken.begin(&server);
    let mut done = 0;
    for kills in 0..kills() {
        let wanted = Duration::from_millis(20 + kills * 7_919 % 1_100);
        let begun = Instant::now();
        let mut claimed = None;
        loop {
            let job = server.get(&path);
            if job["status"] == "success" {
                break;
            }
            if claimed.is_none() && job["metadata"]["attempt"].as_u64() > Some(kills) {
                claimed = Some(Instant::now());
            }
            if claimed.is_some_and(|claimed| claimed.elapsed() > wanted) {
                done += 1;
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{job}");
            std::thread::sleep(Duration::from_millis(5));
        }
        server.kill();
        server = broken.serve();
    }
    let job = end(&server, &path);
    assert_eq!(job["status"], "success", "{job}");
    assert!(server.bytes(&format!("{path}/files/report.json")) == expected, "the report is another one");
    assert_eq!(server.stop(), 0);
    let asked = broken.answered();
    assert!(asked.keys().eq(once.keys()), "other questions were asked");
    let again: u64 = asked.values().map(|times| times - 1).sum();
    println!("{done} kills while at it, {} questions, {again} asked again", once.len());
    // Answered when the server was killed, and not yet on disk: nobody can know of those.
    assert!(again <= done * CONCURRENCY, "{again} questions were asked again after {done} kills");
    let most = asked.values().max().copied().unwrap_or_default();
    assert!(most <= 1 + done, "a question was asked {most} times");
    broken.place.assay("doctor").ok();
}

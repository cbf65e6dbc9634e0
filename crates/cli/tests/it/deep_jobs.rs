//! Jobs of `assay serve` that ask models, over real HTTP: killed at any moment
//! they give the same report, and no call is paid twice. Providers that do not
//! know `Idempotency-Key` may be asked again what was under way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use assay_standin::{Behavior, Standin};
use serde_json::{Value, json};

use crate::serving::{JOB, Server};
use crate::support::{Place, histories};

const THREADS: usize = 300;
/// Calls in flight at once; so many can be answered and not yet kept when the server is killed.
const CONCURRENCY: u64 = 8;

/// Dollars per token of the model where there is a budget.
const INPUT: f64 = 0.000_002;
const OUTPUT: f64 = 0.000_008;

/// So often the server is killed: `ASSAY_KILLS`, or a few times.
fn kills() -> u64 {
    std::env::var("ASSAY_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

/// A store with chats, and a stand-in for its server's models.
struct Scene {
    place: Place,
    standin: Standin,
    project: String,
}

impl Scene {
    fn new(runtime: &tokio::runtime::Runtime, idempotent: bool) -> Self {
        let behavior = Behavior { latency_ms: 60, idempotent, ..Behavior::default() };
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

    fn begin(&self, server: &Server, budget: Option<f64>) -> String {
        let path = format!("/sessions/{}/insights", self.project);
        let body = json!({"name": "n", "seed": 5, "budget": budget});
        let (status, job) = server.post(&path, &body).expect("an answer");
        assert_eq!(status, 200, "{job}");
        format!("{path}/{}", job["id"].as_str().expect("an id"))
    }

    /// How often each question was answered and paid.
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

/// The report of a job that nothing befell, and the questions it asked.
fn unbroken(runtime: &tokio::runtime::Runtime) -> (Vec<u8>, BTreeMap<String, u64>) {
    let scene = Scene::new(runtime, true);
    let server = scene.serve();
    let path = scene.begin(&server, None);
    assert_eq!(server.ended(&path)["status"], "success");
    let report = server.bytes(&format!("{path}/files/report.json"));
    assert_eq!(server.stop(), 0);
    let asked = scene.answered();
    assert!(asked.values().all(|times| *times == 1) && asked.len() > THREADS, "{} questions", asked.len());
    assert_eq!(scene.standin.replayed(), 0);
    (report, asked)
}

/// What became of a job whose server was killed.
struct Broken {
    scene: Scene,
    job: Value,
    report: Vec<u8>,
    /// Kills while the job was at it.
    kills: u64,
}

fn broken(runtime: &tokio::runtime::Runtime, idempotent: bool, kills: u64, budget: Option<f64>) -> Broken {
    let scene = Scene::new(runtime, idempotent);
    let mut server = scene.serve();
    if budget.is_some() {
        let price =
            json!({"name": "m", "match_pattern": "^m$", "prompt_cost": INPUT, "completion_cost": OUTPUT});
        let (status, told) = server.post("/model-price-map", &price).expect("an answer");
        assert_eq!(status, 200, "{told}");
    }
    let path = scene.begin(&server, budget);
    let mut done = 0;
    for round in 0..kills {
        done += u64::from(is_at_it(&server, &path, round));
        server.kill();
        server = scene.serve();
    }
    let job = server.ended(&path);
    assert_eq!(job["status"], "success", "{job}");
    let report = server.bytes(&format!("{path}/files/report.json"));
    assert_eq!(server.stop(), 0);
    scene.place.assay("doctor").ok();
    Broken { scene, job, report, kills: done }
}

/// Waits until the job has been worked on for a while, another one in each round; whether it still is.
fn is_at_it(server: &Server, path: &str, round: u64) -> bool {
    let wanted = Duration::from_millis(20 + round * 7_919 % 1_100);
    let begun = Instant::now();
    let mut claimed = None;
    loop {
        let job = server.get(path);
        if job["status"] == "success" {
            return false;
        }
        if claimed.is_none() && job["metadata"]["attempt"].as_u64() > Some(round) {
            claimed = Some(Instant::now());
        }
        if claimed.is_some_and(|claimed| claimed.elapsed() > wanted) {
            return true;
        }
        assert!(begun.elapsed() < JOB, "{job}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_deep_job_killed_at_any_moment_gives_the_same_bytes_and_no_call_is_paid_twice() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (report, once) = unbroken(&runtime);
    let broken = broken(&runtime, true, kills(), None);
    assert!(broken.report == report, "the report is another one");
    let replayed = broken.scene.standin.replayed();
    println!("{} kills while at it, {} questions, {replayed} answers given again", broken.kills, once.len());
    assert_eq!(broken.kills, kills(), "the job was over before");
    assert!(broken.scene.answered() == once, "questions were paid twice, or others were asked");
    assert_eq!(broken.scene.standin.calls(), once.len() as u64);
}

#[test]
fn a_provider_without_idempotency_keys_is_asked_again_at_most_what_was_under_way() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let broken = broken(&runtime, false, 3, None);
    let asked = broken.scene.answered();
    let again: u64 = asked.values().map(|times| times - 1).sum();
    println!("{} kills while at it, {} questions, {again} asked again", broken.kills, asked.len());
    // Answered when the server was killed, and not yet on disk: nobody can know of those.
    assert!(again <= broken.kills * CONCURRENCY, "{again} questions were asked again");
}

#[test]
fn a_budget_holds_against_what_was_paid_however_often_the_server_is_killed() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for budget in [0.2, 0.4] {
        let broken = broken(&runtime, false, 4, Some(budget));
        let bill = broken.scene.standin.bill("m");
        let paid = bill.input as f64 * INPUT + bill.output as f64 * OUTPUT;
        let told = &broken.job["metadata"];
        let booked = told["spend"]["cost"].as_f64().expect("money");
        println!("${budget}: {} kills while at it, ${paid:.3} paid, ${booked:.3} booked", broken.kills);
        assert!(paid > 0.0 && paid <= budget, "${paid} of ${budget} were paid");
        assert!(told["partial"].as_str().is_some_and(|text| text.contains("budget")), "{told}");
    }
}

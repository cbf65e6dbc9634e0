//! Jobs of `assay serve`: killed at any moment they give the same report, and
//! commands beside the server queue, follow, compare and export.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::serving::{JOB, Server};
use crate::support::{Place, histories};

/// So often the server is killed while it works on one job.
const KILLS: u64 = 10;

fn project(place: &Place) -> String {
    let listed = place.assay("project list --json").ok().json();
    let projects = listed.as_array().expect("projects");
    let found = projects.iter().find(|one| one["name"] == "chats").expect("the project");
    found["id"].as_str().expect("an id").to_owned()
}

/// Asks for a job; the path under which it is read.
fn begin(server: &Server, project: &str) -> String {
    let path = format!("/sessions/{project}/insights");
    let (status, job) =
        server.post(&path, &json!({ "name": "n", "seed": 5, "sample": 250 })).expect("an answer");
    assert_eq!(status, 200, "{job}");
    format!("{path}/{}", job["id"].as_str().expect("an id"))
}

#[test]
fn a_job_whose_server_is_killed_ten_times_gives_the_same_bytes() {
    let place = Place::new();
    place.write("chats.jsonl", histories(300).join("\n"));
    place.assay("import chats.jsonl --project chats").ok();
    let project = project(&place);
    let server = Server::start(&place);
    let unbroken = begin(&server, &project);
    assert_eq!(server.ended(&unbroken)["status"], "success");
    let expected = server.bytes(&format!("{unbroken}/files/report.json"));
    let broken = begin(&server, &project);
    let mut server = server;
    for kills in 0..KILLS {
        // From right after it was claimed until it is nearly done, a little later in every round.
        let wanted = Duration::from_millis(20 + kills * 7_919 % 900);
        let begun = Instant::now();
        loop {
            let job = server.get(&broken);
            if job["status"] == "success" {
                break;
            }
            if job["metadata"]["attempt"].as_u64() > Some(kills) && begun.elapsed() > wanted {
                break;
            }
            assert!(begun.elapsed() < JOB, "{job}");
            std::thread::sleep(Duration::from_millis(5));
        }
        server.kill();
        server = Server::start(&place);
    }
    let job = server.ended(&broken);
    assert_eq!(job["status"], "success", "{job}");
    assert!(job["metadata"]["attempt"].as_u64() > Some(1), "it was begun again: {job}");
    assert!(server.bytes(&format!("{broken}/files/report.json")) == expected, "the report is another one");
    assert_eq!(server.stop(), 0);
    place.assay("doctor").ok();
}

#[test]
fn commands_beside_the_server_queue_follow_compare_and_export() {
    let place = Place::new();
    place.write("chats.jsonl", histories(80).join("\n"));
    place.assay("import chats.jsonl --project chats").ok();
    place.assay("config save mine --project chats --sample 60 --instructions 'what do people want'").ok();
    place.assay("schedule add mine --project chats --at 'weekly' --zone Europe/Berlin").ok();
    place.assay("schedule add mine --project chats --at 'now and then'").fails_with(&["five fields"]);
    let scheduled = place.assay("schedule list --json").ok().json();
    assert_eq!(scheduled[0]["next_runs"].as_array().map(Vec::len), Some(3));
    let configs = place.assay("config list --project chats --json").ok().json();
    assert_eq!(configs.as_array().map(Vec::len), Some(3));
    let queued = place.assay("insights run --project chats --queue --config mine").ok().out();
    let cancelled = place.assay("insights run --project chats --queue --focus errors").ok().out();
    place.assay(&format!("insights cancel {}", cancelled.trim())).ok();
    place
        .assay("insights run --project chats --queue --tier deep --model m --base-url http://localhost:1/v1")
        .fails_with(&["--base-url", "server's own settings"]);
    place.assay("insights run --project chats --tier deep").fails_with(&["--model"]);

    let server = Server::start(&place);
    let report = place.assay(&format!("insights watch {}", queued.trim())).ok().out();
    place.assay(&format!("insights watch {}", cancelled.trim())).fails_with(&["cancelled"]);
    assert_eq!(server.stop(), 0);
    let report = report.trim();
    let shown = place.assay(&format!("insights show {report} --json")).ok().json();
    assert_eq!(shown["assignments"].as_array().map(Vec::len), Some(60));
    let jobs = place.assay("insights jobs --json").ok().json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(2));

    let second = place.assay("insights run --project chats --name whole --json").ok().json();
    let second = second["id"].as_str().expect("an id");
    let comparison = place.assay(&format!("insights compare {report} {second} --json")).ok().json();
    // One of both cuts much finer.
    assert_eq!((&comparison["shared_threads"], &comparison["matched_by"]), (&json!(60), &json!("likeness")));
    assert!(comparison["changes"].as_array().is_some_and(|changes| !changes.is_empty()));
    assert!(place.assay(&format!("insights compare {report} {second}")).ok().out().contains("DIFFERENCE"));

    // A second look finds what the first embedded, and sees the same.
    let again = place.assay(&format!("insights compare {report} {second} --json")).ok().json();
    assert_eq!(again, comparison);
    let failures = place.assay("insights run --project chats --focus errors --json").ok().json();
    let failures = failures["id"].as_str().expect("an id");
    let asked = format!("insights compare {second} {failures}");
    place.assay(&asked).fails_with(&["about use", "about failures", "same focus"]);

    let job = cancelled.trim();
    let resumed = place.assay(&format!("insights resume {job} --json")).ok().json();
    assert_eq!(resumed["state"]["status"], "queued");
    place.assay(&format!("insights resume {job}")).fails_with(&["has not ended"]);
    place.assay(&format!("insights resume {}", queued.trim())).fails_with(&["has its report"]);

    let node = &shown["taxonomy"]["nodes"][0];
    let (id, threads) = (node["id"].as_str().expect("an id"), node["statistics"]["threads"].as_u64());
    let lines = place.assay(&format!("dataset export {report} {id}")).ok().out();
    assert_eq!(lines.lines().count() as u64, threads.expect("a number"));
    for line in lines.lines() {
        let example: Value = serde_json::from_str(line).expect("JSON");
        assert!(example["inputs"].is_object() && example["outputs"].is_object());
    }
    for format in ["openai", "pytest", "langsmith"] {
        place.assay(&format!("dataset export {report} {id} --format {format} --out cases.{format}")).ok();
        assert!(!place.read(&format!("cases.{format}")).is_empty(), "{format}");
    }
    place.assay(&format!("dataset export {report} nothing")).fails_with(&["no category"]);
    place.assay("schedule remove mine --project chats").ok();
    place.assay("config delete mine --project chats").ok();
    place.assay("config delete 'Usage Patterns' --project chats").fails_with(&["prebuilt"]);
}

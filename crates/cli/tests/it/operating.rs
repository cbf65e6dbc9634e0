//! Running a server for others: settings, keys, retention, logs, backups, and
//! how it stops. With real processes, as whoever looks after them sees it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::serving::{Server, batch, id};
use crate::support::{Place, signal, wait};

/// Nothing that is waited for here takes longer; what does has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until it holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Server {
    /// Status of a GET with this key.
    fn status(&self, path: &str, key: Option<&str>) -> u16 {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        request.call().expect("an answer").status().as_u16()
    }

    /// A connection that has sent the head of a batch and waits with its body.
    fn open(&self, body: &str) -> TcpStream {
        let address = self.url.strip_prefix("http://").expect("an address");
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = format!(
            "POST /runs/batch HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("sent");
        // The server asks for the body once a handler has the request.
        let mut answer = [0; 25];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream
    }

    fn is_listening(&self) -> bool {
        TcpStream::connect(self.url.strip_prefix("http://").expect("an address")).is_ok()
    }
}

#[test]
fn settings_come_from_flags_environment_and_file_and_slips_are_refused() {
    let place = Place::new();
    place.write(
        "assay.toml",
        "listen = \"127.0.0.1:1\"\ngrpc = \"127.0.0.1:2\"\n[limits]\nmax_body = \"1MB\"",
    );
    let mut command = place.command("serve --config assay.toml --listen 127.0.0.1:3 --check-config");
    command.env("ASSAY_GRPC", "127.0.0.1:4");
    let shown = wait(command.spawn().expect("the binary"), "check").ok().out();
    for line in [
        "listen = \"127.0.0.1:3\"  # --listen",
        "grpc = \"127.0.0.1:4\"  # environment variable ASSAY_GRPC",
        "limits.max_body = \"1MB\"  # assay.toml",
        "log.format = \"text\"  # default",
    ] {
        assert!(shown.contains(line), "no {line} in {shown}");
    }
    assert!(place.list("store").is_empty(), "nothing was started");
    place.write("slip.toml", "[limits]\nmaxbody = \"1MB\"");
    place.assay("serve --config slip.toml").fails_with(&["limits.maxbody", "did you mean `limits.max_body`"]);
    place.assay("serve --listen nowhere --check-config").fails_with(&["--listen", "127.0.0.1:1984"]);
}

#[test]
fn keys_made_and_revoked_beside_a_running_server_count_at_once() {
    let place = Place::new();
    let server = Server::start(&place);
    assert_eq!(server.status("/sessions", None), 200, "on loopback, without keys, whoever asks is the owner");
    let key = place.assay("key create --role viewer --description ci --expires 30d").ok().out();
    let key = key.trim();
    until("requests without a key are refused", || server.status("/sessions", None) == 401);
    assert_eq!(server.status("/sessions", Some(key)), 200);
    assert_eq!(server.status("/audit-logs", Some(key)), 403, "a viewer is no admin");
    let listed = place.assay("key list --json").ok().json();
    assert_eq!((&listed[0]["role"], &listed[0]["description"]), (&json!("viewer"), &json!("ci")));
    assert!(listed[0]["expires_at"].is_string());
    assert!(!listed.to_string().contains(key), "it is shown once");
    let id = listed[0]["id"].as_str().expect("an id");
    place.assay(&format!("key revoke {id}")).ok();
    until("a revoked key is refused", || server.status("/sessions", Some(key)) == 401);
    let audit = place.assay("audit --json").ok().json();
    let actions: Vec<&Value> =
        audit.as_array().expect("a list").iter().map(|one| &one["entry"]["action"]).collect();
    assert_eq!(actions, ["key revoke", "key create"]);
    assert_eq!(audit[0]["entry"]["actor"]["type"], "cli");
    assert_eq!(server.stop(), 0);
    let elsewhere = "00000000-0000-4000-8000-000000000000";
    place.assay(&format!("key create --workspace {elsewhere}")).fails_with(&["there is no workspace"]);
}

#[test]
fn rules_of_redaction_can_be_tried_without_a_store() {
    let place = Place::new();
    let text = "write to ada@example.com\nnothing here\n{\"inputs\": {\"to\": \"bob@example.com\"}}\n";
    let shown = place.assay_with("redact --test -", text.as_bytes()).ok().out();
    assert!(shown.contains("1: write to ada@example.com\n  -> write to [EMAIL]"), "{shown}");
    assert!(shown.contains("3: inputs.to: bob@example.com\n  -> [EMAIL]"), "{shown}");
    assert!(!shown.contains("nothing here"), "{shown}");
    let config =
        "[ingest.redact]\npaths = [{ path = \"inputs.to\" }]\n[projects.p.redact]\nhide_outputs = true\n";
    place.write("assay.toml", config);
    place.write("run.json", "{\"inputs\": {\"to\": \"x\", \"cc\": \"y\"}, \"outputs\": {\"said\": \"z\"}}");
    let shown = place.assay("redact --test run.json --config assay.toml").ok().out();
    assert_eq!(shown.trim(), "inputs.to: x\n  -> [REDACTED]");
    let shown = place.assay("redact --test run.json --config assay.toml --project p").ok().out();
    assert!(shown.contains("outputs.said: z\n  -> (nothing)"), "{shown}");
    assert!(place.list("store").is_empty());
}

#[test]
fn a_store_restored_from_a_backup_made_while_serving_says_the_same() {
    let place = Place::new();
    let server = Server::start(&place);
    for start in [0, 20] {
        assert_eq!(server.post("/runs/batch", &batch(start..start + 20)).expect("an answer").0, 202);
    }
    let secret = json!([{ "key": "SOME_KEY", "value": "s3cret" }]);
    assert_eq!(server.post("/workspaces/current/secrets", &secret).expect("an answer").0, 200);
    place.assay("insights run --project load --json").ok();
    place.assay("backup copy").ok();
    // What comes later is not in it.
    assert_eq!(server.post("/runs/batch", &batch(40..50)).expect("an answer").0, 202);
    place.assay("backup copy").fails_with(&["exists already"]);
    assert_eq!(server.stop(), 0);

    place.assay("restore copy --data again").ok();
    place.assay("restore copy --data again").fails_with(&["not replaced"]);
    assert_eq!(place.read("store/secrets.key"), place.read("again/secrets.key"));
    let count = |store: &str| {
        let listed =
            place.assay(&format!("runs list --project load --json --limit 1000 --data {store}")).ok().json();
        listed.as_array().expect("a list").len()
    };
    assert_eq!((count("store"), count("again")), (50, 40));
    for store in ["store", "again"] {
        place.assay(&format!("insights export --project load --out report-{store} --data {store}")).ok();
    }
    assert_eq!(place.list("report-store"), place.list("report-again"));
    for file in place.list("report-store") {
        assert!(
            place.read(&format!("report-store/{file}")) == place.read(&format!("report-again/{file}")),
            "{file} differs"
        );
    }
    place.assay("doctor --data again").ok();
}

#[test]
fn a_running_server_deletes_what_a_project_no_longer_keeps() {
    let place = Place::new();
    let mut command = place.command("serve --listen 127.0.0.1:0");
    let server = Server::launch(command.env("ASSAY_RETENTION_EVERY", "50ms").stderr(Stdio::null()));
    let mut old = batch(0..3);
    for run in old["post"].as_array_mut().expect("runs") {
        run["start_time"] = "2020-01-01T00:00:00Z".into();
        run["end_time"] = "2020-01-01T00:00:01Z".into();
        run["dotted_order"] = format!("20200101T000000000000Z{}", run["id"].as_str().expect("an id")).into();
    }
    assert_eq!(server.post("/runs/batch", &old).expect("an answer").0, 202);
    let ids: Vec<String> = (0..3).map(id).collect();
    assert_eq!(server.known(&ids).len(), 3);
    place.assay("project retention load 30d").ok();
    assert!(place.assay("project retention load").ok().out().contains("30d"));
    until("old traces are gone", || server.known(&ids).is_empty());
    until("it is in the audit log", || place.assay("audit").ok().out().contains("server"));
    place.assay("project retention load soon").fails_with(&["14d"]);
    assert_eq!(server.stop(), 0);
}

#[test]
fn logs_are_one_json_object_per_line_without_what_is_in_traces() {
    let place = Place::new();
    let log = std::fs::File::create(place.path("log")).expect("a file");
    let mut command = place.command("serve --listen 127.0.0.1:0 --log-format json");
    let server = Server::launch(command.stderr(log).env_remove("RUST_LOG"));
    assert_eq!(server.post("/runs/batch?note=parcel", &batch(0..5)).expect("an answer").0, 202);
    let wrong = json!({ "post": [{ "id": "parcel", "inputs": "where is my parcel?" }] });
    assert_eq!(server.post("/runs/batch", &wrong).expect("an answer").0, 422);
    assert_eq!(
        server.post("/runs/query", &json!({ "filter": "eq(name, \"parcel\"" })).expect("an answer").0,
        400
    );
    assert_eq!(server.stop(), 0);
    let text = String::from_utf8(place.read("log")).expect("text");
    let (lines, notes): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    let answered: Vec<&Value> = lines.iter().filter(|line| line["message"] == "answered").collect();
    assert_eq!(answered.len(), 3, "{text}");
    assert_eq!((&answered[0]["path"], &answered[0]["status"]), (&json!("/runs/batch"), &json!(202)));
    assert!(answered[0]["request.id"].is_string() && answered[0]["timestamp"].is_string());
    assert!(!text.contains("parcel"), "{text}");
    assert!(notes.iter().all(|note| !note.contains("answered")), "{notes:?}");
}

#[test]
fn a_server_that_is_asked_to_end_answers_what_it_took_and_refuses_what_is_new() {
    let place = Place::new();
    let server = Server::start(&place);
    let body = batch(0..5).to_string();
    let mut open = server.open(&body);
    signal(server.process.as_ref().expect("a process"), "TERM");
    until("new connections are refused", || !server.is_listening());
    open.write_all(body.as_bytes()).expect("sent");
    let mut answer = String::new();
    open.read_to_string(&mut answer).expect("an answer, then the end of the connection");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let mut server = server;
    let ended = wait(server.process.take().expect("a process"), "serve");
    assert_eq!(ended.code, Some(0));
    let listed = place.assay("runs list --project load --json").ok().json();
    assert_eq!(listed.as_array().expect("a list").len(), 5, "what was answered is durable");
}

#[test]
fn a_client_that_never_ends_does_not_keep_a_server_from_ending() {
    let place = Place::new();
    let mut command = place.command("serve --listen 127.0.0.1:0");
    let mut server = Server::launch(command.env("ASSAY_LIMITS_DRAIN", "300ms").stderr(Stdio::null()));
    let mut open = server.open(&"x".repeat(1000));
    open.write_all(b"{").expect("sent");
    let process = server.process.take().expect("a process");
    let asked = Instant::now();
    signal(&process, "INT");
    assert_eq!(wait(process, "serve").code, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

#[test]
fn files_pass_the_policies_of_the_store_and_of_the_configuration_file() {
    let place = Place::new();
    let chat = |user: &str, asked: &str| {
        json!({ "messages": [{ "role": "user", "content": asked }, { "role": "assistant", "content": "Done." }],
            "metadata": { "tier": user } })
        .to_string()
    };
    let lines = [
        chat("paid", "Write to ada@example.com, please"),
        chat("free", "What is the weather?"),
        chat("paid", "Order AB-123456 is late"),
    ];
    place.write("chats.jsonl", lines.join("\n"));
    let server = Server::start(&place);
    let rules = json!([{ "name": "paying only", "action": "drop",
        "filter": "and(eq(metadata_key, \"tier\"), eq(metadata_value, \"free\"))" }]);
    let policy = json!({ "redact": { "detectors": ["email"] }, "rules": rules });
    let request = server.agent.put(format!("{}/ingest-policies/*", server.url));
    let answer = request.header("content-type", "application/json").send(policy.to_string().as_bytes());
    assert_eq!(answer.expect("an answer").status().as_u16(), 200);
    assert_eq!(server.stop(), 0);

    place.write(
        "assay.toml",
        "[projects.chats.redact]\npatterns = [{ name = \"order\", regex = \"AB-[0-9]{6}\" }]\n",
    );
    let told = place.assay("import chats.jsonl --project chats --config assay.toml --json").ok().json();
    assert_eq!((&told["dropped_runs"], &told["redacted_values"]), (&json!(1), &json!(2)), "{told}");
    let listed = place.assay("runs list --project chats --json").ok().json();
    let threads =
        listed.as_array().expect("a list").iter().map(|run| run["thread_id"].as_str().expect("an id"));
    let shown: String =
        threads.map(|thread| place.assay(&format!("thread show {thread}")).ok().out()).collect();
    assert!(shown.contains("[EMAIL]") && shown.contains("[ORDER]"), "{shown}");
    assert!(!["ada@", "AB-1", "weather"].iter().any(|word| shown.contains(word)), "{shown}");

    place.write("wrong.toml", "[ingest]\nsample_rat = 0.5\n");
    let refused = place.assay("import chats.jsonl --project chats --config wrong.toml");
    refused.fails_with(&["sample_rat", "sample_rate"]);
}

#[test]
fn a_project_deleted_from_the_command_line_leaves_nothing_that_speaks_of_it_but_the_audit_entry() {
    let place = Place::new();
    let server = Server::start(&place);
    let (_, project) = server.post("/sessions", &json!({"name": "shop"})).expect("an answer");
    let project = project["id"].as_str().expect("an id").to_owned();
    let (_, run) = server
        .post("/runs", &json!({"id": id(1), "name": "agent", "run_type": "chain", "session_name": "shop"}))
        .expect("an answer");
    assert_eq!(run["runs"], 1, "{run}");
    let views = format!("/sessions/{project}/views");
    let (status, made) = server.post(&views, &json!({"display_name": "late parcels"})).expect("an answer");
    assert!(status < 300, "{made}");
    let share = format!("/runs/{}/share", id(1));
    let request = server.agent.put(format!("{}{share}", server.url));
    let answer = request.header("content-type", "application/json").send("{}".as_bytes());
    assert_eq!(answer.expect("an answer").status().as_u16(), 200);
    assert_eq!(server.get(&views).as_array().map(Vec::len), Some(1));
    assert!(server.get(&share).is_object());
    assert_eq!(server.stop(), 0);

    place.assay("project delete shop --yes").ok();
    let audit = place.assay("audit --json").ok().json();
    let entry = &audit[0]["entry"];
    assert_eq!((&entry["action"], &entry["actor"]["type"]), (&json!("project delete"), &json!("cli")));
    assert_eq!((&entry["object"]["session_id"], &entry["object"]["runs"]), (&json!(project), &json!(1)));

    // Under the same ids nothing comes back.
    let server = Server::start(&place);
    server.post("/sessions", &json!({"id": project, "name": "shop"})).expect("an answer");
    assert_eq!(server.get(&views), json!([]));
    assert_eq!(server.get(&share), Value::Null);
    assert_eq!(server.stop(), 0);
}

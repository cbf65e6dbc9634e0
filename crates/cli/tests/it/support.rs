//! A folder to try things in, the binary to try, and made-up traces.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// No command of these tests may take longer; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// A folder of its own for a test. Commands run inside of it, their store is `store`.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    command: String,
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("assay-it-").tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("tmp")).expect("a temporary directory");
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder");
        }
        std::fs::write(path, content).expect(name);
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect(name)
    }

    /// The command as it would be typed: words separated by spaces, `'…'` keeps them together.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(binary());
        command.args(words(line));
        self.prepare(&mut command);
        command
    }

    /// Sets the scene for a command: working directory, store, temporary directory.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command
            .current_dir(self.folder.path())
            .env("ASSAY_DATA", "store")
            .env("TMPDIR", self.path("tmp"))
            .env_remove("NO_COLOR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    /// Runs `assay` with these words to its end.
    pub(crate) fn assay(&self, line: &str) -> Ended {
        let child = self.command(line).spawn().expect("the binary");
        wait(child, line)
    }

    /// The same with something on standard input.
    pub(crate) fn assay_with(&self, line: &str, input: &[u8]) -> Ended {
        let mut child = self.command(line).stdin(Stdio::piped()).spawn().expect("the binary");
        let mut stdin = child.stdin.take().expect("standard input");
        let input = input.to_vec();
        let feeding = std::thread::spawn(move || {
            // A command that ends before it has read everything is no concern of ours.
            let _ = stdin.write_all(&input);
        });
        let ended = wait(child, line);
        feeding.join().expect("feeding");
        ended
    }

    /// Runs a shell script in which `$ASSAY` is the binary.
    #[cfg(unix)]
    pub(crate) fn shell(&self, script: &str) -> Ended {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("ASSAY", binary());
        self.prepare(&mut command);
        wait(command.spawn().expect("a shell"), script)
    }

    /// Names of what is in a folder, sorted.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(name)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_assay"))
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Collects what a child prints until it ends; kills it if it never does.
pub(crate) fn wait(mut child: Child, command: &str) -> Ended {
    let collect = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
            bytes
        })
    };
    let stdout = collect(child.stdout.take().map(|stream| Box::new(stream) as _));
    let stderr = collect(child.stderr.take().map(|stream| Box::new(stream) as _));
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                let _ = child.kill();
                panic!("assay {command} does not end");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    Ended {
        command: command.to_owned(),
        code: status.code(),
        stdout: stdout.join().expect("standard output"),
        stderr: stderr.join().expect("standard error"),
    }
}

impl Ended {
    /// Asserts on the exit code.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, Some(expected), "{}", self.describe());
        assert!(!self.err().contains("panicked"), "{}", self.describe());
        self
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    /// Asserts that it ended badly, in words that hold all of these.
    #[track_caller]
    pub(crate) fn fails_with(self, words: &[&str]) -> Self {
        let ended = self.code(1);
        let error = ended.error();
        for word in words {
            assert!(error.contains(word), "no {word:?} in the error\n{}", ended.describe());
        }
        ended
    }

    /// The line that says what went wrong, and what follows it.
    pub(crate) fn error(&self) -> String {
        self.err().split_once("error: ").map(|(_, error)| error.to_owned()).unwrap_or_default()
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("standard output is UTF-8")
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8(self.stderr.clone()).expect("standard error is UTF-8")
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_slice(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("not JSON: {error}\n{}", self.describe()),
        }
    }

    pub(crate) fn describe(&self) -> String {
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.chars().take(4000).collect::<String>()
        };
        format!(
            "$ assay {}\nexit {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.code,
            text(&self.stdout),
            text(&self.stderr)
        )
    }
}

/// One chat history, without times or anything else that is optional.
pub(crate) fn said(id: &str, question: &str) -> String {
    json!({"id": id, "messages": [
        {"role": "user", "content": question},
        {"role": "assistant", "content": "Done. Is there anything else I can do for you?"},
    ]})
    .to_string()
}

/// What people ask the made-up agent for, and how it says so.
const TOPICS: [(&str, &str, [&str; 4]); 6] = [
    (
        "refund",
        "issue_refund",
        [
            "I want my money back for order {n}",
            "please refund order {n}, it arrived broken",
            "how do I get a refund on {n}?",
            "refund {n} to my card please",
        ],
    ),
    (
        "delivery",
        "track_parcel",
        [
            "where is my parcel {n}?",
            "my delivery {n} is late again",
            "track the shipment {n} for me",
            "when will package {n} arrive at my house",
        ],
    ),
    (
        "password",
        "reset_password",
        [
            "I forgot my password, user {n}",
            "cannot log in to account {n}",
            "reset the login password of {n} please",
            "my account {n} is locked after three wrong passwords",
        ],
    ),
    (
        "weather",
        "forecast",
        [
            "will it rain in district {n} tomorrow?",
            "weather forecast for station {n}",
            "how hot does it get in area {n} this weekend",
            "is there a storm coming to region {n}",
        ],
    ),
    (
        "recipe",
        "find_recipe",
        [
            "a vegetarian recipe for {n} people",
            "what can I cook with {n} eggs and spinach",
            "how long do I bake bread at {n} degrees",
            "dinner ideas for {n} guests without nuts",
        ],
    ),
    (
        "invoice",
        "send_invoice",
        [
            "send me invoice {n} as PDF",
            "the VAT number on invoice {n} is wrong",
            "I need a copy of the bill {n} for accounting",
            "invoice {n} shows the wrong company address",
        ],
    ),
];

/// So many chat histories about six topics, one per line: tools, failures,
/// feedback, metadata and times included. The same ones every time.
pub(crate) fn histories(count: usize) -> Vec<String> {
    (0..count).map(history).collect()
}

fn history(index: usize) -> String {
    let (topic, tool, phrases) = TOPICS[index % TOPICS.len()];
    let phrase = phrases[index / TOPICS.len() % phrases.len()];
    let question = phrase.replace("{n}", &(index * 37 % 900 + 10).to_string());
    let has_failed = index % 7 == 3;
    let answer = if has_failed { "Sorry, that did not work." } else { "Here you are." };
    let result = if has_failed {
        json!({"role": "tool", "tool_call_id": "c1", "name": tool, "content": "Error: upstream timed out after 30 s", "error": "upstream timed out after 30 s"})
    } else {
        json!({"role": "tool", "tool_call_id": "c1", "name": tool, "content": format!("{{\"{topic}\": \"ok\"}}")})
    };
    let day = 1 + index % 20;
    let channel = ["web", "app", "mail"][index % 3];
    let commit = if index % 20 < 10 { "a1" } else { "b2" };
    json!({
        "id": format!("thread-{index:05}"),
        "start_time": format!("2026-09-{day:02}T10:{:02}:00Z", index % 60),
        "end_time": format!("2026-09-{day:02}T10:{:02}:{:02}Z", index % 60, 3 + index % 50),
        "messages": [
            {"role": "system", "content": "You are a helpful agent."},
            {"role": "user", "content": question},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": tool, "arguments": "{\"n\": 1}"}}]},
            result,
            {"role": "assistant", "content": answer},
        ],
        "metadata": {"channel": channel, "prompt_commit": commit},
        "feedback": if index.is_multiple_of(2) { json!({"helpful": i32::from(!has_failed)}) } else { Value::Null },
        "error": if has_failed { json!("ToolError: upstream timed out") } else { Value::Null },
    })
    .to_string()
}

/// A trace of three LangSmith runs (chain, model, tool), one per line.
pub(crate) fn trace(number: usize) -> Vec<String> {
    let id = |step: usize| format!("{number:08x}-0000-4000-8000-{step:012x}");
    let time = |second: usize| format!("2026-10-{:02}T08:00:{second:02}Z", 1 + number % 28);
    let steps = [("agent", "chain"), ("ChatModel", "llm"), ("lookup", "tool")];
    (0..steps.len())
        .map(|step| {
            let (name, kind) = steps[step];
            json!({
                "id": id(step), "trace_id": id(0),
                "parent_run_id": if step == 0 { Value::Null } else { json!(id(0)) },
                "name": name, "run_type": kind,
                "start_time": time(step), "end_time": time(step + 5),
                "inputs": {"messages": [{"role": "user", "content": format!("look up article {number}")}]},
                "outputs": {"messages": [{"role": "assistant", "content": "found it"}]},
                "extra": {"metadata": {"thread_id": format!("run-thread-{number}")}},
            })
            .to_string()
        })
        .collect()
}

/// The lines in another order, the same every time.
pub(crate) fn shuffled(lines: &[String]) -> Vec<String> {
    let mut keyed: Vec<(u64, &String)> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| ((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7, line))
        .collect();
    keyed.sort();
    keyed.into_iter().map(|(_, line)| line.clone()).collect()
}

/// Ids of the threads a report assigned to categories, sorted.
pub(crate) fn threads(report: &Value) -> Vec<String> {
    let assignments = report["assignments"].as_array().expect("assignments");
    let mut ids: Vec<String> =
        assignments.iter().map(|one| one["thread"].as_str().expect("a thread").to_owned()).collect();
    ids.sort();
    ids
}

/// Sends a signal (`INT`, `KILL`) to a child of ours.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", child.id())])
        .stderr(Stdio::null())
        .status();
    // It may have ended already.
    sent.expect("a shell");
}

/// Waits until something holds, for a minute at most.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "still waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

//! What asking costs beside the model's own time: processor time per call, and
//! how close many calls come to the arithmetic limit.
//!
//! `cargo run --release -p assay-llm --example ask_bench [CALLS] [AT_ONCE] [LATENCY_MS]`
//! The stand-in runs as a process of its own, so that its work is not counted:
//! build it first, with the same profile (`cargo build --release -p assay-standin`).

use std::io::BufRead as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_domain::PriceTable;
use assay_llm::{
    Asker, Budget, Chat as _, Endpoint, InMemory, Job, Limits, Provider, Request, Retry, Schema, Settings,
};
use futures_util::StreamExt as _;

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let number = |place: usize, default: u64| numbers.get(place).copied().unwrap_or(default);
    let (calls, at_once, latency) = (number(0, 1000), number(1, 20), number(2, 50));
    let program = std::env::current_exe().expect("a program").with_file_name("../assay-standin");
    let mut standin = Command::new(program)
        .args(["--latency-ms", &latency.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo build -p assay-standin first");
    let mut url = String::new();
    let out = standin.stdout.take().expect("its output");
    std::io::BufReader::new(out).read_line(&mut url).expect("its address");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let (before, start) = (processor_time(), Instant::now());
    let answered = runtime.block_on(ask(url.trim(), calls, at_once));
    let (took, spent) = (start.elapsed(), processor_time() - before);
    let _ = standin.kill();
    let _ = standin.wait();
    let limit = Duration::from_millis(calls.div_ceil(at_once) * latency);
    println!("{answered} of {calls} calls answered, {at_once} at once, {latency} ms each");
    println!(
        "took {:.2} s, arithmetic limit {:.2} s: {:.3} x",
        took.as_secs_f64(),
        limit.as_secs_f64(),
        took.as_secs_f64() / limit.as_secs_f64()
    );
    println!("processor time {:.2} ms per call", spent.as_secs_f64() * 1000.0 / calls as f64);
}

async fn ask(url: &str, calls: u64, at_once: u64) -> usize {
    let provider = Provider::new(Settings::compatible("standin", url, None)).expect("sound settings");
    let concurrency = at_once as usize;
    let endpoint = Endpoint::new(Arc::new(provider), Limits { concurrency, ..Limits::default() });
    let job = Job {
        weight: 1,
        budget: Arc::new(Budget::new(None, Arc::new(PriceTable::default()))),
        memory: Arc::new(InMemory::default()),
        retry: Retry::default(),
    };
    let asker = Asker::new(Arc::new(endpoint), job);
    let questions: Vec<Request> = (0..calls).map(question).collect();
    let answers = futures_util::stream::iter(questions.iter().map(|question| asker.answer(question)));
    answers.buffered(concurrency).filter(|answer| std::future::ready(answer.is_ok())).count().await
}

/// About a thousand tokens, as a thread compressed to a small budget has.
fn question(n: u64) -> Request {
    let turn = "user: I was charged twice for the same parcel and nobody answers my mails.\nassistant: Let me look into it.\n";
    let schema = serde_json::json!({"type": "object", "properties": {"summary": {"type": "string"},
        "kind": {"type": "string", "enum": ["billing", "delivery", "other"]}},
        "required": ["summary", "kind"], "additionalProperties": false});
    Request {
        system: "You read support threads.".into(),
        schema: Some(Schema { name: "thread".into(), description: "what happened".into(), schema }),
        ..Request::new("summarize", "standin-1", format!("Thread {n}\n{}", turn.repeat(35)))
    }
}

/// User and system time of this process so far (Linux; zero elsewhere).
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // Ticks are hundredths of a second on every Linux that matters here.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

//! `cargo run --release -p assay-redact --example throughput`: how many
//! megabytes of JSON text a second one core goes through, with everything on.

use std::time::Instant;

use assay_redact::{Redactor, Rules, Seen};
use serde_json::{Value, json};

/// A run as chat applications send them; `mail` in its middle.
fn run(number: usize, mail: &str) -> Value {
    let said = "The quick brown fox asked for a refund of the order it had placed on 2026-11-21 at 10:00, and was told to wait. ";
    json!({
        "messages": [
            { "role": "system", "content": said.repeat(6) },
            { "role": "user", "content": format!("{said}My address is {mail}, order {number}. {said}") },
            { "role": "assistant", "content": said.repeat(4), "id": format!("{number:08x}-4155-4526-a112-6e6f6e6f6e6f") },
        ],
        "model": "gpt-4o-mini",
        "usage": { "prompt_tokens": 1234, "completion_tokens": 321 },
        "time": "2026-11-21T10:00:00.123456+00:00",
    })
}

fn measure(name: &str, rules: &Rules, make: impl Fn(usize) -> Value) {
    let redactor = Redactor::new(rules, b"key").expect("good rules");
    let mut values: Vec<Value> = (0..20_000).map(make).collect();
    let bytes: usize = values.iter().map(|value| value.to_string().len()).sum();
    let mut seen = Seen::default();
    let began = Instant::now();
    for value in &mut values {
        redactor.value(value, &mut seen);
    }
    let seconds = began.elapsed().as_secs_f64();
    let found: u64 = seen.counts.0.values().sum();
    println!(
        "{name:<28} {:>7.0} MB/s  ({found} values in {:.0} MB)",
        bytes as f64 / 1e6 / seconds,
        bytes as f64 / 1e6
    );
}

fn main() {
    let rules = |names: &[&str]| Rules {
        detectors: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Rules::default()
    };
    let clean = |number| run(number, "known to you");
    let mails = |number| run(number, &format!("ada.{number}@example.com or +49 30 1234567"));
    measure("everything, nothing to find", &rules(&["all"]), clean);
    measure("everything, two per run", &rules(&["all"]), mails);
    measure("personal, nothing to find", &rules(&["personal"]), clean);
    measure("secrets, nothing to find", &rules(&["secrets"]), clean);
    measure("no rules", &Rules::default(), clean);
}

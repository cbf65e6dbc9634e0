//! Runs made up on the fly: LangSmith-shaped, about a kilobyte each, always the same.
//!
//! Three runs to a trace (chain, model, tool), one trace to a thread. Texts are
//! drawn from a few hundred words, so that they compress as prose does.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;

use crate::random::Random;

/// One trace is so many runs.
pub(super) const RUNS_PER_TRACE: u64 = 3;

/// Writes whole traces until there are at least so many bytes; returns how many runs there are.
pub(super) fn write_bytes(path: &Path, bytes: u64) -> Result<u64> {
    write(path, |_, written| written >= bytes)
}

/// Writes at least so many runs; returns how many there are.
pub(super) fn write_runs(path: &Path, count: u64) -> Result<u64> {
    write(path, |runs, _| runs >= count)
}

fn write(path: &Path, is_enough: impl Fn(u64, u64) -> bool) -> Result<u64> {
    let mut file = BufWriter::with_capacity(1 << 20, std::fs::File::create(path)?);
    let (mut runs, mut written) = (0, 0);
    let mut trace = String::new();
    while !is_enough(runs, written) {
        trace.clear();
        write_trace(&mut trace, runs / RUNS_PER_TRACE);
        file.write_all(trace.as_bytes())?;
        runs += RUNS_PER_TRACE;
        written += trace.len() as u64;
    }
    file.flush()?;
    Ok(runs)
}

/// Appends the records of one trace.
fn write_trace(out: &mut String, number: u64) {
    let mut random = Random(number);
    let ids: Vec<String> = (0..RUNS_PER_TRACE).map(|_| random.uuid()).collect();
    let starts: Vec<String> = (0..RUNS_PER_TRACE).map(|step| clock(number * 7 + step)).collect();
    let order = |step: usize| format!("{}Z{}", compact(&starts[step]), ids[step]);
    let question = random.text(30);
    for step in 0..ids.len() {
        let (name, kind) = [("support", "chain"), ("ChatOpenAI", "llm"), ("lookup_order", "tool")][step];
        let is_root = step == 0;
        let parent = if is_root { "null".to_owned() } else { format!("\"{}\"", ids[0]) };
        let dotted = if is_root { order(0) } else { format!("{}.{}", order(0), order(step)) };
        let answer = random.text(if is_root { 30 } else { 45 });
        let (inputs, outputs) = match kind {
            "tool" => (
                format!(r#"{{"order":"{}"}}"#, random.below(1_000_000)),
                format!(r#"{{"output":"{answer}"}}"#),
            ),
            _ => (
                format!(r#"{{"messages":[{{"role":"user","content":"{question}"}}]}}"#),
                format!(r#"{{"messages":[{{"role":"assistant","content":"{answer}"}}]}}"#),
            ),
        };
        let usage = match kind {
            "llm" => format!(
                r#","prompt_tokens":{},"completion_tokens":{}"#,
                80 + random.below(400),
                random.below(200)
            ),
            _ => String::new(),
        };
        out.push_str(&format!(
            r#"{{"id":"{id}","trace_id":"{trace}","parent_run_id":{parent},"dotted_order":"{dotted}","name":"{name}","run_type":"{kind}","start_time":"{start}Z","end_time":"{end}Z","inputs":{inputs},"outputs":{outputs},"error":null{usage},"tags":["bench"],"extra":{{"metadata":{{"thread_id":"thread-{number}","ls_model_name":"gpt-4o-mini","channel":"{channel}"}}}},"session_name":"bench"}}"#,
            id = ids[step],
            trace = ids[0],
            start = starts[step],
            end = clock(number * 7 + step as u64 + 1 + random.below(4)),
            channel = ["web", "app", "mail"][usize::try_from(number % 3).unwrap_or(0)],
        ));
        out.push('\n');
    }
}

/// `2026-09-05T07:08:09.000000`, so many seconds into a month of 28 days.
fn clock(second: u64) -> String {
    let second = second % (28 * 86_400);
    let (day, hour) = (second / 86_400 + 1, second / 3600 % 24);
    format!("2026-09-{day:02}T{hour:02}:{:02}:{:02}.000000", second / 60 % 60, second % 60)
}

/// As dotted orders write it: `20260905T070809000000`.
fn compact(clock: &str) -> String {
    clock.chars().filter(|c| !matches!(c, '-' | ':' | '.')).collect()
}

impl Random {
    /// Ids of one trace come from its number alone; the generator starts there.
    fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }

    /// So many words.
    fn text(&mut self, words: usize) -> String {
        let mut out = String::new();
        for _ in 0..words {
            if !out.is_empty() {
                out.push(' ');
            }
            let syllables = 1 + self.below(3);
            for _ in 0..syllables {
                out.push_str(SYLLABLES[usize::try_from(self.below(SYLLABLES.len() as u64)).unwrap_or(0)]);
            }
        }
        out
    }
}

const SYLLABLES: [&str; 24] = [
    "re", "turn", "or", "der", "ship", "ment", "card", "pay", "re", "fund", "when", "is", "my", "the", "ac",
    "count", "pass", "word", "to", "day", "late", "box", "open", "un",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_valid_records_of_about_a_kilobyte_and_always_the_same() {
        let mut text = String::new();
        (0..50).for_each(|number| write_trace(&mut text, number));
        let mut again = String::new();
        (0..50).for_each(|number| write_trace(&mut again, number));
        assert_eq!(text, again);
        let mut ids = std::collections::BTreeSet::new();
        for line in text.lines() {
            let record: serde_json::Value = serde_json::from_str(line).expect(line);
            let dotted = record["dotted_order"].as_str().expect("dotted order");
            assert!(dotted.ends_with(record["id"].as_str().expect("id")), "{line}");
            assert!(ids.insert(record["id"].clone().to_string()), "{line}");
        }
        let mean = text.len() / text.lines().count();
        assert!((850..1200).contains(&mean), "{mean} bytes");
    }
}

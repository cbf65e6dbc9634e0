//! Secrets in every place of a thread, and none of them in any request.
//!
//! A thousand threads, each with secrets of its own in the places where traces
//! carry them. With redaction on, no request that the stand-in received holds a
//! single one; with redaction off many do, so the test can fail.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;
use assay_domain::report::{Focus, Sample};
use assay_domain::{PriceTable, ReportConfig, RunId, RunKind, RunPatch, ThreadId, TraceId};
use assay_redact::{Redactor, Rules, Seen};
use assay_standin::Standin;
use assay_store::{Batch, EmbeddedStore, Runs as _};
use serde_json::json;

use crate::corpus::dice;
use crate::support::{Desk, Place, Terms, attributes, behavior, deep, names, standin};

const THREADS: u64 = 1_000;

/// Letters and digits that follow from thread and place.
fn random(thread: u64, place: u64, length: usize, letters: &[u8]) -> String {
    let pick = |at: usize| letters[dice(&[thread, place, at as u64, 99], letters.len() as u64) as usize];
    (0..length).map(|at| char::from(pick(at))).collect()
}

const WORD: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
const UPPER: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const HEX: &[u8] = b"0123456789abcdef";
const DIGITS: &[u8] = b"0123456789";

/// The secret of a thread for a place, in one of many kinds.
fn secret(thread: u64, place: u64) -> String {
    let of = |length, letters| random(thread, place, length, letters);
    match (thread + place) % 10 {
        0 => format!("sk-proj-{}", of(40, WORD)),
        1 => format!("AKIA{}", of(16, UPPER)),
        2 => format!("ghp_{}", of(36, WORD)),
        3 => format!("{}.{}@mail-{}.example.org", of(6, HEX), of(5, HEX), of(6, HEX)),
        4 => card(thread, place),
        5 => iban(thread, place),
        6 => format!("xoxb-{}-{}", of(11, DIGITS), of(24, WORD)),
        // The head says which algorithm signs.
        7 => format!("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ{}.{}", of(30, WORD), of(30, WORD)),
        8 => format!("sk_live_{}", of(24, WORD)),
        _ => format!("glpat-{}", of(20, WORD)),
    }
}

/// A card number whose check digit is right.
fn card(thread: u64, place: u64) -> String {
    let body = format!("4{}", random(thread, place, 14, DIGITS));
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0');
            match at % 2 {
                0 if digit > 4 => digit * 2 - 9,
                0 => digit * 2,
                _ => digit,
            }
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

/// A German account number whose check digits are right.
fn iban(thread: u64, place: u64) -> String {
    let body = format!("5{}", random(thread, place, 17, DIGITS));
    // D is 13, E is 14, and the check digits count as 00.
    let rest =
        format!("{body}131400").bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{body}", 98 - rest)
}

/// The places of a thread, and how many there are.
const PLACES: u64 = 14;

fn patch(thread: u64) -> Vec<RunPatch> {
    let s = |place| secret(thread, place);
    let (root, tool) =
        (RunId::from_name(&format!("leak {thread}")), RunId::from_name(&format!("leak tool {thread}")));
    let what = ["refund", "delivery", "password", "invoice"][(thread % 4) as usize];
    // Long threads are cut before they are shown: cuts must not tear secrets.
    let padding = "and so on and so forth, ".repeat((thread % 50) as usize * 4);
    let long = format!("{padding} {} {padding}", s(13));
    let inputs = json!({
        "messages": [
            {"role": "system", "content": format!("You help. Internal token: {}", s(0))},
            {"role": "user", "content": format!("I need help with a {what}, my contact is {} ({})", s(1), s(2))},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", "function":
                {"name": "look_up", "arguments": json!({"filter": {"deep": [{"key": s(3)}]}, "note": s(4)}).to_string()}}]},
            {"role": "tool", "tool_call_id": "c1", "content": json!({"rows": [[s(5)], {"owner": {"id": s(6)}}]}).to_string()},
            {"role": "user", "content": long},
        ],
        "context": {"nested": [{"credentials": {"value": s(7)}}]},
    });
    let fails = thread.is_multiple_of(3);
    let at: assay_domain::Time = "2026-01-01T00:00:00Z".parse().expect("a time");
    let root = RunPatch {
        trace: Some(TraceId::from(root)),
        thread: Some(ThreadId::from(format!("leak-{thread:04}").as_str())),
        name: Some("agent".into()),
        kind: Some(RunKind::Chain),
        inputs: Some(inputs),
        outputs: (!fails)
            .then(|| json!({"messages": [{"role": "assistant", "content": format!("Sent to {}", s(8))}]})),
        error: fails.then(|| format!("RuntimeError: service {what} refused the key {} for {}", s(9), s(10))),
        metadata: json!({"customer": s(11), "plan": what}).as_object().cloned(),
        start_time: Some(at),
        end_time: Some(at + chrono::TimeDelta::seconds(3)),
        id: root,
        is_creation: true,
        ..RunPatch::default()
    };
    let tool = RunPatch {
        trace: root.trace,
        parent: Some(root.id),
        name: Some("look_up".into()),
        kind: Some(RunKind::Tool),
        inputs: Some(json!({"input": {"auth": s(3)}})),
        error: Some(format!("HTTP 401 for {}", s(12))),
        start_time: Some(at),
        end_time: Some(at + chrono::TimeDelta::seconds(1)),
        id: tool,
        is_creation: true,
        ..RunPatch::default()
    };
    vec![root, tool]
}

async fn place() -> Place {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    let patches = (0..THREADS).flat_map(patch).collect();
    store.append(Batch { project: "shop".into(), patches, ..Batch::default() }).await.expect("appended");
    Place::of(store).await
}

fn redacting(standin: &Standin, is_on: bool) -> Desk {
    let mut desk = Desk::at(standin, Terms::default());
    let rules = Rules { detectors: vec!["all".into()], ..Rules::default() };
    let redactor = Redactor::new(&rules, b"").expect("sound rules");
    if is_on {
        let redact =
            move |text: &str| redactor.text(text, &mut Seen::default()).unwrap_or_else(|| text.to_owned());
        desk.redact = Some(Box::new(redact));
    }
    desk
}

/// Secrets that stand in some request, each with what stands around it.
fn leaked(standin: &Standin) -> Vec<String> {
    let secrets: Vec<(u64, u64)> =
        (0..THREADS).flat_map(|thread| (0..PLACES).map(move |place| (thread, place))).collect();
    // Three quarters of one are as bad as all of it.
    let most = secrets.iter().map(|&(thread, place)| {
        let secret = secret(thread, place);
        secret.chars().take(secret.len() * 3 / 4).collect::<String>()
    });
    let finder = AhoCorasick::builder().ascii_case_insensitive(true).build(most).expect("patterns");
    let mut found = BTreeMap::new();
    for request in standin.requests() {
        let sent = request.body.to_string();
        for hit in finder.find_iter(&sent) {
            let (thread, place) = secrets[hit.pattern().as_usize()];
            let around = |at: usize| sent[..at].chars().rev().take(80).collect::<Vec<_>>();
            let before: String = around(hit.start()).into_iter().rev().collect();
            let after: String = sent[hit.start()..].chars().take(80).collect();
            found.entry((thread, place)).or_insert_with(|| format!("{thread}/{place}: …{before}»{after}…"));
        }
    }
    found.into_values().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_a_thousand_threads_is_in_any_request() {
    let place = place().await;
    let errors = ReportConfig { focus: Focus::Errors, ..names() };
    let prompt =
        "{{run.inputs}} {{run.outputs}} {{run.error}} {{run.inputs.context}}\n{{all_thread_messages}}";
    let prompted = ReportConfig {
        summary_prompt: Some(prompt.into()),
        attributes: BTreeMap::new(),
        sample: Sample { size: Some(200), ..Sample::default() },
        ..deep()
    };
    let instructed = ReportConfig {
        attributes: attributes(3),
        instructions: BTreeMap::from([("What?".to_owned(), format!("Why does {} fail?", secret(0, 3)))]),
        ..deep()
    };
    for (name, config) in
        [("names", names()), ("names, errors", errors), ("deep", instructed), ("deep, own prompt", prompted)]
    {
        let standin = standin(behavior()).await;
        redacting(&standin, true).report(&place, &config).await.expect(name);
        let stages = standin.calls();
        assert!(stages > 3, "{name}: {stages} calls");
        let found = leaked(&standin);
        assert!(
            found.is_empty(),
            "{name}: {} secrets, such as {:#?}",
            found.len(),
            &found[..found.len().min(3)]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redaction_the_same_search_finds_them() {
    let place = place().await;
    let standin = standin(behavior()).await;
    let config = ReportConfig { sample: Sample { size: Some(100), ..Sample::default() }, ..deep() };
    redacting(&standin, false).report(&place, &config).await.expect("a report");
    assert!(leaked(&standin).len() > 300, "{} were found", leaked(&standin).len());
}

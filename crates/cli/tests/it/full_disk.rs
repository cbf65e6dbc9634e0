//! A server whose disk is full: it says so, loses nothing, and goes on once
//! there is room. A limit on the size of files stands for the disk.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::serving::Server;
use crate::support::{Place, binary, until};

/// Runs with texts that hardly pack.
fn batch(number: usize) -> Value {
    let run = |at: usize| {
        let words: Vec<String> = (0..600_u64)
            .map(|word| {
                format!(
                    "{:x}",
                    word.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((number * 31 + at) as u64 * 0x1234_5678_9abc)
                )
            })
            .collect();
        json!({ "id": id(number, at), "name": "step", "run_type": "chain", "start_time": "2026-10-13T07:05:34Z",
            "session_name": "p", "inputs": { "text": words.join(" ") } })
    };
    json!({ "post": (0..10).map(run).collect::<Vec<_>>() })
}

fn id(number: usize, at: usize) -> String {
    format!("00000000-0000-4000-8000-{:012x}", number * 10 + at)
}

fn ids(batches: usize) -> Vec<String> {
    (0..batches).flat_map(|number| (0..10).map(move |at| id(number, at))).collect()
}

#[test]
fn a_full_disk_is_answered_with_come_again_and_loses_nothing() {
    let place = Place::new();
    // The soft limit alone: it can be lifted. Without the signal, writing fails as on a full disk.
    let script = "trap '' XFSZ; ulimit -S -f 16384; exec \"$0\" serve --listen 127.0.0.1:0";
    let mut command = Command::new("sh");
    place.prepare(&mut command);
    command.args(["-c", script]).arg(binary()).stderr(Stdio::null());
    let server = Server::launch(&mut command);

    let mut acknowledged = 0;
    let refused = loop {
        let answer = server.answer("/runs/batch", &batch(acknowledged));
        if answer.status != 202 {
            break answer;
        }
        acknowledged += 1;
        assert!(acknowledged < 10_000, "there is no limit");
    };
    assert!(acknowledged > 0, "{}", refused.text);
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.retry_after.is_some(), "{}", refused.text);
    // What was acknowledged is there, and what is refused is refused again.
    assert_eq!(server.known(&ids(acknowledged)).len(), acknowledged * 10);
    assert_eq!(server.answer("/runs/batch", &batch(acknowledged)).status, 503);

    let lifted = Command::new("prlimit")
        .args(["--pid", &server.pid().to_string(), "--fsize=unlimited:unlimited"])
        .status();
    assert!(lifted.expect("prlimit, of util-linux").success());
    until("the server takes runs again", || server.answer("/runs/batch", &batch(acknowledged)).status == 202);
    assert_eq!(server.answer("/runs/batch", &batch(acknowledged + 1)).status, 202);
    server.kill();
    let server = Server::start(&place);
    assert_eq!(server.known(&ids(acknowledged + 2)).len(), (acknowledged + 2) * 10);
    drop(server);
    place.assay("doctor").ok();
}

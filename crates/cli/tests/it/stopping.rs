//! Ctrl-C and kill at any moment: the store stays whole, and the same command again finishes the work.

use std::io::Write;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::{Ended, Place, histories, said, signal, until, wait};

/// More than two chunks of what the importer reads at a time.
const MANY: usize = 9_000;

fn many() -> Vec<String> {
    (0..MANY)
        .map(|n| {
            said(
                &format!("t-{n:05}"),
                ["where is my parcel", "I forgot my password", "send me the invoice"][n % 3],
            )
        })
        .collect()
}

/// A place where `many.jsonl` was imported without being stopped.
fn undisturbed() -> (Place, State) {
    let place = Place::new();
    place.write("many.jsonl", many().join("\n"));
    place.assay("import many.jsonl --project p").ok();
    let state = state(&place);
    (place, state)
}

#[derive(PartialEq)]
struct State {
    runs: Vec<u8>,
    report: Vec<u8>,
}

/// What a store holds and what an analysis of it says.
fn state(place: &Place) -> State {
    place.assay("doctor").ok();
    State {
        runs: place.assay("runs list --project p --limit 100000 --json").ok().stdout,
        report: place.assay("insights run --project p --sample 60 --json").ok().stdout,
    }
}

/// Starts an import from standard input and feeds it with the first lines; the rest is handed back.
fn half_an_import(place: &Place, lines: &[String], count: usize) -> (Child, std::process::ChildStdin) {
    let mut child = place.command("import - --project p").stdin(Stdio::piped()).spawn().expect("the binary");
    let mut stdin = child.stdin.take().expect("standard input");
    stdin.write_all((lines[..count].join("\n") + "\n").as_bytes()).expect("feeding");
    (child, stdin)
}

fn stored(place: &Place) -> u64 {
    let listed = place.assay("project list --json");
    if listed.code == Some(0) { listed.json()[0]["runs"].as_u64().unwrap_or(0) } else { 0 }
}

#[test]
fn a_killed_import_is_finished_by_repeating_it() {
    let (_, expected) = undisturbed();
    let place = Place::new();
    let lines = many();
    place.write("many.jsonl", lines.join("\n"));
    // Once at the very beginning, once with something stored.
    for (count, is_stored) in [(10, false), (5_000, true)] {
        let (child, stdin) = half_an_import(&place, &lines, count);
        if is_stored {
            until("a chunk is stored", || stored(&place) > 0);
        } else {
            until("there is a store", || place.path("store/assay.db").is_file());
        }
        signal(&child, "KILL");
        drop(stdin);
        let ended = wait(child, "import -");
        assert_eq!(ended.code, None, "{}", ended.describe());
        if is_stored {
            place.assay("doctor").ok();
            assert!(stored(&place) > 0, "what was acknowledged is still there");
        }
    }
    place.assay("import many.jsonl --project p").ok();
    assert!(state(&place) == expected, "not what an undisturbed import gives");
}

#[test]
fn an_import_that_is_stopped_says_how_to_go_on_and_repeating_it_does() {
    let (_, expected) = undisturbed();
    let place = Place::new();
    let lines = many();
    place.write("many.jsonl", lines.join("\n"));
    for count in [5_000, 8_500] {
        let (child, mut stdin) = half_an_import(&place, &lines, count);
        until("a chunk is stored", || stored(&place) > 0);
        signal(&child, "INT");
        std::thread::sleep(Duration::from_millis(100));
        // It stops although there is more; what it does not read is lost in the pipe.
        let _ = stdin.write_all(lines[count..].join("\n").as_bytes());
        let repeated = lines.join("\n").replace("\"t-", "\"u-");
        let _ = stdin.write_all(b"\n").and_then(|()| stdin.write_all(repeated.as_bytes()));
        drop(stdin);
        let ended = wait(child, "import -").fails_with(&["stopped", "repeat the command"]);
        assert!(ended.err().contains("Ctrl-C again"), "{}", ended.describe());
        place.assay("doctor").ok();
        assert!(stored(&place) > 0 && stored(&place) < 2 * MANY as u64, "{}", stored(&place));
        if count == 5_000 {
            place.assay("project delete p --yes").ok();
        }
    }
    place.assay("project delete p --yes").ok();
    place.assay("import many.jsonl --project p").ok();
    assert!(state(&place) == expected, "not what an undisturbed import gives");
}

/// Starts a command that waits for more input than it gets, and waits until it does.
fn idle(place: &Place, line: &str, lines: &[String]) -> (Child, std::process::ChildStdin) {
    let mut child = place.command(line).stdin(Stdio::piped()).spawn().expect("the binary");
    let mut stdin = child.stdin.take().expect("standard input");
    for line in lines {
        stdin.write_all(line.as_bytes()).and_then(|()| stdin.write_all(b"\n")).expect("feeding");
    }
    let temporary =
        || place.list("tmp").iter().any(|dir| place.path(&format!("tmp/{dir}/assay.db")).is_file());
    until("there is a store", || place.path("store/assay.db").is_file() || temporary());
    (child, stdin)
}

#[test]
fn one_interrupt_ends_an_import_that_waits_for_input() {
    // Nothing came yet, something that fills no chunk, and a chunk that is stored.
    for (count, is_stored) in [(0, false), (10, false), (5_000, true)] {
        let place = Place::new();
        let lines = many();
        let (child, stdin) = idle(&place, "import - --project p", &lines[..count]);
        if is_stored {
            until("a chunk is stored", || stored(&place) > 0);
        }
        signal(&child, "INT");
        let words = ["stopped while importing <stdin>", "stays", "repeat the command to go on"];
        wait(child, "import -").fails_with(&words);
        drop(stdin);
        place.assay("doctor").ok();
        assert_eq!(stored(&place) > 0, is_stored);
        place.write("many.jsonl", lines.join("\n"));
        place.assay("import many.jsonl --project p").ok();
        assert_eq!(stored(&place), MANY as u64);
    }
}

#[test]
fn a_report_without_a_store_that_is_stopped_promises_to_keep_nothing() {
    let place = Place::new();
    let (child, stdin) = idle(&place, "report - --no-files", &histories(10));
    // It listens for Ctrl-C before it makes a store.
    signal(&child, "INT");
    let ended = wait(child, "report -").fails_with(&["stopped", "nothing of it is kept", "start again"]);
    assert!(!ended.error().contains("stays"), "{}", ended.describe());
    assert_eq!(place.list("tmp"), Vec::<String>::new(), "the temporary store is gone");
    drop(stdin);

    let (child, stdin) = idle(&place, "report - --no-files --data store", &histories(10));
    signal(&child, "INT");
    wait(child, "report -").fails_with(&["stopped", "what was imported stays"]);
    drop(stdin);
}

#[test]
fn one_interrupt_ends_a_command_that_reads_a_report_from_an_idle_pipe() {
    let place = Place::new();
    let mut child = place.command("insights verify -").stdin(Stdio::piped()).spawn().expect("the binary");
    let stdin = child.stdin.take().expect("standard input");
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, "INT");
    let ended = wait(child, "insights verify -");
    if ended.code.is_some() {
        ended.fails_with(&["stopped", "repeat"]);
    }
    drop(stdin);
}

/// Interrupts a command after a delay. `Some` where it had not ended before.
fn interrupted(place: &Place, line: &str, delay: Duration) -> Option<Ended> {
    let child = place.command(line).spawn().expect("the binary");
    std::thread::sleep(delay);
    signal(&child, "INT");
    let ended = wait(child, line);
    assert!(!ended.err().contains("panicked"), "{}", ended.describe());
    match ended.code {
        Some(0) => None,
        // Before anybody listens, the signal itself ends the process.
        None => Some(ended),
        Some(_) => {
            let error = ended.error();
            assert!(
                error.contains("stopped") && (error.contains("again") || error.contains("repeat")),
                "no way on\n{}",
                ended.describe()
            );
            Some(ended)
        }
    }
}

const DELAYS: [u64; 7] = [0, 40, 120, 250, 500, 900, 1500];

#[test]
fn an_analysis_that_is_stopped_at_any_moment_gives_the_same_report_when_run_again() {
    let lines = histories(240).join("\n");
    let reference = Place::new();
    reference.write("chats.jsonl", &lines);
    reference.assay("import chats.jsonl --project p").ok();
    let expected = reference.assay("insights run --project p --json").ok().stdout;

    let place = Place::new();
    place.write("chats.jsonl", &lines);
    place.assay("import chats.jsonl --project p").ok();
    let mut stopped = 0;
    for delay in DELAYS {
        if interrupted(&place, "insights run --project p --json", Duration::from_millis(delay)).is_some() {
            stopped += 1;
            let listed = place.assay("insights list --json").ok().json();
            assert_eq!(listed, serde_json::json!([]), "nothing half-made is stored");
        } else if stopped == 0 {
            // The signal came before anybody listened, where whoever runs the tests ignores it.
            for report in place.assay("insights list --json").ok().json().as_array().into_iter().flatten() {
                place.assay(&format!("insights delete {}", report["id"].as_str().expect("an id"))).ok();
            }
        } else {
            break;
        }
    }
    assert!(stopped > 0, "never stopped in time");
    place.assay("doctor").ok();
    assert!(place.assay("insights run --project p --json").ok().stdout == expected);
}

#[test]
fn a_report_that_is_stopped_leaves_whole_files_or_none_and_no_temporary_store() {
    let place = Place::new();
    place.write("chats.jsonl", histories(240).join("\n"));
    for delay in DELAYS {
        let Some(ended) =
            interrupted(&place, "report chats.jsonl --project p --out out", Duration::from_millis(delay))
        else {
            break;
        };
        if place.path("out/report.json").is_file() {
            place.assay("insights verify out/report.json").ok();
        }
        assert!(place.list("out").iter().all(|name| !name.starts_with('.')), "{:?}", place.list("out"));
        if ended.code.is_some() {
            assert_eq!(place.list("tmp"), Vec::<String>::new(), "{}", ended.describe());
        }
    }
    place.assay("report chats.jsonl --project p --out out").ok();
    place.assay("insights verify out/report.json").ok();
}

#[test]
fn a_killed_analysis_leaves_a_store_that_works() {
    let place = Place::new();
    place.write("chats.jsonl", histories(120).join("\n"));
    place.assay("import chats.jsonl --project p").ok();
    for delay in [30, 150, 400] {
        let child = place.command("insights run --project p").spawn().expect("the binary");
        std::thread::sleep(Duration::from_millis(delay));
        signal(&child, "KILL");
        wait(child, "insights run");
        place.assay("doctor").ok();
    }
    place.assay("insights run --project p").ok();
    assert_eq!(place.assay("insights list --json").ok().json().as_array().map(Vec::len), Some(1));
}

//! Import, analyse, list, show, export and delete over a durable store.

use serde_json::Value;

use crate::support::{Place, histories, said, trace};

/// A store with two files of different formats in the project `shop`.
fn shop() -> Place {
    let place = Place::new();
    place.write("chats.jsonl", histories(90).join("\n"));
    place.write("runs.jsonl", (0..10).flat_map(trace).collect::<Vec<_>>().join("\n"));
    place.assay("import chats.jsonl runs.jsonl --project shop").ok();
    place
}

#[test]
fn a_report_is_made_listed_shown_exported_and_deleted() {
    let place = shop();
    let made = place.assay("insights run --project shop --name 'Week 36' --json").ok();
    let report = made.json();
    let id = report["id"].as_str().expect("an id").to_owned();
    assert!(made.err().contains(&id), "{}", made.describe());

    let listed = place.assay("insights list --json").ok().json();
    assert_eq!(listed[0]["id"], id.as_str());
    assert_eq!(listed[0]["name"], "Week 36");
    assert_eq!(listed[0]["threads"], 100);
    let table = place.assay("insights list --project shop").ok().out();
    assert!(table.contains(&id) && table.contains("Week 36"), "{table}");

    let shown = place.assay("insights show --json").ok();
    assert_eq!(shown.stdout, made.stdout, "what is stored is what was made");
    let by_id = place.assay(&format!("insights show {id}")).ok().out();
    let title = report["executive_summary"]["title"].as_str().expect("a title");
    assert!(by_id.contains(title), "{by_id}");
    assert_eq!(by_id, place.assay("insights show --project shop").ok().out());

    place.assay("insights export --out files").ok();
    let files = ["assignments.csv", "assignments.jsonl", "report.html", "report.json", "report.md"];
    assert_eq!(place.list("files"), files);
    assert_eq!(place.read("files/report.json").trim_ascii(), made.stdout.trim_ascii());
    let checked = place.assay("insights verify files/report.json").ok().out();
    assert!(checked.starts_with("checked:") && checked.contains("100 threads"), "{checked}");

    place.assay(&format!("insights delete {id}")).ok();
    assert_eq!(place.assay("insights list --json").ok().json(), serde_json::json!([]));
    place.assay("insights show").fails_with(&["no report", "insights run"]);
    place.assay(&format!("insights delete {id}")).fails_with(&["no report", &id]);
}

#[test]
fn exports_say_nothing_of_the_place_of_the_store() {
    let place = Place::new();
    place.write("chats.jsonl", histories(40).join("\n"));
    for data in ["here", "some/where/else"] {
        let out = format!("from-{}", data.len());
        place.assay(&format!("import chats.jsonl --project 'my shop' --data {data}")).ok();
        place.assay(&format!("insights run --project 'my shop' --data {data}")).ok();
        place.assay(&format!("insights export --data {data} --out {out}")).ok();
        place.assay(&format!("report chats.jsonl --project 'my shop' --data {data} --out again-{out}")).ok();
    }
    let files = place.list("from-4");
    assert_eq!(files.len(), 5, "{files:?}");
    for file in files {
        let one = place.read(&format!("from-4/{file}"));
        for other in ["from-15", "again-from-4", "again-from-15"] {
            assert!(one == place.read(&format!("{other}/{file}")), "{file} differs in {other}");
        }
        let text = String::from_utf8(one).expect("UTF-8");
        for path in ["--data", "some/where", &place.path("").to_string_lossy()] {
            assert!(!text.contains(path), "{path} stands in {file}");
        }
    }
    let page = String::from_utf8(place.read("from-4/report.html")).expect("UTF-8");
    assert!(page.contains("assay thread show --project"), "the page says how to read a whole thread");
}

#[test]
fn exported_tables_hold_every_thread() {
    let place = shop();
    place.assay("insights run --project shop").ok();
    place.assay("insights export --out files").ok();
    let csv = String::from_utf8(place.read("files/assignments.csv")).expect("UTF-8");
    assert_eq!(csv.lines().count(), 101, "a header and a line each");
    let jsonl = String::from_utf8(place.read("files/assignments.jsonl")).expect("UTF-8");
    assert_eq!(jsonl.lines().count(), 100);
    for line in jsonl.lines() {
        let one: Value = serde_json::from_str(line).expect(line);
        assert!(one["id"].is_string() && one["path"].is_array() && one["confidence"].is_number(), "{line}");
    }
    let page = String::from_utf8(place.read("files/report.html")).expect("UTF-8");
    assert!(page.trim_start().to_lowercase().starts_with("<!doctype html>"));
    for outside in ["src=\"http", "href=\"http", "@import", "url(http"] {
        assert!(!page.contains(outside), "the page must open offline, it has {outside}");
    }
}

#[test]
fn runs_are_filtered_limited_and_windowed() {
    let place = shop();
    let ids = |line: &str| place.assay(line).ok().json().as_array().expect("a list").len();
    assert_eq!(ids("runs list --project shop --limit 1000 --json"), 120);
    assert_eq!(ids("runs list --project shop --json"), 50, "the default limit");
    assert_eq!(ids("runs list --project shop --roots --limit 1000 --json"), 100);
    assert_eq!(ids("runs list --project shop --filter 'eq(run_type, \"tool\")' --json"), 10);
    assert_eq!(ids("runs list --project shop --filter 'eq(status, \"error\")' --json"), 13);
    assert_eq!(
        ids("runs list --project shop --filter 'and(eq(run_type, \"llm\"), eq(status, \"error\"))' --json"),
        0
    );
    assert_eq!(ids("runs list --project shop --since 2026-10-01 --limit 1000 --json"), 30);
    assert_eq!(ids("runs list --project shop --until 2026-10-01T00:00:00Z --limit 1000 --json"), 90);
    let newest = place.assay("runs list --project shop --limit 1 --json").ok().json();
    assert_eq!(newest[0]["thread_id"], "run-thread-9");
    let table = place.assay("runs list --project shop --limit 3").ok();
    assert_eq!(table.out().lines().count(), 4, "{}", table.describe());
    assert!(table.err().contains("3 of 120"), "{}", table.describe());
    let none = place.assay("runs list --project shop --filter 'eq(name, \"nobody\")'").ok().out();
    assert_eq!(none.trim(), "no runs match");
}

#[test]
fn a_thread_is_shown_as_its_conversation() {
    let place = shop();
    let shown = place.assay("thread show thread-00003").ok().out();
    for piece in ["── user", "forecast", "upstream timed out", "Sorry, that did not work."] {
        assert!(shown.contains(piece), "no {piece:?} in\n{shown}");
    }
    let json = place.assay("thread show thread-00003 --project shop --json").ok().json();
    let roles: Vec<&str> = json["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .filter_map(|one| one["role"].as_str())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "assistant", "assistant"]);
    place.assay("thread show nobody").fails_with(&["nobody", "runs list"]);
}

#[test]
fn projects_are_listed_and_deleted_with_everything_in_them() {
    let place = shop();
    place.write(
        "more.jsonl",
        histories(4).iter().map(|line| line.replace("thread-", "other-") + "\n").collect::<String>(),
    );
    place.assay("import more.jsonl --project other").ok();
    place.assay("insights run --project shop").ok();
    let listed = place.assay("project list --json").ok().json();
    let names: Vec<&str> =
        listed.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["other", "shop"]);
    assert_eq!(listed[1]["threads"], 100);
    assert_eq!(listed[1]["runs"], 120);
    assert_eq!(listed[1]["reports"], 1);
    assert!(place.assay("project list").ok().out().contains("shop"));

    place.assay("project delete shop").fails_with(&["--yes", "120 runs"]);
    place.assay("project delete shop --yes").ok();
    place.assay("project delete shop --yes").fails_with(&["shop", "other"]);
    place.assay("runs list --project shop").fails_with(&["shop"]);
    assert_eq!(place.assay("insights list --json").ok().json(), serde_json::json!([]));
    let left = place.assay("project list --json").ok().json();
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    assert_eq!(left[0]["runs"], 4);
    place.assay("doctor").ok();
}

#[test]
fn doctor_finds_a_sound_store_sound_and_a_damaged_one_damaged() {
    let place = shop();
    let sound = place.assay("doctor --json").ok().json();
    for finding in sound.as_array().expect("findings") {
        assert!(finding["level"] != "error" && finding["check"].is_string(), "{finding}");
    }
    assert!(place.assay("doctor").ok().out().contains("integrity"));

    let mut bytes = place.read("store/assay.db");
    let middle = bytes.len() / 2 / 4096 * 4096;
    for byte in &mut bytes[middle..middle + 8 * 4096] {
        *byte = 0xa5;
    }
    place.write("store/assay.db", bytes);
    let damaged = place.assay("doctor");
    assert_eq!(damaged.code, Some(1), "{}", damaged.describe());
    assert!(damaged.error().contains("attention"), "{}", damaged.describe());

    place.assay("doctor --data nowhere").fails_with(&["nowhere"]);
}

#[test]
fn importing_twice_changes_nothing() {
    let place = shop();
    let before = place.assay("runs list --project shop --limit 1000 --json").ok();
    let report = place.assay("insights run --project shop --json").ok();
    let again = place.assay("import chats.jsonl runs.jsonl --project shop --json").ok().json();
    assert_eq!(again["new_runs"], 0, "{again}");
    assert_eq!(again["changed_runs"], 0, "{again}");
    assert_eq!(again["unchanged_runs"], 120, "{again}");
    assert_eq!(again["new_feedback"], 0, "{again}");
    assert_eq!(place.assay("runs list --project shop --limit 1000 --json").ok().stdout, before.stdout);
    assert_eq!(place.assay("insights run --project shop --json").ok().stdout, report.stdout);
    let listed = place.assay("insights list --json").ok().json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "the same report is the same report: {listed}");
}

#[test]
fn nameless_histories_are_the_same_when_imported_again() {
    let place = Place::new();
    let nameless = |question: &str| format!(r#"[{{"role":"user","content":"{question}"}}]"#);
    place.write("bare.jsonl", [nameless("hello"), nameless("hello"), nameless("good bye")].join("\n"));
    let first = place.assay("import bare.jsonl --project p --json").ok().json();
    assert_eq!(first["new_runs"], 3, "{first}");
    let again = place.assay("import bare.jsonl --project p --json").ok().json();
    assert_eq!((&again["new_runs"], &again["unchanged_runs"]), (&0.into(), &3.into()), "{again}");
}

#[test]
fn a_corrected_history_replaces_the_earlier_one_whichever_of_both_is_longer() {
    let place = Place::new();
    place.write("old.jsonl", [said("1", "bananas, and a great deal more"), said("2", "pears")].join("\n"));
    place.write("new.jsonl", [said("1", "apples"), said("2", "pears")].join("\n"));
    let import = |file: &str| {
        let told = place.assay(&format!("import {file} --project p --json")).ok().json();
        let count = |name: &str| told[name].as_u64();
        (count("new_runs"), count("changed_runs"), count("unchanged_runs"), count("conflicting_runs"))
    };
    assert_eq!(import("old.jsonl"), (Some(2), Some(0), Some(0), Some(0)));
    for (file, says) in [("new.jsonl", "apples"), ("old.jsonl", "bananas"), ("new.jsonl", "apples")] {
        assert_eq!(import(file), (Some(0), Some(1), Some(1), Some(0)), "{file}");
        let shown = place.assay("thread show 1 --project p").ok().out();
        assert!(shown.contains(says), "{file}: {shown}");
        assert_eq!(import(file), (Some(0), Some(0), Some(2), Some(0)), "{file} again");
    }
}

#[test]
fn the_store_is_where_the_flag_says_then_the_variable_then_here() {
    let place = Place::new();
    place.write("one.jsonl", histories(1).join("\n"));
    place.assay("import one.jsonl --project p --data flagged").ok();
    assert!(place.path("flagged/assay.db").is_file() && !place.path("store").exists());
    place.assay("import one.jsonl --project p").ok();
    assert!(place.path("store/assay.db").is_file());
    let mut command = place.command("import one.jsonl --project p");
    command.env_remove("ASSAY_DATA");
    crate::support::wait(command.spawn().expect("the binary"), "import").ok();
    assert!(place.path("assay-data/assay.db").is_file());
}

#[test]
fn completions_are_printed_for_every_shell() {
    let place = Place::new();
    let bash = place.assay("completions bash").ok().out();
    assert!(bash.contains("_assay()") && bash.contains("insights"), "{bash}");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(!place.assay(&format!("completions {shell}")).ok().stdout.is_empty(), "{shell}");
    }
}

#[test]
fn every_command_explains_itself() {
    let place = Place::new();
    for command in [
        "",
        "report",
        "import",
        "insights run",
        "project delete",
        "runs list",
        "thread show",
        "doctor",
        "demo",
    ] {
        let help = place.assay(&format!("{command} --help")).ok().out();
        assert!(help.contains("Usage: assay"), "{command}: {help}");
    }
    assert!(place.assay("--version").ok().out().starts_with("assay "));
}

//! Flags of the analysis, and that nothing but the input decides the result.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Place, histories, shuffled, threads};

/// A folder with 120 histories in `chats.jsonl` and in the project `shop` of a store.
fn place() -> Place {
    let place = Place::new();
    place.write("chats.jsonl", histories(120).join("\n"));
    place.assay("import chats.jsonl --project shop").ok();
    place
}

/// A report over the store, where vectors are remembered from one to the next.
fn report(place: &Place, flags: &str) -> Value {
    place.assay(&format!("insights run --project shop --json {flags}")).ok().json()
}

fn nodes(report: &Value) -> &Vec<Value> {
    report["taxonomy"]["nodes"].as_array().expect("nodes")
}

#[test]
fn order_of_input_and_number_of_processors_change_no_byte() {
    let place = place();
    let lines = histories(120);
    place.write("chats.jsonl", lines.join("\n"));
    place.write("other/1.jsonl", shuffled(&lines)[..50].join("\n"));
    place.write("other/2.jsonl", shuffled(&lines)[50..].join("\n"));
    place.assay("report chats.jsonl --project shop --out one --threads 1").ok();
    place.assay("report other --project shop --out two --threads 2").ok();
    place.assay("import other --project shop").ok();
    place.assay("insights run --project shop --threads 3").ok();
    place.assay("insights export --out three").ok();
    for file in ["report.json", "report.html", "report.md", "assignments.csv", "assignments.jsonl"] {
        let one = place.read(&format!("one/{file}"));
        assert!(one == place.read(&format!("two/{file}")), "{file} differs");
        assert!(one == place.read(&format!("three/{file}")), "{file} differs over a durable store");
    }
    for made in ["one", "two"] {
        place.assay(&format!("insights verify {made}/report.json")).ok();
    }
}

#[test]
fn the_error_lens_does_not_depend_on_order_either() {
    let place = place();
    place.write("shuffled.jsonl", shuffled(&histories(120)).join("\n"));
    let one =
        place.assay("report chats.jsonl --project shop --focus errors --json --no-files --threads 1").ok();
    let two =
        place.assay("report shuffled.jsonl --project shop --focus errors --json --no-files --threads 2").ok();
    assert!(one.stdout == two.stdout, "the error lens depends on the order of its input");
    assert_eq!(one.json()["config"]["focus"], "errors");
    assert_eq!(one.json()["config"]["name"], "Error Analysis");
}

#[test]
fn every_thread_is_in_one_category_and_topics_are_told_apart() {
    let place = place();
    let report = report(&place, "");
    assert_eq!(threads(&report).len(), 120);
    assert_eq!(threads(&report).into_iter().collect::<BTreeSet<_>>().len(), 120);
    let leaves: BTreeSet<&str> = report["assignments"]
        .as_array()
        .expect("assignments")
        .iter()
        .filter_map(|one| one["category"].as_str())
        .collect();
    assert!(leaves.len() >= 4, "six topics became {} categories", leaves.len());
    let names: Vec<&str> = nodes(&report).iter().filter_map(|node| node["name"].as_str()).collect();
    assert!(names.iter().all(|name| !name.trim().is_empty()), "{names:?}");
    for one in report["assignments"].as_array().expect("assignments") {
        let confidence = one["confidence"].as_f64().expect("a confidence");
        assert!((0.0..=1.0).contains(&confidence), "{one}");
        assert!(!one["path"].as_array().expect("a path").is_empty(), "{one}");
    }
}

#[test]
fn reports_follow_the_published_schema() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/report.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(file).expect(file)).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let place = place();
    for flags in [
        "",
        "--focus errors",
        "--focus errors --hierarchy 3,2",
        "--sample 50 --sample-by metadata:channel",
        "--hierarchy 5,2",
    ] {
        let report = report(&place, flags);
        let problems: Vec<String> = schema
            .iter_errors(&report)
            .take(5)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(problems, Vec::<String>::new(), "{flags}");
    }
}

#[test]
fn a_sample_stands_for_its_population() {
    let place = place();
    for strategy in [
        "uniform",
        "errors",
        "status",
        "latency",
        "day",
        "metadata:channel",
        "feedback:helpful",
        "low-feedback:helpful",
    ] {
        let report = report(&place, &format!("--sample 40 --sample-by {strategy}"));
        assert_eq!(report["made"]["population"], 120, "{strategy}");
        assert_eq!(report["made"]["sampled"], 40, "{strategy}");
        assert_eq!(threads(&report).len(), 40, "{strategy}");
        let weights: f64 = report["assignments"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["weight"].as_f64())
            .sum();
        let is_biased = strategy.contains("errors") || strategy.contains("low");
        let room = if is_biased { 40.0 } else { 1e-6 };
        assert!((weights - 120.0).abs() <= room, "{strategy}: 40 threads stand for {weights}");
    }
}

#[test]
fn a_biased_sample_draws_more_failures_but_does_not_overstate_them() {
    let place = place();
    let fair = report(&place, "");
    let biased = report(&place, "--sample 60 --sample-by errors");
    let failures = |report: &Value| {
        let all = report["assignments"].as_array().expect("assignments");
        all.iter().filter(|one| one["status"] == "error").count()
    };
    assert!(failures(&biased) * 120 > failures(&fair) * 60, "{} of 60", failures(&biased));
    let rate = |report: &Value| report["statistics"]["error_rate"]["value"].as_f64().expect("a rate");
    assert!((rate(&biased) - rate(&fair)).abs() < 0.05, "{} against {}", rate(&biased), rate(&fair));
}

#[test]
fn seeds_draw_different_samples_and_one_seed_the_same() {
    let place = place();
    let first = report(&place, "--sample 30 --seed 1");
    assert_eq!(first, report(&place, "--sample 30 --seed 1"));
    assert_ne!(threads(&first), threads(&report(&place, "--sample 30 --seed 2")));
}

#[test]
fn a_sample_larger_than_what_there_is_takes_everything() {
    let place = place();
    assert_eq!(threads(&report(&place, "--sample 5000")).len(), 120);
}

#[test]
fn levels_can_be_asked_for() {
    let place = place();
    let report = report(&place, "--hierarchy 6,2");
    let count = |level: u64| {
        let found =
            nodes(&report).iter().filter(|node| node["kind"] == "discovered" && node["level"] == level);
        found.count()
    };
    assert_eq!((count(0), count(1)), (6, 2), "{:#}", report["taxonomy"]["nodes"]);
}

#[test]
fn categories_can_be_given_and_are_filled() {
    let place = place();
    place.write(
        "categories.txt",
        "Orders: refunds, deliveries, parcels and invoices of the shop\nAccount access: passwords, logins, locked accounts\nHome: recipes, cooking, weather\n",
    );
    let report = report(&place, "--categories categories.txt");
    let given: Vec<&str> = nodes(&report)
        .iter()
        .filter(|node| node["kind"] == "predefined")
        .inspect(|node| assert!(node["parent"].is_null(), "{node}"))
        .filter_map(|node| node["name"].as_str())
        .collect();
    assert_eq!(
        given.iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([&"Account access", &"Home", &"Orders"])
    );
    let tops: BTreeSet<&str> = report["assignments"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["path"][0].as_str())
        .collect();
    assert!(tops.contains("Orders") && tops.contains("Home"), "{tops:?}");
    assert!(tops.is_subset(&BTreeSet::from(["Account access", "Home", "Orders", "Other"])), "{tops:?}");
}

/// Histories of agents whose tools fail in several ways, and some that do not fail.
fn failing(count: usize) -> Vec<String> {
    let ways = [
        ("issue_refund", "amount is not a valid number"),
        ("issue_refund", "the card was declined by the bank"),
        ("track_parcel", "upstream timed out after 30 s"),
        ("send_invoice", "recipient address was rejected"),
        ("lookup", "table orders has no such column"),
    ];
    let said = |index: usize| {
        let (tool, error) = ways[index % 7 % ways.len()];
        let has_failed = index % 7 < ways.len();
        let result = if has_failed { format!("Error: {error}") } else { "fine".into() };
        let mut answer = json!({"role": "tool", "tool_call_id": "c1", "name": tool, "content": result});
        if has_failed {
            answer["error"] = error.into();
        }
        json!({"id": format!("f-{index:04}"), "messages": [
            {"role": "user", "content": format!("please do number {index}")},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": tool, "arguments": "{}"}}]},
            answer,
            {"role": "assistant", "content": if has_failed { "Sorry, that did not work." } else { "Done." }},
        ]})
        .to_string()
    };
    (0..count).map(said).collect()
}

/// The report of the error lens over failing agents, checked against its own numbers and the schema.
fn failure_report(place: &Place, flags: &str) -> Value {
    let report = place.assay(&format!("report failing.jsonl --focus errors --no-files --json {flags}")).ok();
    place.write("failing.json", &report.stdout);
    place.assay("insights verify failing.json").ok();
    report.json()
}

#[test]
fn levels_can_be_asked_for_in_the_error_lens() {
    let place = Place::new();
    place.write("failing.jsonl", failing(140).join("\n"));
    place.write("shuffled.jsonl", shuffled(&failing(140)).join("\n"));
    let shape = |flags: &str| {
        let report = failure_report(&place, flags);
        let kinds = |level: u64| {
            let found = nodes(&report).iter().filter(|node| node["kind"] == "discovered");
            found.filter(|node| node["level"] == level).count()
        };
        (kinds(0), kinds(1))
    };
    assert_eq!(shape(""), (5, 4), "five causes in four tools");
    assert_eq!(shape("--hierarchy 4,3"), (4, 2), "a group of one group is that group");
    assert_eq!(shape("--hierarchy 40,8"), (5, 4), "no more than there are");
    let report = failure_report(&place, "--hierarchy 1");
    let mixed = nodes(&report).iter().find(|node| node["kind"] == "discovered").expect("a category");
    assert!(mixed["name"].as_str().is_some_and(|name| name.starts_with("Tool errors: ")), "{mixed}");
    let words = mixed["description"].as_str().expect("a description");
    assert!(words.contains("different tools") && words.contains("“issue_refund: amount"), "{words}");

    let flags = "--focus errors --no-files --json --hierarchy 4,3 --project p";
    let one = place.assay(&format!("report failing.jsonl {flags} --threads 1")).ok();
    let two = place.assay(&format!("report shuffled.jsonl {flags} --threads 2")).ok();
    assert!(one.stdout == two.stdout, "levels depend on the order of the input");
}

#[test]
fn categories_can_be_given_to_the_error_lens() {
    let place = Place::new();
    place.write("failing.jsonl", failing(140).join("\n"));
    place.write(
        "categories.json",
        r#"{"Payments": "refunds, cards, amounts and banks", "Timeouts": "an upstream service did not answer in time", "Cooking": "recipes"}"#,
    );
    let report = failure_report(&place, "--categories categories.json");
    let mut tops: Vec<(&str, &str, u64)> = nodes(&report)
        .iter()
        .filter(|node| node["parent"].is_null())
        .map(|node| {
            let threads = node["statistics"]["threads"].as_u64().expect("a number");
            (node["name"].as_str().expect("a name"), node["kind"].as_str().expect("a kind"), threads)
        })
        .collect();
    tops.sort_unstable();
    assert_eq!(
        tops,
        [
            ("No failure shows", "healthy", 40),
            ("Other", "other", 40),
            ("Payments", "predefined", 40),
            ("Timeouts", "predefined", 20)
        ]
    );
    let below = nodes(&report).iter().filter(|node| node["kind"] == "discovered").count();
    assert_eq!(below, 3, "what failed is still found inside");
    for one in report["assignments"].as_array().expect("assignments") {
        assert_eq!(one["path"][0] == "Other", one["reason"].is_string(), "{one}");
    }
    let fewer = failure_report(&place, "--categories categories.json --hierarchy 2");
    assert_eq!(nodes(&fewer).iter().filter(|node| node["kind"] == "predefined").count(), 2);
}

#[test]
fn the_error_lens_separates_what_failed_from_what_did_not() {
    let place = place();
    let report = report(&place, "--focus errors");
    let kind = |id: &Value| {
        let node = nodes(&report).iter().find(|node| node["id"] == *id).expect("a category");
        node["kind"].as_str().expect("a kind").to_owned()
    };
    let mut failed = 0;
    for one in report["assignments"].as_array().expect("assignments") {
        let is_healthy = kind(&one["category"]) == "healthy";
        if one["status"] == "error" {
            failed += 1;
            assert!(!is_healthy, "{one}");
            assert!(one["failure"].is_string(), "{one}");
        }
    }
    assert_eq!(failed, 17);
}

#[test]
fn filter_and_window_select_threads() {
    let place = place();
    assert_eq!(threads(&report(&place, "--filter 'eq(status, \"error\")'")).len(), 17);
    assert_eq!(threads(&report(&place, "--since 2026-09-20")).len(), 6);
    assert_eq!(threads(&report(&place, "--since 2026-09-02 --until 2026-09-04")).len(), 12);
    let nothing = place.assay("report chats.jsonl --project shop --since 2030-01-01 --json --no-files");
    // Whether an empty selection is a report without threads or an error, it must say so.
    match nothing.code {
        Some(0) => assert_eq!(threads(&nothing.json()), Vec::<String>::new()),
        _ => drop(nothing.fails_with(&["thread"])),
    }
}

type Change<'a> = &'a dyn Fn(&mut Value);

/// Whatever is changed in a report, verifying it tells.
#[track_caller]
fn does_not_verify(changes: &[(&str, Change<'_>)]) {
    let place = place();
    let whole = report(&place, "");
    for (what, change) in changes {
        let mut report = whole.clone();
        change(&mut report);
        assert_ne!(report, whole, "{what} was not there to be changed");
        place.write("changed.json", report.to_string());
        let ended = place.assay("insights verify changed.json");
        assert_eq!(ended.code, Some(1), "{what}\n{}", ended.describe());
    }
}

#[test]
fn a_report_with_changed_statistics_does_not_verify() {
    does_not_verify(&[
        ("a share", &|report| report["taxonomy"]["nodes"][0]["statistics"]["share"]["value"] = 0.987.into()),
        ("the whole", &|report| report["statistics"]["threads"] = 7.into()),
        ("an error rate", &|report| report["statistics"]["error_rate"]["value"] = 0.5.into()),
        ("errors", &|report| report["statistics"]["errors"] = 1.into()),
        ("latency", &|report| report["statistics"]["latency"]["p50"] = 0.001.into()),
        ("feedback", &|report| report["statistics"]["feedback"]["helpful"]["mean"] = 0.999.into()),
    ]);
}

#[test]
fn a_report_with_changed_claims_or_references_does_not_verify() {
    does_not_verify(&[
        ("a claim", &|report| {
            report["executive_summary"]["key_points"][0]["values"][0]["value"] = 1234.5.into()
        }),
        ("its words", &|report| report["executive_summary"]["key_points"][0]["text"] = "All is well.".into()),
        ("a thread", &|report| drop(report["assignments"].as_array_mut().map(|all| all.remove(3)))),
        ("a thread twice", &|report| {
            let again = report["assignments"][0].clone();
            report["assignments"].as_array_mut().expect("assignments").push(again);
        }),
        ("a reference", &|report| report["executive_summary"]["highlights"][0]["thread"] = "nobody".into()),
        ("an example", &|report| report["taxonomy"]["nodes"][0]["examples"][0]["thread"] = "nobody".into()),
        ("a category", &|report| report["assignments"][0]["category"] = "nowhere".into()),
        ("a parent", &|report| report["taxonomy"]["nodes"][1]["parent"] = "nowhere".into()),
        ("its own parent", &|report| {
            report["taxonomy"]["nodes"][0]["parent"] = report["taxonomy"]["nodes"][0]["id"].clone();
        }),
    ]);
}

#[test]
fn what_is_no_report_does_not_verify_and_a_report_does() {
    let place = place();
    place.write("whole.json", report(&place, "").to_string());
    place.assay("insights verify whole.json").ok();
    place.assay_with("insights verify -", &place.read("whole.json")).ok();
    place.write("none.json", "{}");
    place.assay("insights verify none.json").fails_with(&["none.json", "not a report"]);
    place.assay("insights verify nowhere.json").fails_with(&["nowhere.json"]);
}

#[test]
fn the_terminal_shows_a_tree_without_colors_when_nobody_watches() {
    let place = place();
    let shown = place.assay("report chats.jsonl --project shop --out files").ok();
    let text = shown.out();
    assert!(!text.contains('\u{1b}'), "{text}");
    let report: Value = serde_json::from_slice(&place.read("files/report.json")).expect("report.json");
    for node in nodes(&report).iter().filter(|node| node["parent"].is_null()) {
        let name = node["name"].as_str().expect("a name");
        let start: String = name.chars().take(20).collect();
        assert!(text.contains(&start), "no {name:?} in\n{text}");
    }
    let short = place.assay("report chats.jsonl --project shop --no-files --depth 1").ok().out();
    assert!(short.lines().count() <= text.lines().count(), "{short}");
    assert_eq!(place.list("tmp"), Vec::<String>::new(), "the temporary store is gone");
}

#[test]
fn files_are_only_written_when_asked_for_beside_json() {
    let place = Place::new();
    place.write("chats.jsonl", histories(30).join("\n"));
    place.assay("report chats.jsonl --json").ok();
    assert!(!place.path("assay-report").exists());
    place.assay("report chats.jsonl --no-files").ok();
    assert!(!place.path("assay-report").exists());
    place.assay("report chats.jsonl").ok();
    assert!(place.path("assay-report/report.html").is_file());
    assert!(!place.path("store").exists(), "a report without --data keeps no store");
    place.assay("report chats.jsonl --data store --no-files").ok();
    let listed = place.assay("insights list --json").ok().json();
    assert_eq!(listed[0]["project"], "chats", "{listed}");
}

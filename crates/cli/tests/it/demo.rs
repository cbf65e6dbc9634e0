//! The demo: made up, analysed, and what was planted is found.

use crate::support::Place;

#[test]
fn the_demo_finds_what_it_planted() {
    let place = Place::new();
    let ended = place.assay("demo --check --size 600").ok();
    let shown = ended.out().to_lowercase();
    assert!(shown.contains("precision") && shown.contains("recall"), "{}", ended.describe());
    for file in [
        "traces.jsonl",
        "feedback.jsonl",
        "planted.json",
        "report.html",
        "report.json",
        "errors/report.html",
        "errors/report.json",
    ] {
        assert!(place.path("demo").join(file).is_file(), "{file} is missing");
    }
    place.assay("insights verify demo/report.json").ok();
    place.assay("insights verify demo/errors/report.json").ok();
}

#[test]
fn the_demo_is_the_same_every_time_and_reads_like_any_other_file() {
    let place = Place::new();
    place.assay("demo --size 20 --out one").ok();
    place.assay("demo --size 20 --out two").ok();
    place.assay("demo --size 12 --seed 8 --out three").ok();
    for file in ["traces.jsonl", "feedback.jsonl", "report.json", "report.html", "errors/report.json"] {
        assert!(place.read(&format!("one/{file}")) == place.read(&format!("two/{file}")), "{file} differs");
    }
    assert!(place.read("one/traces.jsonl") != place.read("three/traces.jsonl"), "seeds make no difference");
    let made: serde_json::Value =
        serde_json::from_slice(&place.read("one/report.json")).expect("report.json");
    let project = made["project"].as_str().expect("a project");
    let own = place
        .assay(&format!("report one/traces.jsonl one/feedback.jsonl --project {project} --json --no-files"))
        .ok();
    assert!(own.json() == made, "the demo's report is not what its files give");
}

#[test]
fn the_demo_prints_json_and_works_at_any_size() {
    let place = Place::new();
    let report = place.assay("demo --size 12 --json").ok().json();
    assert_eq!(report["assignments"].as_array().map(Vec::len), Some(12));
    place.assay("demo --size 1 --out tiny").ok();
    let nothing = place.assay("demo --size 0 --out none");
    assert!(matches!(nothing.code, Some(0..=2)), "{}", nothing.describe());
    assert!(!nothing.err().contains("panicked"), "{}", nothing.describe());
}

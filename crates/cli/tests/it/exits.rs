//! Exit codes (0 done, 1 failed, 2 usage, 3 done with skips) and the words beside them.

use crate::support::{Place, histories, said, threads};

#[test]
fn done_is_zero_and_says_what_happened() {
    let place = Place::new();
    place.write("good.jsonl", histories(3).join("\n"));
    let ended = place.assay("import good.jsonl --project p").ok();
    assert!(ended.out().contains("3 new"), "{}", ended.describe());
    assert_eq!(ended.err(), "", "{}", ended.describe());
}

#[test]
fn skipped_input_is_three_and_names_file_line_and_reason() {
    let place = Place::new();
    place.write(
        "mixed.jsonl",
        format!("{}\n{{\"color\": \"red\"}}\nnot json at all\n{}\n", said("a", "hello"), said("b", "bye")),
    );
    let ended = place.assay("import mixed.jsonl --project p").code(3);
    for words in ["2 new", "skipped 2", "mixed.jsonl:2: ", "mixed.jsonl:3: "] {
        assert!(ended.out().contains(words), "no {words:?}\n{}", ended.describe());
    }
    let counts = place.assay("import mixed.jsonl --project q --json").code(3).json();
    assert_eq!(counts["skipped_records"], 2, "{counts}");

    let report = place.assay("report mixed.jsonl --json --no-files").code(3);
    assert_eq!(threads(&report.json()), ["a", "b"]);
    assert!(report.err().contains("mixed.jsonl:3: "), "{}", report.describe());
}

#[test]
fn many_skipped_records_are_counted_and_only_the_first_listed() {
    let place = Place::new();
    place.write("bad.jsonl", format!("{}\n{}", said("a", "hello"), "{]\n".repeat(500)));
    let ended = place.assay("import bad.jsonl --project p").code(3);
    assert!(ended.out().contains("skipped 500") && ended.out().lines().count() < 30, "{}", ended.describe());
    assert!(ended.out().contains("490 more"), "{}", ended.describe());
}

#[test]
fn a_file_of_which_nothing_can_be_read_is_one() {
    let place = Place::new();
    place.write("prose.txt", "Once upon a time\nthere was no JSON.\n");
    place.assay("import prose.txt --project p").fails_with(&["prose.txt", "could be read"]);
    place.assay("report prose.txt").fails_with(&["prose.txt", "could be read"]);
    place.assay_with("import - --project p", b"\x00\x01\x02\x03").fails_with(&["<stdin>"]);
    place.assay_with("import - --project p", b"").fails_with(&["<stdin>", "empty"]);
}

#[test]
fn wrong_usage_is_two() {
    let place = Place::new();
    place.write("good.jsonl", histories(3).join("\n"));
    for line in [
        "",
        "reprot good.jsonl",
        "report",
        "report good.jsonl --focus beauty",
        "report good.jsonl --since yesterday",
        "report good.jsonl --sample many",
        "report good.jsonl --sample-by luck",
        "report good.jsonl --sample-by feedback:",
        "report good.jsonl --format xml",
        "import good.jsonl",
        "insights show not-an-id",
        "insights",
        "completions tcsh",
    ] {
        let ended = place.assay(line).code(2);
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{}", ended.describe());
    }
}

#[test]
fn flags_that_make_no_sense_say_so_before_anything_is_read() {
    let place = Place::new();
    place.write("good.jsonl", histories(3).join("\n"));
    place.write("twice.txt", "Billing: money\nbilling: again\n");
    place.write("empty.txt", "# nothing\n");
    for (flags, words) in [
        ("--hierarchy 2,6", ["--hierarchy", "40,8"]),
        ("--categories nowhere.txt", ["nowhere.txt", ""]),
        ("--categories twice.txt", ["twice.txt", "twice"]),
        ("--categories empty.txt", ["empty.txt", ""]),
        ("--prices good.jsonl", ["good.jsonl", "price"]),
        ("--filter 'eq(status'", ["filter", ""]),
        ("--filter 'eq(colour, \"red\")'", ["colour", ""]),
    ] {
        place.assay(&format!("report good.jsonl --no-files {flags}")).fails_with(&words);
    }
    assert!(!place.path("assay-report").exists());
}

#[test]
fn what_is_not_there_is_one_and_says_what_to_do() {
    let place = Place::new();
    for line in [
        "runs list --project p",
        "insights list",
        "project list",
        "thread show x",
        "insights run --project p",
    ] {
        place.assay(line).fails_with(&["no store", "store"]);
        assert!(!place.path("store").exists(), "{line} made a store");
    }
    place.write("good.jsonl", histories(3).join("\n"));
    place.assay("import good.jsonl --project here").ok();
    for line in ["runs list --project there", "insights run --project there", "insights list --project there"]
    {
        place.assay(line).fails_with(&["there", "here"]);
    }
    std::fs::create_dir(place.path("bare")).expect("a folder");
    place.assay("project list --data bare").fails_with(&["bare"]);
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let place = Place::new();
    place.write("good.jsonl", histories(200).join("\n"));
    place.assay("import good.jsonl --project p").ok();
    let mut child = place.command("runs list --project p --limit 1000 --json").spawn().expect("the binary");
    drop(child.stdout.take());
    let ended = crate::support::wait(child, "runs list | true");
    assert_eq!((ended.code, ended.err().as_str()), (Some(0), ""), "{}", ended.describe());
}

#[test]
fn the_same_ids_in_two_projects_are_other_threads_and_a_folder_may_hold_other_files() {
    let place = Place::new();
    let line = |word: &str| {
        format!(
            "{{\"id\": \"1\", \"messages\": [{{\"role\": \"user\", \"content\": \"{word} please\"}}, {{\"role\": \"assistant\", \"content\": \"here\"}}]}}\n"
        )
    };
    place.write("fruit/apples.jsonl", line("apples"));
    place.write("fruit/README.md", "# notes\n");
    place.write("bananas.jsonl", line("bananas"));
    let told = place.assay("import fruit --project a").code(3);
    assert!(told.out().contains("README.md"), "{}", told.describe());
    place.assay("import bananas.jsonl --project b").ok();
    for (project, word) in [("a", "apples"), ("b", "bananas")] {
        let told = place.assay(&format!("thread show 1 --project {project}")).ok();
        assert!(told.out().contains(word), "{}", told.describe());
    }
    place.write("text/README.md", "# notes\n");
    place.assay("import text --project c").fails_with(&["nothing that was given could be read", "README.md"]);
}

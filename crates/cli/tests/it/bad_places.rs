//! Files that explode, folders that refuse, disks that are full, stores that are foreign or taken.

use crate::support::{Place, histories, said};

/// Sixty-four megabytes of blanks pack into a few kilobytes; the frame is repeated.
fn bomb(frames: usize) -> Vec<u8> {
    let frame = zstd::encode_all(vec![b' '; 64 << 20].as_slice(), 1).expect("packing");
    assert!(frame.len() < 32 << 10, "{} bytes", frame.len());
    frame.repeat(frames)
}

#[test]
fn a_zstd_bomb_is_refused_and_what_came_before_it_stays() {
    let place = Place::new();
    let mut bytes = zstd::encode_all(format!("{}\n", said("good", "hello")).as_bytes(), 1).expect("packing");
    bytes.extend(bomb(17));
    place.write("bomb.jsonl.zst", bytes);
    place.assay("import bomb.jsonl.zst --project p").fails_with(&[
        "bomb.jsonl.zst",
        "1000 times its size",
        "unpack it yourself",
    ]);
    let runs = place.assay("runs list --project p --json").ok().json();
    assert_eq!(runs[0]["thread_id"], "good", "{runs}");
}

#[cfg(unix)]
#[test]
fn folders_that_cannot_be_made_or_read_are_named() {
    let place = Place::new();
    place.write("file", "not a folder");
    place.write("good.jsonl", histories(3).join("\n"));
    // Nobody, not even root, makes a folder below a file.
    place.assay("import good.jsonl --project p --data file/store").fails_with(&["file/store"]);
    place.assay("import good.jsonl --project p --data file").fails_with(&["file"]);
    place.assay("report good.jsonl --out file/out").fails_with(&["file/out"]);
    place.assay("report file/in.jsonl --no-files").fails_with(&["file/in.jsonl"]);
    place.assay("report good.jsonl --out file").fails_with(&["file"]);
    assert_eq!(place.read("file"), b"not a folder");
    place.assay("import good.jsonl --project p").ok();
}

#[cfg(unix)]
#[test]
fn permission_that_is_denied_is_said_with_the_name() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write("good.jsonl", histories(3).join("\n"));
    place.write("locked.jsonl", histories(3).join("\n"));
    std::fs::create_dir(place.path("locked")).expect("a folder");
    let allow = |name: &str, mode| {
        std::fs::set_permissions(place.path(name), std::fs::Permissions::from_mode(mode))
            .expect("permissions");
    };
    allow("locked", 0o000);
    allow("locked.jsonl", 0o000);
    allow(".", 0o755);
    allow("tmp", 0o777);
    // Root may do anything; another user is tried where the system has one to lend.
    let lowered = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let probe = format!(
        "if [ \"$(id -u)\" != 0 ]; then echo plain; elif {lowered} \"$ASSAY\" --version; then echo lowered; fi"
    );
    let user = place.shell(&probe).out();
    let prefix = match user.lines().last() {
        Some("plain") => "",
        Some("lowered") => lowered,
        _ => {
            println!("skipped: root cannot become another user here");
            return;
        }
    };
    for (line, words) in [
        ("import good.jsonl --project p --data locked/store", ["locked/store", "ermission denied"]),
        ("import good.jsonl --project p --data locked", ["locked", "ermission denied"]),
        ("import locked.jsonl --project p --data tmp/store", ["locked.jsonl", "ermission denied"]),
        ("report locked --no-files", ["locked", "ermission denied"]),
        ("report good.jsonl --out locked/out", ["locked/out", "ermission denied"]),
    ] {
        place.shell(&format!("{prefix} \"$ASSAY\" {line}")).fails_with(&words);
    }
    allow("locked", 0o755);
}

/// Runs a script with a file system of three megabytes at `small`; `None` where that cannot be had.
#[cfg(target_os = "linux")]
fn on_a_small_disk(place: &Place, script: &str) -> Option<crate::support::Ended> {
    std::fs::create_dir(place.path("small")).expect("a folder");
    let mount = "mount -t tmpfs -o size=3m none small";
    let probe = place.shell(&format!("unshare --mount --map-root-user sh -c '{mount}'"));
    if probe.code != Some(0) {
        println!("skipped: no file system of a given size can be had here");
        return None;
    }
    place.write("script", format!("set -u\n{mount} || exit 99\n{script}"));
    Some(place.shell("exec unshare --mount --map-root-user sh script"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_and_the_import_goes_on_once_there_is_room() {
    let place = Place::new();
    place.write("first.jsonl", histories(5).join("\n"));
    // Too random to be packed, and more than there is room for beside the filler.
    let noise = |n: usize| {
        let mut state = n as u64 + 1;
        let mut letters = String::new();
        for _ in 0..1500 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            letters.push(char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap_or(0)));
        }
        letters
    };
    let lines: Vec<String> = (0..700).map(|n| said(&format!("noise-{n:04}"), &noise(n))).collect();
    place.write("second.jsonl", lines.join("\n"));
    let script = r#"
        "$ASSAY" import first.jsonl --project p --data small/store || exit 91
        "$ASSAY" runs list --project p --data small/store --json > before.json || exit 92
        head -c 100000000 /dev/zero > small/filler 2> /dev/null
        rm small/filler; head -c 2000000 /dev/zero > small/filler
        "$ASSAY" import second.jsonl --project p --data small/store 2> full.txt
        echo "full: $?"
        "$ASSAY" doctor --data small/store > doctor.txt || exit 93
        "$ASSAY" runs list --project p --data small/store --limit 1000 --json > after.json || exit 94
        rm small/filler
        mount -o remount,size=30m small || exit 95
        "$ASSAY" import second.jsonl --project p --data small/store --json > again.json || exit 96
        "$ASSAY" runs list --project p --data small/store --limit 1000 --json > whole.json || exit 97
    "#;
    let Some(ended) = on_a_small_disk(&place, script) else { return };
    let said = String::from_utf8_lossy(&place.read("full.txt")).into_owned();
    let ended = ended.ok();
    assert!(ended.out().contains("full: 1"), "{}\n{said}", ended.describe());
    assert!(
        said.contains("full") && said.contains("small/store") && said.contains("free some space"),
        "{said}"
    );
    let count = |file: &str| {
        let runs: serde_json::Value = serde_json::from_slice(&place.read(file)).expect(file);
        runs.as_array().map_or(0, Vec::len)
    };
    assert_eq!(count("before.json"), 5);
    assert!((5..705).contains(&count("after.json")), "{}", count("after.json"));
    assert_eq!(count("whole.json"), 705);
    place.assay("import first.jsonl second.jsonl --project p").ok();
    let whole = place.assay("runs list --project p --limit 1000 --json").ok();
    let ids = |bytes: &[u8]| {
        let runs: serde_json::Value = serde_json::from_slice(bytes).expect("runs");
        let mut ids: Vec<String> = runs.as_array().into_iter().flatten().map(|run| run.to_string()).collect();
        ids.sort();
        ids
    };
    assert!(ids(&whole.stdout) == ids(&place.read("whole.json")), "as if the disk had never been full");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_spoils_no_report_that_is_already_there() {
    let place = Place::new();
    place.write("good.jsonl", histories(30).join("\n"));
    let script = r#"
        "$ASSAY" report good.jsonl --project p --out small/out > first.txt 2>&1 || exit 91
        cp small/out/report.json before.json
        head -c 100000000 /dev/zero > small/filler 2> /dev/null
        "$ASSAY" report good.jsonl --project p --out small/out --name Other > second.txt 2> full.txt
        echo "full: $?"
        cp small/out/report.json after.json
        ls -A small/out > names.txt
        rm small/filler
        TMPDIR=small head -c 100000000 /dev/zero > small/filler 2> /dev/null
        TMPDIR=$PWD/small "$ASSAY" report good.jsonl --project p --no-files > third.txt 2> temporary.txt
        echo "temporary: $?"
    "#;
    let Some(ended) = on_a_small_disk(&place, script) else { return };
    let ended = ended.ok();
    for words in ["full: 1", "temporary: 1"] {
        assert!(ended.out().contains(words), "{}", ended.describe());
    }
    assert_eq!(place.read("before.json"), place.read("after.json"));
    let names = String::from_utf8(place.read("names.txt")).expect("names");
    assert!(!names.contains(".assay-"), "left over: {names}");
    for notes in ["full.txt", "temporary.txt"] {
        let said = String::from_utf8_lossy(&place.read(notes)).into_owned();
        assert!(said.contains("error: ") && !said.contains("panicked"), "{said}");
        assert!(said.contains("No space") || said.contains("full"), "{said}");
    }
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let place = Place::new();
    place.write("good.jsonl", histories(3).join("\n"));
    place.assay("import good.jsonl --project p").ok();
    // The version of the format is at byte 60 of the file, big-endian.
    let mut bytes = place.read("store/assay.db");
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    place.write("store/assay.db", &bytes);
    for line in [
        "import good.jsonl --project p",
        "runs list --project p",
        "insights run --project p",
        "project delete p --yes",
        "report good.jsonl --data store --no-files",
    ] {
        place.assay(line).fails_with(&["newer version", "99", "update assay"]);
        assert!(place.read("store/assay.db") == bytes, "{line} touched the store");
    }
    let doctor = place.assay("doctor").code(1);
    assert!(doctor.out().contains("newer version"), "{}", doctor.describe());
}

#[test]
fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let place = Place::new();
    place.write("good.jsonl", histories(3).join("\n"));
    place.write("store/assay.db", "this is a diary, not a database. ".repeat(200));
    let before = place.read("store/assay.db");
    for line in ["import good.jsonl --project p", "runs list --project p", "doctor"] {
        place.assay(line).fails_with(&["store"]);
        assert!(place.read("store/assay.db") == before, "{line} touched the file");
    }
}

#[test]
fn commands_work_on_a_store_that_another_process_has_open_for_writing() {
    use std::io::Write;

    use crate::support::{until, wait};
    let place = Place::new();
    place.write("good.jsonl", histories(20).join("\n"));
    place.write("more.jsonl", histories(30).join("\n"));

    let mut first = place
        .command("import - --project p")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("the binary");
    until("the first process has opened the store", || place.path("store/assay.db").is_file());
    place.assay("import good.jsonl --project p").ok();
    place.assay("import more.jsonl --project p").ok();
    place.assay("insights run --project p").ok();
    place.assay("report good.jsonl --data store --project p --no-files").ok();
    place.assay("project list").ok();
    place.assay("thread show thread-00001").ok();
    place.assay("doctor").ok();

    let mut stdin = first.stdin.take().expect("standard input");
    stdin.write_all(said("late", "hello").as_bytes()).expect("writing");
    drop(stdin);
    wait(first, "import -").ok();
    place.assay("import good.jsonl --project p").ok();
    let after = place.assay("project list --json").ok().json();
    let project = after.as_array().into_iter().flatten().find(|project| project["name"] == "p");
    assert_eq!(project.map(|project| &project["runs"]), Some(&serde_json::json!(31)), "{after}");
}

#[test]
fn processes_that_race_for_a_new_store_lose_nothing_that_was_acknowledged() {
    let place = Place::new();
    let lines = histories(40);
    let children: Vec<_> = (0..4)
        .map(|n| {
            let name = format!("{n}.jsonl");
            place.write(&name, lines[n * 10..n * 10 + 10].join("\n"));
            place.command(&format!("import {name} --project p")).spawn().expect("the binary")
        })
        .collect();
    let mut acknowledged = 0;
    for child in children {
        let ended = crate::support::wait(child, "import");
        match ended.code {
            Some(0) => acknowledged += 10,
            _ => drop(ended.fails_with(&["using it"])),
        }
    }
    assert!(acknowledged >= 10);
    let projects = place.assay("project list --json").ok().json();
    assert_eq!(projects[0]["runs"], acknowledged, "{projects}");
    place.assay("doctor").ok();
}

use std::io::{Cursor, Write};

use super::*;

fn read_as(
    bytes: &[u8],
    format: Option<Format>,
    limit: Limit,
    import: &mut Import,
) -> Result<Decoded, Error> {
    let mut reader = Reader::new(Cursor::new(bytes.to_vec()), "f", format)?;
    let mut all = Decoded::default();
    while let Some(chunk) = reader.next_chunk(import, limit)? {
        all.append(chunk);
    }
    Ok(all)
}

fn read(bytes: &[u8]) -> Decoded {
    read_as(bytes, None, Limit::default(), &mut Import::of("p")).expect("readable")
}

/// What was asked in each history, in order, and where records were rejected.
#[track_caller]
fn check(bytes: &[u8], asked: &[&str], rejected: &[&str]) {
    for limit in [Limit::default(), Limit { records: 1, bytes: 1 }] {
        let decoded = read_as(bytes, None, limit, &mut Import::of("p")).expect("readable");
        let found: Vec<_> = decoded
            .patches
            .iter()
            .map(|patch| assay_transcript::messages(patch.inputs.as_ref().unwrap_or(&Value::Null))[0].text())
            .collect();
        let places: Vec<_> = decoded.rejected.iter().map(|rejected| rejected.location.as_str()).collect();
        assert_eq!(
            (found, places),
            (asked.iter().map(|text| (*text).to_owned()).collect(), rejected.to_vec()),
            "{decoded:?}"
        );
    }
}

fn history(text: &str) -> String {
    format!("{{\"messages\": [{{\"role\": \"user\", \"content\": \"{text}\"}}]}}")
}

fn pretty(text: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<Value>(&history(text)).expect("JSON")).expect("JSON")
}

#[test]
fn lines_are_read_and_broken_ones_are_named() {
    let (a, b, c) = (history("a"), history("b"), history("c"));
    check(format!("{a}\n{b}\r\n\n{c}").as_bytes(), &["a", "b", "c"], &[]);
    check(format!("{a}\nnonsense\n{{\"x\": 1}}\n{b}\n").as_bytes(), &["a", "b"], &["f:2", "f:3"]);
    // A line that ends too early costs only itself, even as the first.
    check(format!("{}\n{b}\n{c}\n", &a[..20]).as_bytes(), &["b", "c"], &["f:1"]);
    check(format!("{a}\n{}\n{c}\n", &b[..30]).as_bytes(), &["a", "c"], &["f:2"]);
}

#[test]
fn bare_arrays_of_messages_are_histories() {
    let line = |text: &str| format!("[{{\"role\": \"user\", \"content\": \"{text}\"}}]");
    check(line("a").as_bytes(), &["a"], &[]);
    check(format!("{}\n{}\n", line("a"), line("b")).as_bytes(), &["a", "b"], &[]);
    check(format!("[{}, {}]", line("a"), line("b")).as_bytes(), &["a", "b"], &[]);
    check(b"[\n  {\"role\": \"user\",\n   \"content\": \"a\"}\n]\n", &["a"], &[]);
}

#[test]
fn arrays_wrappers_and_pretty_values_are_streamed() {
    let (a, b) = (history("a"), history("b"));
    check(format!("[{a}, {b}]").as_bytes(), &["a", "b"], &[]);
    check(format!("[\n{a},\n{b}\n]\n").as_bytes(), &["a", "b"], &[]);
    check(format!("[\n{},\n{}\n]\n", pretty("a"), pretty("b")).as_bytes(), &["a", "b"], &[]);
    check(format!("{}\n{}\n", pretty("a"), pretty("b")).as_bytes(), &["a", "b"], &[]);
    check(format!("{{\"data\": [{a}, {b}], \"next\": {{\"x\": []}}}}").as_bytes(), &["a", "b"], &[]);
    check(format!("[{a}, 7, \"x\", {b}]").as_bytes(), &["a", "b"], &["f:1", "f:1"]);
    check(format!("\u{feff}{a}\n").as_bytes(), &["a"], &[]);
}

#[test]
fn brackets_and_quotes_inside_text_do_not_count() {
    let tricky = r#"[{"messages": [{"role": "user", "content": "]}\"[{"}]}, {"messages": [{"role": "user", "content": "\\"}]}]"#;
    check(tricky.as_bytes(), &["]}\"[{", "\\"], &[]);
}

#[test]
fn packed_files_are_unpacked() {
    let text = format!("{}\n{}\n", history("a"), history("b"));
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(text.as_bytes()).expect("in memory");
    check(&gz.finish().expect("in memory"), &["a", "b"], &[]);
    check(&zstd::encode_all(text.as_bytes(), 3).expect("in memory"), &["a", "b"], &[]);
}

#[test]
fn a_truncated_archive_is_an_error_after_what_was_read() {
    let text = format!("{}\n", history("a")).repeat(50_000);
    let packed = zstd::encode_all(text.as_bytes(), 1).expect("in memory");
    let error = read_as(&packed[..packed.len() / 2], None, Limit::default(), &mut Import::of("p"))
        .expect_err("truncated");
    assert!(error.to_string().starts_with("cannot read f: "), "{error}");
}

#[test]
fn a_bomb_ends_in_a_clear_error() {
    let packed = zstd::encode_all(std::io::repeat(b' ').take(64 << 20), 3).expect("in memory");
    let mut unpacked = Unpacked::with_allowance(Box::new(Cursor::new(packed)), 1 << 20).expect("a head");
    let error = std::io::copy(&mut unpacked, &mut std::io::sink()).expect_err("a bomb");
    assert!(error.to_string().contains("unpacks to more than 1000 times its size"), "{error}");
}

#[test]
fn a_record_beyond_the_cap_is_rejected_alone() {
    let big = history(&"x".repeat(1000));
    for text in [
        format!("{}\n{big}\n{}\n", history("a"), history("b")),
        format!("[{}, {big}, {}]", history("a"), history("b")),
    ] {
        let mut splitter = Splitter::new(text.as_bytes(), 500);
        let mut out = Vec::new();
        let mut sizes = Vec::new();
        while let Some(piece) = splitter.next(&mut out).expect("in memory") {
            sizes.push((piece.is_too_large, piece.range.is_empty()));
        }
        assert_eq!(sizes, [(false, false), (true, true), (false, false)]);
    }
}

#[test]
fn nameless_records_have_the_same_ids_in_every_import() {
    let text = format!("{}\n", history("a")).repeat(10_000) + &history("b");
    let ids = |text: &str| -> Vec<_> { read(text.as_bytes()).patches.iter().map(|patch| patch.id).collect() };
    let first = ids(&text);
    assert_eq!(first, ids(&text));
    assert_eq!(first.iter().collect::<std::collections::HashSet<_>>().len(), 10_001);
    // Over the files of one import the numbering goes on.
    let mut import = Import::of("p");
    let mut one = |text: &str| {
        read_as(text.as_bytes(), None, Limit::default(), &mut import).expect("readable").patches[0].id
    };
    assert_ne!(one(&history("a")), one(&pretty("a")));
}

#[test]
fn ids_of_a_source_mean_other_runs_in_every_project_and_uuids_the_same() {
    let uuid = "33c08c32-435c-4788-b973-b5bee4a31f87";
    let named = r#"{"id": "1", "messages": [{"role": "user", "content": "apples"}], "feedback": {"k": 1}}"#;
    let text = format!(
        "{named}\n{}\n{}\n{{\"run_id\": \"1\", \"id\": \"f\", \"key\": \"k\", \"score\": 1}}\n",
        history("nameless"),
        named.replace("\"1\"", &format!("{uuid:?}")),
    );
    let ids = |project: &str| {
        let mut import = Import::of(project);
        let read = read_as(text.as_bytes(), None, Limit::default(), &mut import).expect("readable");
        let runs: Vec<_> = read.patches.iter().map(|patch| patch.id).collect();
        let about: Vec<_> = read.feedback.iter().map(|one| (one.id, one.run)).collect();
        (runs, about)
    };
    let (here, there) = (ids("here"), ids("there"));
    assert_eq!(here, ids("here"));
    assert_ne!(here.0[0], there.0[0]);
    assert_ne!(here.0[1], there.0[1]);
    assert_eq!((here.0[2], here.0[2].to_string()), (there.0[2], uuid.to_owned()));
    // What is said about a run finds it.
    assert_eq!(here.1[2].1, Some(here.0[0]));
    assert!(here.1.iter().zip(&there.1).take(1).all(|(a, b)| a.0 != b.0));
    assert_ne!(here.1[2].0, there.1[2].0);
}

#[test]
fn runs_and_feedback_may_be_mixed() {
    let decoded = read(
        b"{\"id\": \"r\", \"run_type\": \"chain\", \"name\": \"x\"}\n{\"run_id\": \"r\", \"key\": \"k\", \"score\": 1}\n{\"id\": \"s\", \"run_type\": \"agent\"}\n",
    );
    assert_eq!((decoded.patches.len(), decoded.feedback.len()), (1, 1));
    assert_eq!(decoded.rejected[0].location, "f:3");
}

#[test]
fn bad_text_is_mended_and_counted() {
    let mut bytes = b"{\"messages\": [{\"role\": \"user\", \"content\": \"a\xff\x00\\ud800\"}], \"n\": NaN, \"m\": 1e999}\n".to_vec();
    bytes.extend_from_slice(history("b").as_bytes());
    let decoded = read(&bytes);
    assert_eq!((decoded.patches.len(), decoded.repaired, decoded.rejected.len()), (2, 1, 0));
}

#[test]
fn deep_nesting_is_rejected_by_name() {
    let deep = format!("{{\"messages\": {}{}}}\n{}\n", "[".repeat(10_000), "]".repeat(10_000), history("b"));
    let decoded = read(deep.as_bytes());
    assert_eq!(decoded.patches.len(), 1);
    assert_eq!(
        (decoded.rejected[0].location.as_str(), decoded.rejected[0].reason.as_str()),
        ("f:1", "nested deeper than 128 levels")
    );
}

#[test]
fn empty_and_foreign_files_end_well() {
    for bytes in [&b""[..], b"\n\n", b"[]", b"[ ]\n"] {
        let decoded = read(bytes);
        assert!(decoded.patches.is_empty(), "{bytes:?}");
    }
    for bytes in [
        &b"hello world"[..],
        b"a,b\n1,2\n",
        b"\x89PNG\r\n\x1a\n\0\0\0",
        b"{",
        b"[",
        b"{\"a\"",
        b"[[[[",
        b"\"",
        b"[{\"messages\": [{\"role\": \"user\", \"content\": \"a",
    ] {
        let decoded = read(bytes);
        assert!(decoded.patches.is_empty() && !decoded.rejected.is_empty(), "{bytes:?}");
    }
}

#[test]
fn a_thread_of_two_megabytes_is_one_record() {
    let message = format!("{{\"role\": \"user\", \"content\": \"{}\"}}", "word ".repeat(200));
    let text = format!("{{\"messages\": [{}]}}", vec![message; 2000].join(","));
    assert_eq!(read(text.as_bytes()).patches.len(), 1);
}

#[test]
fn a_given_format_overrides_the_content() {
    let decoded = read_as(
        history("a").as_bytes(),
        Some(Format::LangSmithFeedback),
        Limit::default(),
        &mut Import::of("p"),
    )
    .expect("readable");
    assert_eq!((decoded.patches.len(), decoded.rejected.len()), (0, 1));
}

use assay_domain::run::Attachment;
use assay_domain::{RunId, RunKind, TraceId, Usage};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::*;

fn full() -> RunPatch {
    RunPatch {
        trace: Some(TraceId::from_name("t")),
        parent: Some(RunId::from_name("p")),
        thread: Some("thread \0 \u{fffd}".into()),
        dotted_order: Some("20260101T000000000000Zx".into()),
        name: Some("agent".into()),
        kind: Some(RunKind::Tool),
        start_time: "2026-01-01T00:00:00.000001Z".parse().ok(),
        end_time: "2026-01-01T00:00:02Z".parse().ok(),
        first_token_time: "2026-01-01T00:00:01Z".parse().ok(),
        inputs: Some(json!({"question": "where?", "n": 1, "x": 0.5, "nul": "a\u{0}b"})),
        outputs: Some(Value::Null),
        error: Some("boom".into()),
        events: Some(vec![json!({"name": "new_token"})]),
        tags: Some(vec!["a".into()]),
        metadata: json!({"k": "v", "n": null}).as_object().cloned(),
        extra: json!({"runtime": {"sdk": "py"}}).as_object().cloned(),
        serialized: Some(json!({"id": ["a"]})),
        reference_example: Some("e".into()),
        attachments: vec![Attachment {
            name: "pic".into(),
            mime_type: None,
            reference: "r".into(),
            size: Some(3),
        }],
        usage: Some(Usage {
            input_tokens: 1,
            output_tokens: u64::MAX,
            total_tokens: 3,
            input_details: [("cache_read".to_owned(), 1)].into(),
            output_details: [("reasoning".to_owned(), 2)].into(),
            stated_cost: Some(cost()),
        }),
        ..RunPatch::default()
    }
}

fn cost() -> Cost {
    Cost {
        input: "0.000001".parse().expect("a decimal"),
        output: Decimal::TWO,
        total: "2.000001".parse().expect("a decimal"),
        input_details: [("audio".to_owned(), "0.0000001".parse().expect("a decimal"))].into(),
        output_details: Default::default(),
    }
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    let patch = full();
    let json = part_json(&patch);
    let record = decode(&encode(Some(&json), Some(&json), Some(&cost()))).expect("readable");
    assert_eq!(record.updates.as_ref(), Some(&patch));
    assert_eq!(record.creation.as_deref(), Some(json.as_str()));
    assert_eq!(record.cost, Some(cost()));
    assert_eq!(decode(&encode(None, None, None)), Ok(Record::default()));
    assert_eq!(read_part(&part_json(&RunPatch::default())), Ok(RunPatch::default()));
}

#[test]
fn version_1_is_still_read() {
    let text = r#"{"creation":{"name":"a","start":1000000,"inputs":{"q":1}},"updates":{"outputs":"x"}}"#;
    let record = decode(&[&[1, 0], text.as_bytes()].concat()).expect("readable");
    assert_eq!(
        read_part(&record.creation.expect("a creation")),
        Ok(RunPatch {
            name: Some("a".into()),
            start_time: "1970-01-01T00:00:01Z".parse().ok(),
            inputs: Some(json!({"q": 1})),
            ..RunPatch::default()
        })
    );
    assert_eq!(record.updates.and_then(|updates| updates.outputs), Some(json!("x")));
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let json = part_json(&RunPatch {
        inputs: Some(json!("words, words, words. ".repeat(100))),
        ..RunPatch::default()
    });
    let good = encode(Some(&json), None, None);
    assert!(good.len() < json.len() / 2);
    for position in 0..good.len() {
        let mut bad = good.clone();
        bad[position] ^= 0x55;
        assert!(decode(&bad).is_err(), "byte {position}");
        assert!(decode(&good[..position]).is_err(), "cut at {position}");
    }
    let newer = decode(&[9, 0, b'{', b'}']).expect_err("unknown version");
    assert!(newer.contains("version 9"), "{newer}");
}

#[test]
fn what_nests_too_deep_is_kept_as_text() {
    // Making, comparing and dropping the values of this test takes a frame a level.
    let test = std::thread::Builder::new().stack_size(32 << 20).spawn(|| {
        for depth in [99, 127, 250, 2_000] {
            let mut value = json!("core");
            for _ in 0..depth {
                value = json!([value]);
            }
            let mut patch = RunPatch { inputs: Some(value.clone()), ..RunPatch::default() };
            bound(&mut patch);
            let record = decode(&encode(Some(&part_json(&patch)), None, None)).expect("readable");
            let read = read_part(&record.creation.expect("a creation")).expect("readable");
            assert_eq!(read.inputs == Some(value), depth < 100);
        }
    });
    test.expect("a thread").join().expect("all depths");
}

//! What goes in and what comes out, over whole texts, values and patches.

use assay_domain::run::Attachment;
use assay_domain::{Feedback, RunPatch, ThreadId};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::rules::PathRule;

fn rules(detectors: &[&str]) -> Rules {
    Rules { detectors: detectors.iter().map(|name| (*name).to_owned()).collect(), ..Rules::default() }
}

fn redactor(rules: &Rules) -> Redactor {
    Redactor::new(rules, b"key").expect("good rules")
}

#[track_caller]
fn check(rules: &Rules, text: &str, expected: &str) {
    let seen = &mut Seen::default();
    let found = redactor(rules).text(text, seen);
    assert_eq!(found.as_deref().unwrap_or(text), expected);
    assert_eq!(found.is_some(), !seen.counts.is_empty());
}

#[test]
fn texts_keep_everything_but_the_values() {
    let all = rules(&["all"]);
    check(&all, "write to ada@example.com or +49 30 1234567", "write to [EMAIL] or [PHONE]");
    check(&all, "4111 1111 1111 1111, DE89 3704 0044 0532 0130 00", "[CARD], [IBAN]");
    check(
        &all,
        "psql postgres://app:hunter2@db.example.com/x",
        "psql postgres://app:[URL_SECRET]@db.example.com/x",
    );
    check(&all, "nothing here: 2026-11-21, 12 items, a@b", "nothing here: 2026-11-21, 12 items, a@b");
    check(&all, "", "");
    check(&all, "é ada@example.com é", "é [EMAIL] é");
    check(&rules(&["phone"]), "ada@example.com +49 30 1234567", "ada@example.com [PHONE]");
    check(&rules(&["secrets"]), "ada@example.com AKIAIOSFODNN7Q2W3E4R", "ada@example.com [API_KEY]");
    check(&rules(&[]), "ada@example.com", "ada@example.com");
}

#[test]
fn equal_values_can_stay_equal() {
    let numbered = Rules { style: Style::Numbered, ..rules(&["email"]) };
    check(&numbered, "a@x.io, b@x.io, A@X.io", "[EMAIL_1], [EMAIL_2], [EMAIL_1]");
    let hashed = Rules { style: Style::Hashed, ..rules(&["phone"]) };
    let text = |text: &str| redactor(&hashed).text(text, &mut Seen::default()).expect("found");
    assert_eq!(text("+49 30 1234567"), text("+49-30-1234567"));
    assert_ne!(text("+49 30 1234567"), text("+49 30 1234568"));
}

#[test]
fn own_patterns_are_applied() {
    let pattern = |name: &str, regex: &str| Pattern { name: name.into(), regex: regex.into() };
    let own = Rules {
        patterns: vec![pattern("employee", r"\bE-\d{6}\b"), pattern("patient", r"patient (?<value>\w+)")],
        ..rules(&["email"])
    };
    check(&own, "E-123456 saw patient Smith, a@x.io", "[EMPLOYEE] saw patient [PATIENT], [EMAIL]");
    for (name, regex, why) in [
        ("", "a", "a name has"),
        ("a b", "a", "a name has"),
        ("x", "(", "unclosed group"),
        ("x", r"(\w{1000}){1000}", "size limit"),
        ("x", &"a".repeat(5000), "longer than"),
    ] {
        let rules = Rules { patterns: vec![pattern(name, regex)], ..Rules::default() };
        let error = Redactor::new(&rules, b"").err().expect(why).to_string();
        assert!(error.contains(why), "{error}");
    }
    let error = Redactor::new(&rules(&["emails"]), b"").err().expect("unknown").to_string();
    assert!(error.contains("email") && error.contains("personal"), "{error}");
}

#[test]
fn values_keep_their_shape() {
    let mut value = json!({
        "messages": [{ "role": "user", "content": "I am ada@example.com" }, ["x", null, true, 3]],
        "card": 4111111111111111u64,
        "time": 1795240766895123u64,
        "api_key": "whatever it is",
        "ada@example.com": 1,
        "bob@example.com": 2,
        "[EMAIL]": 3,
    });
    let seen = &mut Seen::default();
    redactor(&rules(&["all"])).value(&mut value, seen);
    assert_eq!(
        value,
        json!({
            "messages": [{ "role": "user", "content": "I am [EMAIL]" }, ["x", null, true, 3]],
            "card": "[CARD]",
            "time": 1795240766895123u64,
            "api_key": "[SECRET]",
            "[EMAIL]": 1,
            "[EMAIL] 2": 2,
            "[EMAIL] 3": 3,
        })
    );
    assert_eq!(seen.counts.0["email"], 3);
}

fn patch() -> RunPatch {
    let mail = || json!({ "text": "ada@example.com" });
    RunPatch {
        name: Some("mail ada@example.com".into()),
        inputs: Some(mail()),
        outputs: Some(mail()),
        error: Some("no ada@example.com".into()),
        events: Some(vec![json!({ "name": "new_token", "time": "now", "kwargs": mail() })]),
        tags: Some(vec!["ada@example.com".into()]),
        metadata: json!({ "user": "ada@example.com", "session_id": "ada@example.com" }).as_object().cloned(),
        extra: mail().as_object().cloned(),
        serialized: Some(mail()),
        thread: Some(ThreadId("ada@example.com".into())),
        project_name: Some("ada@example.com".into()),
        attachments: vec![Attachment {
            name: "ada@example.com.pdf".into(),
            mime_type: None,
            reference: "r".into(),
            size: None,
        }],
        ..RunPatch::default()
    }
}

#[test]
fn no_field_of_a_patch_is_forgotten() {
    let mut patch = patch();
    redactor(&rules(&["email"])).patch(&mut patch, &mut Seen::default());
    let project = patch.project_name.take();
    assert_eq!(project.as_deref(), Some("ada@example.com"), "projects are found by name");
    assert!(!format!("{patch:?}").contains("ada@"), "{patch:?}");
    assert_eq!(patch.inputs, Some(json!({ "text": "[EMAIL]" })));
    let metadata = patch.metadata.expect("metadata");
    assert_eq!(metadata["user"], "[EMAIL]");
    let thread = patch.thread.expect("a thread").0;
    assert!(thread.starts_with("[EMAIL:"), "two people are two threads: {thread}");
    assert_eq!(metadata["session_id"], thread);
}

#[test]
fn a_repeated_patch_is_redacted_alike() {
    for style in [Style::Plain, Style::Numbered, Style::Hashed] {
        let redactor = redactor(&Rules { style, ..rules(&["all"]) });
        let (mut first, mut second) = (patch(), patch());
        redactor.patch(&mut first, &mut Seen::default());
        redactor.patch(&mut second, &mut Seen::default());
        assert_eq!(first, second);
    }
}

#[test]
fn sides_can_be_hidden() {
    let mut patch = patch();
    redactor(&Rules { hide_outputs: true, ..Rules::default() }).patch(&mut patch, &mut Seen::default());
    assert_eq!(patch.outputs, Some(json!({})));
    assert_eq!(patch.inputs, Some(json!({ "text": "ada@example.com" })));
    assert_eq!(patch.events, Some(vec![json!({ "name": "new_token", "time": "now" })]), "tokens are output");
    assert!(patch.attachments.is_empty());
    let mut update = RunPatch::default();
    redactor(&Rules { hide_inputs: true, ..Rules::default() }).patch(&mut update, &mut Seen::default());
    assert_eq!(update, RunPatch::default(), "what is not there is not hidden");
}

#[test]
fn paths_are_replaced_hashed_and_dropped() {
    let rule = |path: &str, action| PathRule { path: path.into(), action };
    let rules = Rules {
        paths: vec![
            rule("inputs.text", PathAction::Replace),
            rule("outputs.text", PathAction::Drop),
            rule("metadata.user", PathAction::Hash),
            rule("events[*].kwargs", PathAction::Drop),
            rule("error", PathAction::Replace),
            rule("tags", PathAction::Drop),
        ],
        ..Rules::default()
    };
    let mut patch = patch();
    redactor(&rules).patch(&mut patch, &mut Seen::default());
    assert_eq!(patch.inputs, Some(json!({ "text": "[REDACTED]" })));
    assert_eq!(patch.outputs, Some(json!({})));
    assert_eq!(patch.error.as_deref(), Some("[REDACTED]"), "a run that failed still has an error");
    assert_eq!(patch.events, Some(vec![json!({ "name": "new_token", "time": "now" })]));
    assert_eq!(patch.tags, Some(vec![]));
    let user = patch.metadata.expect("metadata")["user"].as_str().map(str::to_owned);
    assert!(user.is_some_and(|user| user.starts_with("[REDACTED:")));
}

#[test]
fn feedback_is_gone_through() {
    let mut feedback = Feedback {
        comment: Some("ask ada@example.com".into()),
        correction: Some(json!({ "to": "ada@example.com" })),
        value: Some("ada@example.com".into()),
        ..Feedback::default()
    };
    redactor(&rules(&["email"])).feedback(&mut feedback, &mut Seen::default());
    assert!(!format!("{feedback:?}").contains("ada@"), "{feedback:?}");
}

proptest! {
    #[test]
    fn any_text_can_be_redacted_and_stays_so(text in "\\PC{0,200}|[0-9a-zA-Z@+.:/ ()=_-]{0,200}") {
        for style in [Style::Plain, Style::Numbered, Style::Hashed] {
            let redactor = redactor(&Rules { style, ..rules(&["all"]) });
            if let Some(once) = redactor.text(&text, &mut Seen::default()) {
                let twice = redactor.text(&once, &mut Seen::default());
                prop_assert_eq!(twice.as_deref().unwrap_or(&once), &once);
            }
        }
    }
}

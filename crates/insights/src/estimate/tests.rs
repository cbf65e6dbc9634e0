//! What is played at a rehearsal keeps the analysis going, in the form asked for.

use assay_llm::{Message, Request, Schema};
use serde_json::{Value, json};

use super::play::answer;

fn asked(name: &str, text: &str, schema: Value) -> Request {
    let schema = Schema { name: name.into(), description: String::new(), schema };
    Request {
        messages: vec![Message::user(text)],
        schema: Some(schema),
        max_tokens: 2_000,
        ..Request::new("s", "m", "")
    }
}

#[test]
fn as_many_tops_are_played_as_are_asked_for_and_every_category_is_under_one() {
    let text = "Categories:\n- Refunds (4 conversations): money\n- Parcels (3 conversations): late\n\
                - Logins (2 conversations): locked\nPropose about 2 top categories that hold all of these.\n";
    let (tops, _) = answer(&asked("top_categories", text, json!({})), &[], 0);
    let names: Vec<&Value> =
        tops["categories"].as_array().expect("a list").iter().map(|top| &top["name"]).collect();
    assert_eq!(names, ["Refunds", "Parcels"]);

    let form = json!({"properties": {"placed": {"items": {"properties": {"top": {"enum": ["A", "B"]}}}}}});
    let text = "Top categories:\n- A: x\n- B: y\nCategories to place:\n1. Refunds: money\n2. Parcels: late\n";
    let (placed, tokens) = answer(&asked("arrangement", text, form), &[], 0);
    assert_eq!(placed["placed"].as_array().map(Vec::len), Some(2));
    assert!(tokens > 10);
}

#[test]
fn longer_threads_and_more_attributes_are_answered_at_greater_length() {
    let form = |attributes: Value| json!({"properties": {"attributes": {"properties": attributes}}});
    let short = "<conversation>\n[0] user: Where is it?\n</conversation>";
    let long =
        format!("<conversation>\n{}\n</conversation>", "[0] user: Where is my parcel now? ".repeat(20));
    let tokens = |text: &str, form: Value| answer(&asked("thread", text, form), &[], 0).1;
    assert!(tokens(&long, form(json!({}))) > tokens(short, form(json!({}))));
    let one = json!({"urgent": {"type": ["boolean", "null"]}});
    let (value, with) = answer(&asked("thread", short, form(one)), &["urgent".to_owned()], 0);
    assert_eq!(value["attributes"], json!({"urgent": true}), "filters are met: more threads cost more");
    assert!(with > tokens(short, form(json!({}))));
}

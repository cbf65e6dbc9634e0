use axum::body::Body;
use http::{Method, header};
use serde_json::{Value, json};

use crate::testing::{Answer, Server, request};

const A: &str = "018f2d4e-5b6c-7d8e-9fa0-000000000001";
const B: &str = "018f2d4e-5b6c-7d8e-9fa0-000000000002";
const C: &str = "018f2d4e-5b6c-7d8e-9fa0-000000000003";

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// A new dataset; its id.
async fn dataset(server: &Server, name: &str) -> String {
    let made = server.post("/datasets", json!({"name": name})).await.ok();
    text(&made["id"]).to_owned()
}

async fn add(server: &Server, dataset: &str, mut example: Value) -> Value {
    example["dataset_id"] = json!(dataset);
    server.post("/examples", example).await.ok()
}

/// The questions (input `q`) of the examples that a query lists.
async fn questions(server: &Server, query: &str) -> Vec<String> {
    let listed = server.get(&format!("/examples?{query}")).await.ok();
    let question = |one: &Value| text(&one["inputs"]["q"]).to_owned();
    listed.as_array().expect("a list").iter().map(question).collect()
}

/// Sends a multipart body: name, content type and content of each part.
async fn send(server: &Server, method: Method, dataset: &str, parts: &[(&str, &str, &[u8])]) -> Answer {
    multipart(server, method, &format!("/v1/platform/datasets/{dataset}/examples"), parts).await
}

async fn multipart(server: &Server, method: Method, path: &str, parts: &[(&str, &str, &[u8])]) -> Answer {
    let mut body = Vec::new();
    for (name, kind, content) in parts {
        let filename = if *name == "file" { "; filename=\"table.csv\"" } else { "" };
        body.extend(
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n").into_bytes(),
        );
        body.extend(format!("Content-Type: {kind}\r\n\r\n").into_bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(b"--x--\r\n");
    let mut request = request(method, path, Body::from(body));
    let kind = "multipart/form-data; boundary=x".parse().expect("a header");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    server.send(request).await
}

#[tokio::test]
async fn a_dataset_is_made_read_changed_listed_and_deleted() {
    let server = Server::new();
    let body = json!({"name": "a", "id": A, "data_type": "llm", "description": "d",
        "extra": {"metadata": {"k": "v", "runtime": {"sdk": "x"}}}});
    let made = server.post("/datasets", body).await.ok();
    assert_eq!((text(&made["id"]), &made["data_type"]), (A, &json!("llm")));
    assert_eq!(made["metadata"], json!({"k": "v", "runtime": {"sdk": "x"}}));
    assert!(
        made["tenant_id"].is_string() && made["created_at"].is_string() && made["modified_at"].is_string()
    );
    server.post("/datasets", json!({"name": "a"})).await.refused(409);
    server.post("/datasets", json!({"name": "other", "id": A})).await.refused(409);
    server.post("/datasets", json!({"name": ""})).await.refused(422);
    dataset(&server, "another").await;

    for (query, expected) in [
        (format!("id={A}"), 1),
        ("name=a".to_owned(), 1),
        ("name_contains=A".to_owned(), 2),
        ("data_type=llm".to_owned(), 1),
        ("data_type=kv&data_type=llm".to_owned(), 2),
        ("metadata=%7B%22k%22%3A%22v%22%7D".to_owned(), 1),
        ("metadata=%7B%22k%22%3A%22w%22%7D".to_owned(), 0),
        ("limit=1".to_owned(), 1),
    ] {
        let listed = server.get(&format!("/datasets?{query}")).await.ok();
        assert_eq!(listed.as_array().map(Vec::len), Some(expected), "{query}");
    }
    let by_name = server.get("/datasets?sort_by=name&sort_by_desc=false").await.ok();
    assert_eq!((text(&by_name[0]["name"]), text(&by_name[1]["name"])), ("a", "another"));

    let path = format!("/datasets/{A}");
    let changed = server.patch(&path, json!({"name": "b", "description": null})).await.ok();
    assert_eq!((text(&changed["name"]), &changed["description"]), ("b", &Value::Null));
    assert_eq!(server.get(&format!("{path}?limit=1")).await.ok(), changed);
    server.patch(&path, json!({"name": "another"})).await.refused(409);
    server.delete(&path).await.ok();
    server.get(&path).await.refused(404);
    server.delete(&path).await.refused(404);
}

#[tokio::test]
async fn what_the_server_would_ignore_it_refuses() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    let transformations = json!([{"path": ["inputs"], "transformation_type": "remove_system_messages"}]);
    server.post("/datasets", json!({"name": "b", "transformations": transformations})).await.refused(422);
    let path = format!("/datasets/{id}");
    server.patch(&path, json!({"transformations": transformations})).await.refused(422);
    server.patch(&path, json!({"patch_examples": {A: {}}})).await.refused(422);
    server.patch(&path, json!({"transformations": []})).await.ok();
}

#[tokio::test]
async fn an_example_has_the_time_of_its_version_and_old_versions_stay_as_they_were() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    let first = add(&server, &id, json!({"id": A, "inputs": {"q": "one"}, "outputs": {"a": "1"}})).await;
    let then = text(&first["modified_at"]).replace('+', "%2B");
    add(&server, &id, json!({"id": B, "inputs": {"q": "two"}})).await;
    server.patch(&format!("/examples/{A}"), json!({"inputs": {"q": "changed"}})).await.ok();

    assert_eq!(questions(&server, &format!("dataset={id}&as_of={then}")).await, ["one"]);
    assert_eq!(questions(&server, &format!("dataset={id}")).await, ["two", "changed"]);
    assert_eq!(questions(&server, &format!("dataset={id}&as_of=latest")).await, ["two", "changed"]);
    let old = server.get(&format!("/examples/{A}?as_of={then}")).await.ok();
    assert_eq!((&old["inputs"]["q"], &old["modified_at"]), (&json!("one"), &first["modified_at"]));
    server.get(&format!("/examples/{B}?as_of={then}")).await.refused(404);
    assert_eq!(server.get(&format!("/examples/count?dataset={id}&as_of={then}")).await.ok(), json!(1));

    let diff = format!("/datasets/{id}/versions/diff?from_version={then}&to_version=latest");
    let expected = json!({"examples_added": [B], "examples_modified": [A], "examples_removed": []});
    assert_eq!(server.get(&diff).await.ok(), expected);

    server.delete(&format!("/examples/{A}")).await.ok();
    server.get(&format!("/examples/{A}")).await.refused(404);
    assert_eq!(questions(&server, &format!("dataset={id}")).await, ["two"]);
    assert_eq!(questions(&server, &format!("dataset={id}&as_of={then}")).await, ["one"]);
    let expected = json!({"examples_added": [B], "examples_modified": [], "examples_removed": [A]});
    assert_eq!(server.get(&diff).await.ok(), expected);
    assert_eq!(server.get(&format!("/datasets/{id}")).await.ok()["example_count"], json!(1));
}

#[tokio::test]
async fn every_write_makes_one_version_and_versions_can_be_named() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    let path = format!("/datasets/{id}");
    server.get(&format!("{path}/version?tag=latest")).await.refused(404);
    let several: Vec<Value> = [(A, "1"), (B, "2")]
        .map(|(example, q)| json!({"id": example, "dataset_id": id, "inputs": {"q": q}}))
        .into();
    server.post("/examples/bulk", json!(several)).await.ok();
    let changes = json!([{"id": A, "inputs": {"q": "1b"}}, {"id": B, "metadata": {"k": 1}}]);
    server.patch("/examples/bulk", changes).await.ok();

    let versions = server.get(&format!("{path}/versions")).await.ok();
    assert_eq!(versions.as_array().map(Vec::len), Some(2));
    assert_eq!((&versions[0]["tags"], &versions[1]["tags"]), (&json!(["latest"]), &Value::Null));
    let first = text(&versions[1]["as_of"]);
    let tagged = server.put(&format!("{path}/tags"), json!({"as_of": first, "tag": "prod"})).await.ok();
    assert_eq!(tagged, json!({"as_of": first, "tags": ["prod"]}));
    assert_eq!(server.get(&format!("{path}/version?tag=prod")).await.ok(), tagged);
    assert_eq!(server.get(&format!("{path}/versions?search=pro")).await.ok(), json!([tagged]));
    assert_eq!(questions(&server, &format!("dataset={id}&as_of=prod")).await, ["2", "1"]);
    let of_example = server.get(&format!("{path}/versions?example={B}")).await.ok();
    assert_eq!(of_example.as_array().map(Vec::len), Some(2));

    server.get(&format!("{path}/version?tag=unknown")).await.refused(404);
    server.get(&format!("/examples?dataset={id}&as_of=unknown")).await.refused(404);
    server.put(&format!("{path}/tags"), json!({"as_of": first, "tag": "latest"})).await.refused(422);
    server.get(&format!("{path}/version?as_of=2001-01-01T00:00:00Z")).await.refused(404);
}

#[tokio::test]
async fn examples_are_listed_by_split_metadata_filter_and_text() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    for (q, split, metadata) in [
        ("1", json!(["train", "validation"]), json!({})),
        ("2", json!("test"), json!({"foo": "bar"})),
        ("3", json!(null), json!({"foo": "bar", "n": {"m": [1, 2]}})),
        ("4 Wörter", json!(null), json!({"dataset_split": ["own"]})),
    ] {
        add(&server, &id, json!({"inputs": {"q": q}, "split": split, "metadata": metadata})).await;
    }
    let all = server.get(&format!("/examples?dataset={id}")).await.ok();
    assert_eq!(all[3]["metadata"], json!({"dataset_split": ["train", "validation"]}));
    assert_eq!(all[1]["metadata"]["dataset_split"], json!(["base"]));
    for (query, expected) in [
        ("splits=train", vec!["1"]),
        ("splits=train&splits=test", vec!["2", "1"]),
        ("splits=base", vec!["3"]),
        ("splits=own", vec!["4 Wörter"]),
        ("metadata=%7B%22foo%22%3A%22bar%22%7D", vec!["3", "2"]),
        ("metadata=%7B%22n%22%3A%7B%22m%22%3A%5B2%5D%7D%7D", vec!["3"]),
        ("filter=exists(metadata,%22n%22)", vec!["3"]),
        ("filter=has(%22metadata%22,%20%27%7B%22foo%22:%20%22bar%22%7D%27)", vec!["3", "2"]),
        ("filter=and(eq(metadata_key,%22foo%22),neq(metadata_value,%22bar%22))", vec![]),
        ("full_text_contains=W%C3%96RTER", vec!["4 Wörter"]),
        ("metadata=%7B%22foo%22%3A%22bar%22%7D&splits=test", vec!["2"]),
        ("metadata=%7B%22foo%22%3A%22bar%22%7D&offset=1&limit=1", vec!["2"]),
        ("offset=1&limit=2", vec!["3", "2"]),
        ("descending=false&limit=1", vec!["1"]),
        ("splits=test&splits=own&descending=false", vec!["2", "4 Wörter"]),
    ] {
        assert_eq!(questions(&server, &format!("dataset={id}&{query}")).await, expected, "{query}");
    }
    let by_chance = format!("dataset={id}&order=random&random_seed=7");
    let shuffled = questions(&server, &by_chance).await;
    assert_eq!((shuffled.len(), shuffled.clone()), (4, questions(&server, &by_chance).await));
    server.get(&format!("/examples?dataset={id}&filter=odd(")).await.refused(400);
    server.get(&format!("/examples?dataset={id}&metadata=1")).await.refused(422);
    server.get(&format!("/examples?dataset={id}&order=odd")).await.refused(422);
    server.get(&format!("/examples?dataset={A}")).await.refused(404);
}

#[tokio::test]
async fn splits_are_listed_and_changed() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    add(&server, &id, json!({"id": A, "inputs": {"q": "1"}})).await;
    add(&server, &id, json!({"id": B, "inputs": {"q": "2"}, "split": "test"})).await;
    let path = format!("/datasets/{id}/splits");
    assert_eq!(server.get(&path).await.ok(), json!(["base", "test"]));
    server.put(&path, json!({"split_name": "train", "examples": [A, B], "remove": false})).await.ok();
    assert_eq!(server.get(&path).await.ok(), json!(["test", "train"]));
    server.put(&path, json!({"split_name": "train", "examples": [A], "remove": true})).await.ok();
    assert_eq!(server.get(&path).await.ok(), json!(["base", "test", "train"]));
    let versions = server.get(&format!("/datasets/{id}/versions")).await.ok();
    assert_eq!(versions.as_array().map(Vec::len), Some(4));
    server.put(&path, json!({"split_name": "x", "examples": [C]})).await.refused(404);
    // A move keeps the rest of the metadata, new metadata keeps the split.
    server.patch(&format!("/examples/{B}"), json!({"metadata": {"k": 1}})).await.ok();
    server.patch(&format!("/examples/{B}"), json!({"split": "moved"})).await.ok();
    let metadata = server.get(&format!("/examples/{B}")).await.ok()["metadata"].clone();
    assert_eq!(metadata, json!({"k": 1, "dataset_split": ["moved"]}));
}

#[tokio::test]
async fn a_change_leaves_alone_what_it_does_not_name() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    add(&server, &id, json!({"id": A, "inputs": {"q": "1"}, "outputs": {"a": "2"}, "metadata": {"k": 1}}))
        .await;
    server.patch(&format!("/examples/{A}"), json!({"inputs": null, "metadata": {"l": 2}})).await.ok();
    let after = server.get(&format!("/examples/{A}")).await.ok();
    assert_eq!((&after["inputs"], &after["outputs"]), (&json!({"q": "1"}), &json!({"a": "2"})));
    assert_eq!(after["metadata"], json!({"l": 2, "dataset_split": ["base"]}));
    assert!(after.get("attachments").is_none());
    server.patch(&format!("/examples/{B}"), json!({})).await.refused(404);
}

#[tokio::test]
async fn changes_over_two_datasets_are_a_conflict_and_change_nothing() {
    let server = Server::new();
    let (one, two) = (dataset(&server, "one").await, dataset(&server, "two").await);
    add(&server, &one, json!({"id": A, "inputs": {"q": "1"}})).await;
    add(&server, &two, json!({"id": B, "inputs": {"q": "2"}})).await;
    let changes = json!([{"id": A, "inputs": {"q": "x"}}, {"id": B, "inputs": {"q": "x"}}]);
    server.patch("/examples/bulk", changes).await.refused(409);
    let parts: &[(&str, &str, &[u8])] = &[
        (A, "application/json", b"{}"),
        (&format!("{A}.inputs"), "application/json", br#"{"q": "x"}"#),
        (B, "application/json", b"{}"),
    ];
    let text = send(&server, Method::PATCH, &one, parts).await.refused(409);
    assert!(text.contains("\"error\""), "{text}");
    assert_eq!(questions(&server, &format!("id={A}&id={B}")).await, ["2", "1"]);
}

#[tokio::test]
async fn the_schema_of_a_dataset_holds_for_every_way_in() {
    let server = Server::new();
    let schema = json!({"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]});
    let body = json!({"name": "a", "inputs_schema_definition": schema, "outputs_schema_definition": schema});
    let made = server.post("/datasets", body).await.ok();
    assert_eq!(made["inputs_schema_definition"], schema);
    let id = text(&made["id"]);
    add(&server, id, json!({"id": A, "inputs": {"q": "1"}, "outputs": {"q": "2"}})).await;
    let bad = json!({"dataset_id": id, "inputs": {"q": 1}});
    let why = server.post("/examples", bad.clone()).await.refused(422);
    assert!(why.contains("/q"), "{why}");
    server.post("/examples/bulk", json!([{"dataset_id": id, "inputs": {"q": "1"}}, bad])).await.refused(422);
    server.post("/examples/validate", bad).await.refused(422);
    server.patch(&format!("/examples/{A}"), json!({"outputs": {"x": 1}})).await.refused(422);
    let parts: &[(&str, &str, &[u8])] = &[(&format!("{B}.inputs"), "application/json", b"{}")];
    send(&server, Method::POST, id, parts).await.refused(422);
    assert_eq!(server.get(&format!("/examples/count?dataset={id}")).await.ok(), json!(1));
    server
        .post("/datasets", json!({"name": "b", "inputs_schema_definition": {"type": 3}}))
        .await
        .refused(422);
}

#[tokio::test]
async fn files_come_with_examples_and_follow_the_rules_of_their_operations() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    let parts: &[(&str, &str, &[u8])] = &[
        (A, "application/json", br#"{"metadata": {"k": 1}, "split": ["s"]}"#),
        (&format!("{A}.inputs"), "application/json", br#"{"q": "1"}"#),
        (&format!("{A}.outputs"), "application/json", br#"{"a": null}"#),
        (&format!("{A}.attachment.one"), "text/plain; length=3", b"abc"),
        (&format!("{A}.attachment.two.txt"), "image/png; length=3", b"def"),
    ];
    let answer = send(&server, Method::POST, &id, parts).await;
    assert_eq!(answer.status, 201);
    let made = answer.ok();
    assert_eq!((&made["count"], &made["example_ids"]), (&json!(1), &json!([A])));
    let example = server.get(&format!("/examples/{A}")).await.ok();
    assert_eq!(example["modified_at"], made["as_of"]);
    assert_eq!(example["metadata"], json!({"k": 1, "dataset_split": ["s"]}));
    let names = |example: &Value| {
        let urls = example["attachment_urls"].as_object().expect("files");
        urls.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&example), ["attachment.one", "attachment.two.txt"]);
    assert_eq!(example["attachment_urls"]["attachment.two.txt"]["mime_type"], "image/png");
    let url = text(&example["attachment_urls"]["attachment.one"]["presigned_url"]);
    let path =
        url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])).expect("an address");
    assert_eq!(server.get(path).await.text(), "abc");

    let listed = server.get(&format!("/examples?dataset={id}")).await.ok();
    assert!(listed[0].get("attachment_urls").is_none());
    let listed = server.get(&format!("/examples?dataset={id}&select=attachment_urls")).await.ok();
    assert_eq!(names(&listed[0]).len(), 2);

    let parts: &[(&str, &str, &[u8])] = &[
        (A, "application/json", b"{}"),
        (
            &format!("{A}.attachments_operations"),
            "application/json",
            br#"{"rename": {"one": "uno"}, "retain": []}"#,
        ),
        (&format!("{A}.attachment.three"), "text/plain", b"ghi"),
    ];
    send(&server, Method::PATCH, &id, parts).await.ok();
    let after = server.get(&format!("/examples/{A}")).await.ok();
    assert_eq!(names(&after), ["attachment.uno", "attachment.three"]);
    assert_eq!(after["inputs"], json!({"q": "1"}));
    let then = text(&made["as_of"]).replace('+', "%2B");
    let before = server.get(&format!("/examples/{A}?as_of={then}")).await.ok();
    assert_eq!(names(&before), ["attachment.one", "attachment.two.txt"]);
}

#[tokio::test]
async fn multipart_bodies_that_make_no_sense_are_refused() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    let inputs = format!("{A}.inputs");
    for (parts, status) in [
        (vec![("no-id", "application/json", &b"{}"[..])], 422),
        (vec![(inputs.as_str(), "application/json", &b"[1]"[..])], 422),
        (vec![(inputs.as_str(), "application/json", &b"{"[..])], 422),
        (vec![(A, "application/json", &b"{}"[..])], 422),
        (vec![(A, "application/json", &br#"{"source_run_id": 3}"#[..])], 422),
    ] {
        send(&server, Method::POST, &id, &parts).await.refused(status);
    }
    let other = format!("{A}.odd");
    send(&server, Method::POST, &id, &[(&other, "text/plain", b"x")]).await.refused(422);
    send(&server, Method::POST, B, &[(&inputs, "application/json", b"{}")]).await.refused(404);
    send(&server, Method::PATCH, &id, &[(&inputs, "application/json", b"{}")]).await.refused(404);
    server.post(&format!("/v1/platform/datasets/{id}/examples"), json!({})).await.refused(415);
    send(&server, Method::POST, &id, &[(&inputs, "application/json", b"{}")]).await.ok();
    send(&server, Method::POST, &id, &[(&inputs, "application/json", b"{}")]).await.refused(409);
}

#[tokio::test]
async fn examples_are_taken_from_runs() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    let run = json!({"id": C, "name": "r", "run_type": "chain", "inputs": {"q": "from run"}, "outputs": {"a": 1},
        "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:01Z"});
    server.post("/runs", run).await.ok();
    let example = add(&server, &id, json!({"source_run_id": C, "use_source_run_io": true})).await;
    assert_eq!((&example["inputs"], &example["outputs"]), (&json!({"q": "from run"}), &json!({"a": 1})));
    assert_eq!(example["source_run_id"], json!(C));
    let own = json!({"source_run_id": C, "use_source_run_io": true, "inputs": {"q": "own"}});
    assert_eq!(add(&server, &id, own).await["inputs"], json!({"q": "from run"}));
    let unknown = json!({"dataset_id": id, "source_run_id": B, "use_source_run_io": true});
    server.post("/examples", unknown).await.refused(404);
    server.post("/examples", json!({"dataset_id": id, "use_source_run_io": true})).await.refused(422);
    server.post("/examples", json!({"dataset_id": id})).await.refused(422);
}

#[tokio::test]
async fn a_hard_deletion_reaches_every_version() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    let first = add(&server, &id, json!({"id": A, "inputs": {"q": "1"}})).await;
    add(&server, &id, json!({"id": B, "inputs": {"q": "2"}})).await;
    server.patch(&format!("/examples/{A}"), json!({"inputs": {"q": "1b"}})).await.ok();
    let path = "/v1/platform/datasets/examples/delete";
    let gone = server.post(path, json!({"example_ids": [A, C], "hard_delete": true})).await.ok();
    assert_eq!(gone, json!({"count": 1, "example_ids": [A]}));
    let then = text(&first["modified_at"]).replace('+', "%2B");
    assert_eq!(questions(&server, &format!("dataset={id}&as_of={then}")).await, [""; 0]);
    assert_eq!(questions(&server, &format!("dataset={id}")).await, ["2"]);
    // One that was deleted softly before can still be erased.
    server.delete(&format!("/examples?example_ids={B}&example_ids={C}")).await.ok();
    let gone = server.post(path, json!({"example_ids": [B], "hard_delete": true})).await.ok();
    assert_eq!(gone["count"], json!(1));
}

#[tokio::test]
async fn selected_fields_come_alone_only_when_asked() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    add(&server, &id, json!({"id": A, "inputs": {"q": "1"}, "outputs": {"a": "2"}})).await;
    let one =
        server.get(&format!("/examples?dataset={id}&select=outputs&exclude_default_fields=true")).await.ok();
    assert_eq!(one, json!([{"id": A, "outputs": {"a": "2"}}]));
    let one = server.get(&format!("/examples?dataset={id}&select=outputs")).await.ok();
    for key in ["id", "created_at", "modified_at", "inputs", "dataset_id", "name", "outputs"] {
        assert!(one[0].get(key).is_some(), "{key}");
    }
}

#[tokio::test]
async fn tables_become_datasets_and_datasets_tables() {
    let server = Server::new();
    let table = "\u{feff}q,a,m\r\n\"one, two\",1,x\r\nthree,\"say \"\"hi\"\"\",y\r\n";
    let parts: &[(&str, &str, &[u8])] = &[
        ("file", "text/csv", table.as_bytes()),
        ("input_keys", "text/plain", b"q"),
        ("output_keys", "text/plain", b"a"),
        ("metadata_keys", "text/plain", b"m"),
        ("description", "text/plain", b"d"),
    ];
    let made = multipart(&server, Method::POST, "/datasets/upload", parts).await.ok();
    assert_eq!(
        (text(&made["name"]), text(&made["description"]), &made["example_count"]),
        ("table.csv", "d", &json!(2))
    );
    let id = text(&made["id"]);
    assert_eq!(questions(&server, &format!("dataset={id}&descending=false")).await, ["one, two", "three"]);

    let csv = server.get(&format!("/datasets/{id}/csv")).await;
    let lines: Vec<String> = csv.text().lines().map(str::to_owned).collect();
    assert_eq!(lines[0], "id,inputs.q,outputs.a,metadata.dataset_split,metadata.m");
    assert!(lines[1].ends_with(r#","one, two",1,"[""base""]",x"#), "{}", lines[1]);
    assert!(lines[2].ends_with(r#",three,"say ""hi""","[""base""]",y"#), "{}", lines[2]);
    let lines = server.get(&format!("/datasets/{id}/jsonl")).await.text();
    let first: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["inputs"], &first["outputs"]), (&json!({"q": "one, two"}), &json!({"a": "1"})));

    let parts: &[(&str, &str, &[u8])] =
        &[("file", "text/csv", b"q\nfour\n"), ("input_keys", "text/plain", b"q")];
    let added = multipart(&server, Method::POST, &format!("/examples/upload/{id}"), parts).await.ok();
    assert_eq!(added[0]["inputs"], json!({"q": "four"}));
    let parts: &[(&str, &str, &[u8])] =
        &[("file", "text/csv", b"q\nx\n"), ("input_keys", "text/plain", b"none")];
    let why = multipart(&server, Method::POST, "/datasets/upload", parts).await.refused(422);
    assert!(why.contains("none"), "{why}");
}

#[tokio::test]
async fn conversations_are_exported_for_fine_tuning() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    let inputs =
        json!({"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]});
    let outputs = json!({"messages": [{"role": "assistant", "content": "Hello!"}]});
    add(&server, &id, json!({"inputs": inputs, "outputs": outputs})).await;
    let line: Value =
        serde_json::from_str(&server.get(&format!("/datasets/{id}/openai_ft")).await.text()).expect("JSON");
    assert_eq!(
        line,
        json!({"messages": [{"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]})
    );
    let line: Value =
        serde_json::from_str(&server.get(&format!("/datasets/{id}/openai")).await.text()).expect("JSON");
    assert_eq!((&line["ideal"], line["input"].as_array().map(Vec::len)), (&json!("Hello!"), Some(2)));
}

#[tokio::test]
async fn examples_are_exported_as_tests_in_which_text_stays_data() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    let said = "\"\"\"\nimport os; os.abort() # \\\" ' {0}";
    add(&server, &id, json!({"inputs": {"q": said}, "outputs": {"a": "fine"}})).await;
    let python = server.get(&format!("/datasets/{id}/pytest")).await.text();
    let (_, case) = python.split_once("CASES.append(").expect("one case");
    assert!(!case.contains("CASES.append("), "{python}");
    // A literal of Python, in which what was said is one text on one line.
    assert!(case.contains(&format!("\n        \"q\": {},\n", json!(said))), "{python}");
    assert!(case.contains("\n        \"a\": \"fine\",\n"), "{python}");
    assert!(python.contains("def test_answer(case):"), "{python}");
}

#[tokio::test]
async fn whoever_has_the_token_reads_the_dataset_and_nothing_else() {
    let server = Server::new();
    let id = dataset(&server, "a").await;
    add(&server, &id, json!({"inputs": {"q": "1"}})).await;
    let path = format!("/datasets/{id}/share");
    assert_eq!(server.get(&path).await.ok(), Value::Null);
    let shared = server.put(&path, json!({"dataset_id": id, "share_token": A})).await.ok();
    assert_eq!(shared, json!({"dataset_id": id, "share_token": A}));
    assert_eq!(server.get(&path).await.ok(), shared);
    let dataset = server.get(&format!("/public/{A}/datasets")).await.ok();
    assert_eq!((text(&dataset["name"]), &dataset["example_count"]), ("a", &json!(1)));
    assert!(dataset.get("tenant_id").is_none());
    let examples = server.get(&format!("/public/{A}/examples")).await.ok();
    assert_eq!(examples[0]["inputs"], json!({"q": "1"}));
    assert_eq!(server.get(&format!("/public/{A}/examples/count")).await.ok(), json!(1));
    server.get(&format!("/public/{A}/run")).await.refused(404);
    server.delete(&path).await.ok();
    server.get(&format!("/public/{A}/datasets")).await.refused(404);
    server.get(&format!("/public/{A}/examples")).await.refused(404);
}

#[tokio::test]
async fn examples_are_copied_with_new_ids() {
    let server = Server::new();
    let (one, two) = (dataset(&server, "one").await, dataset(&server, "two").await);
    add(&server, &one, json!({"id": A, "inputs": {"q": "1"}, "split": "s"})).await;
    add(&server, &one, json!({"id": B, "inputs": {"q": "2"}})).await;
    let body = json!({"source_dataset_id": one, "target_dataset_id": two, "split": "s"});
    let copied = server.post("/datasets/clone", body).await.ok();
    assert_eq!(copied.as_array().map(Vec::len), Some(1));
    assert_ne!(copied[0]["id"], json!(A));
    assert_eq!(questions(&server, &format!("dataset={two}")).await, ["1"]);
}

/// Two experiments over two examples, one run each but the last example's twice.
async fn experiments(server: &Server) -> (String, String, String) {
    let id = dataset(server, "a").await;
    for (example, q) in [(A, "one"), (B, "two"), (C, "never taken")] {
        add(server, &id, json!({"id": example, "inputs": {"q": q}})).await;
    }
    let mut made = Vec::new();
    for name in ["x", "y"] {
        let project = server.post("/sessions", json!({"name": name, "reference_dataset_id": id})).await.ok();
        made.push(text(&project["id"]).to_owned());
    }
    for (n, (project, example, answer)) in
        [("x", A, "1"), ("x", B, "2"), ("y", B, "3"), ("x", B, "4")].into_iter().enumerate()
    {
        let run = uuid::Uuid::from_u128(n as u128 + 1);
        server.post("/runs", json!({
            "id": run, "name": "target", "run_type": "chain", "session_name": project, "reference_example_id": example,
            "inputs": {"q": example}, "outputs": {"a": answer},
            "start_time": format!("2026-01-01T00:00:0{n}Z"), "end_time": format!("2026-01-01T00:00:1{n}Z"),
        })).await.ok();
        server.post("/feedback", json!({"run_id": run, "key": "good", "score": n})).await.ok();
    }
    let [x, y] = <[String; 2]>::try_from(made).expect("two");
    (id, x, y)
}

#[tokio::test]
async fn examples_are_shown_with_their_runs_in_experiments() {
    let server = Server::new();
    let (id, x, y) = experiments(&server).await;
    let path = format!("/datasets/{id}/runs");
    let found = server.post(&path, json!({"session_ids": [x, y]})).await.ok();
    let shown: Vec<(&str, Vec<&str>)> = found
        .as_array()
        .expect("a list")
        .iter()
        .map(|example| {
            let answers =
                example["runs"].as_array().expect("runs").iter().map(|run| text(&run["outputs"]["a"]));
            (text(&example["inputs"]["q"]), answers.collect())
        })
        .collect();
    assert_eq!(shown, [("one", vec!["1"]), ("two", vec!["2", "4", "3"])]);
    assert_eq!(found[0]["runs"][0]["feedback_stats"]["good"]["n"], json!(1));
    for key in ["id", "name", "start_time", "run_type", "session_id", "trace_id", "status"] {
        assert!(!found[0]["runs"][0][key].is_null(), "{key}");
    }

    let page =
        server.post(&path, json!({"session_ids": [x], "offset": 1, "limit": 5, "preview": true})).await.ok();
    assert_eq!(page.as_array().map(Vec::len), Some(1));
    assert!(
        page[0]["runs"][0].get("outputs").is_none() && page[0]["runs"][0].get("outputs_preview").is_some()
    );
    let by_score =
        json!({"session_ids": [x, y], "sort_params": {"sort_by": "feedback.good", "sort_order": "DESC"}});
    assert_eq!(server.post(&path, by_score).await.ok()[0]["inputs"]["q"], json!("two"));
    let filtered = json!({"session_ids": [x, y], "filters": {x.clone(): ["gt(feedback_score, 2)"]}});
    assert_eq!(server.post(&path, filtered).await.ok().as_array().map(Vec::len), Some(1));
    let some = server.post(&path, json!({"session_ids": [x], "example_ids": [A]})).await.ok();
    assert_eq!(some.as_array().map(Vec::len), Some(1));

    server.delete(&format!("/examples/{A}")).await.ok();
    let found = server.post(&path, json!({"session_ids": [x]})).await.ok();
    assert_eq!(found[0]["inputs"], json!({"q": "one"}));
}

#[tokio::test]
async fn the_newer_shape_pages_by_cursor() {
    let server = Server::new();
    let (id, x, y) = experiments(&server).await;
    let path = format!("/api/v2/datasets/{id}/experiment-runs");
    let body = json!({"experiment_ids": [x, y], "page_size": 1, "selects": ["ID", "OUTPUTS"]});
    let first = server.post(&path, body.clone()).await.ok();
    assert_eq!(first["items"][0]["inputs"], json!({"q": "one"}));
    assert_eq!(first["items"][0]["runs"][0]["outputs"], json!({"a": "1"}));
    let mut next = body;
    next["cursor"] = first["next_cursor"].clone();
    let second = server.post(&path, next.clone()).await.ok();
    assert_eq!(second["items"][0]["runs"].as_array().map(Vec::len), Some(3));
    assert!(second.get("next_cursor").is_none());
    next["cursor"] = json!("odd");
    server.post(&path, next).await.refused(422);
    server.post(&path, json!({"experiment_ids": []})).await.refused(422);
}

#[tokio::test]
async fn experiments_are_compared() {
    let server = Server::new();
    let (id, x, y) = experiments(&server).await;
    let body = json!({"id": A, "experiment_ids": [x, y], "name": "x or y"});
    let made = server.post("/datasets/comparative", body).await.ok();
    assert_eq!((text(&made["reference_dataset_id"]), text(&made["name"])), (id.as_str(), "x or y"));
    assert_eq!(made["experiments_info"], json!([{"id": x, "name": "x"}, {"id": y, "name": "y"}]));
    let listed = server.get(&format!("/datasets/{id}/comparative?name_contains=OR")).await.ok();
    assert_eq!(listed, json!([made]));
    server.delete(&format!("/datasets/comparative/{A}")).await.ok();
    server.delete(&format!("/datasets/comparative/{A}")).await.refused(404);
    server.post("/datasets/comparative", json!({"experiment_ids": [C]})).await.refused(404);
    let counted = server.get(&format!("/datasets/{id}")).await.ok();
    assert_eq!(counted["session_count"], json!(2));
    assert!(counted["last_session_start_time"].is_string());
}

/// An experiment of two rows, both over the same question.
fn experiment(name: &str) -> Value {
    let row = |answer: &str, score: f64| {
        json!({"inputs": {"q": "one"}, "expected_outputs": {"a": "1"}, "actual_outputs": {"a": answer},
            "evaluation_scores": [{"key": "right", "score": score, "run_id": A}], "run_name": "answer",
            "start_time": "2026-01-01T00:00:01Z", "end_time": "2026-01-01T00:00:02Z", "run_metadata": {"m": 1}})
    };
    json!({"experiment_name": name, "experiment_description": "d", "experiment_metadata": {"model": "x"},
        "experiment_start_time": "2026-01-01T00:00:00Z", "experiment_end_time": "2026-01-01T00:01:00Z",
        "dataset_name": "questions", "summary_experiment_scores": [{"key": "all", "score": 0.5}],
        "results": [row("1", 1.0), row("2", 0.0)]})
}

#[tokio::test]
async fn an_experiment_that_ran_elsewhere_is_taken_whole() {
    let server = Server::new();
    let made = server.post("/datasets/upload-experiment", experiment("first")).await.ok();
    let (dataset, project) = (text(&made["dataset"]["id"]).to_owned(), text(&made["experiment"]["id"]));
    assert_eq!(made["experiment"]["reference_dataset_id"], json!(dataset));
    assert_eq!(made["experiment"]["extra"]["metadata"], json!({"model": "x"}));
    assert_eq!(questions(&server, &format!("dataset={dataset}")).await, ["one"]);
    let read = server.get(&format!("/sessions/{project}?include_stats=true")).await.ok();
    assert_eq!((&read["run_count"], &read["feedback_stats"]["right"]["avg"]), (&json!(2), &json!(0.5)));
    assert_eq!(read["session_feedback_stats"]["all"]["avg"], json!(0.5));
    let rows = json!({"session_ids": [project]});
    let rows = server.post(&format!("/datasets/{dataset}/runs"), rows).await.ok();
    assert_eq!(rows.as_array().map(Vec::len), Some(1));
    let mut answers: Vec<&Value> =
        rows[0]["runs"].as_array().expect("runs").iter().map(|run| &run["outputs"]["a"]).collect();
    answers.sort_by_key(|answer| answer.to_string());
    assert_eq!(answers, [&json!("1"), &json!("2")]);

    let second = server.post("/datasets/upload-experiment", experiment("second")).await.ok();
    assert_eq!(second["dataset"]["id"], json!(dataset));
    assert_eq!(questions(&server, &format!("dataset={dataset}")).await, ["one"], "the same example");
}

#[tokio::test]
async fn an_experiment_that_cannot_be_taken_leaves_nothing_behind() {
    let server = Server::new();
    let path = "/datasets/upload-experiment";
    let mut wrong = experiment("a");
    wrong["results"][1]["evaluation_scores"] = json!([{"score": 1}]);
    server.post(path, wrong).await.refused(422);
    let mut nameless = experiment("a");
    nameless["dataset_name"] = json!(null);
    server.post(path, nameless.clone()).await.refused(422);
    nameless["dataset_id"] = json!(B);
    server.post(path, nameless).await.refused(404);
    assert_eq!(server.get("/datasets").await.ok(), json!([]));
    assert_eq!(server.get("/sessions?name=a").await.ok(), json!([]));
    server.post(path, experiment("a")).await.ok();
    server.post(path, experiment("a")).await.refused(409);
    let other = dataset(&server, "other").await;
    let example = add(&server, &other, json!({"inputs": {"q": "x"}})).await;
    let mut foreign = experiment("b");
    foreign["results"][0]["row_id"] = example["id"].clone();
    server.post(path, foreign).await.refused(409);
    assert_eq!(server.get("/sessions?name=b").await.ok(), json!([]));
}

//! The lists, a thread, a trace and the dashboard, as a browser asks for them.

use assay_domain::ProjectId;
use assay_store::Runs as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::tests::open;
use crate::testing::{Answer, Server, request};

const PROJECT: &str = "pages";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x1000_0000 + number)
}

fn base() -> String {
    format!("/p/{}", ProjectId::from_name(PROJECT))
}

/// A trace of its own, a second later than the one before.
fn run(number: u32) -> Value {
    let id = id(number.into());
    let at = |seconds: u32| {
        let time = chrono::DateTime::from_timestamp(1_770_000_000 + i64::from(seconds), 0).expect("a moment");
        time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    json!({
        "id": id, "trace_id": id, "dotted_order": format!("20260202T000000000000Z{id}"),
        "name": format!("run {number}"), "run_type": "chain", "session_name": PROJECT,
        "start_time": at(number), "end_time": at(number + 1),
        "inputs": { "question": format!("question {number}") }, "outputs": { "answer": "fine" },
        "error": (number % 10 == 3).then_some("<b>broken</b>"),
        "tags": [if number.is_multiple_of(2) { "even" } else { "odd" }],
        "extra": { "metadata": { "version": format!("v{}", number % 3) } },
    })
}

async fn send(server: &Server, runs: Vec<Value>) {
    server.post("/runs/batch", json!({ "post": runs, "patch": [] })).await.ok();
}

async fn filled(count: u32) -> Server {
    let server = Server::new();
    send(&server, (0..count).map(run).collect()).await;
    server
}

/// Texts between two others.
fn between<'a>(page: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    page.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

fn unescaped(text: &str) -> String {
    text.replace("&#38;", "&").replace("&amp;", "&").replace("&#34;", "\"").replace("&#39;", "'")
}

fn links(page: &str) -> Vec<String> {
    between(page, "class=\"row-link\" href=\"", "\"").into_iter().map(unescaped).collect()
}

#[track_caller]
fn shown(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

#[tokio::test]
async fn a_list_goes_on_where_its_first_portion_ends() {
    let server = filled(60).await;
    for (list, first) in [("traces", "run 59"), ("threads", "question 59")] {
        let page = shown(&open(&server, &format!("{}/{list}", base()), &[]).await);
        assert_eq!(links(&page).len(), 24, "{list}");
        assert!(page.contains(first), "{list}");
        let next = unescaped(between(&page, "data-next=\"", "\"")[0]);
        let rest = shown(&open(&server, &next, &[]).await);
        assert_eq!(links(&rest).len(), 36, "{list}");
        assert_eq!(between(&rest, "data-next=\"", "\""), [""]);
        // Each portion can be asked for again, and so can what follows without a script.
        for portion in [&page, &rest] {
            let from = unescaped(between(portion, "data-from=\"", "\"")[0]);
            assert_eq!(links(&shown(&open(&server, &from, &[]).await)), links(portion), "{list}");
        }
        let plain = unescaped(between(&page, "rel=\"next\" href=\"", "\"")[0]);
        assert_eq!(links(&shown(&open(&server, &plain, &[]).await)), links(&rest)[..24], "{list}");
        let count = unescaped(between(&page, "data-count=\"", "\"")[0]);
        assert_eq!(server.get(&count).await.ok()["count"], 60, "{list}");
    }
}

#[tokio::test]
async fn what_changes_of_a_list_is_asked_for_without_its_frame() {
    let server = filled(40).await;
    for list in ["traces", "threads"] {
        let page = shown(&open(&server, &format!("{}/{list}", base()), &[]).await);
        let part = unescaped(between(&page, "data-part=\"", "\"")[0]);
        let same = shown(&open(&server, &part, &[]).await);
        assert_eq!(links(&same), links(&page), "{list}");
        assert!(!same.contains("<html") && !same.contains("<header class=\"top\""), "{list}");
        // A form is answered at once, and the answer says which address it means.
        let form = "field=status&operator=eq&value=error&column=name&q=";
        let filtered = shown(&open(&server, &format!("{part}?{form}"), &[]).await);
        let here = unescaped(between(&filtered, "data-here=\"", "\"")[0]);
        let direct = open(&server, &format!("{}/{list}?{form}", base()), &[]).await;
        assert_eq!(direct.headers["location"], here.as_str(), "{list}");
        assert_eq!(links(&filtered), links(&shown(&open(&server, &here, &[]).await)), "{list}");
        assert_eq!(links(&filtered).len(), 4, "{list}");
        open(&server, &format!("{part}?field=nonsense"), &[]).await.refused(422);
    }
}

#[tokio::test]
async fn a_chat_that_was_written_down_is_over_in_the_list_on_its_page_and_in_the_api() {
    let server = Server::new();
    let chats = [
        json!({ "id": "untimed", "messages": [{ "role": "user", "content": "hi" }, { "role": "assistant", "content": "ho" }] }),
        json!({ "id": "begun", "created_at": "2026-02-02T00:00:00Z", "messages": [{ "role": "user", "content": "hello?" }] }),
    ];
    let file: String = chats.iter().map(|chat| format!("{chat}\n")).collect();
    let import = format!("/import?project={PROJECT}");
    server.send(request(http::Method::POST, &import, file.into())).await.ok();
    for list in ["traces", "threads"] {
        let page = shown(&open(&server, &format!("{}/{list}", base()), &[]).await);
        assert_eq!(between(&page, "class=\"state ", "\""), ["success", "success"], "{list}");
    }
    for thread in ["untimed", "begun"] {
        let page = shown(&open(&server, &format!("{}/threads/{thread}", base()), &[]).await);
        assert!(!page.contains("running"), "{page}");
    }
    let runs = server.post("/runs/query", json!({ "session": [ProjectId::from_name(PROJECT)] })).await.ok();
    let said: Vec<_> =
        runs["runs"].as_array().expect("runs").iter().map(|run| (&run["status"], &run["end_time"])).collect();
    assert_eq!(said, [(&json!("success"), &Value::Null); 2]);
}

#[tokio::test]
async fn traces_without_times_are_counted_though_no_chart_shows_them() {
    let server = filled(3).await;
    let chart = |query: &str| format!("{}/dashboard/charts{query}", base());
    assert!(shown(&open(&server, &chart(""), &[]).await).contains("<dd>3</dd><dd class=\"note\">3 runs<"));
    // As a file brings them to a store that no server stands before.
    let untimed = assay_domain::RunPatch {
        id: assay_domain::RunId::from_name("untimed"),
        is_creation: true,
        ..assay_domain::RunPatch::default()
    };
    let batch = assay_store::Batch { project: PROJECT.into(), patches: vec![untimed], ..Default::default() };
    server.app.store.append(batch).await.expect("appended");
    let all = shown(&open(&server, &chart(""), &[]).await);
    assert!(all.contains("<dd>4</dd><dd class=\"note\">4 runs, 1 without times"), "{all}");
    let window = shown(&open(&server, &chart("?from=2026-01-01T00:00:00Z"), &[]).await);
    assert!(window.contains("<dd>3</dd><dd class=\"note\">3 runs<"), "{window}");
}

#[tokio::test]
async fn a_thread_runs_in_the_list_as_it_does_on_its_page() {
    let server = Server::new();
    let mut going = run(1);
    going["end_time"] = Value::Null;
    send(&server, vec![going]).await;
    let list = shown(&open(&server, &format!("{}/threads", base()), &[]).await);
    assert_eq!(between(&list, "class=\"state ", "\""), ["pending"]);
    let page = shown(&open(&server, &links(&list)[0], &[]).await);
    assert!(page.contains("running"), "{page}");
}

#[tokio::test]
async fn what_arrived_is_counted_from_the_first_row() {
    let server = filled(3).await;
    for list in ["traces", "threads"] {
        let page = shown(&open(&server, &format!("{}/{list}", base()), &[]).await);
        let first = unescaped(between(&page, "data-first=\"", "\"")[0]);
        let news = format!("{}?since={first}", unescaped(between(&page, "data-news=\"", "\"")[0]));
        let before = server.get(&news).await.ok()["count"].as_u64().expect("a number");
        assert_eq!(before, 0, "{list}");
        let next = if list == "traces" { 10 } else { 20 };
        send(&server, vec![run(next), run(next + 1)]).await;
        assert_eq!(server.get(&news).await.ok(), json!({ "count": 2, "more": false }), "{list}");
    }
}

#[tokio::test]
async fn the_form_becomes_a_filter_in_the_address() {
    let server = filled(40).await;
    let form = "field=status&operator=eq&value=error&q=question&key=";
    let answer = open(&server, &format!("{}/traces?{form}", base()), &[]).await;
    assert_eq!(answer.status, 303);
    let place = answer.headers["location"].to_str().expect("text").to_owned();
    let page = shown(&open(&server, &place, &[]).await);
    assert_eq!(links(&page).len(), 4);
    assert!(page.contains("&#60;b&#62;broken") || page.contains("&lt;b&gt;broken"), "errors are text");
    let without = unescaped(between(&page, "condition-value\">error</span><a href=\"", "\"")[0]);
    assert_eq!(without, format!("{}/traces?q=question", base()));
    let count = format!("{}/traces/count?{form}", base());
    assert_eq!(server.get(&count).await.ok()["count"], 4);
    let columns = open(&server, &format!("{}/traces?column=name&column=tags", base()), &[]).await;
    assert_eq!(columns.headers["location"], format!("{}/traces?columns=name%2Ctags", base()));
    open(&server, &format!("{}/traces?field=nonsense", base()), &[]).await.refused(422);
}

#[tokio::test]
async fn a_bad_filter_is_answered_with_its_place() {
    let server = filled(3).await;
    let bad = "filter=eq(status,%20)";
    for list in ["traces", "threads"] {
        let page = shown(&open(&server, &format!("{}/{list}?{bad}", base()), &[]).await);
        assert!(page.contains("Column 12:") && links(&page).is_empty(), "{page}");
    }
    let said = server.get(&format!("{}/traces/count?{bad}", base())).await.ok();
    assert_eq!((&said["problem"]["column"], &said["problem"]["at"]), (&json!(12), &json!(")")));
    open(&server, &format!("{}/traces/rows?{bad}", base()), &[]).await.refused(400);
    open(&server, &format!("{}/traces?range=soon", base()), &[]).await.refused(422);
    open(&server, &format!("{}/traces?cursor=x", base()), &[]).await.refused(400);
}

#[tokio::test]
async fn neighbours_are_those_of_the_list_across_its_portions() {
    let server = filled(230).await;
    let mut all = Vec::new();
    let mut page =
        shown(&open(&server, &format!("{}/traces?filter=has(tags,%22even%22)", base()), &[]).await);
    loop {
        all.extend(links(&page));
        let next = unescaped(between(&page, "data-next=\"", "\"")[0]);
        if next.is_empty() {
            break;
        }
        page = shown(&open(&server, &next, &[]).await);
    }
    assert_eq!(all.len(), 115);
    let trace = |href: &str| href.split('?').next().expect("a path").to_owned();
    for at in [0, 1, 23, 24, 63, 64, 103, 104, 114] {
        let page = shown(&open(&server, &all[at], &[]).await);
        let link = |name: &str| {
            let tag = between(&page, &format!("id=\"{name}\""), ">")[0].to_owned();
            between(&tag, "href=\"", "\"").first().map(|href| trace(&unescaped(href)))
        };
        assert_eq!(link("older"), all.get(at + 1).map(|href| trace(href)), "after {at}");
        assert_eq!(link("newer"), at.checked_sub(1).map(|at| trace(&all[at])), "before {at}");
    }
}

#[tokio::test]
async fn neighbours_of_threads_go_on_through_the_whole_list() {
    let server = filled(230).await;
    let mut all = Vec::new();
    let mut page = shown(&open(&server, &format!("{}/threads", base()), &[]).await);
    loop {
        all.extend(links(&page));
        let next = unescaped(between(&page, "data-next=\"", "\"")[0]);
        if next.is_empty() {
            break;
        }
        page = shown(&open(&server, &next, &[]).await);
    }
    assert_eq!(all.len(), 230);
    let (mut here, mut way) = (all[229].clone(), Vec::new());
    while !here.is_empty() {
        let page = shown(&open(&server, &here, &[]).await);
        way.push(here.split('?').next().expect("a path").to_owned());
        let tag = between(&page, "id=\"newer\"", ">")[0].to_owned();
        here = between(&tag, "href=\"", "\"").first().map(|href| unescaped(href)).unwrap_or_default();
    }
    way.reverse();
    let paths: Vec<&str> = all.iter().filter_map(|href| href.split('?').next()).collect();
    assert_eq!(way, paths);
}

#[tokio::test]
async fn words_that_cannot_be_searched_are_refused_instead_of_showing_everything() {
    let server = filled(3).await;
    for list in ["traces", "threads"] {
        let page = shown(&open(&server, &format!("{}/{list}?q=%21%21", base()), &[]).await);
        assert!(page.contains("Column ") && links(&page).is_empty(), "{page}");
    }
}

#[tokio::test]
async fn a_trace_of_very_many_runs_opens_each_and_counts_them_all() {
    let server = Server::new();
    let root = id(1_000_000);
    let child = |number: u128| {
        let own = id(1_000_000 + number);
        let (parent, order) = match number {
            0 => (None, format!("20260202T000000000000Z{root}")),
            _ => (Some(root), format!("20260202T000000000000Z{root}.20260202T000001000000Z{own}")),
        };
        json!({ "id": own, "trace_id": root, "parent_run_id": parent, "dotted_order": order,
            "name": format!("step {number}"), "run_type": "tool", "session_name": PROJECT, "error": (number % 100 == 7).then_some("no"),
            "start_time": format!("2026-02-02T00:{:02}:{:02}Z", number / 60, number % 60), "end_time": "2026-02-02T01:00:00Z" })
    };
    for first in (0..3_100).step_by(500) {
        send(&server, (first..(first + 500).min(3_100)).map(child).collect()).await;
    }
    let path = format!("{}/traces/{root}", base());
    let page = shown(&open(&server, &path, &[]).await);
    assert!(page.contains("<span>3,100 runs</span>") && page.contains("<span>31 failed</span>"));
    assert_eq!(between(&page, "class=\"node-name\">", "<").len(), 3_000);
    let last = shown(&open(&server, &format!("{path}?run={}", id(1_003_099)), &[]).await);
    assert!(last.contains("step 3099"));
    open(&server, &format!("{path}?run={}", id(1_003_100)), &[]).await.refused(404);
}

#[tokio::test]
async fn a_view_of_a_client_is_a_filter_whatever_its_description_says() {
    let server = filled(3).await;
    let view = json!({ "display_name": "mine", "description": "env=prod", "filter_string": "eq(status, \"error\")" });
    server.post(&format!("/sessions/{}/views", ProjectId::from_name(PROJECT)), view).await.ok();
    let page = shown(&open(&server, &format!("{}/traces", base()), &[]).await);
    assert!(page.contains("filter=eq%28status") && !page.contains("?env=prod"), "{page}");
}

#[tokio::test]
async fn a_trace_shows_one_run_and_pieces_of_its_payload() {
    let server = Server::new();
    let child = json!({
        "id": id(901), "trace_id": id(900), "parent_run_id": id(900), "name": "<script>tool</script>",
        "dotted_order": format!("20260202T000000000000Z{}.20260202T000001000000Z{}", id(900), id(901)),
        "run_type": "tool", "session_name": PROJECT, "start_time": "2026-02-02T00:00:01Z",
        "end_time": "2026-02-02T00:00:02Z", "inputs": { "list": (0..250).collect::<Vec<_>>(), "long": "x\n".repeat(60_000) },
    });
    send(
        &server,
        vec![
            json!({ "id": id(900), "name": "root", "run_type": "chain", "session_name": PROJECT,
        "trace_id": id(900), "dotted_order": format!("20260202T000000000000Z{}", id(900)),
        "start_time": "2026-02-02T00:00:00Z", "inputs": { "input": "hi <i>there</i>" } }),
            child,
        ],
    )
    .await;
    let path = format!("{}/traces/{}", base(), id(900));
    let page = shown(&open(&server, &path, &[]).await);
    assert_eq!(between(&page, "class=\"node-name\">", "<").len(), 2);
    assert!(!page.contains("<i>there") && !page.contains("<script>tool"), "{page}");
    let run = format!("{path}?run={}&view=json", id(901));
    let part = shown(&open(&server, &format!("{run}&part=run"), &[]).await);
    assert!(part.contains("data-run") && !part.contains("id=\"tree\""));
    let lists = between(&part, "data-load=\"", "\"");
    let list = unescaped(lists.iter().find(|href| href.contains("list")).expect("the list"));
    let entries = shown(&open(&server, &list, &[]).await);
    let more = unescaped(between(&entries, "data-more=\"", "\"")[0]);
    assert!(entries.contains("150 more") && shown(&open(&server, &more, &[]).await).contains("50 more"));
    let text = unescaped(lists.iter().find(|href| href.contains("long")).expect("the text"));
    let (mut length, mut next) = (0, text);
    while !next.is_empty() {
        let piece = shown(&open(&server, &next, &[]).await);
        length += between(&piece, "tabindex=\"0\">", "<")[0].len();
        next = between(&piece, "data-next=\"", "\"").first().map(|href| unescaped(href)).unwrap_or_default();
    }
    assert_eq!(length, 120_000);
    open(&server, &format!("{run}&part=json&at=/nothing"), &[]).await.refused(404);
    open(&server, &format!("{path}?run={}", id(902)), &[]).await.refused(404);
    open(&server, &format!("{}/traces/{}", base(), id(902)), &[]).await.refused(404);
    open(&server, &format!("{}/traces/nonsense", base()), &[]).await.refused(422);
}

#[tokio::test]
async fn a_share_opens_its_run_and_nothing_beside_it() {
    let server = filled(2).await;
    let shared = server.put(&format!("/runs/{}/share", id(1)), json!({})).await.ok();
    let path = format!("/public/{}/r", shared["share_token"].as_str().expect("a token"));
    let page = shown(&open(&server, &path, &[]).await);
    assert!(page.contains("run 1") && !page.contains("data-feedback") && !page.contains(&base()), "{page}");
    open(&server, &format!("{path}?run={}", id(0)), &[]).await.refused(404);
    open(&server, &format!("/public/{}/r", id(7)), &[]).await.refused(404);
}

#[tokio::test]
async fn a_thread_is_shown_as_talk_and_as_traces() {
    let server = Server::new();
    let turns = (0..45).map(|number| {
        let mut run = run(number);
        run["extra"]["metadata"]["thread_id"] = json!("a/b c+?");
        run["inputs"] = json!({ "messages": [{ "role": "user", "content": format!("say **{number}**") }] });
        run
    });
    send(&server, turns.collect()).await;
    let list = shown(&open(&server, &format!("{}/threads", base()), &[]).await);
    let href = links(&list).remove(0);
    assert!(href.contains("/threads/a%2Fb%20c%2B%3F?"), "{href}");
    let page = shown(&open(&server, &href, &[]).await);
    assert!(page.contains("say <strong>0</strong>") && page.contains("Traces 1 to 40 of 45"), "{page}");
    assert!(page.contains("failed") && !page.contains("<b>broken"));
    let later = unescaped(between(&page, "rel=\"next\" href=\"", "\"")[0]);
    assert!(shown(&open(&server, &later, &[]).await).contains("Trace 45"));
    let traces = shown(&open(&server, &format!("{}&view=traces", later), &[]).await);
    assert_eq!(between(&traces, "class=\"node-name\">", "<").len(), 5);
    open(&server, &format!("{}/threads/none", base()), &[]).await.refused(404);
}

#[tokio::test]
async fn charts_count_what_there_is() {
    let server = filled(60).await;
    let page = shown(&open(&server, &format!("{}/dashboard", base()), &[]).await);
    let charts = unescaped(between(&page, "data-href=\"", "\"")[0]);
    let charts = shown(&open(&server, &charts, &[]).await);
    assert!(charts.contains("<dd>60</dd>") && charts.contains("6 failed"), "{charts}");
    assert_eq!(between(&charts, "data-step=\"", "\""), ["2000"]);
    let split = format!("{}/dashboard/charts?group=metadata:version", base());
    let split = shown(&open(&server, &split, &[]).await);
    assert!(split.contains("v0") && split.contains("v2"));
    let filtered = format!("{}/dashboard/charts?filter=eq(status,%22error%22)", base());
    assert!(shown(&open(&server, &filtered, &[]).await).contains("<dd>6</dd>"));
    let keyed = open(&server, &format!("{}/dashboard?group_key=a+b", base()), &[]).await;
    assert_eq!(keyed.headers["location"], format!("{}/dashboard?group=metadata%3Aa+b", base()));
    let bad = shown(&open(&server, &format!("{}/dashboard/charts?filter=eq(", base()), &[]).await);
    assert!(bad.contains("cannot be counted"));
    let nothing = Server::new();
    send(&nothing, Vec::new()).await;
    nothing.get("/sessions").await.ok();
    let project = super::tests::default_project(&nothing).await;
    let empty = shown(&open(&nothing, &format!("/p/{project}/dashboard"), &[]).await);
    assert!(empty.contains("Nothing to count yet"));
}

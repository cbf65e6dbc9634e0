//! Pages as a browser sees them.

use assay_domain::ProjectId;
use assay_store::Catalog as _;
use axum::body::Body;
use http::{HeaderValue, Method, header};

use crate::access::Role;
use crate::access::keys::{NewKey, create};
use crate::testing::{Answer, Server, request};

/// Asks as a browser that opens a page.
pub(super) async fn open(server: &Server, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let mut request = request(Method::GET, path, Body::empty());
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("text/html,application/xhtml+xml"));
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a header"));
    }
    server.send(request).await
}

pub(super) async fn default_project(server: &Server) -> ProjectId {
    crate::projects::ensure_default(&server.app).await.expect("made");
    server.app.store.project("default").await.expect("asked").expect("there").id
}

async fn post_form(server: &Server, path: &str, body: &str, headers: &[(&'static str, &str)]) -> Answer {
    let mut request = request(Method::POST, path, Body::from(body.to_owned()));
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a header"));
    }
    server.send(request).await
}

async fn with_key(role: Role) -> (Server, String) {
    let server = Server::new();
    let new = NewKey { description: "Ada".into(), role, expires_at: None };
    let (_, key) = create(&server.app.store, new, server.app.now()).await.expect("made");
    (server, key)
}

/// Logs in; hands back the cookie.
async fn log_in(server: &Server, key: &str) -> String {
    let answer = post_form(server, "/login", &format!("key={key}&next=%2Fp%2Fx"), &[]).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(answer.headers[header::LOCATION], "/p/x");
    let set = answer.headers[header::SET_COOKIE].to_str().expect("text").to_owned();
    assert!(set.contains("; HttpOnly; SameSite=Strict"), "{set}");
    assert!(!set.contains(key), "the key itself stays out of the cookie");
    set.split(';').next().expect("a pair").to_owned()
}

fn token_in(page: &str) -> &str {
    let rest = page.split("name=\"assay-token\" content=\"").nth(1).expect("the token's place");
    rest.split('"').next().expect("its end")
}

#[tokio::test]
async fn pages_run_nothing_but_our_own_files() {
    let server = Server::new();
    let page = open(&server, "/p/nonsense", &[]).await;
    let policy = page.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(policy.contains("require-trusted-types-for 'script'") && !policy.contains("unsafe"), "{policy}");
    assert!(page.headers["x-content-type-options"] == "nosniff");
    let text = page.text();
    assert!(!text.contains("<style") && !text.contains(" style=") && !text.contains("onclick"), "{text}");
    for script in text.split("<script").skip(1) {
        assert!(script.starts_with(" src=") || script.starts_with(" type=\"module\" src="), "{script}");
    }
    // Whatever a page names is there.
    for (start, _) in text.match_indices("/assets/") {
        let path = text[start..].split('"').next().expect("its end");
        let asset = server.get(path).await;
        assert_eq!(asset.status, 200, "{path}");
        assert!(asset.headers[header::CACHE_CONTROL].to_str().expect("text").contains("immutable"));
    }
    server.get("/assets/0/../Cargo.toml").await.refused(404);
    assert_eq!(server.get("/assets/old/base.css").await.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn refusals_are_pages_for_browsers_and_json_for_programs() {
    let server = Server::new();
    let page = open(&server, "/p/00000000-0000-0000-0000-000000000000/nothing", &[]).await;
    assert_eq!(page.status, 404);
    assert!(page.text().contains("There is nothing here"));
    let named = open(&server, "/nothing/%3Cscript%3Ealert(1)%3C/script%3E", &[]).await.text();
    assert!(!named.contains("<script>alert"), "{named}");
    assert!(server.get("/p/x/nothing").await.json()["detail"].is_string());
    let api = open(&server, "/sessions/x", &[]).await;
    assert!(api.status == 422 && api.json()["detail"].is_array(), "API paths answer as ever");
}

#[tokio::test]
async fn where_keys_are_needed_a_page_leads_to_the_login_and_back() {
    let (server, key) = with_key(Role::Admin).await;
    let project = default_project(&server).await;
    let path = format!("/p/{}", project.0);
    let asked = open(&server, &path, &[]).await;
    assert_eq!(asked.status, 303);
    assert_eq!(asked.headers[header::LOCATION], format!("/login?next=%2Fp%2F{}", project.0));
    assert!(open(&server, "/login", &[]).await.text().contains("API key"));
    let wrong = post_form(&server, "/login", "key=asy_sk_wrong", &[("accept", "text/html")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("This key is not known here."), "{}", wrong.text());
    let cookie = log_in(&server, &key).await;
    assert_eq!(open(&server, &path, &[("cookie", &cookie)]).await.status, 303);
    let inside = open(&server, "/sessions", &[("cookie", &cookie)]).await;
    assert!(inside.ok().is_array(), "the API takes the session too");
}

#[tokio::test]
async fn a_session_changes_something_only_for_our_own_pages() {
    let (server, key) = with_key(Role::Admin).await;
    let cookie = log_in(&server, &key).await;
    let page = open(&server, "/login", &[("cookie", &cookie)]).await.text();
    let token = token_in(&page).to_owned();
    let create = async |headers: &[(&'static str, &str)]| {
        let mut all = vec![("cookie", cookie.as_str()), ("host", "assay.example.com")];
        all.extend(headers);
        post_form(&server, "/sessions", "{\"name\":\"x\"}", &all).await
    };
    create(&[]).await.refused(403);
    create(&[("x-assay-token", "0")]).await.refused(403);
    create(&[("x-assay-token", &token), ("origin", "https://evil.example")]).await.refused(403);
    create(&[("x-assay-token", &token), ("sec-fetch-site", "cross-site")]).await.refused(403);
    create(&[("x-assay-token", &token), ("origin", "https://assay.example.com")]).await.ok();
    // A key in a header is a program's: nothing of this concerns it.
    post_form(&server, "/sessions", "{\"name\":\"y\"}", &[("x-api-key", &key)]).await.ok();
}

#[tokio::test]
async fn a_session_ends_with_its_key_and_when_one_logs_out() {
    let (server, key) = with_key(Role::Viewer).await;
    let cookie = log_in(&server, &key).await;
    server.app.store.projects().await.expect("a store");
    let ask = async |cookie: &str| open(&server, "/sessions", &[("cookie", cookie)]).await.status;
    assert_eq!(ask(&cookie).await, 200);
    for broken in ["assay_session=x.y", "assay_session=", &cookie[..cookie.len() - 4], "assay_session=no"] {
        assert_eq!(ask(broken).await, 401, "{broken}");
    }
    let page = open(&server, "/login", &[("cookie", &cookie)]).await.text();
    let leave = format!("token={}", token_in(&page));
    post_form(&server, "/logout", "token=0", &[("cookie", &cookie)]).await.refused(403);
    post_form(&server, "/logout", &leave, &[("cookie", &cookie), ("sec-fetch-site", "cross-site")])
        .await
        .refused(403);
    let left = post_form(&server, "/logout", &leave, &[("cookie", &cookie)]).await;
    assert!(left.headers[header::SET_COOKIE].to_str().expect("text").contains("Max-Age=0"));
    let keys = crate::access::keys::list(&server.app.store).await.expect("listed");
    server.app.access.keys.revoke(&server.app.store, keys[0].id, server.app.now()).await.expect("revoked");
    assert_eq!(ask(&cookie).await, 401);
}

async fn post_trace(server: &Server, project: &str, name: &str) {
    let id = uuid::Uuid::new_v4();
    let run = serde_json::json!({
        "id": id, "trace_id": id, "dotted_order": format!("20261101T080000000000Z{id}"), "name": name,
        "run_type": "chain", "session_name": project, "start_time": "2026-11-01T08:00:00Z",
        "end_time": "2026-11-01T08:00:01Z", "inputs": { "question": name }, "outputs": { "answer": name },
    });
    server.post("/runs/batch", serde_json::json!({ "post": [run] })).await.ok();
}

#[tokio::test]
async fn projects_are_listed_once_there_is_a_trace_and_before_that_it_says_how_to_send_one() {
    let server = Server::new();
    default_project(&server).await;
    let empty = open(&server, "/", &[("host", "localhost:1984")]).await;
    assert_eq!(empty.status, 200);
    let text = empty.text();
    assert!(text.contains("waiting for a trace") && text.contains("http://localhost:1984"), "{text}");
    post_trace(&server, "<b>shop</b>", "hello").await;
    let listed = open(&server, "/?window=all", &[]).await.text();
    assert!(listed.contains("&#60;b&#62;shop&#60;/b&#62;"), "{listed}");
    assert!(!listed.contains("waiting for a trace") && !listed.contains("<b>shop"), "{listed}");
    assert!(open(&server, "/?q=nothing", &[]).await.text().contains("No project matches"));
    // Whatever stands in the address, it is a page.
    for query in ["offset=x", "offset=99999999999999999999", "window=1", "sort=%00", "q=%FF"] {
        assert_eq!(open(&server, &format!("/?{query}"), &[]).await.status, 200, "{query}");
    }
}

#[tokio::test]
async fn projects_are_ordered_by_every_figure_that_is_shown_of_them() {
    let server = Server::new();
    let run = |project: &str, seconds: u32, error: Option<&str>, tokens: u32| {
        let id = uuid::Uuid::new_v4();
        serde_json::json!({
            "id": id, "trace_id": id, "dotted_order": format!("20261101T080000000000Z{id}"), "name": "agent",
            "run_type": "llm", "session_name": project, "start_time": "2026-11-01T08:00:00Z", "error": error,
            "end_time": format!("2026-11-01T08:00:{seconds:02}Z"), "inputs": {}, "outputs": {
                "usage_metadata": { "input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens } },
        })
    };
    let runs = [
        run("failing", 1, Some("no"), 10),
        run("slow", 30, None, 20),
        run("busy", 2, None, 30),
        run("busy", 2, None, 3_000),
    ];
    server.post("/runs/batch", serde_json::json!({ "post": runs })).await.ok();
    let orders = [
        ("errors", "failing"),
        ("p50", "slow"),
        ("p99", "slow"),
        ("tokens", "busy"),
        ("traces", "busy"),
        ("threads", "busy"),
        ("name", "busy"),
    ];
    for (sort, first) in orders {
        let text = open(&server, &format!("/?window=all&sort={sort}"), &[]).await.text();
        let listed = text.split("class=\"row-link\"").nth(1).expect("a row");
        assert!(listed.starts_with(" href=\"/p/") && listed.contains(&format!(">{first}</a>")), "{sort}");
        let place = listed.find(&format!(">{first}</a>")).expect("its name");
        assert!(listed[..place].matches("<a ").count() == 0, "{sort}: {first} is not the first");
        assert!(text.contains("aria-sort=\"descending\"") || sort == "name", "{sort}");
    }
}

#[tokio::test]
async fn the_addresses_that_clients_print_lead_to_pages() {
    let server = Server::new();
    post_trace(&server, "shop", "hello").await;
    let project = server.app.store.project("shop").await.expect("asked").expect("there").id;
    let job = uuid::Uuid::new_v4();
    let run = server.post("/runs/query", serde_json::json!({ "session": [project] })).await.ok();
    let run = run["runs"][0]["id"].as_str().expect("an id").to_owned();
    for (address, target) in [
        (format!("/o/x/projects/p/{project}"), format!("/p/{project}")),
        (format!("/o/x/projects/p/{project}?tab=0"), format!("/p/{project}/traces")),
        ("/o/x/projects".to_owned(), "/".to_owned()),
        (
            format!("/o/x/projects/p/{project}?tab=3&clusterJobId={job}"),
            format!("/p/{project}/insights/{job}"),
        ),
        (
            format!("/o/x/projects/p/{project}/r/{run}?poll=true"),
            format!("/p/{project}/traces/{run}?run={run}"),
        ),
        (format!("/r/{run}"), format!("/p/{project}/traces/{run}?run={run}")),
        (format!("/p/{project}"), format!("/p/{project}/insights")),
    ] {
        let answer = open(&server, &address, &[]).await;
        assert_eq!(
            answer.headers.get(header::LOCATION).map(HeaderValue::as_bytes),
            Some(target.as_bytes()),
            "{address}"
        );
    }
    open(&server, &format!("/r/{job}"), &[]).await.refused(404);
    open(&server, "/o/x/projects/p/nonsense", &[]).await.refused(404);
}

#[tokio::test]
async fn every_page_of_a_project_and_of_the_workspace_opens() {
    let server = Server::new();
    post_trace(&server, "shop", "hello").await;
    let project = server.app.store.project("shop").await.expect("asked").expect("there").id;
    let config =
        serde_json::json!({ "name": "<i>mine", "config": { "focus": "errors" }, "schedule_cron": "daily" });
    let config = server.post(&format!("/sessions/{project}/insights/configs"), config).await.ok();
    let config = config["id"].as_str().expect("an id").to_owned();
    for path in [
        format!("/p/{project}/insights"),
        format!("/p/{project}/insights/new?config={config}&filter=eq(name,%20%22%3C/script%3E%22)"),
        format!("/p/{project}/insights/compare"),
        format!("/p/{project}/settings"),
        "/workspace/models".into(),
        "/workspace/prices".into(),
        "/workspace/redaction".into(),
        "/workspace/keys".into(),
        "/workspace/about".into(),
    ] {
        let answer = open(&server, &path, &[]).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let text = answer.text();
        assert!(!text.contains("<i>mine") && !text.contains("\"</script>"), "{text}");
        for (start, _) in text.match_indices("/assets/") {
            let asset = text[start..].split('"').next().expect("its end");
            assert_eq!(server.get(asset).await.status, 200, "{asset}");
        }
    }
    let nothing = uuid::Uuid::new_v4();
    open(&server, &format!("/p/{project}/insights/{nothing}"), &[]).await.refused(404);
    open(&server, &format!("/p/{nothing}/insights"), &[]).await.refused(404);
}

#[tokio::test]
async fn redaction_is_tried_without_keeping_anything() {
    let server = Server::new();
    let rules = serde_json::json!({ "detectors": ["email"] });
    let tried = serde_json::json!({ "rules": rules, "text": "write to ada@example.com" });
    let answer = server.post("/workspace/redaction/test", tried).await.ok();
    assert_eq!(answer["text"], "write to [EMAIL]");
    let wrong = serde_json::json!({ "rules": { "detectors": ["nonsense"] }, "text": "" });
    server.post("/workspace/redaction/test", wrong).await.refused(422);
    assert_eq!(server.get("/ingest-policies").await.ok(), serde_json::json!([]));
}

#[tokio::test]
async fn a_viewer_sees_no_button_that_it_may_not_press() {
    let (server, key) = with_key(Role::Viewer).await;
    crate::projects::ensure_default(&server.app).await.expect("made");
    let cookie = log_in(&server, &key).await;
    let page = open(&server, "/", &[("cookie", &cookie)]).await.text();
    assert!(page.contains("Ada") && !page.contains("id=\"new-project\""), "{page}");
    let keys = open(&server, "/workspace/keys", &[("cookie", &cookie)]).await;
    assert_eq!(keys.status, 403);
    assert!(keys.text().contains("Not with this key"));
}

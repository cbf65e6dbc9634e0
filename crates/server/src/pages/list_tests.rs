//! Lists that are longer than a page: each page holds its part, pagers lead
//! through all of them in one order, and nothing else of the address is lost.

use assay_domain::report::ReportConfig;
use assay_domain::{Report, ReportId};
use assay_store::Catalog as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::tests::{default_project, open};
use crate::access::Role;
use crate::access::keys::{NewKey, create};
use crate::insights::tests::{as_if_made, project_with};
use crate::testing::Server;

const DATASETS: &str = "/o/61737361-792e-4000-8000-776f726b7370/datasets";

/// Where the pager of these leads on to: `next` or `prev`.
fn leads(page: &str, what: &str, relation: &str) -> Option<String> {
    let pager = page.split(&format!("<nav class=\"pager\" aria-label=\"Pages of {what}\">")).nth(1)?;
    let pager = pager.split("</nav>").next()?;
    let href = pager.split(&format!("rel=\"{relation}\" href=\"")).nth(1)?.split('"').next()?;
    Some(href.replace("&#38;", "&"))
}

/// The words between `begin` and `<` wherever they start like `prefix`, in their order.
fn named(page: &str, prefix: &str) -> Vec<String> {
    let words = page.split('>').filter_map(|rest| rest.split('<').next());
    words.filter(|words| words.starts_with(prefix)).map(str::to_owned).collect()
}

/// Goes through all pages of a list: the entries of each. Going back is as far.
async fn walk(
    server: &Server,
    path: &str,
    what: &str,
    prefix: &str,
    headers: &[(&'static str, &str)],
) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    let mut last = path.to_owned();
    while let Some(path) = next {
        let path = path.split('#').next().expect("a path").to_owned();
        let answer = open(server, &path, headers).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let text = answer.text();
        pages.push(named(&text, prefix));
        next = leads(&text, what, "next");
        last.clone_from(&path);
        assert!(pages.len() < 20, "{path} leads on and on");
    }
    for _ in 1..pages.len() {
        let text = open(server, &last, headers).await.text();
        let back = leads(&text, what, "prev").expect("a way back");
        last = back.split('#').next().expect("a path").to_owned();
    }
    let first = open(server, &last, headers).await.text();
    assert!(leads(&first, what, "prev").is_none(), "{last} is not the first page of {what}");
    assert_eq!(named(&first, prefix), pages[0], "{last}");
    pages
}

fn numbered(prefix: &str, numbers: impl Iterator<Item = usize>) -> Vec<String> {
    numbers.map(|at| format!("{prefix}{at:03}")).collect()
}

fn sizes(pages: &[Vec<String>]) -> Vec<usize> {
    pages.iter().map(Vec::len).collect()
}

#[tokio::test]
async fn configs_are_paged_and_the_list_of_reports_stays_where_it_is() {
    let server = Server::new();
    let project = project_with(&server, 2).await;
    // Where there are no more than a page by now, it is the first, with those that everybody has.
    let only = open(&server, &format!("/p/{project}/insights?configs=20"), &[]).await.text();
    assert!(only.contains(">built in<"), "{only}");
    for at in 0..45 {
        let config = json!({ "name": format!("saved {at:03}"), "config": { "focus": "usage" }, "schedule_cron": "daily" });
        server.post(&format!("/sessions/{project}/insights/configs"), config).await.ok();
    }
    let place = format!("/p/{project}/insights");
    let pages = walk(&server, &place, "saved configs", "saved 0", &[]).await;
    assert_eq!(sizes(&pages), [20, 20, 5]);
    assert_eq!(pages.concat(), numbered("saved ", 0..45));
    let first = open(&server, &format!("{place}?offset=50"), &[]).await.text();
    assert!(first.contains("1–20 of 45 saved configs") && first.contains(">built in<"), "{first}");
    let next = leads(&first, "saved configs", "next").expect("a next page");
    assert_eq!(next, format!("{place}?offset=50&configs=20#configs"));
    let last = open(&server, &format!("{place}?configs=4000"), &[]).await.text();
    assert!(last.contains("41–45 of 45 saved configs") && !last.contains(">built in<"), "{last}");
    // What does something by itself is listed with the project, and with all projects.
    let own = walk(&server, &format!("/p/{project}/settings"), "configs", "saved 0", &[]).await;
    assert_eq!((sizes(&own), own.concat()), (vec![45], numbered("saved ", 0..45)));
    for at in 45..60 {
        let config = json!({ "name": format!("saved {at:03}"), "config": { "focus": "usage" }, "schedule_cron": "daily" });
        server.post(&format!("/sessions/{project}/insights/configs"), config).await.ok();
    }
    for path in [format!("/p/{project}/settings"), "/workspace/schedules".to_owned()] {
        let pages = walk(&server, &path, "configs", "saved 0", &[]).await;
        assert_eq!(sizes(&pages), [50, 10], "{path}");
        assert_eq!(pages.concat(), numbered("saved ", 0..60), "{path}");
    }
}

#[tokio::test]
async fn two_reports_are_chosen_from_pages_one_after_the_other() {
    let server = Server::new();
    let project = project_with(&server, 2).await;
    let place = format!("/p/{project}/insights/compare");
    let choose = async |query: &str| open(&server, &format!("{place}{query}"), &[]).await.text();
    let nothing = choose("").await;
    assert!(nothing.contains("There are not two reports yet") && !nothing.contains("Compare the last two"));
    let mut made: Vec<Uuid> = Vec::new();
    for at in 0..110 {
        let focus = if at == 109 { "errors" } else { "usage" };
        let body = json!({ "name": format!("report {at:03}"), "focus": focus });
        made.push(as_if_made(&server, project, body).await);
    }
    // One that is not made cannot be compared.
    server.post(&format!("/sessions/{project}/insights"), json!({ "name": "report 999" })).await.ok();
    let pages = walk(&server, &place, "reports", "report ", &[]).await;
    assert_eq!(sizes(&pages), [50, 50, 10]);
    assert_eq!(pages.concat(), numbered("report ", (0..110).rev()));
    let first = choose("").await;
    // The last two that ask the same: the very last is about failures.
    let last_two = format!("href=\"{place}?before={}&#38;after={}\"", made[107], made[108]);
    assert!(first.contains(&last_two), "{first}");
    assert!(first.contains(&format!("href=\"{place}?before={}\"", made[60])), "{first}");
    assert!(first.len() < 80_000, "{} bytes", first.len());
    // Then the other one, of the same kind, and on any page.
    let begun = format!("{place}?before={}", made[60]);
    let pages = walk(&server, &begun, "reports", "report ", &[]).await;
    assert_eq!(sizes(&pages), [51, 51, 9], "with the chosen one above the list");
    let second = choose(&format!("?before={}&offset=50", made[60])).await;
    assert!(second.contains("Before: <b>report 060</b>"), "{second}");
    assert!(second.contains(&format!("?before={}&#38;after={}\"", made[60], made[20])), "{second}");
    assert!(!second.contains("report 109"), "{second}");
    let after = choose(&format!("?after={}", made[60])).await;
    assert!(after.contains(&format!("?after={}&#38;before={}\"", made[60], made[100])), "{after}");
    let other = choose(&format!("?before={}", made[109])).await;
    assert!(other.contains("No other report asks the same"), "{other}");
    // What names no report chooses nothing.
    assert_eq!(named(&choose("?before=nonsense").await, "report ").len(), 50);
}

/// A report as `assay report` leaves it in the store, without a job.
async fn by_command(server: &Server, project: &str, number: u128) -> Uuid {
    let report = Report {
        version: 1,
        id: ReportId(Uuid::from_u128(number)),
        project: project.to_owned(),
        config: ReportConfig { name: format!("command {number:03}"), ..ReportConfig::usage_patterns() },
        executive_summary: Default::default(),
        taxonomy: Default::default(),
        assignments: Vec::new(),
        statistics: Default::default(),
        made: Default::default(),
    };
    server.app.store.put_report(&report).await.expect("kept");
    report.id.0
}

#[tokio::test]
async fn reports_that_commands_made_are_compared_like_any_other() {
    let server = Server::new();
    let project = server.post("/sessions", json!({ "name": "p" })).await.ok();
    let place = format!("/p/{}/insights", project["id"].as_str().expect("an id"));
    let (one, two) = (by_command(&server, "p", 1).await, by_command(&server, "p", 2).await);
    let choose = open(&server, &format!("{place}/compare"), &[]).await.text();
    assert_eq!(named(&choose, "command ").len(), 2, "{choose}");
    let second = open(&server, &format!("{place}/compare?before={one}"), &[]).await.text();
    assert!(second.contains(&format!("?before={one}&#38;after={two}\"")), "{second}");
    // From the page of a report, too: the earlier one is what was before.
    let own = open(&server, &format!("{place}/{two}"), &[]).await.text();
    assert!(own.contains(&format!("/compare?before={one}&#38;after={two}\"")), "{own}");
    assert_eq!(open(&server, &format!("{place}/compare?before={one}&after={two}"), &[]).await.status, 200);
}

#[tokio::test]
async fn prices_policies_and_secrets_are_paged() {
    let server = Server::new();
    for at in 0..120 {
        let price = json!({ "name": format!("price {at:03}"), "match_pattern": "x", "prompt_cost": "0.1", "completion_cost": "0.1" });
        server.post("/model-price-map", price).await.ok();
    }
    let pages = walk(&server, "/workspace/prices", "entries", "price ", &[]).await;
    assert_eq!(sizes(&pages), [50, 50, 20]);
    assert_eq!(pages.concat(), numbered("price ", (0..120).rev()));
    // Those that come with Assay are in the same page, and lead on by themselves.
    let mut shown = 0;
    let mut next = Some("/workspace/prices?offset=50".to_owned());
    while let Some(path) = next {
        let text = open(&server, path.split('#').next().expect("a path"), &[]).await.text();
        assert_eq!(named(&text, "price "), numbered("price ", (20..70).rev()), "{path}");
        let base = text.split("id=\"base-prices\"").nth(1).expect("their place");
        let rows = base.matches("<tr>").count() - 1;
        assert!(rows <= 50, "{rows} rows");
        shown += rows;
        next = leads(&text, "models", "next");
    }
    let text = open(&server, "/workspace/prices", &[]).await.text();
    assert!(text.contains(&format!("{} models", assay_domain::format::count(shown))), "{shown}");

    for at in 0..25 {
        server.put(&format!("/ingest-policies/policy-{at:03}"), json!({ "sample_rate": 0.5 })).await.ok();
    }
    let pages = walk(&server, "/workspace/redaction", "policies", "policy-0", &[]).await;
    assert_eq!(sizes(&pages), [20, 5]);
    assert_eq!(pages.concat(), numbered("policy-", 0..25));

    let secrets: Vec<Value> =
        (0..60).map(|at| json!({ "key": format!("SECRET_{at:03}"), "value": "x" })).collect();
    server.post("/workspaces/current/secrets", json!(secrets)).await.ok();
    let pages = walk(&server, "/workspace/models", "secrets", "SECRET_0", &[]).await;
    assert_eq!(pages.concat(), numbered("SECRET_", 0..60));
    assert_eq!(sizes(&pages), [46, 14], "after the four that mean something");
}

#[tokio::test]
async fn keys_are_paged() {
    let server = Server::new();
    let make = async |description: String| {
        let new = NewKey { description, role: Role::Admin, expires_at: None };
        create(&server.app.store, new, server.app.now()).await.expect("made").1
    };
    for at in 0..60 {
        make(format!("key {at:03}")).await;
    }
    let admin = make("mine".to_owned()).await;
    let pages = walk(&server, "/workspace/keys", "keys", "key 0", &[("x-api-key", &admin)]).await;
    assert_eq!(sizes(&pages), [49, 11], "after the one that is used here");
    assert_eq!(pages.concat(), numbered("key ", (0..60).rev()));
}

#[tokio::test]
async fn saved_filters_are_paged_in_their_menus() {
    let server = Server::new();
    let project = default_project(&server).await;
    for at in 0..25 {
        let name = format!("filter {at:03}");
        let view =
            json!({ "display_name": name, "type": "threads", "filter_string": "eq(status, \"error\")" });
        server.post(&format!("/sessions/{project}/views"), view).await.ok();
    }
    for place in [format!("/p/{project}/threads?q=x"), format!("/p/{project}/insights/new")] {
        let pages = walk(&server, &place, "saved filters", "filter 0", &[]).await;
        assert_eq!(pages.concat(), numbered("filter ", 0..25), "{place}");
        assert_eq!(sizes(&pages), [20, 5], "{place}");
    }
    let first = open(&server, &format!("/p/{project}/threads?q=x"), &[]).await.text();
    let next = leads(&first, "saved filters", "next").expect("a next page");
    assert_eq!(next, format!("/p/{project}/threads?q=x&views=20"));
    // Which page of the menu is looked at is no part of what a filter is compared with.
    let here = format!("/p/{project}/threads?filter=eq%28status%2C+%22error%22%29&views=20");
    let text = open(&server, &here, &[]).await.text();
    assert_eq!(text.matches("aria-current=\"true\">filter ").count(), 5, "{text}");
}

#[tokio::test]
async fn splits_versions_and_experiments_of_a_dataset_are_paged() {
    let server = Server::new();
    let made = server.post("/datasets", json!({ "name": "Many" })).await.ok();
    let id = made["id"].as_str().expect("an id").to_owned();
    let examples: Vec<Value> = (0..50)
        .map(|at| json!({ "dataset_id": id, "inputs": { "q": "x" }, "split": format!("split {at:03}") }))
        .collect();
    server.post("/examples/bulk", json!(examples)).await.ok();
    for at in 0..30 {
        let project = json!({ "name": format!("experiment {at:03}"), "reference_dataset_id": id });
        server.post("/sessions", project).await.ok();
    }
    let place = format!("{DATASETS}/{id}");
    let experiments = walk(&server, &place, "experiments", "experiment ", &[]).await;
    assert_eq!(sizes(&experiments), [20, 10]);
    assert_eq!(experiments.concat(), numbered("experiment ", 0..30));
    let first = open(&server, &format!("{place}?q=x&offset=20"), &[]).await.text();
    let choices = |page: &str| {
        let nav = page
            .split("aria-label=\"Split\">")
            .nth(1)
            .expect("splits")
            .split("</nav>")
            .next()
            .expect("its end")
            .to_owned();
        named(&nav, "split ")
            .into_iter()
            .map(|words| words.trim_end_matches(" 1").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(choices(&first), numbered("split ", 0..24));
    let next = leads(&first, "splits", "next").expect("more splits");
    assert_eq!(next, format!("{place}?q=x&offset=20&splits=24#examples"));
    assert_eq!(
        choices(&open(&server, &format!("{place}?splits=24"), &[]).await.text()),
        numbered("split ", 24..48)
    );
    // The one that is looked at is there on every page.
    let chosen = open(&server, &format!("{place}?splits=24&split=split%20003"), &[]).await.text();
    assert_eq!(choices(&chosen)[0], "split 003");
    // A search begins with its first page, and what lies behind the end is the last.
    assert!(!first.contains("name=\"offset\""), "{first}");
    let last = open(&server, &format!("{place}?offset=4000"), &[]).await.text();
    assert!(
        last.contains("41–50 of 50 examples") && last.matches("class=\"example\"").count() <= 10,
        "{last}"
    );
    for at in 0..45 {
        let example = json!({ "dataset_id": id, "inputs": { "q": "y" } });
        server.post("/examples", example).await.ok();
        let tag = json!({ "as_of": "latest", "tag": format!("tag {at:03}") });
        server.put(&format!("/datasets/{id}/tags"), tag).await.ok();
    }
    let tags = walk(&server, &place, "versions", "tag 0", &[]).await;
    assert_eq!(tags.concat(), numbered("tag ", (0..45).rev()));
    assert_eq!(tags.len(), 2);
    // The place in the menu is left behind by whatever else leads on, so that it opens by itself only when asked for.
    let in_menu = open(&server, &format!("{place}?versions=40"), &[]).await.text();
    assert!(in_menu.contains("<details class=\"menu\" open>"), "{in_menu}");
    let next = leads(&in_menu, "experiments", "next").expect("more experiments");
    assert!(!next.contains("versions="), "{next}");
    assert!(!in_menu.contains("name=\"versions\""), "{in_menu}");
}

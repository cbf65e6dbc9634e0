//! What each route asks of its caller.
//!
//! A path belongs to a family (`/datasets` and all below); the method and a
//! few words say the rest: GET reads, POST creates or asks, PATCH and PUT
//! update, DELETE deletes. Where that is not so, [`EXCEPTIONS`] says so, route
//! by route. A route that fits nothing is for admins alone, and fails a test:
//! whoever adds one decides.

use http::Method;

use super::permission::{Action, Area, Permission};

/// What a request must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: no key is asked for.
    Nothing,
    Permission(Permission),
}

use Action::{Create, Delete, Manage, Read, Share, Update};
use Area::{Datasets, Feedback, Projects, Queues, Rules, Runs, Workspaces};

/// Paths that begin so (in whole segments) belong to the area. The longest counts.
const FAMILIES: &[(&str, Area)] = &[
    ("/runs", Runs),
    ("/runs/rules", Rules),
    ("/v2/runs", Runs),
    ("/v2/traces", Runs),
    ("/v2/threads", Runs),
    ("/traces", Runs),
    ("/threads", Runs),
    ("/otel", Runs),
    ("/import", Runs),
    ("/sessions", Projects),
    ("/v2/sessions", Projects),
    ("/v2/datasets", Datasets),
    ("/projects", Projects),
    ("/sessions/{}/insights/configs", Rules),
    ("/feedback", Feedback),
    ("/feedback-configs", Feedback),
    ("/datasets", Datasets),
    ("/examples", Datasets),
    ("/platform/datasets", Datasets),
    ("/annotation-queues", Queues),
    ("/model-price-map", Workspaces),
    ("/ingest-policies", Workspaces),
    ("/workspaces", Workspaces),
    ("/tenants", Workspaces),
    ("/settings", Workspaces),
    ("/api-keys", Workspaces),
    ("/audit-logs", Workspaces),
    ("/metrics", Workspaces),
    // Pages. What they show they read as their visitor; what they change goes over the API.
    ("/p", Projects),
    ("/o", Projects),
    ("/o/{}/datasets", Datasets),
    ("/r", Runs),
    ("/workspace", Workspaces),
];

/// `GET` of these needs no key; neither does anything below those that end in `/`.
const OPEN: &[&str] = &[
    "/info",
    "/info/health",
    "/ok",
    "/health",
    "/openapi.json",
    "/public/",
    "/v2/public/",
    "/attachments/",
    "/assets/",
    "/login",
    // Whoever has the address of a shared report may read it.
    "/s/",
];

/// Routes where neither method nor last word says what is done. `{}` is any one segment.
const EXCEPTIONS: &[(&str, &str, Need)] = &[
    // Whoever has the address of a shared run may ask for what is below it.
    ("POST", "/public/{}/runs/query", Need::Nothing),
    ("POST", "/v2/public/{}/runs/query", Need::Nothing),
    // Whoever has the address of a feedback form may fill it in.
    ("GET", "/feedback/tokens/{}", Need::Nothing),
    ("OPTIONS", "/feedback/tokens/{}", Need::Nothing),
    ("POST", "/feedback/tokens/{}", Need::Nothing),
    // Logging in is how one comes by a key; logging out checks its own token.
    ("POST", "/login", Need::Nothing),
    ("POST", "/logout", Need::Nothing),
    ("GET", "/", Need::Permission(Permission(Projects, Read))),
    ("GET", "/workspace/keys", Need::Permission(Permission(Workspaces, Manage))),
    // Sending runs in any way is one permission.
    ("POST", "/runs/batch", Need::Permission(Permission(Runs, Create))),
    ("POST", "/runs/multipart", Need::Permission(Permission(Runs, Create))),
    ("POST", "/otel/v1/traces", Need::Permission(Permission(Runs, Create))),
    ("POST", "/otel/v1/logs", Need::Permission(Permission(Runs, Create))),
    ("POST", "/otel/v1/metrics", Need::Permission(Permission(Runs, Create))),
    ("PATCH", "/runs/{}", Need::Permission(Permission(Runs, Create))),
    // Taking examples out changes their dataset; so do runs and their queue.
    ("DELETE", "/examples", Need::Permission(Permission(Datasets, Update))),
    ("DELETE", "/examples/{}", Need::Permission(Permission(Datasets, Update))),
    ("DELETE", "/annotation-queues/{}/runs/{}", Need::Permission(Permission(Queues, Update))),
    ("POST", "/annotation-queues/{}/runs/delete", Need::Permission(Permission(Queues, Update))),
    // Lets data be deleted.
    ("PUT", "/sessions/{}/retention", Need::Permission(Permission(Projects, Delete))),
    ("POST", "/sessions/{}/views", Need::Permission(Permission(Projects, Create))),
    ("POST", "/sessions/{}/insights", Need::Permission(Permission(Rules, Create))),
    ("POST", "/sessions/{}/insights/estimate", Need::Permission(Permission(Projects, Read))),
    ("POST", "/sessions/{}/insights/{}/cancel", Need::Permission(Permission(Projects, Update))),
    ("POST", "/sessions/{}/insights/{}/resume", Need::Permission(Permission(Rules, Create))),
    // Taking edits back is one more edit.
    ("DELETE", "/sessions/{}/insights/{}/edits", Need::Permission(Permission(Projects, Update))),
    ("POST", "/sessions/{}/insights/{}/clusters/{}/dataset", Need::Permission(Permission(Datasets, Create))),
    // A report quotes runs.
    ("PUT", "/sessions/{}/insights/{}/share", Need::Permission(Permission(Runs, Share))),
    ("DELETE", "/sessions/{}/insights/{}/share", Need::Permission(Permission(Runs, Share))),
    ("POST", "/v2/datasets/{}/experiment-runs", Need::Permission(Permission(Datasets, Read))),
    ("POST", "/datasets/{}/runs", Need::Permission(Permission(Datasets, Read))),
    ("POST", "/datasets/{}/runs/delta", Need::Permission(Permission(Datasets, Read))),
    // Keys and what was done with them are not for everybody who reads.
    ("GET", "/api-keys", Need::Permission(Permission(Workspaces, Manage))),
    ("GET", "/audit-logs", Need::Permission(Permission(Workspaces, Manage))),
];

/// Last words of paths that are asked by POST because the question is long.
const QUESTIONS: &[&str] = &["query", "validate", "stats", "group", "count", "search", "generate-query"];

/// What a route (a path with `{names}`) asks for; `None` where nobody has decided.
pub(crate) fn classify(method: &Method, path: &str) -> Option<Need> {
    // HEAD is a GET that wants less.
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let exception = EXCEPTIONS.iter().find(|(of, pattern, _)| *of == method && is_match(pattern, path));
    if let Some((_, _, need)) = exception {
        return Some(*need);
    }
    let is_open = |open: &&str| if open.ends_with('/') { path.starts_with(*open) } else { path == *open };
    if method == "GET" && OPEN.iter().any(is_open) {
        return Some(Need::Nothing);
    }
    let families = FAMILIES.iter().filter(|(prefix, _)| begins(prefix, path));
    let (family, area) = families.max_by_key(|(prefix, _)| prefix.len())?;
    let action = action(method, path, family, *area)?;
    Some(Need::Permission(Permission(*area, action)))
}

fn action(method: &str, path: &str, family: &str, area: Area) -> Option<Action> {
    let says = |word| segments(path).any(|segment| segment == word);
    let is_question = segments(path).last().is_some_and(|last| QUESTIONS.contains(&last));
    let is_below = segments(path).count() > segments(family).count();
    match method {
        "GET" => Some(Read),
        _ if area == Workspaces => Some(Manage),
        _ if says("share") => Some(Share),
        "POST" if says("delete") => Some(Delete),
        "POST" if is_question => Some(Read),
        // What is posted below a run or project may be anything: somebody must say so.
        "POST" if is_below && matches!(area, Runs | Projects) => None,
        "POST" => Some(Create),
        "PATCH" | "PUT" => Some(Update),
        "DELETE" => Some(Delete),
        _ => None,
    }
}

/// What a route asks for; the most there is where nobody has decided.
pub(crate) fn of(method: &Method, path: &str) -> Need {
    classify(method, path).unwrap_or(Need::Permission(Permission(Workspaces, Manage)))
}

/// Whether doing this is written into the audit log: whatever deletes, shares
/// or changes how the workspace works. What applications send all day is not.
pub(crate) fn is_audited(method: &Method, need: Need) -> bool {
    let Need::Permission(Permission(area, action)) = need else { return false };
    match (area, action) {
        (_, Read) => false,
        (_, Delete | Share | Manage) => true,
        (Projects | Rules, Create | Update) => true,
        _ => method == Method::DELETE,
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

fn is_same(pattern: &str, segment: &str) -> bool {
    pattern == segment || pattern == "{}"
}

fn is_match(pattern: &str, path: &str) -> bool {
    segments(pattern).count() == segments(path).count() && begins(pattern, path)
}

fn begins(pattern: &str, path: &str) -> bool {
    let mut rest = segments(path);
    segments(pattern).all(|wanted| rest.next().is_some_and(|segment| is_same(wanted, segment)))
}

#[cfg(test)]
mod tests {
    use utoipa::openapi::PathItem;

    use super::*;
    use crate::access::Role;
    use crate::router;

    /// Who may: `A`dmin, `E`ditor, `V`iewer; `-` where no key is asked for.
    fn who(method: &str, path: &str) -> String {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        match classify(&method, path) {
            None => "?".to_owned(),
            Some(Need::Nothing) => "-".to_owned(),
            Some(Need::Permission(permission)) => {
                let letter = |role: Role| role.as_str().chars().next().unwrap_or('?').to_ascii_uppercase();
                Role::ALL.into_iter().rev().filter(|role| role.may(permission)).map(letter).collect()
            }
        }
    }

    /// Method, path and who may.
    const WHO: &[(&str, &str, &str)] = &[
        ("POST", "/sessions", "A"),
        ("GET", "/sessions", "AEV"),
        ("HEAD", "/sessions", "AEV"),
        ("PATCH", "/sessions/{session_id}", "AE"),
        ("DELETE", "/sessions/{session_id}", "A"),
        ("POST", "/sessions/{session_id}/views", "A"),
        ("GET", "/sessions/{session_id}/views", "AEV"),
        ("PATCH", "/sessions/{session_id}/views/{view_id}", "AE"),
        ("DELETE", "/sessions/{session_id}/views/{view_id}", "A"),
        ("PUT", "/sessions/{session_id}/retention", "A"),
        ("POST", "/runs", "AE"),
        ("PATCH", "/runs/{run_id}", "AE"),
        ("POST", "/runs/batch", "AE"),
        ("POST", "/runs/multipart", "AE"),
        ("POST", "/otel/v1/traces", "AE"),
        ("GET", "/runs/{run_id}", "AEV"),
        ("POST", "/runs/query", "AEV"),
        ("POST", "/runs/stats", "AEV"),
        ("POST", "/v2/runs/query", "AEV"),
        ("GET", "/v2/threads/{thread_id}", "AEV"),
        ("PUT", "/runs/{run_id}/share", "AE"),
        ("GET", "/runs/{run_id}/share", "AEV"),
        ("DELETE", "/runs/{run_id}/share", "AE"),
        ("POST", "/runs/delete", "A"),
        ("POST", "/runs/delete/traces", "A"),
        ("POST", "/runs/count", "AEV"),
        ("POST", "/runs/anything", "?"),
        ("POST", "/v2/runs/{run_id}/share", "AE"),
        ("DELETE", "/v2/threads/{thread_id}/share", "AE"),
        ("POST", "/public/{share_token}/runs/query", "-"),
        ("GET", "/v2/public/{share_token}/run/{run_id}", "-"),
        ("GET", "/runs/rules", "AEV"),
        ("POST", "/runs/rules", "AE"),
        ("DELETE", "/runs/rules/{rule_id}", "AE"),
        ("GET", "/feedback", "AEV"),
        ("POST", "/feedback", "AE"),
        ("PATCH", "/feedback/{feedback_id}", "AE"),
        ("DELETE", "/feedback/{feedback_id}", "AE"),
        ("POST", "/feedback/tokens", "AE"),
        ("POST", "/feedback/tokens/{token}", "-"),
        ("GET", "/feedback/tokens/{token}", "-"),
        ("POST", "/feedback-configs", "AE"),
        ("GET", "/annotation-queues/{queue_id}", "AEV"),
        ("POST", "/annotation-queues", "AE"),
        ("DELETE", "/annotation-queues/{queue_id}", "A"),
        ("DELETE", "/annotation-queues/{queue_id}/runs/{run_id}", "AE"),
        ("POST", "/datasets", "AE"),
        ("GET", "/datasets/{dataset_id}", "AEV"),
        ("PATCH", "/datasets/{dataset_id}", "AE"),
        ("DELETE", "/datasets/{dataset_id}", "A"),
        ("PUT", "/datasets/{dataset_id}/share", "A"),
        ("POST", "/examples", "AE"),
        ("POST", "/platform/datasets/{dataset_id}/examples", "AE"),
        ("DELETE", "/examples/{example_id}", "AE"),
        ("POST", "/sessions/{session_id}/insights", "AE"),
        ("GET", "/sessions/{session_id}/insights/{job_id}", "AEV"),
        ("DELETE", "/sessions/{session_id}/insights/{job_id}", "A"),
        ("POST", "/sessions/{session_id}/insights/configs", "AE"),
        ("DELETE", "/sessions/{session_id}/insights/configs/{config_id}", "AE"),
        ("GET", "/workspaces", "AEV"),
        ("GET", "/settings", "AEV"),
        ("POST", "/workspaces/current/secrets", "A"),
        ("POST", "/model-price-map", "A"),
        ("GET", "/model-price-map", "AEV"),
        ("GET", "/api-keys", "A"),
        ("POST", "/api-keys", "A"),
        ("DELETE", "/api-keys/{key_id}", "A"),
        ("GET", "/audit-logs", "A"),
        ("GET", "/ingest-policies", "AEV"),
        ("PUT", "/ingest-policies/{project}", "A"),
        ("GET", "/metrics", "AEV"),
        ("GET", "/info", "-"),
        ("GET", "/ok", "-"),
        ("GET", "/health", "-"),
        ("GET", "/public/{share_token}/run", "-"),
        ("POST", "/info", "?"),
        ("GET", "/elsewhere", "?"),
        ("GET", "/runsandmore", "?"),
    ];

    #[test]
    fn every_role_may_do_what_its_row_says() {
        for (method, path, expected) in WHO {
            assert_eq!(who(method, path), *expected, "{method} {path}");
        }
    }

    #[test]
    fn every_route_is_classified() {
        let methods = |item: &PathItem| {
            let all = [
                (Method::GET, item.get.is_some()),
                (Method::PUT, item.put.is_some()),
                (Method::POST, item.post.is_some()),
                (Method::PATCH, item.patch.is_some()),
                (Method::DELETE, item.delete.is_some()),
                (Method::HEAD, item.head.is_some()),
                (Method::OPTIONS, item.options.is_some()),
            ];
            all.into_iter().filter_map(|(method, is_there)| is_there.then_some(method)).collect::<Vec<_>>()
        };
        let mut undecided = Vec::new();
        let mut seen = 0;
        for (path, item) in &router::openapi().paths.paths {
            for method in methods(item) {
                seen += 1;
                if classify(&method, path).is_none() {
                    undecided.push(format!("{method} {path}"));
                }
            }
        }
        assert!(undecided.is_empty(), "say in access/need.rs who may {undecided:#?}");
        assert!(seen > 5, "the document lists its routes");
    }

    #[test]
    fn what_applications_send_all_day_is_not_audited() {
        let is = |method: Method, path| is_audited(&method, of(&method, path));
        assert!(is(Method::DELETE, "/sessions/{session_id}"));
        assert!(is(Method::POST, "/runs/delete"));
        assert!(is(Method::PUT, "/runs/{run_id}/share"));
        assert!(is(Method::POST, "/api-keys"));
        assert!(is(Method::DELETE, "/examples/{example_id}"));
        assert!(!is(Method::POST, "/runs/batch"));
        assert!(!is(Method::PATCH, "/runs/{run_id}"));
        assert!(!is(Method::POST, "/runs/query"));
        assert!(!is(Method::POST, "/feedback"));
        assert!(!is(Method::GET, "/sessions"));
    }
}

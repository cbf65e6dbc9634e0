//! A picture that came within a message, out of the payload of its run.

use assay_domain::RunId;
use assay_store::{RunQuery, Runs as _};
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header;
use serde_json::Value;

use super::Visit;
use crate::error::{ApiError, ApiResult};
use crate::extract::uuid;
use crate::runs::share;

/// Runs of the trace that are looked through where the picture is not in the run itself: a message may be told of
/// the run that passed it on.
const OTHERS: usize = 40;

/// Whether they pad or not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Where the picture of a number is.
pub(super) fn href(run: RunId, number: u64) -> String {
    format!("/r/{run}/picture/{number:016x}")
}

/// `/r/{run}/picture/{number}`: the bytes, as what they are, whatever was said of them; 404 where they are no picture.
pub(super) async fn show(visit: Visit, Path((run, number)): Path<(String, String)>) -> ApiResult<Response> {
    let row = share::row(&visit.app, RunId(uuid("run", &run)?)).await?;
    let number = u64::from_str_radix(&number, 16).map_err(|_| missing())?;
    let mut found = within(&visit, row.id, number).await?;
    if found.is_none() {
        let others = RunQuery { trace: Some(row.trace), limit: OTHERS, ..RunQuery::new(row.project) };
        for other in visit.app.store.runs(&others).await?.items {
            found = within(&visit, other.id, number).await?;
            if found.is_some() {
                break;
            }
        }
    }
    answer(found)
}

/// The picture of a number out of payloads; 404 where it is in none of them.
pub(super) fn out_of(payloads: &[Value], number: &str) -> ApiResult<Response> {
    let number = u64::from_str_radix(number, 16).map_err(|_| missing())?;
    answer(payloads.iter().find_map(|payload| assay_transcript::picture(payload, number)))
}

fn missing() -> ApiError {
    ApiError::not_found("picture")
}

fn answer(data: Option<String>) -> ApiResult<Response> {
    let bytes = data.and_then(|data| decode(&data)).ok_or_else(missing)?;
    let kind = kind(&bytes).ok_or_else(missing)?;
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (header::CACHE_CONTROL, "private, max-age=86400"),
    ];
    Ok((headers, bytes).into_response())
}

async fn within(visit: &Visit, run: RunId, number: u64) -> ApiResult<Option<String>> {
    let Some(stored) = visit.app.store.stored_run(run).await? else { return Ok(None) };
    let payloads = [&stored.run.inputs, &stored.run.outputs];
    Ok(payloads.into_iter().find_map(|payload| assay_transcript::picture(payload, number)))
}

fn decode(data: &str) -> Option<Vec<u8>> {
    let plain: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    LENIENT.decode(plain).ok()
}

/// Its type by its own beginning, of those that a browser shows without running anything in them.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use assay_domain::ProjectId;
    use assay_store::Catalog as _;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::super::tests::open;
    use crate::testing::Server;

    const PNG: &str =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    /// Sends a run in whose message these stand as images; hands back its id and its project.
    async fn sent(server: &Server, urls: &[&str]) -> (Uuid, ProjectId) {
        let (id, order) = (Uuid::now_v7(), "20260102T030405000000Z");
        let content: Vec<Value> =
            urls.iter().map(|url| json!({ "type": "image_url", "image_url": { "url": url } })).collect();
        let run = json!({ "id": id, "trace_id": id, "dotted_order": format!("{order}{id}"), "name": "looks",
            "run_type": "llm", "session_name": "pictures", "start_time": "2026-01-02T03:04:05Z",
            "end_time": "2026-01-02T03:04:06Z", "extra": { "metadata": { "session_id": "seen" } },
            "inputs": { "messages": [{ "role": "user", "content": content }] },
            "outputs": { "messages": [{ "role": "assistant", "content": "A dot." }] } });
        server.post("/runs/batch", json!({ "post": [run] })).await.ok();
        let project = server.app.store.project("pictures").await.expect("asked").expect("there");
        (id, project.id)
    }

    fn sources(page: &str) -> Vec<String> {
        let all = page.split("<img src=\"").skip(1);
        all.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_picture_in_a_message_is_shown_in_its_thread_and_its_trace() {
        let server = Server::new();
        let (run, project) = sent(&server, &[&format!("data:image/png;base64,{PNG}")]).await;
        for path in [format!("/p/{project}/threads/seen"), format!("/p/{project}/traces/{run}")] {
            let page = open(&server, &path, &[]).await;
            assert_eq!(page.status, 200, "{path}");
            let [source] = &sources(&page.text())[..] else { panic!("{path}: {}", page.text()) };
            assert!(source.starts_with(&format!("/r/{run}/picture/")), "{source}");
            let picture = server.get(source).await;
            assert_eq!(picture.headers["content-type"], "image/png");
            assert_eq!(picture.headers["x-content-type-options"], "nosniff");
            assert!(picture.bytes.starts_with(b"\x89PNG") && picture.bytes.ends_with(b"IEND\xaeB`\x82"));
        }
        server.get(&format!("/r/{run}/picture/0000000000000007")).await.refused(404);
        server.get(&format!("/r/{run}/picture/nonsense")).await.refused(404);
        server.get(&format!("/r/{}/picture/0000000000000007", Uuid::now_v7())).await.refused(404);
    }

    #[tokio::test]
    async fn an_example_of_a_dataset_shows_its_own_pictures_whatever_became_of_its_run() {
        let server = Server::new();
        let dataset = server.post("/datasets", json!({ "name": "seen" })).await.ok();
        let content =
            json!([{ "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{PNG}") } }]);
        let example = json!({ "dataset_id": dataset["id"], "source_run_id": Uuid::now_v7(),
            "inputs": { "messages": [{ "role": "user", "content": content }] } });
        server.post("/examples", example).await.ok();
        let id = dataset["id"].as_str().expect("an id");
        let page =
            open(&server, &format!("/o/61737361-792e-4000-8000-776f726b7370/datasets/{id}"), &[]).await;
        let [source] = &sources(&page.text())[..] else { panic!("{}", page.text()) };
        let picture = server.get(source).await;
        assert_eq!(picture.headers["content-type"], "image/png");
        let (rest, _) = source.split_once("/picture/").expect("an address");
        server.get(&format!("{rest}/picture/7")).await.refused(404);
        let nobody = rest.rsplit_once('/').map(|(examples, _)| format!("{examples}/{}", Uuid::now_v7()));
        server.get(&format!("{}/picture/7", nobody.expect("a path"))).await.refused(404);
    }

    #[tokio::test]
    async fn a_large_picture_is_shown_however_its_message_writes_it() {
        let server = Server::new();
        let large = format!("{}{}", &PNG[..PNG.len() - 2], "A".repeat(3 << 20));
        let (run, project) = sent(&server, &[&format!("data:image/png;base64,{large}"), &large]).await;
        let page = open(&server, &format!("/p/{project}/traces/{run}"), &[]).await.text();
        assert_eq!(sources(&page).len(), 2, "{}", page.len());
        assert!(page.len() < 200_000, "{} bytes", page.len());
    }

    #[tokio::test]
    async fn what_is_no_picture_or_lies_elsewhere_is_named_and_not_shown() {
        let server = Server::new();
        // What only begins like a picture is none.
        let forged = format!("data:image/png;base64,iVBORw0KGgo{}", "!".repeat(200));
        let (run, project) = sent(
            &server,
            &[
                "https://elsewhere.example/a.png",
                "javascript:alert(1)",
                "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
                "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIG9ubG9hZD0iYWxlcnQoMSkiLz4=",
                "data:image/svg+xml,<svg onload=alert(1)>",
                &forged,
            ],
        )
        .await;
        for path in [format!("/p/{project}/threads/seen"), format!("/p/{project}/traces/{run}")] {
            let text = open(&server, &path, &[]).await.text();
            assert!(text.contains("https://elsewhere.example/a.png"), "{text}");
            assert!(text.contains("javascript:alert(1)") && !text.contains("href=\"javascript:"), "{text}");
            assert!(!text.contains("href=\"https://elsewhere") && !text.contains("href=\"data:"), "{text}");
            assert!(!text.contains("<svg onload"), "{text}");
            let shown = sources(&text);
            assert_eq!(shown.len(), 1, "{shown:?}");
            server.get(&shown[0]).await.refused(404);
        }
    }
}

//! Attachments on their way out: addresses that need no key, and what is there.
//!
//! Clients fetch the files of a run without credentials (contract 2.8), so an
//! address is all the right there is: it carries what to fetch and a MAC over
//! it that only this store's key makes. The key is a document of the store;
//! addresses stay good as long as the file is there.

use std::sync::Arc;

use assay_domain::run::Attachment;
use assay_store::{Change, Record, Records as _, Runs as _};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;
use sha2::Sha256;
use tokio::sync::OnceCell;
use url::form_urlencoded::byte_serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::error::{ApiError, ApiResult};

const KIND: &str = "attachment-key";
const MAC: usize = 32;
/// Of content: its SHA-256.
const KEY: usize = 32;
/// What the MAC is made with.
const SECRET: usize = 64;
/// Longer names and types are cut: they are for people.
const MAX_WORD: usize = 200;

/// Types that a browser shows without running anything in them.
const SHOWN: [&str; 10] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "audio/mpeg",
    "audio/wav",
    "video/mp4",
    "application/pdf",
    "application/json",
    "text/plain",
];

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(fetch))
}

/// Makes addresses of attachments. Copies share the key.
#[derive(Clone)]
pub(crate) struct Links(Arc<[u8; SECRET]>);

/// The maker of addresses, once it is known.
#[derive(Default)]
pub(crate) struct Linking(OnceCell<Links>);

/// The maker of addresses of this store; its key is made with the first.
pub(crate) async fn links(app: &App) -> ApiResult<Links> {
    app.ingest.linking.0.get_or_try_init(|| load(app)).await.cloned()
}

async fn load(app: &App) -> ApiResult<Links> {
    let mut key = [0; SECRET];
    getrandom::fill(&mut key)
        .map_err(|error| ApiError::overloaded(format!("the system has no random numbers: {error}")))?;
    let now = app.now();
    let record = Record {
        kind: KIND.to_owned(),
        id: Uuid::nil(),
        created_at: now,
        modified_at: now,
        body: json!({ "key": STANDARD.encode(key) }),
        ..Record::default()
    };
    if app.store.record(KIND, Uuid::nil()).await?.is_none() {
        match app.store.change(vec![Change::Insert(record)]).await {
            // Somebody was quicker: theirs counts.
            Ok(()) | Err(assay_store::Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let record = app.store.record(KIND, Uuid::nil()).await?;
    let text = record.as_ref().and_then(|record| record.body.get("key")?.as_str());
    let key = text.and_then(|text| STANDARD.decode(text).ok()?.try_into().ok());
    let damaged = || ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the key of attachments is damaged");
    Ok(Links(Arc::new(key.ok_or_else(damaged)?)))
}

impl Links {
    /// Where the content of an attachment is fetched; `None` where nobody has it.
    pub(crate) fn url(&self, base_url: &str, attachment: &Attachment) -> Option<String> {
        let Attachment { name, mime_type, reference, size: _ } = attachment;
        match attachment.key() {
            Some(key) => Some(self.url_of(base_url, key, name, mime_type.as_deref())),
            None => reference.starts_with("http").then(|| reference.clone()),
        }
    }

    /// Where content of the store is fetched under a name.
    pub(crate) fn url_of(
        &self,
        base_url: &str,
        key: [u8; KEY],
        name: &str,
        mime_type: Option<&str>,
    ) -> String {
        let (mime_type, name) = (cut(mime_type.unwrap_or_default()), cut(name));
        let about = [&key[..], &[mime_type.len() as u8], mime_type.as_bytes(), name.as_bytes()].concat();
        let mac = self.mac(&about).finalize().into_bytes();
        format!("{base_url}/attachments/{}", URL_SAFE_NO_PAD.encode([&mac[..], &about].concat()))
    }

    fn mac(&self, about: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new((&*self.0).into());
        mac.update(about);
        mac
    }

    /// What an address of ours stands for.
    fn read(&self, token: &str) -> Option<Wanted> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (mac, about) = bytes.split_at_checked(MAC)?;
        self.mac(about).verify_slice(mac).ok()?;
        let (key, words) = about.split_at_checked(KEY)?;
        let (length, words) = words.split_first()?;
        let (mime_type, name) = words.split_at_checked(usize::from(*length))?;
        Some(Wanted {
            key: key.try_into().ok()?,
            mime_type: String::from_utf8(mime_type.to_vec()).ok()?,
            name: String::from_utf8(name.to_vec()).ok()?,
        })
    }
}

struct Wanted {
    key: [u8; KEY],
    mime_type: String,
    name: String,
}

/// At most so many bytes, whole characters.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_WORD);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The content of an attachment. The address is found in `s3_urls` of a run and needs no key.
#[utoipa::path(get, path = "/attachments/{token}", tag = "runs", params(("token" = String, Path)),
    responses((status = 200, description = "the bytes, of the type they were sent with"), (status = 404, description = "no such address, or deleted")))]
async fn fetch(State(app): State<App>, Path(token): Path<String>) -> ApiResult<Response> {
    let missing = || ApiError::not_found("attachment");
    let wanted = links(&app).await?.read(&token).ok_or_else(missing)?;
    let content = app.store.blob(wanted.key).await?.ok_or_else(missing)?;
    Ok((wanted.headers(), Body::from(content)).into_response())
}

impl Wanted {
    /// Whatever was sent as an attachment, no browser runs it here.
    fn headers(&self) -> [(HeaderName, HeaderValue); 6] {
        let plain = self.mime_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let manner = if SHOWN.contains(&plain.as_str()) { "inline" } else { "attachment" };
        // Spaces are %20 here, not the plus of forms.
        let name: String = byte_serialize(self.name.as_bytes()).collect::<String>().replace('+', "%20");
        let value = |text: &str| HeaderValue::from_str(text).ok();
        let kind = value(&self.mime_type).filter(|kind| !kind.is_empty());
        [
            (header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream"))),
            (
                header::CONTENT_DISPOSITION,
                value(&format!("{manner}; filename*=UTF-8''{name}"))
                    .unwrap_or(HeaderValue::from_static("attachment")),
            ),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    fn attachment(content: &[u8], name: &str, mime_type: &str) -> Attachment {
        Attachment::in_store(
            name.into(),
            Some(mime_type.into()),
            assay_store::blob_key(content),
            content.len(),
        )
    }

    #[tokio::test]
    async fn an_address_holds_for_its_file_alone() {
        let server = Server::new();
        let links = links(&server.app).await.expect("links");
        let again = load(&server.app).await.expect("the same key");
        let file = attachment(b"x", &"ü".repeat(300), "text/html; charset=utf-8");
        let url = links.url("http://h", &file).expect("an address");
        assert_eq!(again.url("http://h", &file).as_ref(), Some(&url), "the key outlives the process");
        let token = url.strip_prefix("http://h/attachments/").expect("our path");
        let wanted = links.read(token).expect("our token");
        assert_eq!(
            (wanted.key, wanted.mime_type.as_str(), wanted.name.len()),
            (assay_store::blob_key(b"x"), "text/html; charset=utf-8", 200)
        );

        let mut bytes = URL_SAFE_NO_PAD.decode(token).expect("bytes");
        for position in [0, MAC, MAC + KEY, bytes.len() - 1] {
            bytes[position] ^= 1;
            assert!(links.read(&URL_SAFE_NO_PAD.encode(&bytes)).is_none(), "changed at {position}");
            bytes[position] ^= 1;
        }
        for token in ["", "x", "%%%", &"A".repeat(86)] {
            assert!(links.read(token).is_none(), "{token}");
        }
        server.get(&format!("/attachments/{token}")).await.refused(404);
        server.get("/attachments/nonsense").await.refused(404);
    }

    #[test]
    fn what_is_elsewhere_is_fetched_there_or_nowhere() {
        let links = Links(Arc::new([7; SECRET]));
        let elsewhere =
            |reference: &str| Attachment { reference: reference.into(), ..attachment(b"", "a", "") };
        assert_eq!(links.url("http://h", &elsewhere("https://x/y")).as_deref(), Some("https://x/y"));
        assert_eq!(links.url("http://h", &elsewhere("span:a")), None);
    }

    #[test]
    fn no_browser_runs_what_was_sent() {
        let headers = |mime_type: &str| {
            let wanted =
                Wanted { key: [0; KEY], mime_type: mime_type.into(), name: "a \"b\"\r\n.html".into() };
            wanted.headers().map(|(_, value)| value.to_str().expect("text").to_owned())
        };
        let [kind, disposition, sniff, policy, ..] = headers("text/html");
        assert_eq!(disposition, "attachment; filename*=UTF-8''a%20%22b%22%0D%0A.html");
        assert_eq!(
            (kind.as_str(), sniff.as_str(), policy.as_str()),
            ("text/html", "nosniff", "default-src 'none'; sandbox")
        );
        assert!(headers("image/PNG; x=y")[1].starts_with("inline;"));
        assert!(headers("image/svg+xml")[1].starts_with("attachment;"));
        assert_eq!(headers("a\nb")[0], "application/octet-stream");
    }
}

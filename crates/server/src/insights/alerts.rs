//! Tells a web address when a report of a saved config has a new category or
//! one that grew: the only calls the server makes, and only where somebody
//! asked for them.
//!
//! What is to be told is a record, written together with the end of the job,
//! and tried until it was taken, later and later. It is signed with the
//! workspace secret [`SECRET`], so that the receiver knows who speaks.

use std::sync::Arc;
use std::time::Duration;

use assay_domain::comparison::{CategoryChange, ChangeKind, Comparison};
use assay_domain::{Job, JobStatus, Report, Time};
use assay_llm::Embed;
use assay_store::{Catalog as _, Change, Error, Record, RecordQuery, Records as _};
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use super::configs;
use super::models::WHERE_SECRETS_ARE_SET;
use super::queue::{self, Entry};
use crate::app::App;
use crate::error::{ApiError, ApiResult};

pub(super) const KIND: &str = "insights_alert";
/// The workspace secret with which messages are signed.
pub const SECRET: &str = "ASSAY_WEBHOOK_SECRET";
/// `t=SECONDS,v1=HEX`: HMAC-SHA256 of `SECONDS.BODY`.
const SIGNATURE: &str = "x-assay-signature";
/// How often it is looked whether something is to be told.
const LOOK: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(10);
/// The last try is about half a day after the first.
const MAX_ATTEMPTS: u32 = 12;
/// Of all threads; a new category that is smaller is no news.
const SMALLEST: f64 = 0.01;

/// When to tell whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Where to post, such as `https://example.com/hook`
    pub webhook: String,
    /// Whether a new category is told
    #[serde(default = "yes")]
    pub on_new: bool,
    /// A category whose share grew at least so much (0.05: five points), beyond chance
    #[serde(default = "five_points")]
    pub growth: f64,
}

fn yes() -> bool {
    true
}

fn five_points() -> f64 {
    0.05
}

impl Alert {
    /// Of what it tells, such as `new categories, and of growth by 5 points or more`.
    #[must_use]
    pub fn news(&self) -> String {
        // A share as it was written: 0.07 is seven points, not 7.000000000000001.
        let points = (self.growth * 100.0 * 1e6).round() / 1e6;
        let growth = format!("growth by {points} point{} or more", if points == 1.0 { "" } else { "s" });
        if self.on_new { format!("new categories, and of {growth}") } else { growth }
    }

    /// # Errors
    /// Says what of it cannot be.
    pub fn check(&self) -> Result<(), &'static str> {
        match Url::parse(&self.webhook) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
            _ => return Err("webhook is no address such as https://example.com/hook"),
        }
        if !self.is_growth_possible() {
            return Err("growth is a share above 0 and up to 1, such as 0.05");
        }
        Ok(())
    }

    fn is_growth_possible(&self) -> bool {
        self.growth > 0.0 && self.growth <= 1.0
    }
}

/// Checks an alert before it is kept.
pub(super) async fn check(app: &App, alert: &Alert) -> ApiResult<()> {
    let field = if alert.is_growth_possible() { "webhook" } else { "growth" };
    alert.check().map_err(|text| ApiError::invalid(&["body", "alert", field], text))?;
    if app.secret(SECRET).await?.is_none() {
        return Err(ApiError::bad_request(format!(
            "messages are signed: set the workspace secret {SECRET} first ({WHERE_SECRETS_ARE_SET})"
        )));
    }
    Ok(())
}

/// A message on its way.
#[derive(Serialize, Deserialize)]
struct Message {
    webhook: String,
    body: Value,
    attempts: u32,
    next: Time,
    /// Why the last try failed.
    error: Option<String>,
}

/// What is to be told about a new report of a config with an alert.
pub(super) async fn due(app: &App, entry: &Entry, report: &Report) -> Result<Option<Change>, Error> {
    let job = &entry.job;
    let Some(config) = job.saved_config else { return Ok(None) };
    let Some(config) = configs::by_id(&app.store, config).await? else { return Ok(None) };
    let Some(alert) = config.body.alert else { return Ok(None) };
    let Some((before, earlier)) = earlier(app, job).await? else { return Ok(None) };
    let compared = super::compared(app, job.project, Arc::new(earlier), Arc::new(report.clone())).await;
    let comparison = match compared {
        Ok(comparison) => comparison,
        Err(error) => {
            tracing::error!(job.id = %job.id, %error, "an alert could not be looked into");
            return Ok(None);
        }
    };
    let told = news(&comparison, &alert);
    if told.is_empty() {
        return Ok(None);
    }
    let body = json!({
        "type": "insights.categories_changed",
        "job_id": job.id,
        "job_name": job.name,
        "compared_with_job_id": before,
        "session_id": job.project,
        "project": report.project,
        "config_id": config.id,
        "report_id": report.id,
        "changes": told,
    });
    let now = app.now();
    let message = Message { webhook: alert.webhook, body, attempts: 0, next: now, error: None };
    Ok(Some(Change::Put(record(job.id, job.project.0, now, &message))))
}

/// The last job of the same config before this one, and its report.
async fn earlier(app: &App, job: &Job) -> Result<Option<(Uuid, Report)>, Error> {
    let all = queue::list(&app.store, Some(job.project)).await?;
    let mut done = all.into_iter().filter(|Entry { job: other, state }| {
        other.saved_config == job.saved_config
            // A config that asked about use then and asks about failures now has nothing to compare.
            && other.config.focus == job.config.focus
            && other.id != job.id
            && other.created_at <= job.created_at
            && state.status == JobStatus::Succeeded
    });
    let Some(Entry { job: other, state }) = done.next() else { return Ok(None) };
    let Some(report) = state.report else { return Ok(None) };
    Ok(app.store.report(report).await?.map(|report| (other.id, report)))
}

/// What is told of a report that was made beside the server; `None` where nothing changed.
///
/// # Errors
/// Where the embedder fails.
pub fn message(
    alert: &Alert,
    before: &Report,
    after: &Report,
    embedder: &dyn Embed,
) -> Result<Option<Value>, assay_insights::Error> {
    let comparison = assay_insights::compare::reports(before, after, embedder)?;
    let told = news(&comparison, alert);
    Ok((!told.is_empty()).then(|| {
        json!({
            "type": "insights.categories_changed",
            "project": after.project,
            "job_name": after.config.name,
            "report_id": after.id,
            "compared_with_report_id": before.id,
            "changes": told,
        })
    }))
}

fn news<'a>(comparison: &'a Comparison, alert: &Alert) -> Vec<&'a CategoryChange> {
    let is_news = |change: &&CategoryChange| match change.kind {
        ChangeKind::New => alert.on_new && change.share_after.value >= SMALLEST,
        ChangeKind::Gone => false,
        ChangeKind::Kept | ChangeKind::Split | ChangeKind::Merged => {
            change.is_significant && change.difference.value >= alert.growth
        }
    };
    comparison.changes.iter().filter(is_news).collect()
}

fn record(id: Uuid, project: Uuid, now: Time, message: &Message) -> Record {
    Record {
        kind: KIND.to_owned(),
        id,
        parent: Some(project),
        created_at: now,
        modified_at: now,
        body: json!(message),
        ..Record::default()
    }
}

/// Tells what is to be told, until the server stops.
pub(super) async fn deliver(app: App) {
    let stop = app.insights.stop.clone();
    while !stop.is_cancelled() {
        if let Err(error) = deliver_due(&app).await {
            tracing::warn!(%error, "messages about reports could not be read or written");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

pub(super) async fn deliver_due(app: &App) -> Result<(), Error> {
    let query = RecordQuery { kind: KIND.to_owned(), ..RecordQuery::default() };
    for found in app.store.records(&query).await? {
        let Ok(mut message) = serde_json::from_value::<Message>(found.body.clone()) else { continue };
        if message.attempts >= MAX_ATTEMPTS || message.next > app.now() {
            continue;
        }
        let change = match post(app, &message).await {
            Ok(()) => Change::Delete { kind: KIND.to_owned(), id: found.id },
            Err(error) => {
                tracing::warn!(job.id = %found.id, error, "a message about a report was not taken");
                message.attempts += 1;
                message.next = app.now() + wait(message.attempts);
                message.error = Some(error);
                Change::Replace(record(found.id, found.parent.unwrap_or_default(), app.now(), &message))
            }
        };
        match app.store.change(vec![change]).await {
            // Its project was deleted meanwhile.
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// 20 s, then twice as long every time.
fn wait(attempts: u32) -> TimeDelta {
    TimeDelta::seconds(10_i64 << attempts.min(13))
}

async fn post(app: &App, message: &Message) -> Result<(), String> {
    let secret = app.secret(SECRET).await.map_err(|error| error.to_string())?;
    let secret = secret.ok_or_else(|| format!("the workspace secret {SECRET} is not set any more"))?;
    send(&message.webhook, &secret, app.now(), &message.body).await
}

/// Posts a message, signed.
///
/// # Errors
/// Why it was not taken, without the address, which may hold a secret of its own.
pub async fn send(webhook: &str, secret: &str, now: Time, body: &Value) -> Result<(), String> {
    let body = body.to_string();
    let signature = signature(secret, now.timestamp(), &body);
    // Two libraries may each bring a default; whoever was first is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = reqwest::Client::builder()
        .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT);
    if webhook.starts_with("http:") {
        client = client.tls_certs_only([]);
    }
    let client = client.build().map_err(|error| error.to_string())?;
    let sent = client
        .post(webhook)
        .header(http::header::CONTENT_TYPE, "application/json")
        .header(SIGNATURE, signature)
        .body(body)
        .send();
    // The address may hold a secret of its own.
    let answer = sent.await.map_err(|error| error.without_url().to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("answered with {}", answer.status())) }
}

fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
    mac.update(format!("{seconds}.{body}").as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={digest}")
}

#[cfg(test)]
mod tests {
    use assay_domain::ReportId;
    use assay_domain::comparison::{Compared, MatchedBy};
    use assay_domain::report::Estimate;

    use super::*;

    fn told(alert: &Alert, change: CategoryChange) -> bool {
        let side = || Compared {
            report: ReportId(Uuid::nil()),
            project: "p".into(),
            title: "t".into(),
            threads: 1000,
            population: 1000,
            categories: 5,
            failure_rate: Estimate::default(),
        };
        let comparison = Comparison {
            before: side(),
            after: side(),
            shared_threads: 0,
            matched_by: MatchedBy::Words,
            changes: vec![change],
            tests: 1,
        };
        !news(&comparison, alert).is_empty()
    }

    /// A change of share, clearly beyond chance.
    fn change(kind: ChangeKind, before: f64, after: f64, difference: f64) -> CategoryChange {
        let of = |value| Estimate { value, ..Estimate::default() };
        CategoryChange {
            kind,
            is_top: true,
            before: Vec::new(),
            after: Vec::new(),
            similarity: 1.0,
            share_before: of(before),
            share_after: of(after),
            difference: of(difference),
            p_value: 0.001,
            q_value: 0.002,
            is_significant: true,
        }
    }

    fn alert() -> Alert {
        Alert { webhook: "https://example.com/hook".into(), on_new: true, growth: 0.05 }
    }

    #[test]
    fn a_category_is_news_once_it_grew_by_the_threshold_beyond_chance() {
        use ChangeKind::{Gone, Kept, Merged, Split};
        for kind in [Kept, Split, Merged] {
            for (difference, is_news) in
                [(0.0501, true), (0.05, true), (0.0499, false), (0.0, false), (-0.0501, false), (-0.5, false)]
            {
                let grown = change(kind, 0.5, 0.5 + difference, difference);
                assert_eq!(told(&alert(), grown.clone()), is_news, "{kind:?} by {difference}");
                let by_chance = CategoryChange { is_significant: false, q_value: 0.051, ..grown };
                assert!(!told(&alert(), by_chance), "{kind:?} by {difference}, maybe by chance");
            }
        }
        let grown = change(Kept, 0.1, 0.3, 0.2);
        assert!(!told(&Alert { growth: 0.21, ..alert() }, grown.clone()), "the threshold is the alert's own");
        assert!(told(&Alert { growth: 0.2, on_new: false, ..alert() }, grown), "new ones are another matter");
        assert!(!told(&alert(), change(Gone, 0.3, 0.0, -0.3)));
    }

    #[test]
    fn an_alert_says_of_what_it_tells() {
        let news = |on_new, growth| Alert { on_new, growth, ..alert() }.news();
        assert_eq!(news(true, 0.05), "new categories, and of growth by 5 points or more");
        assert_eq!(news(true, 0.07), "new categories, and of growth by 7 points or more");
        assert_eq!(news(false, 0.01), "growth by 1 point or more");
        assert_eq!(news(false, 0.125), "growth by 12.5 points or more");
    }

    #[test]
    fn a_new_category_is_news_where_asked_for_and_not_tiny() {
        let new = |share| change(ChangeKind::New, 0.0, share, share);
        assert!(told(&alert(), new(SMALLEST)) && told(&alert(), new(0.3)));
        assert!(!told(&alert(), new(SMALLEST - 0.0001)));
        assert!(!told(&Alert { on_new: false, ..alert() }, new(0.3)));
        let unsure = CategoryChange { is_significant: false, ..new(0.02) };
        assert!(told(&alert(), unsure), "it need not have grown: it was not there");
    }

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // Computed with `printf '1.{}' | openssl dgst -sha256 -hmac key`.
        let expected = "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224";
        assert_eq!(signature("key", 1, "{}"), expected);
    }

    #[test]
    fn tries_end_about_half_a_day_after_the_first() {
        let all: i64 = (1..MAX_ATTEMPTS).map(|attempt| wait(attempt).num_seconds()).sum();
        assert!((6 * 3600..48 * 3600).contains(&all), "{all} s");
    }
}

//! Settings: of the workspace, in sections, and of a project. The forms send
//! to the API; only redaction is tried here, since that changes nothing.

mod project;
mod redaction;

use std::collections::HashMap;

use assay_domain::{PriceTable, format};
use assay_store::Catalog as _;
use assay_ui::text;
use assay_ui::web::Shell;
use assay_ui::web::parts::Badge;
use assay_ui::web::settings::{
    AboutPage, KeyRow, KeysPage, ModelsPage, PriceRow, PricesPage, ScheduleRow, SchedulesPage, Secret,
    Section,
};
use axum::Router;
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::portion::Portion;
use super::state::State;
use super::{Visit, page};
use crate::access;
use crate::access::keys::{self, ApiKey};
use crate::access::permission::{Action, Area, Permission};
use crate::app::App;
use crate::config::{ModelSettings, show_span};
use crate::error::ApiResult;
use crate::insights::alerts::Alert;
use crate::insights::configs;
use crate::insights::schedule::Schedule;
use crate::insights::trial::{self, Usual};
use crate::prices;
use crate::workspace;

/// Rows of a list on a page.
const PAGE: usize = 50;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workspace", get(|| async { Redirect::to(Section::Models.path()) }))
        .route(Section::Models.path(), get(models))
        .route(Section::Prices.path(), get(price_list))
        .route(Section::Redaction.path(), get(redaction::show))
        .route("/workspace/redaction/test", post(redaction::test))
        .route(Section::Schedules.path(), get(schedules))
        .route(Section::Keys.path(), get(api_keys))
        .route(Section::About.path(), get(about))
        .route("/p/{project}/settings", get(project::show))
}

fn shell(visit: &Visit, section: Section) -> Shell {
    let mut shell = visit.shell(section.name()).crumb("Settings", "/workspace").script("web/settings.js");
    shell.is_workspace = true;
    shell
}

/// The address of a section with the places in its lists.
fn state(visit: &Visit, section: Section) -> State {
    State::read(section.path().to_owned(), &visit.params, &["offset", "base"])
}

fn may_manage(visit: &Visit) -> bool {
    visit.may(Permission(Area::Workspaces, Action::Manage))
}

/// Secrets that mean something here, beside whatever else is kept.
const KNOWN: [(&str, &str, &str); 4] = [
    ("OPENAI_API_KEY", "OpenAI", "openai"),
    ("ANTHROPIC_API_KEY", "Anthropic", "anthropic"),
    ("ASSAY_MODEL_KEY", "the server's own provider, where it wants a key", ""),
    ("ASSAY_WEBHOOK_SECRET", "signs what webhooks are told", ""),
];

async fn models(visit: Visit) -> ApiResult<Response> {
    let app = &visit.app;
    let names = workspace::secret_names(app).await?;
    let settings = &app.config.models;
    let portion = Portion::read(&visit.params, "offset", PAGE);
    let known = KNOWN.iter().map(|(name, note, provider)| Secret {
        name: (*name).to_owned(),
        note,
        is_set: names.iter().any(|set| set == name),
        is_in_environment: settings.keys.contains_key(*name),
        provider,
    });
    let others = names.iter().filter(|name| KNOWN.iter().all(|(known, ..)| known != name));
    let others = others.map(|name| Secret { name: text::line(name), is_set: true, ..Secret::default() });
    // Names alone: which of the known ones are set is to be told anyway.
    let secrets: Vec<Secret> = known.chain(others).collect();
    let (asked, lack) = match trial::usual(app).await? {
        Ok(usual) => (who(&usual, settings), usual.lack.unwrap_or_default()),
        Err(why) => (Vec::new(), why),
    };
    Ok(page(&ModelsPage {
        shell: shell(&visit, Section::Models),
        may_change: may_manage(&visit),
        pager: portion.pager_of(&state(&visit, Section::Models), "", secrets.len(), ("secret", "secrets")),
        secrets: portion.of(secrets),
        asked,
        lack: text::line(&lack),
    }))
}

/// Whom reports ask that name no model.
fn who(usual: &Usual, settings: &ModelSettings) -> Vec<(&'static str, String)> {
    let of = |model: &str, provider: &str| format!("{} ({provider})", text::line(model));
    let mut facts = vec![
        ("Names and concludes", of(&usual.thinking, &usual.providers.0)),
        ("Reads threads", of(&usual.summary, &usual.providers.1)),
    ];
    if let Some(address) = &settings.base_url {
        facts.push(("Address", text::line(address)));
    }
    let redacts = if settings.redact { "taken out of every prompt" } else { "sent as they are" };
    facts.push(("Personal data, secrets", redacts.to_owned()));
    facts
}

/// Configs that do something by themselves, of all projects. They are few among the saved ones, and stand by the
/// names of their projects: so all are read, which are small, and some are shown.
async fn schedules(visit: Visit) -> ApiResult<Response> {
    let store = &visit.app.store;
    let projects: HashMap<_, _> =
        store.projects().await?.into_iter().map(|project| (project.id, project.name)).collect();
    let mut rows: Vec<ScheduleRow> = Vec::new();
    for config in configs::saved(store, None).await? {
        let (schedule, alert) = (config.body.schedule.as_ref(), config.body.alert.as_ref());
        if schedule.is_none() && alert.is_none() {
            continue;
        }
        let next = schedule.and_then(|one| one.next_runs(visit.app.now(), 1).into_iter().next());
        let refused = schedule.and_then(|one| one.refused.as_ref());
        rows.push(ScheduleRow {
            name: text::name(&config.name),
            href: format!("/p/{}/insights/new?config={}", config.project, config.id),
            project: projects.get(&config.project).map(|name| text::name(name)).unwrap_or_default(),
            project_href: format!("/p/{}/insights", config.project),
            when: schedule.map(Schedule::words).unwrap_or_default(),
            next: next.into(),
            refused: refused.map(|one| text::line(&one.reason)).unwrap_or_default(),
            news: alert.map(Alert::news).unwrap_or_default(),
            webhook: alert
                .map(|alert| text::cut(&text::line(&alert.webhook), 120).into_owned())
                .unwrap_or_default(),
            api: format!("/api/v1/sessions/{}/insights/configs/{}", config.project, config.id),
        });
    }
    rows.sort_by(|a, b| (&a.project, &a.name).cmp(&(&b.project, &b.name)));
    let portion = Portion::read(&visit.params, "offset", PAGE);
    let pager = portion.pager_of(&state(&visit, Section::Schedules), "", rows.len(), ("config", "configs"));
    let rows = portion.of(rows);
    let may_change = visit.may(Permission(Area::Rules, Action::Update));
    Ok(page(&SchedulesPage { shell: shell(&visit, Section::Schedules), rows, pager, may_change }))
}

async fn price_list(visit: Visit) -> ApiResult<Response> {
    let (own, beneath) =
        (Portion::read(&visit.params, "offset", PAGE), Portion::read(&visit.params, "base", PAGE));
    let state = state(&visit, Section::Prices);
    let (records, total) = own.records(&visit.app.store, prices::query()).await?;
    let rows = prices::readable(&records).into_iter().map(|(id, entry)| PriceRow {
        id: id.to_string(),
        name: text::name(&entry.name),
        pattern: text::line(&entry.match_pattern),
        provider: text::line(entry.provider.as_deref().unwrap_or_default()),
        input: per_million(entry.prompt_cost),
        output: per_million(entry.completion_cost),
        from: entry.start_time.into(),
    });
    let rows = rows.collect();
    let base = base_prices(&visit.app.base_prices);
    Ok(page(&PricesPage {
        shell: shell(&visit, Section::Prices),
        may_change: may_manage(&visit),
        rows,
        pager: own.pager_of(&state, "", total, ("entry", "entries")),
        base_pager: beneath.pager_of(&state, "#base-prices", base.len(), ("model", "models")),
        is_in_base: state.get("base").is_some(),
        base_total: format::count(base.len()),
        base: beneath.of(base),
    }))
}

/// What costs are counted with where no entry says otherwise.
fn base_prices(table: &PriceTable) -> Vec<(String, String, String, String)> {
    let tables = std::iter::successors(Some(table), |table| table.beneath.as_deref());
    let prices = tables.flat_map(|table| &table.prices);
    let mut all: Vec<_> = prices
        .map(|price| {
            let provider = text::line(price.provider.as_deref().unwrap_or_default());
            (text::name(&price.name), provider, per_million(price.input), per_million(price.output))
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

fn per_million(per_token: Decimal) -> String {
    let amount = per_token.checked_mul(Decimal::from(1_000_000)).unwrap_or(Decimal::MAX);
    amount.to_f64().map_or_else(|| format::NONE.to_owned(), format::money)
}

async fn api_keys(visit: Visit) -> ApiResult<Response> {
    let app = &visit.app;
    let portion = Portion::read(&visit.params, "offset", PAGE);
    let (records, total) = portion.records(&app.store, keys::query()).await?;
    let keys: Result<Vec<_>, _> = records.into_iter().map(ApiKey::read).collect();
    Ok(page(&KeysPage {
        shell: shell(&visit, Section::Keys),
        rows: keys?.into_iter().map(|key| key_row(app, key)).collect(),
        pager: portion.pager_of(&state(&visit, Section::Keys), "", total, ("key", "keys")),
        is_asked_for: access::asks_for_keys(app).await?,
    }))
}

fn key_row(app: &App, key: ApiKey) -> KeyRow {
    let is_working = key.is_working(app.now());
    let ApiKey { id, created_at, details } = key;
    let (word, class) = match (details.revoked_at, is_working) {
        (Some(_), _) => ("revoked", "bad"),
        (None, false) => ("expired", "warn"),
        (None, true) => ("works", "good"),
    };
    KeyRow {
        id: id.to_string(),
        description: text::name(&details.description),
        short: text::line(&details.short),
        role: details.role.to_string(),
        status: Badge { text: word.to_owned(), class },
        is_working,
        made: created_at.into(),
        used: app.access.keys.last_used(id).or(details.last_used_at).into(),
        ends: details.expires_at.into(),
    }
}

async fn about(visit: Visit) -> ApiResult<Response> {
    let app = &visit.app;
    let projects = app.store.projects().await;
    let health = match &projects {
        Ok(_) => Badge { text: "healthy".to_owned(), class: "good" },
        Err(_) => Badge { text: "the store does not answer".to_owned(), class: "bad" },
    };
    let projects = projects.unwrap_or_default();
    let sum = |of: fn(&assay_store::Project) -> u64| format::count(projects.iter().map(of).sum::<u64>());
    let activity = app.store.activity();
    let bytes = |bytes: u64| format!("{}B", format::compact(bytes));
    let keys = if access::asks_for_keys(app).await? { "needed" } else { "not needed on this machine" };
    Ok(page(&AboutPage {
        shell: shell(&visit, Section::About),
        health,
        facts: vec![
            ("Assay", env!("CARGO_PKG_VERSION").to_owned()),
            ("Listens on", app.config.listen.to_string()),
            (
                "OTLP over gRPC",
                app.config.grpc.map_or_else(|| "off".to_owned(), |address| address.to_string()),
            ),
            (
                "Public address",
                app.config.public_url.as_deref().map_or_else(|| "as asked".to_owned(), text::line),
            ),
            ("API keys", keys.to_owned()),
            ("Analyses at once", app.config.insights_jobs.to_string()),
            (
                "Keeps traces",
                app.config.retention.map_or_else(|| "for good".to_owned(), |span| show_span(Some(span))),
            ),
        ],
        store: vec![
            ("Projects", format::count(projects.len())),
            ("Traces", sum(|project| project.traces)),
            ("Runs", sum(|project| project.runs)),
            ("Reports", sum(|project| project.reports)),
            ("On disk", bytes(activity.file_bytes)),
            ("Write-ahead log", bytes(activity.log_bytes)),
            ("Runs taken since start", format::count(activity.new_runs)),
            ("Batches waiting", format::count(activity.waiting_batches)),
        ],
    }))
}

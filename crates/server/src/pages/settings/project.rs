//! Settings of a project.

use assay_domain::format;
use assay_store::Project;
use assay_ui::text;
use assay_ui::web::Tab;
use assay_ui::web::settings::{ProjectSettingsPage, Section};
use axum::extract::Path;
use axum::response::Response;

use super::super::portion::Portion;
use super::super::state::State;
use super::super::{Visit, page};
use super::PAGE;
use crate::access::permission::{Action, Area, Permission};
use crate::config::show_span;
use crate::error::ApiResult;
use crate::insights::configs;
use crate::insights::schedule::Schedule;
use crate::retention;

pub(super) async fn show(visit: Visit, Path(project): Path<String>) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let (span, source) = retention::in_force(&visit.app.config, &project);
    let own = retention::own(&project).map(show_span);
    let description = project.details.get("description").and_then(|text| text.as_str()).unwrap_or_default();
    let insights = format!("/p/{}/insights", project.id);
    let schedules = schedules(&visit, &project, &insights).await?;
    let state = State::read(format!("/p/{}/settings", project.id), &visit.params, &["offset"]);
    let portion = Portion::read(&visit.params, "offset", PAGE);
    let schedules_pager = portion.pager_of(&state, "#schedules", schedules.len(), ("config", "configs"));
    Ok(page(&ProjectSettingsPage {
        shell: visit.within(&project, Tab::Settings, "Settings").script("web/settings.js"),
        api: format!("/api/v1/sessions/{}", project.id),
        id: project.id.to_string(),
        name: text::name(&project.name),
        description: text::line(description),
        facts: facts(&project),
        retention: own.unwrap_or_default(),
        retention_in_force: in_words(span.map(|span| show_span(Some(span))), source),
        is_retention_in_file: source == "file",
        schedules: portion.of(schedules),
        schedules_pager,
        configs_href: insights,
        policy_href: Section::Redaction.path().to_owned(),
        may_update: visit.may(Permission(Area::Projects, Action::Update)),
        may_delete: visit.may(Permission(Area::Projects, Action::Delete)),
    }))
}

fn facts(project: &Project) -> Vec<(&'static str, String)> {
    let time = |time: Option<_>| time.map_or_else(|| format::NONE.to_owned(), format::time);
    vec![
        ("Id", project.id.to_string()),
        ("Made", time(project.created_at)),
        ("First activity", time(project.first_activity)),
        ("Last activity", time(project.last_activity)),
        ("Threads", format::count(project.threads)),
        ("Traces", format::count(project.traces)),
        ("Runs", format::count(project.runs)),
        ("Reports", format::count(project.reports)),
    ]
}

fn in_words(span: Option<String>, source: &str) -> String {
    let says = match source {
        "file" => "the configuration file says so",
        "project" => "set for this project",
        "tier" => "by its trace tier",
        _ => "by default",
    };
    match span {
        Some(span) => format!("Traces are kept for {span}: {says}."),
        None => format!("Traces are kept for good: {says}."),
    }
}

/// Configs that do something by themselves: name, what, address.
async fn schedules(
    visit: &Visit,
    project: &Project,
    insights: &str,
) -> ApiResult<Vec<(String, String, String)>> {
    let all = configs::saved(&visit.app.store, Some(project.id)).await?;
    let rows = all.iter().filter_map(|config| {
        let schedule = config.body.schedule.as_ref().map(Schedule::words);
        let alert =
            config.body.alert.as_ref().map(|alert| format!("tells {} of {}", alert.webhook, alert.news()));
        let words: Vec<String> = schedule.into_iter().chain(alert).map(|words| text::line(&words)).collect();
        let href = format!("{insights}/new?config={}", config.id);
        (!words.is_empty()).then(|| (text::name(&config.name), words.join(", "), href))
    });
    Ok(rows.collect())
}

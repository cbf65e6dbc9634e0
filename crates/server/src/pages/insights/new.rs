//! The form for a new report, begun from what its address says: a saved config,
//! a job to be made again, or a filter and a span of time from another page.

use assay_domain::format;
use assay_store::Project;
use assay_ui::text;
use assay_ui::web::Tab;
use assay_ui::web::insights::NewReportPage;
use axum::extract::Path;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::super::portion::Portion;
use super::super::state::State;
use super::super::{Visit, conditions, listing, page};
use super::{api, place};
use crate::access::permission::{Action, Area, Permission};
use crate::error::{ApiError, ApiResult};
use crate::extract::uuid;
use crate::insights::configs::{self, SavedConfig};
use crate::insights::queue;

pub(super) async fn show(visit: Visit, Path(project): Path<String>) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let config = match visit.params.get("config") {
        Some(id) => Some(configs::find(&visit.app, project.id, id).await?),
        None => None,
    };
    let changeable = config.as_ref().filter(|config| !config.is_prebuilt());
    let filters = listing::saved_filters(&visit.app, &project).await?;
    let portion = Portion::read(&visit.params, "filters", FILTERS);
    let path = format!("{}/new", place(&project));
    let state = State::read(path, &visit.params, &["config", "job", "filter", "filters"]);
    let day = |time: Option<_>| time.map(format::day).unwrap_or_default();
    Ok(page(&NewReportPage {
        shell: visit
            .within(&project, Tab::Insights, "New report")
            .crumb("Insights", place(&project))
            .script("web/new-report.js")
            .style("web/traces.css"),
        back: place(&project),
        api: api(&project),
        threads: format::count(project.threads),
        initial: NewReportPage::inert(&Value::Object(initial(&visit, &project, config.as_ref()).await?)),
        config_name: config.as_ref().map(|config| text::name(&config.name)).unwrap_or_default(),
        config_id: changeable.map(|config| config.id.to_string()).unwrap_or_default(),
        may_change: visit.may(Permission(Area::Rules, Action::Create)),
        fields: conditions::fields(&listing::known(&visit.app, project.id).await?),
        filters_pager: portion.pager_of(&state, "", filters.len(), ("saved filter", "saved filters")),
        filters: portion.of(filters),
        conditions: format!("/p/{}/threads-list/conditions", project.id),
        variables: VARIABLES.into(),
        first_day: day(project.first_activity),
        last_day: day(project.last_activity),
    }))
}

/// Saved filters on a page of their menu.
const FILTERS: usize = 20;

/// What a summary prompt can put in: name, meaning.
const VARIABLES: [(&str, &str); 5] = [
    ("{{all_thread_messages}}", "everything said in the thread"),
    ("{{run.inputs}}", "what the first run of the last trace was given"),
    ("{{run.outputs}}", "what it answered"),
    ("{{run.error}}", "its error, where it has one"),
    ("{{run.feedback}}", "scores and comments on it"),
];

/// What the form holds at first: entries of a request, and what is said beside them.
async fn initial(
    visit: &Visit,
    project: &Project,
    config: Option<&SavedConfig>,
) -> ApiResult<Map<String, Value>> {
    let mut entries = match visit.params.get("job") {
        Some(job) => of_job(visit, project, job).await?,
        None => config.map(of_config).unwrap_or_default(),
    };
    if visit.params.get("job").is_some() || config.is_some() {
        // What said no tier runs as the keys allow, and stays so when it is saved again.
        entries.entry("tier").or_insert_with(|| "".into());
    }
    for (name, entry) in
        [("filter", "filter"), ("start", "start_time"), ("end", "end_time"), ("focus", "focus")]
    {
        if let Some(said) = visit.params.get(name) {
            entries.insert(entry.to_owned(), said.chars().take(8_000).collect::<String>().into());
        }
    }
    Ok(entries)
}

fn of_config(config: &SavedConfig) -> Map<String, Value> {
    let mut entries = config.body.config.clone();
    // Every report has its own name; this one is the config's.
    entries.remove("name");
    let own = (!config.is_prebuilt()).then_some(&config.body);
    let said = [
        ("saved_name", own.map(|body| json!(body.name))),
        ("saved_description", own.and_then(|body| body.description.as_ref()).map(|text| json!(text))),
        ("schedule_cron", config.body.schedule.as_ref().map(|schedule| json!(schedule.cron))),
        ("schedule_timezone", config.body.schedule.as_ref().map(|schedule| json!(schedule.zone))),
        ("alert", config.body.alert.as_ref().map(|alert| json!(alert))),
    ];
    entries.extend(said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    entries
}

/// What a job was asked for.
async fn of_job(visit: &Visit, project: &Project, job: &str) -> ApiResult<Map<String, Value>> {
    let id = uuid("job", job)?;
    let entry = queue::find(&visit.app.store, id).await?.filter(|entry| entry.job.project == project.id);
    let mut request = entry.ok_or_else(|| ApiError::not_found(format!("insights job {id}")))?.job.request;
    request.remove("name");
    Ok(request)
}

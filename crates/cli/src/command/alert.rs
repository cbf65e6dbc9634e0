//! Alerts of reports made here: whom to tell when categories change.
//!
//! What is told, when and how it is signed is the server's ([`alerts`]); here
//! it is told once, right away, and a failure is the command's.

use assay_domain::Report;
use assay_llm::MiniLm;
use assay_server::insights::alerts::{self, Alert};
use assay_store::{Catalog as _, EmbeddedStore, Project, block_on};

use crate::args::AlertFlags;
use crate::output;

/// The alert that the flags ask for, checked before anything is made.
///
/// # Errors
/// Where it cannot be told, such as without a secret to sign with.
pub(crate) fn of(flags: &AlertFlags) -> anyhow::Result<Option<Alert>> {
    let Some(webhook) = &flags.webhook else { return Ok(None) };
    let alert = Alert { webhook: webhook.clone(), on_new: true, growth: flags.alert_growth };
    alert.check().map_err(anyhow::Error::msg)?;
    secret()?;
    Ok(Some(alert))
}

fn secret() -> anyhow::Result<String> {
    match std::env::var(alerts::SECRET) {
        Ok(secret) if !secret.is_empty() => Ok(secret),
        _ => anyhow::bail!(
            "messages are signed: put a secret into the environment variable {}",
            alerts::SECRET
        ),
    }
}

/// The newest report of the same name and focus over the same project, before this one.
///
/// # Errors
/// What the store says.
pub(crate) fn earlier(
    store: &EmbeddedStore,
    project: &Project,
    made: &Report,
) -> anyhow::Result<Option<Report>> {
    let rows = block_on(store.reports(Some(project.id)))?;
    for row in rows.iter().filter(|row| row.name == made.config.name && row.id != made.id) {
        let report = block_on(store.report(row.id))?;
        if let Some(report) = report.filter(|report| report.config.focus == made.config.focus) {
            return Ok(Some(report));
        }
    }
    Ok(None)
}

/// Tells what is new, if anything is.
///
/// # Errors
/// Where the address does not take it.
pub(crate) fn tell(alert: &Alert, before: Option<&Report>, made: &Report) -> anyhow::Result<()> {
    let Some(before) = before else {
        output::note("there is no earlier report of this name to compare with: nobody was told");
        return Ok(());
    };
    let Some(body) = alerts::message(alert, before, made, &MiniLm::bundled()?)? else {
        output::note("no category is new or grew beyond chance: nobody was told");
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sent = runtime.block_on(alerts::send(&alert.webhook, &secret()?, chrono::Utc::now(), &body));
    sent.map_err(|error| anyhow::anyhow!("the report is stored, but its alert was not taken: {error}"))?;
    output::note("told the webhook what changed");
    Ok(())
}

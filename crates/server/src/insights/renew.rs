//! Jobs and configs after threads were deleted: what lists show of reports is
//! made anew, and categories that were learned from them are called as they
//! are now.

use std::collections::HashSet;

use assay_domain::report::PredefinedCategory;
use assay_domain::{ProjectId, ReportId};
use assay_insights::forget::Renamed;
use assay_store::{Catalog as _, Change, Error, Records as _};
use serde_json::{Map, Value};

use super::queue::{self, Entry};
use super::{configs, edits, worker};
use crate::app::App;

/// Follows reports that changed, and categories that have other words now.
pub(crate) async fn renew(
    app: &App,
    project: ProjectId,
    changed: &HashSet<ReportId>,
    renamed: &[Renamed],
) -> Result<(), Error> {
    app.insights.shelf.clear();
    let _alone = app.changing.lock().await;
    let now = app.now();
    let mut changes = Vec::new();
    for Entry { mut job, state } in queue::list(&app.store, Some(project)).await? {
        let mut is_renamed = rename(&mut job.config.categories, renamed);
        if let Some(partitions) = partitions_of(&mut job.request) {
            is_renamed |= rename_partitions(partitions, renamed);
        }
        if is_renamed {
            changes.push(queue::job_change(&job, now));
        }
        let Some(id) = state.report.filter(|id| changed.contains(id)) else { continue };
        let entry = Entry { job, state };
        // Edits that cannot be applied any more are told where the report is asked for.
        let edited = edits::applied(app, &entry).await.ok().flatten();
        let Entry { job, mut state } = entry;
        state.outline = match edited {
            Some(edited) => Some(worker::outline(&edited)),
            None => match app.store.report(id).await? {
                Some(report) => Some(worker::outline(&report)),
                None => continue,
            },
        };
        changes.push(queue::state_change(&job, &state, now));
    }
    for mut config in configs::saved(&app.store, Some(project)).await? {
        let is_orphan = match config.body.learned_from {
            Some(report) => app.store.report(report).await?.is_none(),
            None => false,
        };
        let is_renamed = if is_orphan {
            // Nobody knows any more whose words these are: the next job finds others.
            config.body.learned_from = None;
            config.body.config.shift_remove("partitions").is_some()
        } else {
            partitions_of(&mut config.body.config)
                .is_some_and(|partitions| rename_partitions(partitions, renamed))
        };
        if is_renamed {
            changes.push(Change::Replace(config.record(now)));
        }
    }
    if changes.is_empty() { Ok(()) } else { app.store.change(changes).await }
}

fn partitions_of(entries: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    entries.get_mut("partitions")?.as_object_mut()
}

fn now_called<'a>(name: &str, description: &str, renamed: &'a [Renamed]) -> Option<&'a PredefinedCategory> {
    let is_it = |one: &&Renamed| one.before.name == name && one.before.description == description;
    renamed.iter().find(is_it).map(|one| &one.after)
}

fn rename(categories: &mut [PredefinedCategory], renamed: &[Renamed]) -> bool {
    let mut is_changed = false;
    for category in categories {
        if let Some(after) = now_called(&category.name, &category.description, renamed) {
            category.clone_from(after);
            is_changed = true;
        }
    }
    is_changed
}

/// Partitions are descriptions by name; their order stays.
fn rename_partitions(partitions: &mut Map<String, Value>, renamed: &[Renamed]) -> bool {
    let mut is_changed = false;
    let entries = std::mem::take(partitions).into_iter().map(|(name, description)| {
        match now_called(&name, description.as_str().unwrap_or_default(), renamed) {
            Some(after) => {
                is_changed = true;
                (after.name.clone(), Value::String(after.description.clone()))
            }
            None => (name, description),
        }
    });
    *partitions = entries.collect();
    is_changed
}

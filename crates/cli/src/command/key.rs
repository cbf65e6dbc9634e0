//! `assay key`: makes, lists and revokes API keys, also beside a running server.

use anyhow::Context as _;
use assay_domain::Time;
use assay_server::access::audit::{self, Actor, Entry};
use assay_server::access::keys::{self, ApiKey, NewKey};
use assay_server::{WORKSPACE, config};
use assay_store::{EmbeddedStore, Records as _, block_on};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::args::{self, parse_time};
use crate::{Outcome, data, output};

pub(crate) fn run(command: args::Key) -> anyhow::Result<Outcome> {
    match command {
        args::Key::Create { data, role, description, expires, workspace, json } => {
            check_workspace(workspace)?;
            let now = Utc::now();
            let expires_at = expires.map(|text| end(&text, now)).transpose()?;
            let store = data::open(&data.data, None)?;
            let new = NewKey { description, role, expires_at };
            let (key, text) = block_on(keys::create(&store, new, now))?;
            note_down(&store, "key create", &key, now)?;
            created(&key, &text, json)?;
        }
        args::Key::List { data, json } => {
            let store = data::open_existing(&data.data)?;
            list(&block_on(keys::list(&store))?, json)?;
        }
        args::Key::Revoke { id, data } => {
            anyhow::ensure!(data.data.is_dir(), "there is no store at {:?}", data.data);
            let store = data::open(&data.data, None)?;
            let now = Utc::now();
            let key = block_on(keys::revoke(&store, id, now))?;
            note_down(&store, "key revoke", &key, now)?;
            output::note(&format!("revoked {} ({})", key.id, key.details.short));
        }
    }
    Ok(Outcome::Done)
}

fn check_workspace(asked: Option<Uuid>) -> anyhow::Result<()> {
    if let Some(asked) = asked.filter(|asked| *asked != WORKSPACE) {
        anyhow::bail!("there is no workspace {asked}: a store has one, {WORKSPACE}");
    }
    Ok(())
}

/// A moment, or a time from now on.
fn end(text: &str, now: Time) -> anyhow::Result<Time> {
    if let Ok(moment) = parse_time(text) {
        return Ok(moment);
    }
    let span = config::span(text).ok().flatten();
    let span = span.and_then(|span| TimeDelta::from_std(span).ok());
    span.and_then(|span| now.checked_add_signed(span))
        .with_context(|| format!("cannot read {text:?}: write 30d, 12h, 2026-11-01 or 2026-11-01T12:00:00Z"))
}

fn note_down(store: &EmbeddedStore, action: &str, key: &ApiKey, now: Time) -> anyhow::Result<()> {
    let object = json!({ "id": key.id, "role": key.details.role });
    let entry = Entry {
        at: now,
        actor: Actor::cli(),
        action: action.into(),
        permission: None,
        object: object.as_object().cloned().unwrap_or_default(),
        request_id: None,
    };
    Ok(block_on(store.change(vec![audit::change(&entry)?]))?)
}

fn created(key: &ApiKey, text: &str, is_json: bool) -> anyhow::Result<()> {
    if is_json {
        let mut shown = shown(key);
        shown["key"] = text.into();
        return output::print_json(&shown);
    }
    output::note(&format!(
        "{} key {} of workspace {WORKSPACE}; this is the only time it is shown",
        key.details.role, key.id
    ));
    output::print(text)
}

fn shown(key: &ApiKey) -> Value {
    let details = &key.details;
    json!({
        "id": key.id, "workspace_id": WORKSPACE, "description": details.description, "role": details.role,
        "short_key": details.short, "created_at": key.created_at, "expires_at": details.expires_at,
        "revoked_at": details.revoked_at, "last_used_at": details.last_used_at,
    })
}

fn list(keys: &[ApiKey], is_json: bool) -> anyhow::Result<()> {
    if is_json {
        return output::print_json(&keys.iter().map(shown).collect::<Vec<_>>());
    }
    if keys.is_empty() {
        return output::print("no keys");
    }
    let time = |time: Option<Time>| time.map_or_else(|| "-".into(), |time| time.to_rfc3339());
    let now = Utc::now();
    let row = |key: &ApiKey| {
        let state = if key.is_working(now) {
            "works"
        } else if key.details.revoked_at.is_some() {
            "revoked"
        } else {
            "expired"
        };
        let details = &key.details;
        vec![
            key.id.to_string(),
            details.short.clone(),
            details.role.to_string(),
            state.to_owned(),
            time(details.expires_at),
            time(details.last_used_at),
            details.description.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    output::print(&output::table(&["ID", "KEY", "ROLE", "STATE", "EXPIRES", "LAST USED", "FOR"], &rows))
}

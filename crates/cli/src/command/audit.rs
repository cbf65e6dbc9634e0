//! `assay audit`: who changed, shared or deleted what, the newest first.

use assay_server::access::audit::{self, Actor, Entry};
use assay_store::block_on;
use serde_json::json;

use crate::args::Audit;
use crate::{Outcome, data, output};

pub(crate) fn run(args: &Audit) -> anyhow::Result<Outcome> {
    let store = data::open_existing(&args.data.data)?;
    let entries = block_on(audit::list(&store, 0, args.limit))?;
    if args.json {
        let listed: Vec<_> = entries.iter().map(|(id, entry)| json!({ "id": id, "entry": entry })).collect();
        output::print_json(&listed)?;
    } else if entries.is_empty() {
        output::print("nothing was changed, shared or deleted")?;
    } else {
        let rows: Vec<Vec<String>> = entries.iter().map(|(_, entry)| row(entry)).collect();
        output::print(&output::table(&["TIME", "WHO", "WHAT", "OBJECT"], &rows))?;
    }
    Ok(Outcome::Done)
}

fn row(entry: &Entry) -> Vec<String> {
    let Actor { kind, id, name } = &entry.actor;
    let who = match (id, name) {
        (Some(id), Some(name)) if !name.is_empty() => format!("{kind} {id} ({name})"),
        (Some(id), _) => format!("{kind} {id}"),
        (None, _) => kind.clone(),
    };
    let object = |(key, value): (&String, &serde_json::Value)| match value.as_str() {
        Some(text) => format!("{key}={text}"),
        None => format!("{key}={value}"),
    };
    let object: Vec<String> = entry.object.iter().map(object).collect();
    vec![entry.at.to_rfc3339(), who, entry.action.clone(), object.join(" ")]
}

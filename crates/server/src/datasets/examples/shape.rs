//! The JSON of an example (`Example`; contract 8.2).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use assay_domain::run::Attachment;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::dataset;
use super::super::ledger::Example;
use crate::app::App;
use crate::error::ApiResult;
use crate::fields::v1_time;
use crate::ingest::attachments::{Links, links};

/// Which fields to answer.
#[derive(Clone, Debug)]
pub(in crate::datasets) struct Select {
    names: Vec<String>,
    /// Whether nothing but those names (and the id) is wanted.
    is_exact: bool,
}

impl Select {
    /// Everything but the files, whose addresses take time to make and to read.
    pub(in crate::datasets) fn usual() -> Self {
        Self { names: Vec::new(), is_exact: false }
    }

    pub(in crate::datasets) fn with_files() -> Self {
        Self { names: vec!["attachment_urls".to_owned()], is_exact: false }
    }

    pub(in crate::datasets) fn of(names: Vec<String>, excludes_default: bool) -> Self {
        let is_exact = excludes_default && !names.is_empty();
        Self { names, is_exact }
    }

    fn has(&self, name: &str) -> bool {
        let is_named = self.names.iter().any(|selected| selected.eq_ignore_ascii_case(name));
        is_named || name == "id" || (!self.is_exact && name != "attachment_urls")
    }
}

/// Examples as answers show them, in order.
pub(in crate::datasets) async fn all(
    app: &App,
    examples: Vec<Example>,
    select: &Select,
    base_url: &str,
) -> ApiResult<Vec<Map<String, Value>>> {
    let mut names: HashMap<Uuid, String> = HashMap::new();
    for example in &examples {
        if let Entry::Vacant(unknown) = names.entry(example.dataset) {
            unknown.insert(dataset::find(app, example.dataset).await?.name);
        }
    }
    let links = links(app).await?;
    let name = |dataset: Uuid| names.get(&dataset).map_or("", String::as_str);
    let one = |example: Example| {
        let dataset = name(example.dataset);
        one(example, dataset, select, &links, base_url)
    };
    Ok(examples.into_iter().map(one).collect())
}

/// Never a key `attachments`: clients fail with it.
fn one(
    example: Example,
    dataset_name: &str,
    select: &Select,
    links: &Links,
    base_url: &str,
) -> Map<String, Value> {
    let Example { id, dataset, created_at, version, content } = example;
    let mut out = Map::new();
    let mut put = |name: &str, value: &mut dyn FnMut() -> Value| {
        if select.has(name) {
            out.insert(name.to_owned(), value());
        }
    };
    put("id", &mut || json!(id));
    put("dataset_id", &mut || json!(dataset));
    put("name", &mut || json!(format!("#{} @ {dataset_name}", &id.simple().to_string()[28..])));
    put("created_at", &mut || v1_time(created_at));
    put("modified_at", &mut || v1_time(version));
    put("source_run_id", &mut || json!(content.source_run));
    let (mut inputs, mut outputs, mut metadata) =
        (Some(content.inputs), content.outputs, Some(content.metadata));
    put("inputs", &mut || inputs.take().map_or(Value::Null, Value::Object));
    put("outputs", &mut || outputs.take().map_or(Value::Null, Value::Object));
    put("metadata", &mut || metadata.take().map_or(Value::Null, Value::Object));
    put("attachment_urls", &mut || {
        let urls = content.files.iter().map(|file| {
            let attachment = Attachment::from(file.clone());
            let entry = json!({
                "presigned_url": links.url(base_url, &attachment),
                "mime_type": file.mime_type,
            });
            (format!("attachment.{}", file.name), entry)
        });
        if content.files.is_empty() { Value::Null } else { Value::Object(urls.collect()) }
    });
    out
}

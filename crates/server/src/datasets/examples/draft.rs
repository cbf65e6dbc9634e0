//! From what a client says of an example to its content.

use assay_domain::RunId;
use assay_store::Runs as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::dataset::Dataset;
use super::super::ledger::{Content, Edit, Example, File, SPLITS};
use super::super::schema::Schemas;
use super::super::splits::{self, Split};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::fields::Moment;

/// What a client says of a new example.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(in crate::datasets) struct NewExample {
    pub(in crate::datasets) id: Option<Uuid>,
    pub(in crate::datasets) dataset_id: Option<Uuid>,
    /// In the place of `dataset_id`.
    pub(in crate::datasets) dataset_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub(in crate::datasets) inputs: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    pub(in crate::datasets) outputs: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    pub(in crate::datasets) metadata: Option<Map<String, Value>>,
    pub(in crate::datasets) split: Option<Split>,
    pub(in crate::datasets) created_at: Option<Moment>,
    pub(in crate::datasets) source_run_id: Option<Uuid>,
    /// Take inputs, outputs and attachments of the source run.
    pub(in crate::datasets) use_source_run_io: Option<bool>,
    /// Take these attachments of the source run.
    pub(in crate::datasets) use_source_run_attachments: Option<Vec<String>>,
    #[serde(skip)]
    pub(in crate::datasets) files: Vec<File>,
}

/// Completes and checks a new example.
///
/// 422 if it has no inputs or does not fit the schemas, 404 if its source run is unknown.
pub(in crate::datasets) async fn settle(app: &App, schemas: &Schemas, new: NewExample) -> ApiResult<Edit> {
    let NewExample { id, inputs, outputs, metadata, split, created_at, source_run_id, .. } = new;
    let mut content = Content {
        inputs: inputs.clone().unwrap_or_default(),
        outputs,
        metadata: metadata.unwrap_or_default(),
        source_run: source_run_id,
        files: new.files,
    };
    let takes_io = new.use_source_run_io.unwrap_or(false);
    let wanted_files = new.use_source_run_attachments.unwrap_or_default();
    if takes_io || !wanted_files.is_empty() {
        let needed =
            || ApiError::invalid(&["body", "source_run_id"], "needed to take something from the run");
        take_from_run(app, source_run_id.ok_or_else(needed)?, takes_io, &wanted_files, &mut content).await?;
    } else if inputs.is_none() {
        return Err(ApiError::invalid(&["body", "inputs"], "field required"));
    }
    let named = content.metadata.remove(SPLITS);
    content.metadata.insert(SPLITS.to_owned(), splits::of(split, named.as_ref(), None));
    let id = id.unwrap_or_else(Uuid::now_v7);
    schemas.check(&format!("example {id}"), &content.inputs, content.outputs.as_ref())?;
    Ok(Edit::Create { id, created_at: created_at.map(|Moment(time)| time), content })
}

async fn take_from_run(
    app: &App,
    source: Uuid,
    takes_io: bool,
    wanted_files: &[String],
    content: &mut Content,
) -> ApiResult<()> {
    let run = app.store.run(RunId(source)).await?;
    let run = run.ok_or_else(|| ApiError::not_found(format!("source run {source}")))?;
    if takes_io {
        let fields = |payload: Value, key: &str| match payload {
            Value::Null => None,
            Value::Object(fields) => Some(fields),
            other => Some(Map::from_iter([(key.to_owned(), other)])),
        };
        content.inputs = fields(run.inputs, "input").unwrap_or_default();
        content.outputs = fields(run.outputs, "output");
    }
    let is_wanted = |name: &String| wanted_files.is_empty() || wanted_files.contains(name);
    let files: Vec<File> =
        run.attachments.into_iter().map(File::from).filter(|file| is_wanted(&file.name)).collect();
    if !files.is_empty() {
        content.files = files;
    }
    Ok(())
}

/// What a client says of an example that exists. Absent and null mean unchanged.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct ExampleChange {
    pub(super) id: Option<Uuid>,
    pub(super) dataset_id: Option<Uuid>,
    #[schema(value_type = Option<Object>)]
    pub(super) inputs: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    pub(super) outputs: Option<Map<String, Value>>,
    /// Takes the place of all metadata but the splits.
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Map<String, Value>>,
    pub(super) split: Option<Split>,
    pub(super) attachments_operations: Option<FileChange>,
    #[serde(skip)]
    pub(super) files: Vec<File>,
}

/// What becomes of the files an example has: those not named go.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct FileChange {
    /// New names by old ones.
    #[schema(value_type = Object)]
    rename: Map<String, Value>,
    retain: Vec<String>,
}

impl ExampleChange {
    /// 422 if the result does not fit the schemas.
    pub(super) fn edit(self, schemas: &Schemas, old: Example) -> ApiResult<Edit> {
        let Self { inputs, outputs, metadata, split, attachments_operations, files, .. } = self;
        let mut content = old.content.clone();
        content.inputs = inputs.unwrap_or(content.inputs);
        content.outputs = outputs.or(content.outputs);
        let before = content.metadata.remove(SPLITS);
        let mut metadata = metadata.unwrap_or(content.metadata);
        let named = metadata.remove(SPLITS);
        metadata.insert(SPLITS.to_owned(), splits::of(split, named.as_ref(), before.as_ref()));
        content.metadata = metadata;
        content.files = changed_files(content.files, attachments_operations, files);
        schemas.check(&format!("example {}", old.id), &content.inputs, content.outputs.as_ref())?;
        Ok(Edit::Replace { old: Box::new(old), content })
    }
}

/// Neither operations nor new files: nothing changes. Otherwise what is retained and renamed
/// stays, and new files come in, in the place of those with their names.
fn changed_files(old: Vec<File>, operations: Option<FileChange>, new: Vec<File>) -> Vec<File> {
    if operations.is_none() && new.is_empty() {
        return old;
    }
    let FileChange { rename, retain } = operations.unwrap_or_default();
    let mut files: Vec<File> = Vec::new();
    let mut put = |file: File| {
        files.retain(|other| other.name != file.name);
        files.push(file);
    };
    for file in old {
        match rename.get(&file.name).and_then(Value::as_str) {
            Some(name) => put(File { name: name.to_owned(), ..file }),
            None if retain.contains(&file.name) => put(file),
            None => {}
        }
    }
    new.into_iter().for_each(put);
    files
}

/// 409 where an example is in another dataset than the request says.
pub(in crate::datasets) fn check_dataset(example: &Example, dataset: &Dataset) -> ApiResult<()> {
    if example.dataset == dataset.id {
        return Ok(());
    }
    Err(ApiError::conflict(format!("example {} belongs to another dataset than {}", example.id, dataset.id)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(operations: Value, new: &[&str], expected: &[(&str, &str)]) {
        let file =
            |name: &str, from: &str| File { name: name.into(), reference: from.into(), ..File::default() };
        let old = ["a", "b", "c"].map(|name| file(name, name)).to_vec();
        let new = new.iter().map(|name| file(name, "new")).collect();
        let operations = serde_json::from_value(operations).expect("operations");
        let files = changed_files(old, operations, new);
        let found: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.reference.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn without_operations_and_new_files_nothing_changes() {
        check(json!(null), &[], &[("a", "a"), ("b", "b"), ("c", "c")]);
    }

    #[test]
    fn what_is_neither_retained_nor_renamed_goes() {
        check(json!(null), &["d"], &[("d", "new")]);
        check(json!({"retain": ["b"]}), &[], &[("b", "b")]);
        check(
            json!({"rename": {"a": "z"}, "retain": ["c"]}),
            &["d"],
            &[("z", "a"), ("c", "c"), ("d", "new")],
        );
        check(json!({}), &[], &[]);
    }

    #[test]
    fn new_files_win_over_old_ones_of_their_name() {
        check(json!({"retain": ["a"]}), &["a"], &[("a", "new")]);
        check(json!({"rename": {"a": "z"}}), &["z"], &[("z", "new")]);
    }
}

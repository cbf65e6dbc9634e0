//! What can be done to a batch before it meets the database: folding what
//! belongs together, pricing, packing. It runs on a thread of its own, beside
//! the writer, and assumes that the runs are new; the writer sees to the rest.

use std::collections::HashMap;

use assay_domain::run::Attachment;
use assay_domain::{Feedback, FeedbackId, PriceTable, ProjectId, Run, RunId, RunPatch};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::columns::Columns;
use super::fold::{self, Piece};
use crate::format::{self, Record};
use crate::{Batch, Key};

/// Where runs go that name no project.
const DEFAULT_PROJECT: &str = "default";

/// A batch, ready to be written.
pub(crate) struct Prepared {
    /// For runs that name no project, and for feedback.
    pub(crate) project: String,
    pub(crate) runs: Vec<PreparedRun>,
    pub(crate) feedback: Vec<PreparedFeedback>,
    pub(crate) blobs: Vec<(Key, Vec<u8>)>,
    /// Roughly, in memory.
    pub(crate) bytes: usize,
    pub(crate) import: Option<Uuid>,
}

/// All patches of one run in the batch, and the run they make if nothing else is known of it.
pub(crate) struct PreparedRun {
    pub(crate) project: Option<String>,
    /// In order of arrival, each once.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) columns: Columns,
    pub(crate) seen: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// Whether a creation is among the patches.
    pub(crate) is_created: bool,
    /// Whether two creations among the patches differ.
    pub(crate) is_conflicting: bool,
    pub(crate) attachments: Vec<Attachment>,
}

pub(crate) struct PreparedFeedback {
    pub(crate) id: FeedbackId,
    pub(crate) target: Option<RunId>,
    pub(crate) key: String,
    pub(crate) score: Option<f64>,
    pub(crate) label: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) comment: Option<String>,
    /// The project it names itself.
    pub(crate) project: Option<ProjectId>,
    pub(crate) is_failure: bool,
    pub(crate) created: Option<i64>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn prepare(batch: Batch, prices: &PriceTable) -> Prepared {
    let mut positions: HashMap<RunId, usize> = HashMap::with_capacity(batch.patches.len());
    let mut runs: Vec<Vec<RunPatch>> = Vec::with_capacity(batch.patches.len());
    for patch in batch.patches {
        match positions.get(&patch.id) {
            Some(&position) => runs[position].push(patch),
            None => {
                positions.insert(patch.id, runs.len());
                runs.push(vec![patch]);
            }
        }
    }
    let runs: Vec<PreparedRun> = runs.into_iter().map(|patches| prepare_run(patches, prices)).collect();
    let feedback: Vec<PreparedFeedback> = batch.feedback.iter().map(prepare_feedback).collect();
    let sizes = runs
        .iter()
        .map(|run| run.body.len() + run.pieces.iter().map(|piece| piece.json.len()).sum::<usize>());
    let blobs = batch.blobs;
    let bytes = sizes.sum::<usize>()
        + feedback.iter().map(|feedback| feedback.body.len()).sum::<usize>()
        + blobs.iter().map(|(_, body)| body.len()).sum::<usize>();
    let project = if batch.project.is_empty() { DEFAULT_PROJECT.to_owned() } else { batch.project };
    Prepared { project, runs, feedback, blobs, bytes, import: batch.import }
}

fn prepare_run(mut patches: Vec<RunPatch>, prices: &PriceTable) -> PreparedRun {
    patches.iter_mut().for_each(format::bound);
    let project =
        patches.iter_mut().find_map(|patch| patch.project_name.take().filter(|name| !name.is_empty()));
    let id = patches[0].id;
    if patches.len() == 1
        && let Some(patch) = patches.pop()
    {
        return prepare_single(id, project, patch, prices);
    }
    let mut record = Record::default();
    let mut seen = Vec::new();
    let mut pieces = Vec::with_capacity(patches.len());
    let mut is_conflicting = false;
    for patch in patches {
        let piece = Piece::of(&patch);
        if !fold::is_news(&seen, &piece) {
            continue;
        }
        fold::see(&mut seen, piece.mark());
        is_conflicting |= fold::absorb(&mut record, &piece, patch);
        pieces.push(piece);
    }
    let Assembled { columns, body, attachments, is_created } =
        assemble(record, id, Some(prices)).expect("what was just written can be read");
    PreparedRun { project, pieces, columns, seen, body, is_created, is_conflicting, attachments }
}

/// The common case, without a detour through a record.
fn prepare_single(id: RunId, project: Option<String>, patch: RunPatch, prices: &PriceTable) -> PreparedRun {
    let piece = Piece::of(&patch);
    let mut run = Run::unknown(id, NOWHERE);
    run.apply(patch);
    fold::price(&mut run, prices);
    let json = Some(piece.json.as_str());
    let (creation, updates) = if piece.is_creation { (json, None) } else { (None, json) };
    let body = format::encode(creation, updates, run.cost.as_ref());
    let seen = piece.mark().to_vec();
    PreparedRun {
        project,
        columns: Columns::of(&run),
        seen,
        body,
        is_created: piece.is_creation,
        is_conflicting: false,
        pieces: vec![piece],
        attachments: run.attachments,
    }
}

/// What is written of a record.
pub(crate) struct Assembled {
    pub(crate) columns: Columns,
    pub(crate) body: Vec<u8>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) is_created: bool,
}

/// Columns and packed body of a record; without prices, its cost stays.
pub(crate) fn assemble(record: Record, id: RunId, prices: Option<&PriceTable>) -> Result<Assembled, String> {
    let creation = record.creation.clone();
    let updates = record.updates.as_ref().map(format::part_json);
    let mut run = fold::fold(record, id, NOWHERE)?;
    if let Some(prices) = prices {
        fold::price(&mut run, prices);
    }
    let body = format::encode(creation.as_deref(), updates.as_deref(), run.cost.as_ref());
    let is_created = creation.is_some();
    Ok(Assembled { columns: Columns::of(&run), body, attachments: run.attachments, is_created })
}

fn prepare_feedback(feedback: &Feedback) -> PreparedFeedback {
    let label = match &feedback.value {
        Some(Value::String(text)) => Some(text.clone()),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => Some(value.to_string()),
        _ => None,
    };
    PreparedFeedback {
        id: feedback.id,
        target: feedback.run.or(feedback.trace.map(RunId::from)),
        key: feedback.key.clone(),
        score: feedback.score.filter(|score| score.is_finite()),
        label,
        source: feedback.source.clone(),
        comment: feedback.comment.clone(),
        project: feedback.project,
        is_failure: is_failure(&feedback.details),
        created: feedback.created_at.map(|time| time.timestamp_micros()),
        body: format::encode_feedback(feedback),
    }
}

/// Whether feedback says that its evaluator failed, as clients do: `error: true`, in `extra` too.
fn is_failure(details: &Map<String, Value>) -> bool {
    let is_true = |value: Option<&Value>| value.and_then(Value::as_bool) == Some(true);
    is_true(details.get("error")) || is_true(details.get("extra").and_then(|extra| extra.get("error")))
}

/// The writer decides about projects; columns do not depend on it.
const NOWHERE: ProjectId = ProjectId(Uuid::nil());

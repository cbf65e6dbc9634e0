//! From older formats to the present one.
//!
//! A store moves forward when it is opened, in one transaction: a process
//! that dies on the way leaves the old store as it was. There is no way back;
//! older programs refuse what is newer than they are.

use std::path::Path;

use assay_domain::FeedbackId;
use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{APPLICATION, FORMAT, tables, version};
use crate::{Error, format};

/// Brings the tables to the present format; does nothing where they are there already.
pub(super) fn migrate(dir: &Path, connection: &mut Connection) -> Result<(), Error> {
    forward(connection).map_err(|source| Error::of_database(dir, source))
}

fn forward(connection: &mut Connection) -> rusqlite::Result<()> {
    if version(connection)? == FORMAT {
        return Ok(());
    }
    register(connection)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another process may have been quicker.
    match version(&transaction)? {
        0 => {
            for sql in tables::ALL {
                transaction.execute_batch(sql)?;
            }
            transaction.pragma_update(None, "application_id", APPLICATION)?;
        }
        found @ 1..FORMAT => {
            let steps: [fn(&Connection) -> rusqlite::Result<()>; FORMAT as usize - 1] =
                [from_1, from_2, from_3, from_4];
            steps.into_iter().skip(found as usize - 1).try_for_each(|step| step(&transaction))?;
        }
        _ => return Ok(()),
    }
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// Format 2: remembered answers belong to projects. Nobody knows whose texts
/// the old ones were about; they are found anew.
fn from_1(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "secure_delete", true)?;
    connection.execute_batch("DROP TABLE memo")?;
    connection.pragma_update(None, "secure_delete", false)?;
    connection.execute_batch(tables::MEMO)
}

/// Format 3: projects with details and counters, exact costs by side,
/// feedback that can be filtered, records, attachments.
fn from_2(connection: &Connection) -> rusqlite::Result<()> {
    for table in ["projects", "traces", "runs", "feedback"] {
        connection.execute_batch(&format!("ALTER TABLE {table} RENAME TO old_{table}"))?;
    }
    for index in [
        "traces_by_id",
        "traces_by_thread",
        "runs_by_id",
        "runs_by_trace",
        "runs_by_moment",
        "feedback_by_target",
        "feedback_by_project",
    ] {
        connection.execute_batch(&format!("DROP INDEX {index}"))?;
    }
    // Indexes are made after the rows: that is quicker.
    let (runs, run_indexes) = table_and_indexes(tables::RUNS);
    let (traces, trace_indexes) = table_and_indexes(tables::TRACES);
    connection.execute_batch(runs)?;
    connection.execute_batch(traces)?;
    connection.execute_batch(tables::PROJECTS)?;
    connection.execute_batch(tables::FEEDBACK)?;
    connection.execute_batch(tables::RECORDS)?;
    connection.execute_batch(RUNS_FROM_2)?;
    connection.execute_batch("DROP TABLE old_runs")?;
    connection.execute_batch(run_indexes)?;
    connection.execute_batch(TRACES_FROM_2)?;
    connection.execute_batch(trace_indexes)?;
    connection.execute_batch(REST_FROM_2)?;
    for table in ["projects", "traces", "feedback"] {
        connection.execute_batch(&format!("DROP TABLE old_{table}"))?;
    }
    Ok(())
}

/// Format 4: digests. They are made once the store is used.
fn from_3(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(tables::DIGESTS)
}

/// Format 5: runs that came before their parents find their traces once the
/// store is used, those that are there already too; feedback on traces of
/// OpenTelemetry is about their roots.
fn from_4(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(tables::LOOSE)?;
    connection.execute_batch(LOOSE_FROM_4)?;
    connection.execute_batch(FEEDBACK_FROM_4)
}

/// Feedback under the id of a trace is about its root.
const FEEDBACK_FROM_4: &str = "UPDATE feedback SET is_early = 0, target = (SELECT root.id FROM traces \
     JOIN runs AS root ON root.key = traces.root WHERE traces.id = feedback.target AND root.parent IS NULL \
     AND root.id != traces.id ORDER BY traces.key LIMIT 1) WHERE is_early = 1 AND EXISTS (SELECT 1 FROM traces \
     JOIN runs AS root ON root.key = traces.root WHERE traces.id = feedback.target AND root.parent IS NULL \
     AND root.id != traces.id);";

/// First those without their parent or in another trace than it, then what may hang on these.
const LOOSE_FROM_4: &str = "INSERT INTO loose SELECT below.key, below.parent, above.key IS NOT NULL \
     FROM runs AS below LEFT JOIN runs AS above ON above.id = below.parent \
     WHERE below.parent IS NOT NULL AND (above.key IS NULL OR above.trace != below.trace);
 INSERT OR IGNORE INTO loose SELECT key, parent, 0 FROM runs WHERE parent IS NOT NULL \
     AND trace IN (SELECT runs.trace FROM loose JOIN runs ON runs.key = loose.run);";

const RUNS_FROM_2: &str = "INSERT INTO runs SELECT key, id, project, trace, parent, kind, status, moment, \
     start, end, first_token, latency, input_tokens, output_tokens, total_tokens, \
     CASE WHEN cost IS NOT NULL THEN stored_cost((SELECT body FROM payloads WHERE run = key), 0) END, \
     CASE WHEN cost IS NOT NULL THEN stored_cost((SELECT body FROM payloads WHERE run = key), 1) END, \
     cost, name, model, thread, reference_example, tags, error, metadata, seen FROM old_runs ORDER BY key;";

const TRACES_FROM_2: &str = "INSERT INTO traces SELECT key, id, project, thread, \
     EXISTS (SELECT 1 FROM runs WHERE trace = old_traces.key AND runs.thread IS NOT NULL), \
     root, runs, start, end, coalesce(end, start, -9223372036854775808), latency, status, input_tokens, \
     output_tokens, total_tokens, (SELECT decimal_sum(input_cost) FROM runs WHERE trace = old_traces.key), \
     (SELECT decimal_sum(output_cost) FROM runs WHERE trace = old_traces.key), cost FROM old_traces ORDER BY key;";

const REST_FROM_2: &str = "INSERT INTO projects SELECT key, id, name, NULL, NULL, NULL, \
     (SELECT coalesce(sum(runs), 0) FROM traces WHERE project = old_projects.key), \
     (SELECT count(*) FROM traces WHERE project = old_projects.key), \
     (SELECT count(DISTINCT thread) FROM traces WHERE project = old_projects.key), \
     (SELECT min(start) FROM traces WHERE project = old_projects.key), \
     (SELECT max(end) FROM traces WHERE project = old_projects.key) FROM old_projects ORDER BY key;
 INSERT INTO feedback SELECT key, id, \
     coalesce((SELECT project FROM runs WHERE runs.id = target), \
         (SELECT project FROM traces WHERE traces.id = target), project), \
     target, target IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = target), name, score, \
     label, source, comment, 0, feedback_created(body), body FROM old_feedback ORDER BY key;";

fn table_and_indexes(sql: &str) -> (&str, &str) {
    sql.split_once(";\n").unwrap_or((sql, ""))
}

/// Functions that only migrations need.
fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("stored_cost", 2, flags, |context| {
        let Some(body) = context.get_raw(0).as_blob_or_null()? else { return Ok(None) };
        // What cannot be read has no known sides.
        let cost = format::decode(body).ok().and_then(|record| record.cost);
        let is_output = context.get::<i64>(1)? == 1;
        Ok(cost.map(|cost| if is_output { cost.output } else { cost.input }.to_string()))
    })?;
    connection.create_scalar_function("feedback_created", 1, flags, |context| {
        let body = context.get_raw(0).as_blob()?;
        let feedback = format::decode_feedback(FeedbackId(Uuid::nil()), body).ok();
        Ok(feedback.and_then(|feedback| feedback.created_at).map(|time| time.timestamp_micros()))
    })?;
    connection.create_aggregate_function("decimal_sum", 1, flags, DecimalSum)
}

/// The exact sum of decimals in text; null where there is none.
struct DecimalSum;

impl Aggregate<Option<Decimal>, Option<String>> for DecimalSum {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<Decimal>> {
        Ok(None)
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut Option<Decimal>) -> rusqlite::Result<()> {
        let text = context.get_raw(0).as_str_or_null()?;
        if let Some(amount) = text.and_then(|text| text.parse::<Decimal>().ok()) {
            *sum = Some(sum.unwrap_or_default().saturating_add(amount));
        }
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        sum: Option<Option<Decimal>>,
    ) -> rusqlite::Result<Option<String>> {
        Ok(sum.flatten().map(|sum| sum.to_string()))
    }
}

#[cfg(test)]
mod tests;

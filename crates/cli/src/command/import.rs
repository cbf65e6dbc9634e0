//! `assay import`: files into a project of a durable store.

use serde_json::json;

use crate::args::Import;
use crate::progress::Bars;
use crate::{Outcome, data, ingest, output};

pub(crate) fn run(args: Import) -> anyhow::Result<Outcome> {
    let store = data::open(&args.data.data, args.input.prices.as_deref())?;
    let bars = Bars::new();
    let tally = ingest::files(&store, &args.project, &args.input, &bars)?;
    bars.finish();
    if args.json {
        output::print_json(&json!({
            "project": args.project,
            "new_runs": tally.appended.new_runs,
            "changed_runs": tally.appended.changed_runs,
            "unchanged_runs": tally.appended.unchanged_runs,
            "conflicting_runs": tally.appended.conflicting_runs,
            "new_feedback": tally.appended.new_feedback,
            "repaired_records": tally.repaired,
            "dropped_runs": tally.dropped,
            "redacted_values": tally.redacted,
            "skipped_records": tally.skipped,
        }))?;
    } else {
        output::print(&tally.describe(&args.project))?;
    }
    Ok(tally.outcome())
}

//! `assay doctor`: checks a store and says what is wrong and what to do.

use assay_store::{Level, doctor};
use serde_json::json;

use crate::args::Doctor;
use crate::{Outcome, output};

pub(crate) fn run(args: Doctor) -> anyhow::Result<Outcome> {
    let findings = doctor(&args.data.data);
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Fine);
    if args.json {
        let listed: Vec<_> = findings
            .iter()
            .map(|finding| json!({ "level": label(finding.level), "check": finding.check, "message": finding.message }))
            .collect();
        output::print_json(&listed)?;
    } else {
        for finding in &findings {
            output::print(&format!(
                "{:7} {}: {}",
                label(finding.level),
                finding.check,
                output::plain(&finding.message)
            ))?;
        }
    }
    anyhow::ensure!(worst < Level::Problem, "the store at {:?} needs attention", args.data.data);
    Ok(Outcome::Done)
}

fn label(level: Level) -> &'static str {
    match level {
        Level::Fine => "ok",
        Level::Warning => "warning",
        Level::Problem => "error",
    }
}

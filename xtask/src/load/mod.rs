//! `cargo xtask load --url URL [options]`: sends traces to a server as fast as
//! it takes them and says how fast that was.
//!
//! Works against any server that speaks LangSmith's ingest or OTLP. Each of a
//! few connections sends one request at a time; every run is about 1 KB of
//! JSON and every id is new. What is counted is what was acknowledged with a
//! 2xx; 429 and 503 are waited for and repeated, everything else is a failure.

mod body;
mod sender;

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

pub(crate) use body::Kind;
pub(crate) use sender::{Figures, Plan, send};

const USAGE: &str = "cargo xtask load --url URL [--kind pairs|multipart|batch|otlp] [--seconds 30] \
                     [--connections 4] [--per-request 100] [--project load] [--key KEY] [--rate RUNS_PER_SECOND]";

pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut plan = Plan::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
            "--url" => plan.url = value()?.trim_end_matches('/').to_owned(),
            "--kind" => plan.kind = Kind::parse(value()?).context(USAGE)?,
            "--seconds" => plan.time = Duration::from_secs(value()?.parse()?),
            "--connections" => plan.connections = value()?.parse()?,
            "--per-request" => plan.per_request = value()?.parse()?,
            "--project" => plan.project = value()?.clone(),
            "--key" => plan.key = value()?.clone(),
            "--rate" => plan.rate = Some(value()?.parse()?),
            _ => bail!("unknown word {word}\n{USAGE}"),
        }
    }
    ensure!(!plan.url.is_empty(), "{USAGE}");
    ensure!(
        plan.connections > 0 && plan.per_request > 0,
        "connections and runs per request must be more than 0"
    );
    println!("{}", send(&plan)?);
    Ok(())
}

//! The stand-in as a process: `cargo run -p assay-standin -- --port 8788 --latency-ms 50`.
//!
//! Prints its base URL on the first line, then serves until it is killed. Any
//! field of the behavior can be set as a flag; `--config FILE` reads the whole
//! configuration as JSON, models of their own included.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use assay_standin::{Config, Standin};
use serde_json::{Map, Value, json};

const USAGE: &str = "usage: assay-standin [--port N] [--config FILE] [--latency-ms N] [--malformed SHARE] \
    [--refusal SHARE] [--truncation SHARE] [--disconnect SHARE] [--rate-limited SHARE] [--retry-after-ms N] \
    [--server-error SHARE] [--wrong SHARE] [--outside SHARE] [--requests-per-minute N] [--tokens-per-minute N] [--no-schema true] \
    [--idempotent true] [--no-temperature true] [--no-usage true] [--key TEXT] [--seed N]\n\
    It speaks /v1/chat/completions, /v1/responses, /v1/embeddings and /v1/messages; \
    GET /_calls and /_requests tell what came, POST /_config and /_outage change how it behaves.";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (mut port, mut config, mut flags) = (0_u16, Config::default(), Map::new());
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let Some(name) = flag.strip_prefix("--").filter(|name| *name != "help") else { bail!(USAGE) };
        let value = args.next().with_context(|| format!("{flag} needs a value\n{USAGE}"))?;
        match name {
            "port" => port = value.parse().context("--port needs a number")?,
            "config" => {
                let text = std::fs::read(&value).with_context(|| format!("cannot read {value:?}"))?;
                config = serde_json::from_slice(&text)
                    .with_context(|| format!("{value:?} is no configuration"))?;
            }
            "key" => drop(flags.insert("key".to_owned(), json!(value))),
            _ => drop(
                flags.insert(
                    name.replace('-', "_"),
                    serde_json::from_str::<Value>(&value)
                        .with_context(|| format!("{flag} cannot be {value:?}"))?,
                ),
            ),
        }
    }
    if !flags.is_empty() {
        let mut all = serde_json::to_value(&config.all)?;
        for (name, value) in flags {
            all[name] = value;
        }
        config.all = serde_json::from_value(all).map_err(|error| anyhow::anyhow!("{error}\n{USAGE}"))?;
    }
    let standin = Standin::start_at(SocketAddr::from(([127, 0, 0, 1], port)), config).await?;
    println!("{}", standin.base_url());
    std::future::pending::<()>().await;
    Ok(())
}

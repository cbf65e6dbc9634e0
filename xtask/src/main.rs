//! The project's own automation: `cargo xtask test|clients|browser|schemathesis|model|quality|bench|load`.

mod bench;
mod browser;
mod clients;
mod install;
mod load;
mod process;
mod quality;
mod random;
mod schemathesis;
mod test;
mod tidy;

use std::path::{Path, PathBuf};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("", &[] as &[String]),
    };
    // Whoever brings a binary looks whether a bench works, not at what it measures.
    let computes = ["bench", "load"].contains(&command) && !rest.iter().any(|word| word == "--assay");
    if computes && cfg!(debug_assertions) {
        return process::again_optimized(&args);
    }
    match command {
        "test" => test::run(rest),
        "clients" => clients::run(rest),
        "browser" => browser::run(rest),
        "schemathesis" => schemathesis::run(rest),
        "model" => process::example("assay-llm", "derive", rest),
        "quality" => quality::run(rest),
        "bench" => bench::run(rest),
        "load" => load::run(rest),
        _ => anyhow::bail!(
            "usage: cargo xtask test       all tests: the workspace's own, then real clients, then the pages in a browser\n\
             \x20      cargo xtask clients    real clients against the server [SUITE…] [--assay FILE]\n\
             \x20      cargo xtask browser    the pages in a real Chromium [SUITE…] [--assay FILE]\n\
             \x20      cargo xtask schemathesis  requests made from the OpenAPI document [--examples COUNT] [--assay FILE]\n\
             \x20      cargo xtask model      derive the bundled embedder\n\
             \x20      cargo xtask quality    measure categories against labels [SET…] [--check] [--stability] [--partly] [--assay FILE]\n\
             \x20      cargo xtask bench      measure speed and memory [NAME…] [--quick] [--store] [--assay FILE]\n\
             \x20      cargo xtask load       send traces to any server: --url URL [--kind pairs|multipart|batch|otlp] …"
        ),
    }
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

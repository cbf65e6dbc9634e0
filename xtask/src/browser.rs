//! `cargo xtask browser [SUITE…] [--assay FILE]`: the pages in a real Chromium.
//!
//! Runs the suites of `crates/ui/tests/browser/` in a copy under
//! `target/browser/`, over servers that they start and stop themselves. The
//! packages they need are installed once. `--assay` takes a binary that is
//! built already; `CHROMIUM` names a browser that is not found by itself.
//! Start with [`run`].

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

use crate::install::{copy, finish, installed, link};
use crate::process;

/// Name, module.
const SUITES: [(&str, &str); 4] =
    [("reports", "reports.mjs"), ("web", "web.mjs"), ("traces", "traces.mjs"), ("report", "report.mjs")];

/// What browsers of this kind are called.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The synthetic reports that the first suite opens from files.
const REPORTS: [&str; 6] = ["html", "hostile", "wide", "large", "crowd", "empty"];

/// Fetches what the suites need, where it is not there yet.
pub(crate) fn install() -> Result<()> {
    prepare().map(drop)
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (wanted, binary) = process::suites(args, &SUITES.map(|(name, _)| name))?;
    let browser = browser()?;
    ensure!(
        starts("node") && starts("npm"),
        "needs Node 20 or later with npm (on Debian: `apt-get install nodejs npm`)"
    );
    build()?;
    let built = process::target().join("debug").canonicalize()?;
    let binary = binary.unwrap_or_else(|| built.join("assay"));
    let work = prepare()?;
    let pages = reports(&built, &work)?;
    let mut failed = Vec::new();
    // One after the other: they time what they see.
    for (name, module) in SUITES.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name)) {
        eprintln!("{name} …");
        let begun = Instant::now();
        let mut suite = Command::new("node");
        suite.arg(module).current_dir(&work).stdin(Stdio::null());
        suite.env("CHROMIUM", &browser).env("ASSAY", &binary).env("REPORTS", &pages);
        if !suite.status().with_context(|| format!("cannot start {suite:?}"))?.success() {
            failed.push(*name);
        }
        eprintln!("{name} took {:.0} s", begun.elapsed().as_secs_f64());
    }
    ensure!(failed.is_empty(), "failed in the browser: {}", failed.join(", "));
    Ok(())
}

/// The browser that `CHROMIUM` names, or the first that is found.
fn browser() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        let named = PathBuf::from(named);
        ensure!(starts(&named), "CHROMIUM names {}, which does not start", named.display());
        return Ok(named);
    }
    for name in BROWSERS {
        if let Some(found) = on_path(name).filter(|found| starts(found)) {
            return Ok(found);
        }
    }
    bail!(
        "needs Chromium (on Debian: `apt-get install chromium`); looked for {} on the PATH, \
         and CHROMIUM can name another binary",
        BROWSERS.join(", ")
    )
}

/// Playwright wants a whole path.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn starts(command: impl AsRef<std::ffi::OsStr>) -> bool {
    let mut command = Command::new(command);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The server and the program that writes reports; after the tests, both are there already.
fn build() -> Result<()> {
    let status = Command::new(process::cargo())
        .args(["build", "--workspace", "--bins", "--examples", "--locked", "--quiet"])
        .current_dir(crate::root())
        .status()?;
    ensure!(status.success(), "the build failed");
    Ok(())
}

/// A copy of the suites beside their packages.
fn prepare() -> Result<PathBuf> {
    let source = crate::root().join("crates/ui/tests/browser");
    let home = process::target().join("browser");
    fs_err::create_dir_all(&home)?;
    let list = fs_err::read(source.join("package.json"))?;
    let packages = installed(&home, "node", &[&list], |folder| {
        fs_err::create_dir_all(folder)?;
        fs_err::copy(source.join("package.json"), folder.join("package.json"))?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(folder);
        finish(npm)
    })?;
    let work = home.join("run");
    if work.exists() {
        fs_err::remove_dir_all(&work)?;
    }
    fs_err::create_dir_all(&work)?;
    for entry in fs_err::read_dir(&source)? {
        let entry = entry?;
        // Somebody may have installed them beside the suites.
        if entry.file_name() == "node_modules" {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &work.join(entry.file_name()))?,
            false => drop(fs_err::copy(entry.path(), work.join(entry.file_name()))?),
        }
    }
    link(&packages.join("node_modules"), &work.join("node_modules"))?;
    Ok(work)
}

/// A folder with the synthetic reports as pages.
fn reports(built: &Path, work: &Path) -> Result<PathBuf> {
    let folder = work.join("reports");
    fs_err::create_dir_all(&folder)?;
    let sample = built.join("examples/sample");
    for form in REPORTS {
        let output =
            Command::new(&sample).arg(form).output().with_context(|| sample.display().to_string())?;
        ensure!(output.status.success(), "sample {form}: {}", String::from_utf8_lossy(&output.stderr));
        fs_err::write(folder.join(format!("{form}.html")), output.stdout)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_a_module_of_the_repository() {
        for (name, module) in SUITES {
            assert!(crate::root().join("crates/ui/tests/browser").join(module).is_file(), "{name}");
        }
    }
}

//! `cargo xtask browser [SUITE…] [--assay FILE]`: the pages in a real Chromium.
//!
//! Runs the suites of `crates/ui/tests/browser/` in a copy under
//! `target/browser/`, over servers that they start and stop themselves. The
//! packages they need are installed once. `--assay` takes a binary that is
//! built already; `CHROMIUM` names a browser that is not found by itself.
//! Start with [`run`].

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::install::{copy, finish, installed, link};
use crate::process;

/// Name, module; those that take longest first.
const SUITES: [(&str, &str); 4] =
    [("reports", "reports.mjs"), ("web", "web.mjs"), ("traces", "traces.mjs"), ("report", "report.mjs")];

/// Suites that run side by side: on two cores more would disturb what they time.
const AT_ONCE: usize = 1;

/// What browsers of this kind are called.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The synthetic reports that the first suite opens from files.
const REPORTS: [&str; 6] = ["html", "hostile", "wide", "large", "crowd", "empty"];

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (wanted, binary) = parse(args)?;
    let browser = browser()?;
    ensure!(
        starts("node") && starts("npm"),
        "needs Node 20 or later with npm (on Debian: `apt-get install nodejs npm`)"
    );
    build()?;
    let built = process::target().join("debug").canonicalize()?;
    let binary = binary.unwrap_or_else(|| built.join("assay"));
    let work = prepare()?;
    let chosen: Vec<_> =
        SUITES.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name)).collect();
    let pages = reports(&built, &work)?;
    let suite = |module: &str| {
        let mut suite = Command::new("node");
        suite.arg(module).current_dir(&work).stdin(Stdio::null());
        suite.env("CHROMIUM", &browser).env("ASSAY", &binary).env("REPORTS", &pages);
        suite
    };
    let failed = side_by_side(&chosen, suite)?;
    ensure!(failed.is_empty(), "failed in the browser: {}", failed.join(", "));
    Ok(())
}

/// Runs suites, as many at once as [`AT_ONCE`]; each tells what happened when it is done. The names
/// of those that failed.
fn side_by_side<'a>(
    suites: &[&'a (&'a str, &'a str)],
    command: impl Fn(&str) -> Command + Sync,
) -> Result<Vec<&'a str>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        while let Some((name, module)) = suites.get(next.fetch_add(1, Ordering::Relaxed)) {
            eprintln!("{name} …");
            let begun = Instant::now();
            let mut suite = command(module);
            let told = suite.output().with_context(|| format!("cannot start {suite:?}"))?;
            let (said, complained) =
                (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
            eprintln!("{said}{complained}{name} took {:.0} s", begun.elapsed().as_secs_f64());
            if !told.status.success() {
                failed.push(*name);
            }
        }
        anyhow::Ok(failed)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let mut failed = Vec::new();
        for worker in workers {
            failed.extend(worker.join().map_err(|_| anyhow!("a suite could not be followed"))??);
        }
        Ok(failed)
    })
}

/// The suites that are named, and the binary after `--assay`.
fn parse(args: &[String]) -> Result<(Vec<&str>, Option<PathBuf>)> {
    let (mut wanted, mut binary) = (Vec::new(), None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--assay" {
            let path = PathBuf::from(args.next().context("--assay needs the path of a binary")?);
            binary = Some(path.canonicalize().with_context(|| path.display().to_string())?);
            continue;
        }
        let known = SUITES.map(|(name, _)| name);
        ensure!(known.contains(&arg.as_str()), "there is no suite {arg:?}; there are: {}", known.join(", "));
        wanted.push(arg.as_str());
    }
    Ok((wanted, binary))
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

    fn owned(args: &[&str]) -> Vec<String> {
        args.iter().map(|arg| (*arg).to_owned()).collect()
    }

    #[test]
    fn suites_are_chosen_by_name() {
        assert_eq!(parse(&owned(&["web", "report"])).expect("known suites").0, ["web", "report"]);
        let unknown = parse(&owned(&["wbe"])).expect_err("no such suite").to_string();
        assert!(unknown.contains("reports, web, traces, report"), "{unknown}");
        assert!(parse(&owned(&["--assay"])).is_err());
    }

    #[test]
    fn every_suite_is_a_module_of_the_repository() {
        for (name, module) in SUITES {
            assert!(crate::root().join("crates/ui/tests/browser").join(module).is_file(), "{name}");
        }
    }
}

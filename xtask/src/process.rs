//! Runs the product and watches it: time and peak memory.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    /// Largest resident size seen; 0 where the system does not tell.
    pub(crate) peak_bytes: u64,
    /// Processor time seen last, a moment before the end; 0 where the system does not tell.
    pub(crate) cpu_seconds: f64,
}

/// Builds the release binary and returns its path.
pub(crate) fn build_assay() -> Result<PathBuf> {
    build("assay", "assay")
}

/// Builds a release binary of the workspace and returns its path.
pub(crate) fn build(package: &str, binary: &str) -> Result<PathBuf> {
    let status = Command::new(cargo())
        .args(["build", "--release", "--locked", "--quiet", "--package", package])
        .current_dir(crate::root())
        .status()?;
    ensure!(status.success(), "the release build failed");
    Ok(target().join("release").join(binary))
}

/// Runs an example of a crate, optimized.
pub(crate) fn example(package: &str, name: &str, args: &[String]) -> Result<()> {
    let status = Command::new(cargo())
        .args(["run", "--release", "--locked", "--quiet", "--package", package, "--example", name, "--"])
        .args(args)
        .status()?;
    ensure!(status.success(), "{name} failed");
    Ok(())
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from)
}

pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Runs this automation again as optimized code, for what measures or computes.
pub(crate) fn again_optimized(args: &[String]) -> Result<()> {
    let status = Command::new(cargo())
        .args(["run", "--release", "--locked", "--quiet", "--package", "xtask", "--"])
        .args(args)
        .status()?;
    // Whatever went wrong has been said by the other.
    std::process::exit(status.code().unwrap_or(1));
}

/// Runs the binary to its end and returns what it printed.
pub(crate) fn run(binary: &Path, args: &[&str]) -> Result<(Vec<u8>, Measured)> {
    let start = Instant::now();
    let mut child = Command::new(binary)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| binary.display().to_string())?;
    let mut stdout = child.stdout.take().context("standard output")?;
    let mut stderr = child.stderr.take().context("standard error")?;
    let output = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let errors = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map(|_| bytes)
    });
    let (mut peak_bytes, mut cpu_seconds) = (0, 0.0_f64);
    let status = loop {
        peak_bytes = peak_bytes.max(peak_of(child.id()));
        cpu_seconds = cpu_seconds.max(processor_time_of(child.id()));
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let seconds = start.elapsed().as_secs_f64();
    let output = output.join().ok().context("reading standard output")??;
    let errors = errors.join().ok().context("reading standard error")??;
    ensure!(
        status.success() || status.code() == Some(3),
        "assay {} failed: {}",
        args.join(" "),
        String::from_utf8_lossy(&errors)
    );
    Ok((output, Measured { seconds, peak_bytes, cpu_seconds }))
}

/// The high-water mark the kernel keeps for a process, in bytes.
pub(crate) fn peak_of(process: u32) -> u64 {
    memory(process, "VmHWM:")
}

/// User and system time of a process so far, in seconds; 0 where the system does not tell.
pub(crate) fn processor_time_of(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u32>().ok()).unwrap_or(0);
    // Ticks are hundredths of a second on every Linux that matters here.
    (f64::from(ticks(11)) + f64::from(ticks(12))) / 100.0
}

/// What of a process is in memory now, in bytes.
pub(crate) fn resident_of(process: u32) -> u64 {
    memory(process, "VmRSS:")
}

/// 0 where the system does not tell.
fn memory(process: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The suites that are named, of those there are, and the binary after `--assay`.
pub(crate) fn suites<'a>(args: &'a [String], known: &[&str]) -> Result<(Vec<&'a str>, Option<PathBuf>)> {
    let (mut wanted, mut binary) = (Vec::new(), None);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--assay" {
            let path = PathBuf::from(args.next().context("--assay needs the path of a binary")?);
            binary = Some(path.canonicalize().with_context(|| path.display().to_string())?);
            continue;
        }
        ensure!(known.contains(&arg.as_str()), "there is no suite {arg:?}; there are: {}", known.join(", "));
        wanted.push(arg.as_str());
    }
    Ok((wanted, binary))
}

#[cfg(test)]
mod suite_tests {
    use super::suites;

    #[test]
    fn suites_are_chosen_by_name() {
        let owned = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<String>>();
        let known = ["web", "traces", "report"];
        assert_eq!(suites(&owned(&["web", "report"]), &known).expect("known suites").0, ["web", "report"]);
        let unknown = suites(&owned(&["wbe"]), &known).expect_err("no such suite").to_string();
        assert!(unknown.contains("web, traces, report"), "{unknown}");
        assert!(suites(&owned(&["--assay"]), &known).is_err());
    }
}

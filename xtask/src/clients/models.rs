//! The stand-in for model providers, as a process beside the server under test.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Which key it lets in; the suites hand it to the server as a user would.
const KEY: &str = "sk-stand-in";

pub(crate) struct Models {
    child: Child,
    url: String,
}

impl Models {
    /// Builds it if need be, and returns once it answers.
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new(build()?)
            .args(["--latency-ms", "5", "--key", KEY])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the stand-in does not start")?;
        let mut url = String::new();
        let stdout = child.stdout.take().context("standard output of the stand-in")?;
        let read = BufReader::new(stdout).read_line(&mut url);
        // From here on dropping it ends the process.
        let models = Self { child, url: url.trim().to_owned() };
        read?;
        ensure!(models.url.starts_with("http://"), "the stand-in said {:?}", models.url);
        Ok(models)
    }

    /// Flags that make a server ask it in the place of OpenAI.
    pub(crate) fn flags(&self) -> Vec<String> {
        ["--models-provider", "openai", "--models-base-url", &self.url].map(str::to_owned).into()
    }

    /// What suites are told: where it counts its calls, and its key.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        let calls = self.url.replace("/v1", "/_calls");
        [("ASSAY_MODEL_CALLS", calls), ("ASSAY_STANDIN_KEY", KEY.to_owned())]
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn build() -> Result<PathBuf> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--locked", "--quiet", "--package", "assay-standin"])
        .current_dir(crate::root())
        .status()?;
    ensure!(status.success(), "the stand-in does not build");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from);
    Ok(target.join("debug/assay-standin"))
}

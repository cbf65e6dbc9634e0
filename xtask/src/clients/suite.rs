//! The suites, and how the tests of each are run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::environment::Environment;
use super::models::Models;
use super::outcome::{self, Verdict};
use super::server::Server;

/// No suite takes nearly as long; one that hangs ends here.
const LIMIT: Duration = Duration::from_secs(900);

pub(crate) struct Suite {
    pub(crate) name: &'static str,
    /// Its folder in `tests/clients/`.
    folder: &'static str,
    runner: Runner,
    /// Whether the server may ask models: those of the stand-in.
    pub(crate) asks_models: bool,
}

/// What runs the tests of a folder.
enum Runner {
    /// The tests in the source distribution of LangSmith's SDK, as listed.
    Upstream,
    Pytest,
    /// The same with the older client of LangSmith in the place of the one under test elsewhere.
    PytestOlder,
    Node,
}

/// All suites in the order they run: the quick ones first.
pub(crate) const SUITES: [Suite; 9] = [
    Suite { name: "sdk-js", folder: "js_sdk", runner: Runner::Node, asks_models: false },
    Suite { name: "langchain", folder: "langchain", runner: Runner::Pytest, asks_models: false },
    Suite { name: "wrappers", folder: "wrappers", runner: Runner::Pytest, asks_models: false },
    Suite { name: "otel", folder: "otel", runner: Runner::Pytest, asks_models: false },
    Suite { name: "insights", folder: "insights", runner: Runner::Pytest, asks_models: false },
    Suite { name: "insights-0.9", folder: "insights_0_9", runner: Runner::PytestOlder, asks_models: true },
    Suite { name: "insights-deep", folder: "insights_deep", runner: Runner::Pytest, asks_models: true },
    Suite { name: "vercel-ai", folder: "vercel_ai", runner: Runner::Node, asks_models: false },
    Suite { name: "sdk-python", folder: "python_sdk", runner: Runner::Upstream, asks_models: false },
];

impl Suite {
    pub(crate) fn run(
        &self,
        environment: &Environment,
        server: &Server,
        models: Option<&Models>,
    ) -> Result<Verdict> {
        let outcomes = environment.log(&format!("{}.outcomes", self.name));
        let older = matches!(self.runner, Runner::PytestOlder).then(|| environment.older());
        let call = Call { environment, server, models, older, name: self.name, outcomes: &outcomes };
        if outcomes.exists() {
            fs_err::remove_file(&outcomes)?;
        }
        match self.runner {
            Runner::Pytest | Runner::PytestOlder => {
                // Where calls of models are counted, one process makes them.
                let processes = if self.asks_models { "0" } else { "2" };
                call.pytest(".", &["-n", processes, self.folder], &[])?
            }
            Runner::Node => call.node(self.folder)?,
            Runner::Upstream => {
                environment.unpack_upstream()?;
                call.pytest(self.folder, &["-n", "4"], &[("ASSAY_PART", "together")])?;
                call.pytest(self.folder, &[], &[("ASSAY_PART", "alone")])?;
            }
        }
        let found = outcome::read(&outcomes)?;
        let verdict = match self.runner {
            Runner::Upstream => {
                outcome::against_lists(self.name, &found, &environment.work().join(self.folder))?
            }
            Runner::Pytest | Runner::PytestOlder | Runner::Node => outcome::of_all(self.name, &found),
        };
        ensure!(
            !verdict.passed.is_empty() || !verdict.failed.is_empty(),
            "no test ran:\n{}",
            environment.tail(self.name)
        );
        Ok(verdict)
    }
}

/// One call of a test runner.
struct Call<'a> {
    environment: &'a Environment,
    server: &'a Server,
    models: Option<&'a Models>,
    /// Packages that go before those of the Python environment.
    older: Option<&'a Path>,
    name: &'a str,
    outcomes: &'a Path,
}

impl Call<'_> {
    fn pytest(&self, folder: &str, args: &[&str], variables: &[(&str, &str)]) -> Result<()> {
        let mut command = Command::new(self.environment.python());
        command.args(["-B", "-m", "pytest", "--quiet", "--tb=short"]).args(args);
        let support = self.environment.work().join("support");
        let folders = self.older.into_iter().chain([support.as_path()]);
        command.env("PYTHONPATH", std::env::join_paths(folders)?);
        command.envs(variables.iter().copied());
        // 1: some tests failed, which the outcomes tell better.
        self.finish(command, folder, &[0, 1])
    }

    fn node(&self, folder: &str) -> Result<()> {
        let mut command = Command::new("node");
        let reporter = self.environment.work().join("support/outcomes.mjs");
        command.args(["--test", "--test-concurrency=2", "--test-timeout=120000", "--test-reporter=spec"]);
        command.arg("--test-reporter-destination=stdout").arg("--test-reporter").arg(&reporter);
        command.arg("--test-reporter-destination").arg(self.outcomes);
        command.args(self.tests_in(folder)?);
        self.finish(command, ".", &[0, 1])
    }

    /// The test files of a folder, relative to where the suites run.
    fn tests_in(&self, folder: &str) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs_err::read_dir(self.environment.work().join(folder))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".test.mjs") {
                found.push(Path::new(folder).join(name));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Runs to the end, with the environment of a user who was told only where the server is.
    fn finish(&self, mut command: Command, folder: &str, fine: &[i32]) -> Result<()> {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let foreign = ["LANGSMITH_", "LANGCHAIN_", "OTEL_", "TRACELOOP_", "OPENAI_", "ANTHROPIC_"];
            if foreign.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name.as_ref());
            }
        }
        let url = self.server.url();
        command
            .current_dir(self.environment.work().join(folder))
            .env("ASSAY_URL", url)
            .env("ASSAY_GRPC", self.server.grpc().unwrap_or_default())
            .env("ASSAY_OUTCOMES", self.outcomes)
            .env("ASSAY_SHARED", crate::root().join("../shared"))
            .envs(self.models.into_iter().flat_map(Models::variables))
            .env("LANGSMITH_ENDPOINT", url)
            .env("LANGSMITH_API_KEY", "lsv2_pt_test")
            .env("LANGSMITH_TRACING", "true")
            .env("NO_PROXY", "127.0.0.1,localhost")
            .stdin(Stdio::null());
        let log = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.environment.log(&format!("{}.tests", self.name)))?
            .into_parts()
            .0;
        command.stderr(log.try_clone()?).stdout(log);
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                child.kill()?;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        ensure!(
            status.code().is_some_and(|code| fine.contains(&code)),
            "{command:?} ended with {status}:\n{}",
            self.environment.tail(self.name)
        );
        Ok(())
    }
}

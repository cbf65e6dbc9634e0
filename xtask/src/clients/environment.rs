//! What the suites run in: a Python environment, a `node_modules`, upstream's
//! tests, and a copy of `tests/clients/` to run in.
//!
//! Everything is under `target/clients/`. What is installed is keyed by a hash
//! of the lists it was installed from, and finished by a marker, so that an
//! interrupted installation is made again.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::install::{copy, finish, installed, link};

pub(crate) struct Environment {
    /// `target/clients`
    home: PathBuf,
    python: PathBuf,
    older: PathBuf,
    sdist: PathBuf,
}

impl Environment {
    /// Installs what is missing, and copies the suites to where they run.
    pub(crate) fn prepare() -> Result<Self> {
        let home = crate::process::target().join("clients");
        let source = crate::root().join("tests/clients");
        fs_err::create_dir_all(home.join("logs"))?;
        for entry in fs_err::read_dir(home.join("logs"))? {
            fs_err::remove_file(entry?.path())?;
        }
        let python = python(&home, &source)?;
        let older = older(&home, &source, &python)?;
        let node = node(&home, &source)?;
        let sdist = sdist(&home, &source, &python)?;
        let work = home.join("run");
        if work.exists() {
            fs_err::remove_dir_all(&work)?;
        }
        copy(&source, &work)?;
        // Node looks for packages in the folders above a file.
        link(&node.join("node_modules"), &work.join("node_modules"))?;
        Ok(Self { home, python, older, sdist })
    }

    /// The folder the suites run in.
    pub(crate) fn work(&self) -> PathBuf {
        self.home.join("run")
    }

    pub(crate) fn python(&self) -> &Path {
        &self.python
    }

    /// A folder with the older client of LangSmith, to be searched before the Python environment.
    pub(crate) fn older(&self) -> &Path {
        &self.older
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.home.join("logs")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(name)
    }

    /// The end of what a suite printed.
    pub(crate) fn tail(&self, suite: &str) -> String {
        let text = fs_err::read_to_string(self.log(&format!("{suite}.tests"))).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Puts upstream's tests beside the configuration they run with.
    pub(crate) fn unpack_upstream(&self) -> Result<()> {
        let mut command = Command::new("tar");
        command.arg("-xzf").arg(&self.sdist).arg("-C").arg(self.work().join("python_sdk"));
        command.args(["--strip-components=1", "--wildcards", "*/tests"]);
        finish(command)
    }
}

/// An environment with `requirements.txt` installed; its interpreter.
fn python(home: &Path, source: &Path) -> Result<PathBuf> {
    let list = source.join("requirements.txt");
    let base = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let version = Command::new(&base).arg("--version").output().context("cannot start python3")?.stdout;
    let folder = installed(home, "python", &[&fs_err::read(&list)?, &version], |folder| {
        let mut venv = Command::new(&base);
        venv.args(["-m", "venv"]).arg(folder);
        finish(venv)?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"]);
        pip.arg(&list);
        finish(pip)
    })?;
    Ok(folder.join("bin/python"))
}

/// A folder with the older client of LangSmith alone, by its checksum; what it needs is in the environment.
fn older(home: &Path, source: &Path, python: &Path) -> Result<PathBuf> {
    let list = source.join("insights_0_9/wheel.txt");
    installed(home, "older", &[&fs_err::read(&list)?], |folder| {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.args(["--only-binary", ":all:", "--require-hashes", "-r"]).arg(&list).arg("--target").arg(folder);
        finish(pip)
    })
}

/// A folder with `node_modules` as `package-lock.json` says.
fn node(home: &Path, source: &Path) -> Result<PathBuf> {
    let lists = ["package.json", "package-lock.json"];
    let texts = lists.map(|name| fs_err::read(source.join(name)));
    let [package, lock] = texts;
    installed(home, "node", &[&package?, &lock?], |folder| {
        fs_err::create_dir_all(folder)?;
        for name in lists {
            fs_err::copy(source.join(name), folder.join(name))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(folder);
        finish(npm)
    })
}

/// The source distribution of LangSmith's SDK, which holds its tests, by its checksum.
fn sdist(home: &Path, source: &Path, python: &Path) -> Result<PathBuf> {
    let list = source.join("python_sdk/sdist.txt");
    let folder = installed(home, "sdist", &[&fs_err::read(&list)?], |folder| {
        let mut pip = Command::new(python);
        pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
        pip.args(["--no-binary", "langsmith", "--require-hashes", "-r"]).arg(&list).arg("-d").arg(folder);
        finish(pip)
    })?;
    let mut files = fs_err::read_dir(&folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_archive = |path: &PathBuf| path.to_string_lossy().ends_with(".tar.gz");
    files.find(is_archive).with_context(|| format!("no archive in {}", folder.display()))
}

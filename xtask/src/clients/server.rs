//! The server under test: a process of its own over an empty store.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    child: Child,
    url: String,
    grpc: Option<String>,
    /// Removed with everything in it when the server is gone.
    _data: tempfile::TempDir,
}

impl Server {
    /// Returns when the server, started with these flags, says that it listens. Its log goes to the file.
    pub(crate) fn start_with(binary: &Path, log: &Path, flags: &[&str]) -> Result<Self> {
        let data = tempfile::Builder::new().prefix("assay-clients-").tempdir()?;
        let mut command = Command::new(binary);
        // The settings of whoever runs the suites are not those of the server under test.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ASSAY_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--data"])
            .arg(data.path().join("data"))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs_err::File::create(log)?.into_parts().0)
            .spawn()
            .with_context(|| binary.display().to_string())?;
        let lines = lines_of(child.stdout.take().context("standard output")?);
        let mut server = Self { child, url: String::new(), grpc: None, _data: data };
        let deadline = Instant::now() + START;
        while server.url.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = lines.recv_timeout(left) else {
                let told = fs_err::read_to_string(log).unwrap_or_default();
                bail!("the server did not say that it listens:\n{told}");
            };
            if let Some((_, address)) = line.split_once("grpc://") {
                server.grpc = Some(address.trim().to_owned());
            } else if let Some(url) = line.strip_prefix("listening on ") {
                server.url = url.trim().to_owned();
            }
        }
        Ok(server)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// `HOST:PORT` of OTLP over gRPC, where the server has it.
    pub(crate) fn grpc(&self) -> Option<&str> {
        self.grpc.as_deref()
    }

    /// What the server itself counts as its own faults: answers of 500 and above, and panics.
    pub(crate) fn faults(&self) -> Result<Vec<String>> {
        let text = ureq::get(format!("{}/metrics", self.url)).call()?.body_mut().read_to_string()?;
        Ok(faults_in(&text))
    }

    /// Asks the server to end. Fails if it had ended before, or does not end well.
    pub(crate) fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("ended while the suite ran: {status}");
        }
        let asked = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(asked.success(), "cannot be asked to end");
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "ended with {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("did not end within {} seconds", STOP.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where the suite failed to run; after `stop` there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe as they come. Whatever nobody waits for is read and dropped, so the writer never blocks.
fn lines_of(pipe: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// The counters of faults in a text of metrics that have counted anything.
fn faults_in(metrics: &str) -> Vec<String> {
    let is_fault = |line: &&str| {
        (line.starts_with("assay_requests_total{") && line.contains("status=\"5"))
            || line.starts_with("assay_panics_total")
    };
    metrics.lines().filter(is_fault).filter(|line| !line.ends_with(" 0")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_500_and_above_and_panics_are_faults() {
        let metrics = "assay_requests_total{method=\"GET\",path=\"/a\",status=\"200\"} 7\n\
             assay_requests_total{method=\"GET\",path=\"/a\",status=\"503\"} 1\n\
             assay_panics_total 0\n";
        let fault = "assay_requests_total{method=\"GET\",path=\"/a\",status=\"503\"} 1";
        assert_eq!(faults_in(metrics), [fault]);
        assert_eq!(faults_in("assay_panics_total 2"), ["assay_panics_total 2"]);
    }
}

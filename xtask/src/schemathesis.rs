//! `cargo xtask schemathesis [--assay FILE] [--examples COUNT] [--seed NUMBER]`:
//! requests made from the server's own OpenAPI document, good and bad ones.
//!
//! None may be answered with a fault of the server (500 and above), and the
//! server must still be well afterwards. Twice: with ids out of thin air, and
//! with those of things that are there. Start with [`run`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::clients::server::Server;
use crate::process;

/// What is asked for on the command line.
struct Wanted {
    binary: Option<PathBuf>,
    /// Requests per operation that chance makes, beside those made from the edges of the schemas.
    examples: String,
    seed: String,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let Wanted { binary, examples, seed } = parse(args)?;
    let binary = match binary {
        Some(binary) => binary,
        None => process::build_assay()?,
    };
    let home = target().join("schemathesis");
    fs_err::create_dir_all(&home)?;
    let program = install(&home)?;
    let server = Server::start_with(&binary, &home.join("server"), &["--allow-anonymous"])?;
    let document = format!("{}/openapi.json", server.url());
    let known = seeds(server.url())?;
    let mut failed = Vec::new();
    for (round, only) in [("any ids", None), ("ids of what is there", Some(&known))] {
        eprintln!("{round} …");
        let config = home.join("schemathesis.toml");
        fs_err::write(&config, only.map_or_else(String::new, parameters))?;
        let mut command = Command::new(&program);
        command.arg("--config-file").arg(&config).args(["run", &document]).current_dir(&home);
        command.args(["--checks", "not_a_server_error", "--continue-on-failure", "--no-shrink"]);
        command.args(["--suppress-health-check", "all", "--warnings", "off"]);
        command.args(["--max-examples", &examples, "--seed", &seed]);
        if only.is_some() {
            // What is there is to stay there.
            command.args(["--exclude-method", "DELETE", "--phases", "examples,coverage,fuzzing"]);
        }
        if !command.status().with_context(|| program.display().to_string())?.success() {
            failed.push(round);
        }
    }
    let faults = server.faults()?;
    server.stop()?;
    ensure!(faults.is_empty(), "the server counts faults of its own: {}", faults.join("; "));
    ensure!(failed.is_empty(), "requests with {} were answered with a fault", failed.join(" and with "));
    println!("no request was answered with a fault of the server");
    Ok(())
}

fn parse(args: &[String]) -> Result<Wanted> {
    let mut wanted = Wanted { binary: None, examples: "50".into(), seed: "1".into() };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let value = args.next().with_context(|| format!("{arg} needs a value"))?;
        match arg.as_str() {
            "--assay" => wanted.binary = Some(Path::new(value).canonicalize().context("--assay")?),
            "--examples" => wanted.examples.clone_from(value),
            "--seed" => wanted.seed.clone_from(value),
            _ => bail!("there is no {arg:?}; there are --assay, --examples and --seed"),
        }
    }
    Ok(wanted)
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from)
}

/// The program in an environment of its own, made again when the list of packages changes.
fn install(home: &Path) -> Result<PathBuf> {
    let list = crate::root().join("tests/schemathesis/requirements.txt");
    let (folder, marker) = (home.join("python"), home.join("installed"));
    let text = fs_err::read_to_string(&list)?;
    let program = folder.join("bin/schemathesis");
    if fs_err::read_to_string(&marker).is_ok_and(|installed| installed == text) {
        return Ok(program);
    }
    eprintln!("installing schemathesis …");
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    finish(Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"])
        .arg(&list);
    finish(&mut pip)?;
    fs_err::write(&marker, text)?;
    Ok(program)
}

fn finish(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {told}");
    Ok(())
}

/// Makes one of each thing; values of parameters by name.
fn seeds(url: &str) -> Result<BTreeMap<&'static str, String>> {
    let run = "11111111-1111-4111-8111-111111111111";
    let at = "2026-11-01T08:00:00Z";
    let project = made(url, "/sessions", &json!({ "name": "fuzzed" }))?;
    let batch = json!({ "post": [{
        "id": run, "trace_id": run, "name": "agent", "run_type": "chain", "session_name": "fuzzed",
        "start_time": at, "end_time": at, "inputs": { "messages": [{ "role": "user", "content": "hello" }] },
        "outputs": { "answer": "hello" }, "extra": { "metadata": { "thread_id": "thread" } },
        "dotted_order": format!("20261101T080000000000Z{run}"),
    }]});
    post(url, "/runs/batch", &batch)?;
    let dataset = made(url, "/datasets", &json!({ "name": "fuzzed" }))?;
    let example = json!({ "dataset_id": dataset, "inputs": { "q": "hello" }, "outputs": { "a": "hello" } });
    let example = made(url, "/examples", &example)?;
    let queue = made(url, "/annotation-queues", &json!({ "name": "fuzzed" }))?;
    post(url, &format!("/annotation-queues/{queue}/runs"), &json!([run]))?;
    let feedback =
        made(url, "/feedback", &json!({ "run_id": run, "trace_id": run, "key": "good", "score": 1 }))?;
    Ok(BTreeMap::from([
        ("session_id", project.clone()),
        ("project_id", project),
        ("run_id", run.to_owned()),
        ("trace_id", run.to_owned()),
        ("thread_id", "thread".to_owned()),
        ("dataset_id", dataset),
        ("example_id", example),
        ("queue_id", queue),
        ("feedback_id", feedback),
    ]))
}

fn post(url: &str, path: &str, body: &Value) -> Result<Value> {
    let request = ureq::post(format!("{url}{path}")).header("content-type", "application/json");
    let mut answer = request.send(body.to_string().as_bytes()).with_context(|| format!("POST {path}"))?;
    Ok(serde_json::from_str(&answer.body_mut().read_to_string()?).unwrap_or_default())
}

/// The id of what a POST made.
fn made(url: &str, path: &str, body: &Value) -> Result<String> {
    let answer = post(url, path, body)?;
    answer["id"].as_str().map(str::to_owned).with_context(|| format!("POST {path} answered {answer}"))
}

/// The configuration that fills parameters in.
fn parameters(known: &BTreeMap<&'static str, String>) -> String {
    let lines: String = known.iter().map(|(name, value)| format!("{name} = {value:?}\n")).collect();
    format!("[parameters]\n{lines}")
}

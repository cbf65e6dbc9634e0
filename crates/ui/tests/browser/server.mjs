// A server to test pages of, and what plays models for it: their own ports, their
// own directories, stopped at the end.
import assert from "node:assert/strict";
import { execFile, spawn, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const assay = process.env.ASSAY ?? built();
const scratch = mkdtempSync(join(tmpdir(), "assay-web-"));
const running = new Set();
// What a test has started and nobody has stopped yet.
const begun = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
});

function built() {
  const messages = execFileSync("cargo", ["build", "-p", "assay", "--message-format=json"], { maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "inherit"] });
  const lines = messages.toString().split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  return lines.findLast((line) => line.executable && line.target?.name === "assay").executable;
}

/** Keys of providers and settings of this machine are nobody's business here. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ASSAY|OPENAI|ANTHROPIC)_/.test(name)));

/**
 * Starts a server; resolves when it listens. It ends with the test that started
 * it, by `endAll`, unless it is there for all of them.
 */
export async function startServer({ port = 0, data = mkdtempSync(join(scratch, "store-")), models = {}, forAll = false } = {}) {
  const settings = Object.entries(models).map(([key, value]) => [`ASSAY_MODELS_${key.toUpperCase()}`, value]);
  const env = { ...environment, ...Object.fromEntries(settings) };
  const child = spawn(assay, ["serve", "--data", data, "--listen", `127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "pipe"], env });
  running.add(child);
  let log = "";
  child.stderr.on("data", (bytes) => { log = (log + bytes).slice(-4000); });
  const address = await new Promise((resolve, reject) => {
    let said = "";
    child.stdout.on("data", (bytes) => {
      said += bytes;
      const found = said.match(/listening on (http:\S+)/);
      if (found) resolve(found[1]);
    });
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${log}`)));
  });
  const stop = async ({ keep = false } = {}) => {
    begun.delete(stop);
    const ended = new Promise((resolve) => child.on("exit", resolve));
    child.kill("SIGTERM");
    // Pages may hold streams open; what is to be tested is over.
    const patience = setTimeout(() => child.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(patience);
    running.delete(child);
    if (!keep) rmSync(data, { recursive: true, force: true });
  };
  if (!forAll) begun.add(stop);
  return { address, data, stop };
}

/** Starts what plays the models; `key` is the only one it takes. */
export async function startStandin({ key } = {}) {
  const binary = process.env.STANDIN ?? join(dirname(assay), "assay-standin");
  const child = spawn(binary, key ? ["--key", key] : [], { stdio: ["ignore", "pipe", "inherit"], env: environment });
  running.add(child);
  const url = await new Promise((resolve, reject) => {
    child.stdout.on("data", (bytes) => resolve(bytes.toString().trim()));
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`the stand-in ended with ${code}`)));
  });
  const stop = () => {
    begun.delete(stop);
    running.delete(child);
    child.removeAllListeners("exit");
    child.kill();
  };
  begun.add(stop);
  return { url, stop };
}

/** Stops what a test has started. Its pages are closed by then: what they still ask for would find nobody. */
export async function endAll() {
  await Promise.all([...begun].map((stop) => stop()));
}

const run = promisify(execFile);
let corpus = null;

/** Imports the demo's conversations into a project of a server that runs. */
export async function importDemo(server, project) {
  if (!corpus) {
    corpus = join(scratch, "demo");
    await run(assay, ["demo", "--out", corpus], { maxBuffer: 1 << 26, env: environment });
  }
  const files = ["traces.jsonl", "feedback.jsonl"].map((name) => join(corpus, name));
  await run(assay, ["import", "--data", server.data, "--project", project, ...files], { maxBuffer: 1 << 26, env: environment });
}

/** Sends runs as a LangSmith client does, one trace each. */
export async function postRuns(server, project, runs) {
  const now = Date.now();
  const post = runs.map((one, index) => {
    const id = randomUUID();
    const start = new Date(now - 60_000 + index);
    const stamp = start.toISOString().replaceAll(/[-:.]/g, "").replace("Z", "000Z");
    return { id, trace_id: id, dotted_order: `${stamp}${id}`, name: "agent", run_type: "chain", session_name: project,
      start_time: start.toISOString(), end_time: new Date(start.getTime() + 900).toISOString(), ...one };
  });
  const answer = await fetch(`${server.address}/runs/batch`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ post, patch: [] }) });
  if (!answer.ok) throw new Error(`runs were refused: ${answer.status} ${await answer.text()}`);
}

/** What a server's API answers. */
export const api = async (server, method, path, body) => {
  const answer = await fetch(`${server.address}/api/v1${path}`, { method, headers: { "content-type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
};

/** The id of a project. */
export const projectOf = async (server, name) => (await api(server, "GET", `/sessions?name=${encodeURIComponent(name)}`))[0].id;

/** Waits for a condition; what it then is. */
export async function until(what, condition, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    const found = await condition();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${what} did not happen within ${seconds} s`);
}

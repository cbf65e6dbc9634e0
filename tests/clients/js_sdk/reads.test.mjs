// Reading back with LangSmith's JavaScript SDK: runs, threads, projects, feedback, shares, statistics.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";
import { Client } from "langsmith";
import { traceable } from "langsmith/traceable";
import { sent, tick } from "../support/assay.mjs";

const client = new Client();
const fresh = (name) => `${name}-${randomUUID().slice(0, 8)}`;
const all = async (iterable) => {
  const found = [];
  for await (const item of iterable) found.push(item);
  return found;
};

const projectName = fresh("js-reads");
const threads = ["t-1", "t-2"];
let roots;

before(async () => {
  const model = traceable(
    (text) => ({
      role: "assistant",
      content: text,
      usage_metadata: { input_tokens: 10, output_tokens: 5, total_tokens: 15, total_cost: 0.001 },
    }),
    { name: "model", run_type: "llm" },
  );
  for (const [thread_id, text] of [["t-1", "one"], ["t-2", "two"], ["t-1", "three"]]) {
    const metadata = { thread_id, word: text };
    await traceable(model, { name: "agent", client, project_name: projectName, metadata, tags: [text] })(text);
    await tick();
  }
  const failing = traceable(() => assert.fail("broken"), { name: "broken", client, project_name: projectName });
  await assert.rejects(failing());
  await sent(client);
  roots = await all(client.listRuns({ projectName, isRoot: true, order: "asc" }));
});

test("runs are listed, filtered, ordered and limited", async () => {
  assert.equal((await all(client.listRuns({ projectName }))).length, 7);
  assert.deepEqual(roots.map((run) => run.name), ["agent", "agent", "agent", "broken"]);
  assert.equal((await all(client.listRuns({ projectName, limit: 2 }))).length, 2);
  const failed = await all(client.listRuns({ projectName, error: true }));
  assert.deepEqual(failed.map((run) => run.name), ["broken"]);
  const models = await all(client.listRuns({ projectName, runType: "llm" }));
  assert.equal(models.length, 3);
  const two = await all(
    client.listRuns({ projectName, filter: 'and(eq(metadata_key, "word"), eq(metadata_value, "two"))', isRoot: true }),
  );
  assert.deepEqual(two.map((run) => run.inputs), [{ input: "two" }]);
  const tagged = await all(client.listRuns({ projectName, filter: 'has(tags, "three")', isRoot: true }));
  assert.deepEqual(tagged.map((run) => run.inputs), [{ input: "three" }]);
  const below = await all(client.listRuns({ projectName, runType: "llm", traceFilter: 'has(tags, "one")' }));
  assert.equal(below.length, 1);
  const above = await all(
    client.listRuns({ projectName, isRoot: true, treeFilter: 'eq(run_type, "llm")' }),
  );
  assert.equal(above.length, 3);
  const byId = await all(client.listRuns({ id: roots.slice(0, 2).map((run) => run.id) }));
  assert.deepEqual(byId.map((run) => run.id).sort(), roots.slice(0, 2).map((run) => run.id).sort());
});

test("a filter that does not parse is refused with a reason", async () => {
  await assert.rejects(all(client.listRuns({ projectName, filter: "eq(name, " })), /4(00|22)/);
});

test("pages are walked to the end", async () => {
  const project_name = fresh("js-pages");
  const count = traceable((number) => number, { name: "count", client, project_name });
  for (let number = 0; number < 230; number++) await count(number);
  await sent(client);
  const found = await all(client.listRuns({ projectName: project_name }));
  assert.deepEqual(found.map((run) => run.inputs.input).sort((a, b) => a - b), Array.from({ length: 230 }, (_, n) => n));
});

test("a run is read with its children", async () => {
  const run = await client.readRun(roots[0].id, { loadChildRuns: true });
  assert.deepEqual(run.child_runs.map((child) => child.name), ["model"]);
  assert.equal(run.child_runs[0].parent_run_id, run.id);
  const alone = await client.readRun(roots[0].id);
  assert.equal(alone.child_runs ?? null, null);
  await assert.rejects(client.readRun(randomUUID()), /404|not found/i);
});

test("tokens and cost are on the model and on the root", async () => {
  const run = await client.readRun(roots[0].id, { loadChildRuns: true });
  for (const one of [run, run.child_runs[0]]) {
    assert.deepEqual([one.prompt_tokens, one.completion_tokens, one.total_tokens], [10, 5, 15]);
    assert.equal(Number(one.total_cost), 0.001);
  }
});

test("threads are listed and read", async () => {
  const found = await client.listThreads({ projectName });
  const named = found.filter((thread) => threads.includes(thread.thread_id));
  assert.deepEqual(named.map((thread) => [thread.thread_id, thread.count]).sort(), [["t-1", 2], ["t-2", 1]]);
  const turns = await all(client.readThread({ threadId: "t-1", projectName }));
  assert.deepEqual(turns.map((run) => run.inputs.input), ["one", "three"]);
});

test("statistics count what is there", async () => {
  const stats = await client.getRunStats({ projectNames: [projectName], isRoot: true });
  assert.equal(stats.run_count, 4);
  assert.equal(stats.error_rate, 0.25);
  assert.equal(stats.total_tokens, 45);
  assert.ok(Math.abs(Number(stats.total_cost) - 0.003) < 1e-12);
});

test("a project of the same name is a conflict, and an upsert is not", async () => {
  const name = fresh("js-project");
  const made = await client.createProject({ projectName: name, description: "first", metadata: { team: "a" } });
  await assert.rejects(client.createProject({ projectName: name }), (error) => {
    assert.match(`${error.name} ${error.message} ${error.status ?? ""}`, /conflict|409/i);
    return true;
  });
  const again = await client.createProject({ projectName: name, upsert: true, description: "second" });
  assert.equal(again.id, made.id);
  assert.equal((await client.readProject({ projectName: name })).description, "second");
  const listed = await all(client.listProjects({ metadata: { team: "a" }, nameContains: name }));
  assert.deepEqual(listed.map((project) => project.id), [made.id]);
  await client.updateProject(made.id, { name: `${name}-b` });
  assert.ok(await client.hasProject({ projectName: `${name}-b` }));
  await client.deleteProject({ projectName: `${name}-b` });
  assert.ok(!(await client.hasProject({ projectName: `${name}-b` })));
});

test("a project is read with statistics", async () => {
  const project = await client.readProject({ projectName, includeStats: true });
  assert.equal(project.run_count, 4);
  assert.equal(project.error_rate, 0.25);
});

test("feedback is written, read, changed and deleted", async () => {
  const run = roots[1];
  const made = await client.createFeedback(run.id, "helpful", { score: 1, comment: "good", value: "yes" });
  let [found] = await all(client.listFeedback({ runIds: [run.id] }));
  assert.deepEqual([found.id, found.key, found.score, found.value, found.comment], [made.id, "helpful", 1, "yes", "good"]);
  await client.updateFeedback(made.id, { score: 0.5, comment: "so so" });
  found = await client.readFeedback(made.id);
  assert.deepEqual([found.score, found.comment, found.value], [0.5, "so so", "yes"]);
  const read = await client.readRun(run.id);
  assert.deepEqual([read.feedback_stats.helpful.n, read.feedback_stats.helpful.avg], [1, 0.5]);
  const liked = await all(
    client.listRuns({ projectName, filter: 'and(eq(feedback_key, "helpful"), gte(feedback_score, 0.5))' }),
  );
  assert.deepEqual(liked.map((one) => one.id), [run.id]);
  await client.deleteFeedback(made.id);
  assert.deepEqual(await all(client.listFeedback({ runIds: [run.id] })), []);
});

test("feedback may come before its run", async () => {
  const project_name = fresh("js-early");
  const runId = randomUUID();
  await client.createFeedback(runId, "early", { score: 1 });
  const late = traceable(() => "late", { name: "late", id: runId, client, project_name });
  await late();
  await sent(client);
  const [run] = await all(client.listRuns({ projectName: project_name }));
  assert.equal(run.id, runId);
  assert.equal(run.feedback_stats.early.n, 1);
});

test("a link takes feedback from whoever has it", async () => {
  const token = await client.createPresignedFeedbackToken(roots[2].id, "from-link", { expiration: { hours: 1 } });
  const answer = await fetch(token.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ score: 1, comment: "thanks" }),
  });
  assert.ok(answer.ok, `${answer.status} ${await answer.text()}`);
  const [found] = await all(client.listFeedback({ runIds: [roots[2].id], feedbackKeys: ["from-link"] }));
  assert.deepEqual([found.score, found.comment], [1, "thanks"]);
});

test("feedback configurations are kept", async () => {
  const feedbackKey = fresh("js-config");
  const feedbackConfig = { type: "continuous", min: 0, max: 1 };
  await client.createFeedbackConfig({ feedbackKey, feedbackConfig });
  const [found] = await all(client.listFeedbackConfigs({ feedbackKeys: [feedbackKey] }));
  assert.equal(found.feedback_config.max, 1);
  await client.updateFeedbackConfig(feedbackKey, { isLowerScoreBetter: true });
  const [changed] = await all(client.listFeedbackConfigs({ feedbackKeys: [feedbackKey] }));
  assert.equal(changed.is_lower_score_better, true);
  await client.deleteFeedbackConfig(feedbackKey);
  assert.deepEqual(await all(client.listFeedbackConfigs({ feedbackKeys: [feedbackKey] })), []);
});

test("a run is shared, read by anyone, and unshared", async () => {
  const run = roots[0];
  const link = await client.shareRun(run.id);
  const token = link.match(/[0-9a-f]{8}-[0-9a-f-]{27}/)[0];
  assert.ok(await client.readRunSharedLink(run.id));
  // `listSharedRuns` of this version leaves the question mark out of its address; this is what replaces it.
  const stranger = new Client({ apiKey: "wrong" });
  const shared = (await stranger.public.runs.query(token, { selects: ["ID", "NAME", "OUTPUTS"] })).items;
  assert.deepEqual(shared.map((one) => one.name).sort(), ["agent", "model"]);
  await client.unshareRun(run.id);
  assert.equal(await client.readRunSharedLink(run.id), undefined);
  await assert.rejects(stranger.public.runs.query(token, { selects: ["ID"] }), /404|not found/i);
});

test("the second version of the reads says the same", async () => {
  const project = await client.readProject({ projectName });
  const selects = ["ID", "NAME", "INPUTS", "TOTAL_TOKENS", "THREAD_ID"];
  const found = await all(client.runs.query({ project_ids: [project.id], is_root: true, selects }));
  assert.deepEqual(found.map((run) => run.name).sort(), ["agent", "agent", "agent", "broken"]);
  const one = await client.runs.retrieve(roots[0].id, { project_id: project.id, selects });
  assert.deepEqual([one.id, one.inputs, one.total_tokens, one.thread_id], [roots[0].id, { input: "one" }, 15, "t-1"]);
  const threads = await all(client.threads.query({ project_id: project.id }));
  const named = threads.filter((thread) => ["t-1", "t-2"].includes(thread.thread_id));
  assert.deepEqual(named.map((thread) => [thread.thread_id, thread.count]).sort(), [["t-1", 2], ["t-2", 1]]);
});

test("a run has an address for people", async () => {
  const address = await client.getRunUrl({ run: roots[0] });
  assert.match(address, new RegExp(`/o/[0-9a-f-]{36}/projects/p/[0-9a-f-]{36}/r/${roots[0].id}`));
});

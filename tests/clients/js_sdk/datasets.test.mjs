// Datasets, examples and experiments with LangSmith's JavaScript SDK.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { Client } from "langsmith";
import { evaluate } from "langsmith/evaluation";
import { sent } from "../support/assay.mjs";

const client = new Client();
const fresh = (name) => `${name}-${randomUUID().slice(0, 8)}`;
const all = async (iterable) => {
  const found = [];
  for await (const item of iterable) found.push(item);
  return found;
};

async function withDataset(examples, work) {
  const dataset = await client.createDataset(fresh("js-dataset"), { description: "a test", metadata: { kind: "test" } });
  try {
    await client.createExamples(examples.map((example) => ({ dataset_id: dataset.id, ...example })));
    return await work(dataset);
  } finally {
    await client.deleteDataset({ datasetId: dataset.id });
  }
}

const SUMS = [1, 2, 3].map((number) => ({
  inputs: { number },
  outputs: { double: number * 2 },
  metadata: { odd: number % 2 === 1 },
  split: number === 3 ? "test" : "train",
}));

test("datasets and examples are kept", () =>
  withDataset(SUMS, async (dataset) => {
    assert.equal((await client.readDataset({ datasetName: dataset.name })).id, dataset.id);
    assert.deepEqual((await all(client.listDatasets({ datasetName: dataset.name }))).map((one) => one.id), [dataset.id]);
    await assert.rejects(client.createDataset(dataset.name), /409|conflict/i);
    const examples = await all(client.listExamples({ datasetId: dataset.id }));
    assert.deepEqual(examples.map((one) => one.inputs.number).sort(), [1, 2, 3]);
    const odd = await all(client.listExamples({ datasetId: dataset.id, metadata: { odd: true } }));
    assert.deepEqual(odd.map((one) => one.inputs.number).sort(), [1, 3]);
    const held = await all(client.listExamples({ datasetId: dataset.id, splits: ["test"] }));
    assert.deepEqual(held.map((one) => one.inputs.number), [3]);
    assert.deepEqual((await client.listDatasetSplits({ datasetId: dataset.id })).sort(), ["test", "train"]);
  }));

test("an example is changed and deleted, and the past stays", () =>
  withDataset(SUMS, async (dataset) => {
    const [first] = await all(client.listExamples({ datasetId: dataset.id }));
    const before = await client.readDatasetVersion({ datasetId: dataset.id, tag: "latest" });
    await client.updateExample({ id: first.id, dataset_id: dataset.id, inputs: { number: 70 }, outputs: { double: 140 } });
    assert.deepEqual((await client.readExample(first.id)).inputs, { number: 70 });
    await client.deleteExample(first.id);
    assert.equal((await all(client.listExamples({ datasetId: dataset.id }))).length, 2);
    const past = await all(client.listExamples({ datasetId: dataset.id, asOf: before.as_of }));
    assert.deepEqual(past.map((one) => one.inputs.number).sort(), [1, 2, 3]);
  }));

test("an example keeps its attachments", async () => {
  const bytes = Uint8Array.from({ length: 5000 }, (_, index) => index % 251);
  const example = { id: randomUUID(), inputs: { q: "what is it?" }, attachments: { "picture": { mimeType: "image/png", data: bytes } } };
  await withDataset([example], async (dataset) => {
    const [found] = await all(client.listExamples({ datasetId: dataset.id, includeAttachments: true }));
    assert.equal(found.attachments.picture.mime_type, "image/png");
    const answer = await fetch(found.attachments.picture.presigned_url);
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), bytes);
  });
});

test("an experiment is runs, scores and a summary", () =>
  withDataset(SUMS, async (dataset) => {
    const results = await evaluate(({ number }) => ({ double: number === 2 ? 5 : number * 2 }), {
      data: dataset.name,
      experimentPrefix: "js-experiment",
      evaluators: [
        ({ outputs, referenceOutputs }) => ({
          key: "correct",
          score: outputs.double === referenceOutputs.double ? 1 : 0,
        }),
      ],
      summaryEvaluators: [({ runs }) => ({ key: "how_many", score: runs.length })],
      metadata: { model: "scripted" },
      client,
    });
    await sent(client);
    assert.equal(results.results.length, 3);
    const name = results.experimentName;
    const project = await client.readProject({ projectName: name, includeStats: true });
    assert.equal(project.reference_dataset_id, dataset.id);
    assert.equal(project.run_count, 3);
    assert.ok(Math.abs(project.feedback_stats.correct.avg - 2 / 3) < 1e-9);
    assert.equal(project.session_feedback_stats.how_many.avg, 3);
    const runs = await all(client.listRuns({ projectName: name, isRoot: true }));
    assert.deepEqual(runs.map((run) => run.outputs.double).sort(), [2, 5, 6]);
    assert.ok(runs.every((run) => run.reference_example_id));
    const experiments = await all(client.listProjects({ referenceDatasetId: dataset.id }));
    assert.deepEqual(experiments.map((one) => one.name), [name]);
  }));

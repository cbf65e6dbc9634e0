// Tracing with LangSmith's JavaScript SDK: what was traced is what is stored.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { Client, RunTree } from "langsmith";
import { getCurrentRunTree, traceable, withRunTree } from "langsmith/traceable";
import { conversation, runs, sent } from "../support/assay.mjs";

const fresh = (name) => `${name}-${randomUUID().slice(0, 8)}`;
const tree = (all, parent = null) =>
  all
    .filter((run) => (run.parent_run_id ?? null) === parent)
    .map((run) => [run.name, run.run_type, tree(all, run.id)]);

test("nested traceables are a tree", async () => {
  const project_name = fresh("js-nested");
  const client = new Client();
  const model = traceable(async (text) => `You said: ${text}`, { name: "model", run_type: "llm" });
  const tool = traceable((city) => `sunny in ${city}`, { name: "weather", run_type: "tool" });
  const inner = traceable(async (text) => model(await tool(text)), { name: "inner" });
  const outer = traceable(inner, { name: "outer", client, project_name, tags: ["one", "two"], metadata: { a: 1 } });
  assert.equal(await outer("Paris"), "You said: sunny in Paris");
  await sent(client);
  const all = await runs(project_name);
  assert.equal(all.length, 4);
  assert.deepEqual(tree(all), [
    ["outer", "chain", [["inner", "chain", [["weather", "tool", []], ["model", "llm", []]]]]],
  ]);
  assert.ok(all.every((run) => run.status === "success" && run.trace_id === all[0].id));
  assert.deepEqual(all[0].tags, ["one", "two"]);
  assert.equal(all[0].extra.metadata.a, 1);
  assert.deepEqual(all[0].inputs, { input: "Paris" });
  assert.deepEqual(all[0].outputs, { outputs: "You said: sunny in Paris" });
});

test("calls that run at once keep their parents", async () => {
  const project_name = fresh("js-concurrent");
  const client = new Client();
  const child = traceable(
    async (number) => {
      await new Promise((resolve) => setTimeout(resolve, (number * 7) % 5));
      return number;
    },
    { name: "child" },
  );
  const parent = traceable(async (number) => Promise.all([child(number), child(number + 100)]), {
    name: "parent",
    client,
    project_name,
  });
  await Promise.all(Array.from({ length: 60 }, (_, number) => parent(number)));
  await sent(client);
  const all = await runs(project_name);
  assert.equal(all.length, 180);
  for (const root of all.filter((run) => !run.parent_run_id)) {
    const children = all.filter((run) => run.parent_run_id === root.id);
    const number = root.inputs.input;
    assert.deepEqual(children.map((run) => run.inputs.input).sort((a, b) => a - b), [number, number + 100]);
  }
});

test("an error is the error of every run it went through", async () => {
  const project_name = fresh("js-errors");
  const client = new Client();
  const failing = traceable(
    async () => {
      throw new Error("the tool is out of order");
    },
    { name: "failing", run_type: "tool" },
  );
  const fine = traceable(() => "fine", { name: "fine" });
  const outer = traceable(
    async () => {
      fine();
      await failing();
    },
    { name: "outer", client, project_name },
  );
  await assert.rejects(outer(), /out of order/);
  await sent(client);
  const status = Object.fromEntries((await runs(project_name)).map((run) => [run.name, run]));
  assert.equal(status.fine.status, "success");
  for (const name of ["outer", "failing"]) {
    assert.equal(status[name].status, "error");
    assert.match(status[name].error, /the tool is out of order/);
  }
});

test("generators keep what they yielded", async () => {
  const project_name = fresh("js-generators");
  const client = new Client();
  const words = traceable(
    async function* (text) {
      for (const word of text.split(" ")) yield word;
    },
    { name: "words", client, project_name, aggregator: (pieces) => pieces.join("+") },
  );
  const plain = traceable(
    async function* () {
      yield 1;
      yield 2;
    },
    { name: "plain", client, project_name },
  );
  const heard = [];
  for await (const word of words("one two three")) heard.push(word);
  for await (const _ of plain());
  await sent(client);
  assert.deepEqual(heard, ["one", "two", "three"]);
  const all = Object.fromEntries((await runs(project_name)).map((run) => [run.name, run]));
  assert.deepEqual(all.words.outputs, { outputs: "one+two+three" });
  assert.deepEqual(all.plain.outputs, { outputs: [1, 2] });
});

test("a stream given up half way is a finished run", async () => {
  const project_name = fresh("js-given-up");
  const client = new Client();
  const endless = traceable(
    async function* () {
      for (let number = 0; ; number++) yield number;
    },
    { name: "endless", client, project_name },
  );
  for await (const number of endless()) if (number === 3) break;
  await sent(client);
  const [run] = await runs(project_name);
  assert.notEqual(run.end_time, null);
  assert.deepEqual(run.outputs, { outputs: [0, 1, 2, 3] });
});

test("a conversation over several traces is one thread", async () => {
  const project_name = fresh("js-thread");
  const thread = randomUUID();
  const client = new Client();
  const chat = traceable(
    async (messages) => ({ role: "assistant", content: `You said: ${messages.at(-1).content}` }),
    { name: "chat", run_type: "llm", client, project_name, metadata: { thread_id: thread } },
  );
  const messages = [];
  for (const content of ["Hello", "How are you?", "Goodbye 👋"]) {
    messages.push({ role: "user", content });
    messages.push(await chat([...messages]));
  }
  await sent(client);
  assert.deepEqual(await conversation(project_name, thread), messages.map((one) => [one.role, one.content]));
});

for (const [how, options] of [
  ["one by one", { autoBatchTracing: false }],
  ["as a JSON batch", { info: { batch_ingest_config: { use_multipart_endpoint: false, size_limit: 100 } } }],
  ["as multipart", {}],
]) {
  test(`runs sent ${how} arrive whole`, async () => {
    const project_name = fresh("js-sent");
    const client = new Client();
    if (options.info) {
      const info = await client._getServerInfo();
      Object.assign(options.info, { instance_flags: info.instance_flags, version: info.version });
      options.info.batch_ingest_config = { ...info.batch_ingest_config, ...options.info.batch_ingest_config };
    }
    const sender = new Client({ ...options, blockOnRootRunFinalization: true });
    if (options.info) sender._getServerInfo = async () => options.info;
    const root = new RunTree({ name: "root", run_type: "chain", inputs: { a: "ä" }, client: sender, project_name });
    await root.postRun();
    const child = root.createChild({ name: "child", run_type: "tool", inputs: { n: 1 } });
    await child.postRun();
    await child.end({ ok: true });
    await child.patchRun();
    await root.end({ b: [1, null, "three"] });
    await root.patchRun();
    await sent(sender);
    const [first, second, ...rest] = await runs(project_name);
    assert.equal(rest.length, 0);
    assert.deepEqual([first.id, first.inputs, first.outputs], [root.id, { a: "ä" }, { b: [1, null, "three"] }]);
    assert.deepEqual([second.parent_run_id, second.outputs, second.status], [root.id, { ok: true }, "success"]);
  });
}

test("a large payload of many scripts arrives unharmed", async () => {
  const project_name = fresh("js-large");
  const client = new Client();
  const line = "Ἀρχὴ πάντων 道可道非常道 العربية \u0000\u202e</script> 🦜🏽 ";
  const text = line.repeat(20_000);
  await traceable((given) => given.length, { name: "large", client, project_name })(text);
  await sent(client);
  const [run] = await runs(project_name);
  assert.equal(run.inputs.input.length, text.length);
  assert.equal(run.inputs.input, text);
});

test("attachments come back byte for byte", async () => {
  const project_name = fresh("js-attachments");
  const client = new Client();
  const picture = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 31) % 256);
  const look = traceable((given) => `looked at ${given.name}`, {
    name: "look",
    client,
    project_name,
    extractAttachments: ({ picture, notes, ...rest }) => [
      { picture: ["image/png", picture], notes: ["text/plain", notes] },
      rest,
    ],
  });
  await look({ name: "cat", picture, notes: new TextEncoder().encode("a cat") });
  await sent(client);
  const [run] = await runs(project_name);
  assert.deepEqual(run.inputs, { name: "cat" });
  assert.deepEqual(Object.keys(run.s3_urls).filter((key) => key.startsWith("attachment.")).sort(), [
    "attachment.notes",
    "attachment.picture",
  ]);
  const answer = await fetch(run.s3_urls["attachment.picture"].presigned_url);
  assert.equal(answer.headers.get("content-type"), "image/png");
  assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), picture);
  const notes = await fetch(run.s3_urls["attachment.notes"].presigned_url);
  assert.equal(await notes.text(), "a cat");
});

test("what a run learns while it runs is kept", async () => {
  const project_name = fresh("js-learned");
  const client = new Client();
  await traceable(
    async () => {
      const run = getCurrentRunTree();
      run.metadata.customer = "c-7";
      run.tags = ["late"];
      return "done";
    },
    { name: "learns", client, project_name, metadata: { early: true } },
  )();
  await sent(client);
  const [run] = await runs(project_name);
  assert.equal(run.extra.metadata.customer, "c-7");
  assert.equal(run.extra.metadata.early, true);
  assert.deepEqual(run.tags, ["late"]);
});

test("a trace goes on in another process", async () => {
  const project_name = fresh("js-distributed");
  const client = new Client();
  const service = async (headers) => {
    const parent = RunTree.fromHeaders(headers, { client, project_name });
    const serve = traceable((text) => text.toUpperCase(), { name: "service", client, project_name });
    return withRunTree(parent, () => serve("hello"));
  };
  const caller = traceable(async () => service(getCurrentRunTree().toHeaders()), {
    name: "caller",
    client,
    project_name,
  });
  assert.equal(await caller(), "HELLO");
  await sent(client);
  assert.deepEqual(tree(await runs(project_name)), [["caller", "chain", [["service", "chain", []]]]]);
});

test("hidden inputs never leave the client", async () => {
  const project_name = fresh("js-hidden");
  const client = new Client({ hideInputs: true, hideOutputs: (outputs) => ({ length: JSON.stringify(outputs).length }) });
  await traceable((text) => text, { name: "hidden", client, project_name })("secret");
  await sent(client);
  const [run] = await runs(project_name);
  assert.ok(!JSON.stringify(run).includes("secret"));
  assert.equal(run.status, "success");
});

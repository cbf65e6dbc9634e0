// Vercel's AI SDK with its own telemetry, exported over OTLP: the versions people use.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import * as six from "ai";
import * as sixTest from "ai/test";
import * as five from "ai-5";
import * as fiveTest from "ai-5/test";
import { z } from "zod";
import { conversation, runs, url } from "../support/assay.mjs";

// What the model reports, in the words of each version.
const USAGE_5 = { inputTokens: 20, outputTokens: 5, totalTokens: 25, cachedInputTokens: 4, reasoningTokens: 2 };
const USAGE_6 = {
  inputTokens: { total: 20, noCache: 16, cacheRead: 4, cacheWrite: 0 },
  outputTokens: { total: 5, text: 3, reasoning: 2 },
};
const VERSIONS = [
  { version: 5, ai: five, Model: fiveTest.MockLanguageModelV2, lib: fiveTest, usage: USAGE_5, reason: (word) => word },
  {
    version: 6,
    ai: six,
    Model: sixTest.MockLanguageModelV3,
    lib: sixTest,
    usage: USAGE_6,
    reason: (word) => ({ unified: word, raw: word }),
  },
];

/** A tracer whose spans go to a project of their own; `close` sends them. */
function traced(name) {
  const project = `${name}-${randomUUID().slice(0, 8)}`;
  const exporter = new OTLPTraceExporter({
    url: `${url}/otel/v1/traces`,
    headers: { "x-api-key": "test", "Langsmith-Project": project },
  });
  const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
  provider.register();
  const thread = randomUUID();
  const experimental_telemetry = {
    isEnabled: true,
    functionId: "weather-agent",
    metadata: { sessionId: thread },
    tracer: provider.getTracer("ai"),
  };
  return { project, thread, experimental_telemetry, close: () => provider.shutdown() };
}

for (const { version, ai, Model, lib, usage, reason } of VERSIONS) {
  const text = (words) => ({ content: [{ type: "text", text: words }], finishReason: reason("stop"), usage, warnings: [] });
  const call = (toolName, input) => ({
    content: [{ type: "tool-call", toolCallId: "call-1", toolName, input: JSON.stringify(input) }],
    finishReason: reason("tool-calls"),
    usage,
    warnings: [],
  });
  const answering = (...answers) => new Model({ doGenerate: async () => answers.shift(), modelId: "mock-1" });
  const pieces = (words) => [
    { type: "stream-start", warnings: [] },
    { type: "text-start", id: "1" },
    ...words.map((delta) => ({ type: "text-delta", id: "1", delta })),
    { type: "text-end", id: "1" },
    { type: "finish", finishReason: reason("stop"), usage },
  ];
  const streaming = (parts) =>
    new Model({ doStream: async () => ({ stream: lib.convertArrayToReadableStream(parts) }), modelId: "mock-1" });
  const tools = {
    get_weather: ai.tool({
      description: "The weather in a city.",
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => {
        if (city === "Atlantis") throw new Error("Atlantis is under water");
        return `sunny in ${city}`;
      },
    }),
  };

  test(`ai ${version}: a generated text is a conversation with tokens`, async () => {
    const { project, thread, experimental_telemetry, close } = traced("ai-text");
    const model = answering(text("Far away."));
    await ai.generateText({ model, system: "You are terse.", prompt: "How far is the moon?", experimental_telemetry });
    await close();
    assert.deepEqual(await conversation(project, thread), [
      ["system", "You are terse."],
      ["user", "How far is the moon?"],
      ["assistant", "Far away."],
    ]);
    const [root, step, ...rest] = await runs(project);
    assert.equal(rest.length, 0);
    assert.deepEqual([root.run_type, step.run_type], ["chain", "llm"]);
    for (const run of [root, step]) {
      assert.deepEqual([run.prompt_tokens, run.completion_tokens, run.total_tokens], [20, 5, 25]);
    }
    assert.equal(root.thread_id, thread);
    assert.equal(step.extra.metadata.ls_model_name, "mock-1");
  });

  test(`ai ${version}: an agent with a tool is a conversation`, async () => {
    const { project, thread, experimental_telemetry, close } = traced("ai-tool");
    await ai.generateText({
      model: answering(call("get_weather", { city: "Paris" }), text("It is sunny.")),
      tools,
      stopWhen: ai.stepCountIs(3),
      prompt: "How is the weather in Paris?",
      experimental_telemetry,
    });
    await close();
    assert.deepEqual(await conversation(project, thread), [
      ["user", "How is the weather in Paris?"],
      ["assistant", "get_weather", { city: "Paris" }],
      ["tool", "sunny in Paris"],
      ["assistant", "It is sunny."],
    ]);
    const all = await runs(project);
    assert.deepEqual(all.map((run) => run.run_type).sort(), ["chain", "llm", "llm", "tool"]);
    assert.equal(all[0].total_tokens, 50);
  });

  test(`ai ${version}: a streamed text is one answer with a first token`, async () => {
    const { project, thread, experimental_telemetry, close } = traced("ai-stream");
    const model = streaming(pieces(["Far ", "away", "."]));
    const result = ai.streamText({ model, prompt: "How far?", experimental_telemetry });
    let heard = "";
    for await (const piece of result.textStream) heard += piece;
    await close();
    assert.equal(heard, "Far away.");
    assert.deepEqual(await conversation(project, thread), [["user", "How far?"], ["assistant", "Far away."]]);
    const step = (await runs(project)).find((run) => run.run_type === "llm");
    assert.notEqual(step.first_token_time ?? null, null);
    assert.equal(step.total_tokens, 25);
  });

  test(`ai ${version}: an object is an answer too`, async () => {
    const { project, thread, experimental_telemetry, close } = traced("ai-object");
    const model = answering(text('{"city":"Paris"}'));
    const schema = z.object({ city: z.string() });
    await ai.generateObject({ model, schema, prompt: "Which city?", experimental_telemetry });
    await close();
    const said = await conversation(project, thread);
    assert.deepEqual(said[0], ["user", "Which city?"]);
    assert.deepEqual(JSON.parse(said.at(-1)[1]), { city: "Paris" });
    assert.equal(said.length, 2);
  });

  test(`ai ${version}: turns of a chat are one conversation`, async () => {
    const { project, thread, experimental_telemetry, close } = traced("ai-turns");
    const messages = [];
    for (const [question, answer] of [["Hello", "Hi."], ["How are you?", "Fine."], ["Bye", "Bye."]]) {
      messages.push({ role: "user", content: question });
      await ai.generateText({ model: answering(text(answer)), messages, experimental_telemetry });
      messages.push({ role: "assistant", content: answer });
    }
    await close();
    assert.deepEqual(await conversation(project, thread), messages.map((one) => [one.role, one.content]));
    assert.equal((await runs(project, { is_root: true })).length, 3);
  });

  test(`ai ${version}: an error of the model is an error of the trace`, async () => {
    const { project, thread, experimental_telemetry, close } = traced("ai-error");
    const model = new Model({
      doGenerate: async () => {
        throw new Error("the model is out of order");
      },
    });
    await assert.rejects(ai.generateText({ model, prompt: "Hello?", maxRetries: 0, experimental_telemetry }));
    await close();
    const all = await runs(project);
    assert.ok(all.length > 0);
    for (const run of all) {
      assert.equal(run.status, "error");
      assert.match(run.error, /the model is out of order/);
    }
    assert.deepEqual((await conversation(project, thread))[0], ["user", "Hello?"]);
  });

  test(`ai ${version}: a failing tool says so and the agent goes on`, async () => {
    const { project, thread, experimental_telemetry, close } = traced("ai-tool-error");
    await ai.generateText({
      model: answering(call("get_weather", { city: "Atlantis" }), text("It is under water.")),
      tools,
      stopWhen: ai.stepCountIs(3),
      prompt: "How is the weather in Atlantis?",
      experimental_telemetry,
    });
    await close();
    const failed = (await runs(project)).find((run) => run.run_type === "tool");
    assert.equal(failed.status, "error");
    assert.match(failed.error, /Atlantis is under water/);
    const said = await conversation(project, thread);
    assert.deepEqual(said.slice(0, 2), [
      ["user", "How is the weather in Atlantis?"],
      ["assistant", "get_weather", { city: "Atlantis" }],
    ]);
    assert.deepEqual(said.at(-1), ["assistant", "It is under water."]);
  });
}

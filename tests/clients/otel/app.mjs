// The agent of app.py in JavaScript, over OTLP as JSON (or protobuf), with OpenInference's instrumentation.
//
//   app.mjs TRANSPORT API PROJECT THREAD
import { context, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { setSession } from "@arizeai/openinference-core";
import { OpenAIInstrumentation } from "@arizeai/openinference-instrumentation-openai";
import OpenAI from "openai";

const [, , transport, api, project, thread] = process.argv;
const Exporter = transport === "json" ? JsonExporter : ProtobufExporter;
const exporter = new Exporter({
  url: `${process.env.ASSAY_URL}/otel/v1/traces`,
  headers: { "x-api-key": "test", "langsmith-project": project },
});
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
provider.register();
const instrumentation = new OpenAIInstrumentation();
instrumentation.setTracerProvider(provider);
instrumentation.manuallyInstrument(OpenAI);

const client = new OpenAI({ baseURL: `${api}/v1`, apiKey: "none" });
const parameters = { type: "object", properties: { city: { type: "string" } } };
const tools = [{ type: "function", function: { name: "get_weather", parameters } }];
const messages = [{ role: "system", content: "You are terse." }];
const tracer = trace.getTracer("app");

function agent(question) {
  const attributes = { "openinference.span.kind": "AGENT", "session.id": thread, "input.value": question };
  return tracer.startActiveSpan("agent", { attributes }, async (span) => {
    messages.push({ role: "user", content: question });
    for (;;) {
      const answer = await client.chat.completions.create({ model: "gpt-4o-mini", messages, tools });
      const { message } = answer.choices[0];
      messages.push(message);
      if (!message.tool_calls) {
        span.setAttribute("output.value", message.content);
        span.end();
        return;
      }
      const [call] = message.tool_calls;
      const attributes = {
        "openinference.span.kind": "TOOL",
        "tool.name": call.function.name,
        "input.value": call.function.arguments,
        "output.value": "sunny",
      };
      tracer.startSpan(call.function.name, { attributes }).end();
      messages.push({ role: "tool", tool_call_id: call.id, content: "sunny" });
    }
  });
}

await context.with(setSession(context.active(), { sessionId: thread }), async () => {
  await agent("How is the weather in Paris?");
  await agent("Thank you, terse friend");
});
await provider.shutdown();

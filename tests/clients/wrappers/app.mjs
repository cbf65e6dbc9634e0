// A chat in JavaScript with OpenAI's client in LangSmith's wrapper: whole answers, then a stream.
//
//   app.mjs API PROJECT THREAD
import { Client } from "langsmith";
import { wrapOpenAI } from "langsmith/wrappers";
import OpenAI from "openai";

const [, , api, project_name, thread_id] = process.argv;
const client = new Client();
const openai = wrapOpenAI(new OpenAI({ baseURL: `${api}/v1`, apiKey: "none" }), {
  client,
  project_name,
  metadata: { thread_id },
});

const model = "stand-in-gpt";
const messages = [
  { role: "system", content: "You are terse." },
  { role: "user", content: "Hello there friend" },
];
// A copy: the SDK serializes what it was given when it sends it, which is later.
const answer = await openai.chat.completions.create({ model, messages: [...messages] });
messages.push({ role: "assistant", content: answer.choices[0].message.content });
messages.push({ role: "user", content: "Goodbye" });
const stream = await openai.chat.completions.create({
  model,
  messages,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const _ of stream);
await client.awaitPendingTraceBatches();

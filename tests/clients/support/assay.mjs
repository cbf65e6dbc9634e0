// Reads back from the server what a client sent: runs, and the conversation of a thread.

export const url = process.env.ASSAY_URL ?? "http://127.0.0.1:1984";

export async function request(method, path, body) {
  const answer = await fetch(url + path, {
    method,
    headers: { "content-type": "application/json", "x-api-key": process.env.LANGSMITH_API_KEY ?? "test" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

export async function projectId(name) {
  const found = await request("GET", `/api/v1/sessions?${new URLSearchParams({ name })}`);
  if (found.length === 0) throw new Error(`no project ${name}`);
  return found[0].id;
}

/** All runs of a project, in the order of their traces. */
export async function runs(project, query = {}) {
  const found = [];
  let cursor;
  do {
    const page = await request("POST", "/api/v1/runs/query", {
      session: [await projectId(project)],
      limit: 100,
      cursor,
      ...query,
    });
    found.push(...page.runs);
    cursor = page.cursors?.next;
  } while (cursor);
  return found.sort((a, b) => (a.dotted_order < b.dotted_order ? -1 : 1));
}

/** What was said in a thread: [role, text], and for tool calls [role, name, arguments]. */
export async function conversation(project, thread) {
  const path = `/api/v1/threads/${encodeURIComponent(thread)}/messages?${new URLSearchParams({ project })}`;
  const found = await request("GET", path);
  return found.messages.flatMap((message) => {
    const text = Array.isArray(message.content)
      ? message.content.filter((part) => part.type === "text").map((part) => part.text).join("\n")
      : message.content;
    const calls = (message.tool_calls ?? []).map((call) => [message.role, call.name, call.arguments]);
    return [...(text ? [[message.role, text]] : []), ...calls];
  });
}

/** Waits until a client of LangSmith has sent what it has. */
export async function sent(client) {
  // The SDK serializes large payloads on a thread that does not keep the process alive.
  const alive = setInterval(() => {}, 1000);
  try {
    await client.awaitPendingTraceBatches();
  } finally {
    clearInterval(alive);
  }
}

/** A moment later. LangSmith's client tells time in milliseconds, and what is told the same has no order. */
export async function tick() {
  for (const now = Date.now(); Date.now() === now; ) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits for a condition of which no client says when it holds. */
export async function until(condition, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error("the condition did not hold in time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

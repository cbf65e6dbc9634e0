// What the report says, with whole names; `source.js` knows where it comes from.
import { areThreadsHere, readConversation, readHead, readThreads } from "./source.js";

const STATUS = ["success", "error", "pending"];

export const report = readHead() ?? {
  project: "", command: "", analysed: 0, listed: 0, categories: [], highlights: [],
};

/** Threads with whole names, once they are read; `row` is the place in the list. */
export const threads = [];
const rowOfThread = new Map();
const reading = { isDone: false, promise: null };

function takeThreads(found) {
  for (const raw of found) {
    if (!rowOfThread.has(raw.i)) rowOfThread.set(raw.i, threads.length);
    threads.push(wholeThread(raw, threads.length));
  }
  for (const [rank, row] of report.highlights) if (row !== null && threads[row]) threads[row].rank = rank;
  reading.isDone = true;
}

function wholeThread(raw, row) {
  return {
    row,
    id: raw.i,
    category: raw.c ?? null,
    confidence: raw.f,
    reason: raw.y ?? null,
    summary: raw.s,
    request: raw.r,
    attributes: raw.a ?? {},
    status: STATUS[raw.u],
    failure: raw.x ?? null,
    fails: raw.u === 1 || raw.x !== undefined,
    time: raw.d ?? null,
    latency: raw.l ?? null,
    tokens: raw.t,
    cost: raw.m ?? null,
    feedback: raw.b ?? {},
    weight: raw.w ?? 1,
    position: raw.p,
    hasConversation: raw.k === true,
    traces: raw.g,
    run: raw.n ?? null,
    rank: null,
    words: null,
  };
}

/** Whether the threads are read. */
export function hasThreads() {
  return reading.isDone;
}

/** Reads the threads, once. Where they cannot be had this says why, and may be asked again. */
export function loadThreads() {
  reading.promise ??= (async () => {
    try {
      const found = await readThreads();
      if (!reading.isDone) takeThreads(found ?? []);
    } catch (error) {
      reading.promise = null;
      throw error;
    }
  })();
  return reading.promise;
}

if (areThreadsHere) takeThreads(readThreads() ?? []);

const positionOfCategory = new Map();
report.categories.forEach((category, position) => {
  category.position = position;
  category.leaves = new Set([position]);
  if (!positionOfCategory.has(category.id)) positionOfCategory.set(category.id, position);
});
report.categories.forEach((category, position) => {
  let at = category;
  for (let steps = 0; at.parent !== null && at.parent !== undefined && steps < 16; steps += 1) {
    at = report.categories[at.parent];
    at.leaves.add(position);
  }
});

export function threadById(id) {
  const row = rowOfThread.get(id);
  return row === undefined ? null : threads[row];
}

export function categoryById(id) {
  const position = positionOfCategory.get(id);
  return position === undefined ? null : report.categories[position];
}

export function categoryPath(position) {
  const path = [];
  for (let at = position; at !== null && at !== undefined && path.length < 16; at = report.categories[at].parent) {
    path.unshift(report.categories[at]);
  }
  return path;
}

export function topOf(position) {
  return position === null ? null : categoryPath(position)[0];
}

/** What was said and done in a thread, or null where that is not kept. */
export async function conversation(thread) {
  return thread.hasConversation ? readConversation(thread) : null;
}

/** Everything of a thread that a search may find, in lower case; made when first asked for. */
export function searchText(thread) {
  thread.words ??= [
    thread.request, thread.summary, thread.id, thread.failure ?? "", thread.reason ?? "",
    ...Object.entries(thread.attributes).flat(2), ...thread.traces,
    ...categoryPath(thread.category).map((category) => category.name),
  ].join("\n").toLowerCase();
  return thread.words;
}

/** Whether a thread has an attribute value, as the report counts it. */
export function hasAttribute(thread, name, value) {
  const found = thread.attributes[name];
  if (found === undefined) return false;
  if (Array.isArray(found)) return found.includes(value);
  if (typeof found === "boolean") return ["yes", "true"].includes(value) === found;
  return String(found) === value;
}

/** `last_tool` reads better as `last tool`; a key of metadata is what one filters by. */
export function attributeName(name) {
  return name.includes(".") ? name : name.replaceAll("_", " ");
}

export function attributeText(value) {
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value);
}

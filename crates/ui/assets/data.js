// What the report says, with whole names; `source.js` knows where it comes from.
import { areThreadsHere, readConversation, readHead, readMatches, readThreads, readWords } from "./source.js";

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
  const thread = {
    row,
    id: raw.i,
    category: raw.c ?? null,
    confidence: raw.f,
    reason: raw.y ?? null,
    summary: null,
    request: null,
    attributes: raw.a ?? {},
    status: STATUS[raw.u],
    failure: null,
    fails: raw.u === 1 || raw.e === true,
    time: raw.d ?? null,
    latency: raw.l ?? null,
    tokens: raw.t,
    cost: raw.m ?? null,
    feedback: raw.b ?? {},
    weight: raw.w ?? 1,
    position: raw.p,
    hasConversation: raw.k === true,
    traces: [],
    run: null,
    rank: null,
    words: null,
  };
  if (raw.r !== undefined) takeWords(thread, raw);
  return thread;
}

function takeWords(thread, raw) {
  Object.assign(thread, { summary: raw.s, request: raw.r, failure: raw.x ?? null, traces: raw.g, run: raw.n ?? null });
}

/** Words asked for at once, at most: their rows stand in an address. */
const PORTION = 200;
/** The rows whose words are on their way, with what brings them. */
const coming = new Map();

/** Whether it is known what these threads are about. */
export function haveWords(list) {
  return list.every((thread) => thread.request !== null);
}

/** Reads what these threads are about; what is on its way is not asked for again. */
export async function loadWords(list) {
  const missing = list.filter((thread) => thread.request === null);
  const fresh = missing.filter((thread) => !coming.has(thread.row));
  for (let at = 0; at < fresh.length; at += PORTION) {
    const portion = fresh.slice(at, at + PORTION);
    const read = (async () => {
      try {
        const found = await readWords(portion.map((thread) => thread.row));
        if (found === null) throw new Error("the report is gone");
        for (const thread of portion) takeWords(thread, found[thread.row] ?? { s: "", r: "", g: [] });
      } finally {
        for (const thread of portion) coming.delete(thread.row);
      }
    })();
    for (const thread of portion) coming.set(thread.row, read);
  }
  await Promise.all(new Set(missing.map((thread) => coming.get(thread.row))));
}

/** Which rows have the words last searched for. */
const lastSearch = { words: null, rows: null };

/** Whether a search can be answered at once: always where all words are here, else once it was asked. */
export function isSearched(words) {
  return readMatches === null || lastSearch.words === words;
}

/** Has a search answered. */
export async function searchFor(words) {
  const rows = await readMatches(words);
  if (rows === null) throw new Error("the report is gone");
  Object.assign(lastSearch, { words, rows: new Set(rows) });
}

/** Whether each of the words occurs in a thread, for a search that can be answered. */
export function isMatch(thread, words) {
  if (readMatches !== null) return lastSearch.rows.has(thread.row);
  return words.split(" ").every((word) => searchText(thread).includes(word));
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

/** Everything of a thread that a search may find, in lower case (as `payload.rs` has it); made when first asked for. */
function searchText(thread) {
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

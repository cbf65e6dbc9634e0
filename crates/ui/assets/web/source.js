// Where the report's data comes from on a server: what is in the page first,
// then threads, their words as they come in sight, and conversations when they
// are looked at. Served as source.js.
import { byId } from "./dom.js";

const place = document.querySelector("[data-report]")?.dataset ?? {};

async function get(path) {
  const response = await fetch(path, { headers: { accept: "application/json" }, credentials: "same-origin" });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.json();
}

export function readHead() {
  return JSON.parse(byId("data").textContent);
}

/** A large report has more to say of its threads than of everything else: who looks at them asks. */
export const areThreadsHere = false;

export function readThreads() {
  return get(`${place.report}/threads.json`);
}

/** What some threads are about, by row. */
export function readWords(rows) {
  return get(`${place.report}/words.json?rows=${rows.join(".")}`);
}

/** The rows of the threads in which each of the words occurs. */
export function readMatches(words) {
  return get(`${place.report}/matches.json?q=${encodeURIComponent(words)}`);
}

export function readConversation(thread) {
  return get(`${place.report}/conversation.json?thread=${encodeURIComponent(thread.id)}`);
}

/** A shared report leads to no page beside it. */
export function pageOfThread(thread) {
  return place.project ? `${place.project}/threads/${encodeURIComponent(thread.id)}` : null;
}

export function pageOfTrace(trace) {
  return place.project ? `${place.project}/traces/${encodeURIComponent(trace)}` : null;
}

export const noConversation = place.project === "" ? {
  heading: "The conversation is not shared",
  text: "Whoever shared this report shared what it says of its threads, not what was said in them. Where the project is, this command shows the thread:",
} : {
  heading: "The conversation is gone",
  text: "The thread is no longer in the store: it was deleted, or its project keeps traces for a shorter time. What the report says of it stays. While the store had it, this command showed it:",
};

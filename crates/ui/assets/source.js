// Where the report's data comes from: blocks of JSON in the page itself. A
// server has another module of this name, which asks for what is not in the page.
import { byId } from "./dom.js";

function readBlock(id) {
  const block = byId(id);
  return block ? JSON.parse(block.textContent) : null;
}

export function readHead() {
  return readBlock("data");
}

/** Whether the threads come with the page. */
export const areThreadsHere = true;

export function readThreads() {
  return readBlock("thread-data");
}

/** Words come with the threads. */
export function readWords() {
  return {};
}

/** Threads are searched where they are. */
export const readMatches = null;

export function readConversation(thread) {
  return readBlock(`conversation-${thread.row}`);
}

/** The page of a thread, where there is one. */
export function pageOfThread() {
  return null;
}

/** The page of a trace, where there is one. */
export function pageOfTrace() {
  return null;
}

/** What is said where there is no conversation. */
export const noConversation = {
  heading: "The conversation is not in this page",
  text: "The page keeps some conversations of each category, to stay small. Over the store that holds the project, this command shows the whole thread:",
};

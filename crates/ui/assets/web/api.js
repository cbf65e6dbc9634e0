// Asking the server: JSON over the API that every other client uses.
import { byId, h } from "../dom.js";

const token = document.querySelector('meta[name="assay-token"]')?.content ?? "";

/** What the server refused, in its own words. */
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** The words in the body of a refusal, whichever shape it has. */
function wordsOf(body, status) {
  const said = body?.detail ?? body?.details ?? body?.error ?? body?.title;
  if (typeof said === "string") return said;
  if (Array.isArray(said)) return said.map((one) => `${(one.loc ?? []).slice(1).join(".") || "request"}: ${one.msg}`).join("; ");
  return `the server answered ${status}`;
}

async function readBody(response) {
  const text = await response.text();
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

/** `ask("/api/v1/sessions", { method: "POST", body: {...} })`: the JSON of the answer; throws `Refused`. */
export async function ask(path, { method = "GET", body, signal } = {}) {
  const headers = { accept: "application/json" };
  if (method !== "GET") headers["x-assay-token"] = token;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "the server cannot be reached");
  }
  const answer = await readBody(response);
  if (response.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  if (!response.ok) throw new Refused(response.status, wordsOf(answer, response.status));
  return answer;
}

/** A note that goes away by itself. `kind` is "good", "bad" or ""; `undo` is `{ path, method, body }`. */
export function toast(text, kind = "", undo = null) {
  const note = h("p", { class: `toast ${kind}` }, text);
  if (undo) {
    note.append(" ", h("button", { type: "button", class: "toast-undo", onclick: (event) => act(event.currentTarget, async () => {
      await ask(undo.path, undo);
      location.reload();
    }) }, "Undo"));
  }
  byId("toasts").append(note);
  setTimeout(() => note.remove(), undo ? 20_000 : kind === "bad" ? 9000 : 4000);
}

const FLASH = "assay-flash";

/** A note for the page that is loaded next. */
export function flash(text, kind = "good", undo = null) {
  try {
    sessionStorage.setItem(FLASH, JSON.stringify({ text, kind, undo }));
  } catch { /* storage is off: what was done shows on the page itself */ }
}

/** Shows the note that the page before left. */
export function showFlash() {
  try {
    const left = JSON.parse(sessionStorage.getItem(FLASH));
    sessionStorage.removeItem(FLASH);
    if (left) toast(left.text, left.kind, left.undo);
  } catch { /* storage is off, or not ours: there is nothing to show */ }
}

/** Runs what a button does: once at a time, and with what went wrong said. */
export async function act(button, work) {
  if (button.getAttribute("aria-busy") === "true") return undefined;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (error) {
    toast(error.message, "bad");
    return undefined;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** Asks in a dialog whether to go on; resolves to true or false. */
export function confirmed(heading, text, yes, kind = "danger") {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "confirm", "aria-label": heading },
      h("h2", {}, heading), h("p", {}, text),
      h("div", { class: "actions" },
        h("button", { type: "button", class: "button", onclick: () => dialog.close("no") }, "Cancel"),
        h("button", { type: "button", class: `button ${kind}`, onclick: () => dialog.close("yes") }, yes)));
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Whether an event is typed into a field, where keys are letters. */
export function isTyping(event) {
  return event.target.closest?.("input, select, textarea, [contenteditable]") !== null;
}

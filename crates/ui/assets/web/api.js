// Asking the server: JSON over the API that every other client uses.
import { byId, h } from "../dom.js";

const token = document.querySelector('meta[name="assay-token"]')?.content ?? "";

/** What the server refused, in its own words. `fields` says what it is about, where the server does: `{ name, text }`. */
export class Refused extends Error {
  constructor(status, text, fields = []) {
    super(text);
    this.status = status;
    this.fields = fields;
  }
}

/** What a refusal is about, whichever shape its body has: the name of a field or "", and what is wrong with it. */
function fieldsOf(body, status) {
  const said = body?.detail ?? body?.details ?? body?.error ?? body?.title;
  if (Array.isArray(said)) return said.map(({ loc = [], msg }) => ({ name: loc.slice(1).findLast((part) => typeof part === "string") ?? "", text: msg }));
  const text = typeof said === "string" ? said : `the server answered ${status}`;
  const [, name = "", rest = text] = /^([a-z]+(?:_[a-z]+)*): ([^]*)$/.exec(text) ?? [];
  return [{ name, text: rest }];
}

/** `start_time` as people say it. */
const spelled = (name) => name.replaceAll("_", " ");

function refusal(body, status) {
  const fields = fieldsOf(body, status);
  return new Refused(status, fields.map(({ name, text }) => (name ? `${spelled(name)}: ${text}` : text)).join("; "), fields);
}

/** What a control is called in its form. */
function labelOf(control) {
  const words = control.closest(".field")?.querySelector("span, legend");
  return control.getAttribute("aria-label") ?? [...(words?.childNodes ?? [])].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent).join("").trim();
}

/** Takes back what `refuse` said in a form. */
export function accept(form, place = form.querySelector(".problem-text:not([data-refused])")) {
  for (const note of form.querySelectorAll("[data-refused]")) note.remove();
  for (const control of form.querySelectorAll("[data-is-refused]")) {
    control.removeAttribute("aria-invalid");
    delete control.dataset.isRefused;
  }
  if (place) place.hidden = true;
}

/**
 * Says in a form what was refused: at the field it is about, and in the form's own words.
 * `names` leads from names of the API to those of the form, where they are others.
 * What is about no field stands at the end of the form, or in `place`.
 */
export function refuse(form, error, { names = {}, place = form.querySelector(".problem-text:not([data-refused])"), isQuiet = false } = {}) {
  accept(form, place);
  const rest = [];
  let first = null;
  for (const { name, text } of error.fields ?? [{ name: "", text: error.message }]) {
    const control = name && form.elements.namedItem(names[name] ?? name);
    const field = control instanceof Element ? control.closest(".field") : null;
    if (!field) {
      rest.push(name ? `${spelled(name)}: ${text}` : text);
      continue;
    }
    control.setAttribute("aria-invalid", "true");
    control.dataset.isRefused = "";
    field.append(h("small", { class: "problem-text", role: "alert", "data-refused": "" }, `${labelOf(control)}: ${text}`));
    field.closest("details")?.setAttribute("open", "");
    first ??= control;
  }
  if (place) {
    place.textContent = rest.join("; ");
    place.hidden = rest.length === 0;
  }
  if (!isQuiet) first?.focus();
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
  if (!response.ok) throw refusal(answer, response.status);
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

// Forms and buttons that say themselves what they send to the API:
// `data-form="PUT /api/v1/…"` on a form, `data-send="DELETE /api/v1/…"` on a button,
// `data-then` where to go afterwards (`reload` loads the page again), `data-goes` the
// same with the id of what was made, `data-done` what is said then.
import { byId } from "../dom.js";
import { accept, act, ask, confirmed, flash, refuse, toast } from "./api.js";
import { refresh } from "./live.js";

/** A price of a million tokens as that of one, exactly: the point moves six places. */
export function perToken(text) {
  const [whole, part = ""] = text.trim().split(".");
  const digits = `${whole || "0"}`.padStart(7, "0");
  const at = digits.length - 6;
  return `${digits.slice(0, at)}.${digits.slice(at)}${part}`;
}

const AS = {
  "per-million": perToken,
  day: (text) => (text === "" ? null : new Date(`${text}T00:00`).toISOString()),
  "or-null": (text) => (text === "" ? null : text),
};

function bodyOf(form) {
  if (form.dataset.json) return JSON.parse(form.elements[form.dataset.json].value);
  const body = {};
  for (const field of form.elements) {
    if (!field.name || field.type === "submit") continue;
    const value = (AS[field.dataset.as] ?? ((text) => text))(field.value);
    if (value !== "" || field.required || form.dataset.form.startsWith("PATCH")) body[field.name] = value;
  }
  return "wrap" in form.dataset ? [body] : body;
}

async function isMeant(element) {
  const { confirm, words = "" } = element.dataset;
  return !confirm || confirmed(confirm, words, element.textContent.trim().length < 20 && element.tagName === "BUTTON" ? element.textContent.trim() : "Go on");
}

function showOnce(form, answer) {
  const shown = answer?.[form.dataset.shows];
  if (!shown) return;
  const place = byId("new-key");
  place.hidden = false;
  place.querySelector("code").textContent = shown;
  place.scrollIntoView({ block: "center" });
}

/** The first key closes the server to this page, too: it goes in with it, and is loaded anew once the key is copied. */
async function enter(form, key) {
  const answer = await fetch("/login", { method: "POST", body: new URLSearchParams({ key, next: "/workspace/keys" }) });
  if (!answer.ok) throw new Error("The key was made, but this browser could not log in with it.");
  form.hidden = true;
  byId("no-keys")?.remove();
}

async function submit(form) {
  accept(form);
  if (!await isMeant(form)) return;
  const button = form.querySelector('[type="submit"]');
  button.disabled = true;
  try {
    const [method, path] = form.dataset.form.split(" ");
    const answer = await ask(path, { method, body: bodyOf(form) });
    toast("Saved", "good");
    if (form.dataset.shows) {
      // Loading again would take it away.
      form.reset();
      showOnce(form, answer);
      if ("enters" in form.dataset) await enter(form, answer[form.dataset.shows]);
      return;
    }
    document.activeElement?.blur();
    if (form.dataset.goes) location.assign(form.dataset.goes + answer.id);
    else if (form.dataset.form.startsWith("PATCH")) location.reload();
    else await refresh();
  } catch (error) {
    refuse(form, error, { names: JSON.parse(form.dataset.names ?? "{}") });
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.dataset.form) return;
  event.preventDefault();
  submit(event.target);
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-send], [data-fill]");
  if (!button) return;
  if (button.dataset.fill) {
    const form = byId(button.dataset.fill);
    form.elements.key.value = button.dataset.key;
    form.elements.value.focus();
    return;
  }
  if (!await isMeant(button)) return;
  await act(button, async () => {
    const [method, path] = button.dataset.send.split(" ");
    await ask(path, { method, body: button.dataset.body ? JSON.parse(button.dataset.body) : undefined });
    const { then, done = "Done" } = button.dataset;
    if (then === "reload") {
      flash(done);
      location.reload();
    } else if (then) {
      flash(done);
      location.assign(then);
    } else {
      toast(done, "good");
      await refresh();
    }
  });
});

// Settings: forms and buttons that say themselves what they send to the API.
// `data-form="PUT /api/v1/…"` on a form, `data-send="DELETE /api/v1/…"` on a button.
import { byId } from "../dom.js";
import { act, ask, confirmed, toast } from "./api.js";
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

async function submit(form) {
  const problem = form.querySelector(".problem-text");
  problem.hidden = true;
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
      return;
    }
    document.activeElement?.blur();
    if (form.dataset.form.startsWith("PATCH")) location.reload();
    else await refresh();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
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
    if (button.dataset.then) location.assign(button.dataset.then);
    else {
      toast("Done", "good");
      await refresh();
    }
  });
});

// ---------------------------------------------------------------- policies

function policyOf(form) {
  const { elements } = form;
  const detectors = [...form.querySelectorAll('[name="detectors"]:checked')].map((box) => box.value);
  const regex = elements.regex.value.trim();
  const patterns = regex === "" ? [] : [{ name: elements["pattern-name"].value.trim() || "own", regex }];
  const rate = elements.sample_rate.value.trim();
  return { ...(rate === "" ? {} : { sample_rate: Number(rate) }), redact: { detectors, patterns, style: elements.style.value } };
}

function setUpPolicy(form) {
  const problem = form.querySelector(".problem-text");
  let timer = 0;
  const test = async () => {
    try {
      const { text } = await ask("/workspace/redaction/test", { method: "POST", body: { rules: policyOf(form).redact, text: form.elements.sample.value } });
      form.elements.tested.value = text;
      problem.hidden = true;
    } catch (error) {
      form.elements.tested.value = "";
      problem.textContent = error.message;
      problem.hidden = false;
    }
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(test, 200); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await act(form.querySelector('[type="submit"]'), async () => {
      await ask(`/api/v1/ingest-policies/${encodeURIComponent(form.elements.project.value.trim())}`, { method: "PUT", body: policyOf(form) });
      toast("The policy holds from now on", "good");
      document.activeElement?.blur();
      await refresh();
      prepare();
    });
  });
  test();
}

function prepare() {
  for (const form of document.querySelectorAll("form[data-policy]:not([data-ready])")) {
    form.dataset.ready = "";
    setUpPolicy(form);
  }
}

prepare();
document.addEventListener("assay-live", prepare);

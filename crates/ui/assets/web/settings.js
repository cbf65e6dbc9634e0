// Settings: what their forms say themselves goes through sends.js; here is what
// needs more: policies with their tester, and asking a provider with its key.
import { seconds } from "../format.js";
import { act, ask, toast } from "./api.js";
import { refresh } from "./live.js";
import "./sends.js";

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

// ------------------------------------------------------------------- models

/** Where a key came from, where that is not its name. */
const KEYS = { missing: ", without a key" };

/** Asks a provider one short question with its key; says what came of it beside the table. */
async function tryProvider(button) {
  const place = document.getElementById("tried");
  place.className = "tried";
  place.textContent = "Asking …";
  place.hidden = false;
  button.disabled = true;
  try {
    const body = button.dataset.try ? { model: button.dataset.try } : {};
    const told = await ask("/api/v1/workspaces/current/models/test", { method: "POST", body });
    place.classList.add("good");
    place.textContent = `It works: ${told.answered_by} (${told.provider}) answered in ${seconds(told.seconds)}${KEYS[told.key] ?? `, with ${told.key}`}.`;
  } catch (error) {
    place.classList.add("bad");
    place.textContent = error.message;
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-try]");
  if (button) tryProvider(button);
});

prepare();
document.addEventListener("assay-live", prepare);

// Settings: what their forms say themselves goes through sends.js; here is what
// needs more: policies with their tester, and asking a provider with its key.
import { seconds } from "../format.js";
import { act, ask, toast } from "./api.js";
import { refresh } from "./live.js";
import "./sends.js";

// ---------------------------------------------------------------- policies

const said = (row, name) => row.querySelector(`[name="${name}"]`).value.trim();

/** Rows of each kind: what they say as the API has it, and their fields from that. */
const ROWS = {
  patterns: {
    read: (row) => ({ name: said(row, "pattern-name"), regex: said(row, "pattern-regex") }),
    fields: ({ name, regex }) => ({ "pattern-name": name, "pattern-regex": regex }),
  },
  paths: {
    read: (row) => ({ path: said(row, "path"), action: said(row, "path-action") }),
    fields: ({ path, action = "replace" }) => ({ path, "path-action": action }),
  },
  rules: {
    read: (row) => ({ name: said(row, "rule-name"), action: said(row, "rule-action"), applies_to: said(row, "rule-scope"), filter: said(row, "rule-filter") }),
    fields: ({ name, action, applies_to: scope = "trace", filter }) => ({ "rule-name": name, "rule-action": action, "rule-scope": scope, "rule-filter": filter }),
  },
};

function rowsOf(form, kind) {
  return [...form.querySelectorAll(`[data-rows="${kind}"] > .row-fields`)];
}

function addRow(form, kind, values = {}) {
  const row = document.getElementById(`${kind}-row`).content.firstElementChild.cloneNode(true);
  for (const [name, text] of Object.entries(values)) row.querySelector(`[name="${name}"]`).value = text;
  form.querySelector(`[data-rows="${kind}"]`).append(row);
  return row;
}

function policyOf(form) {
  const { elements } = form;
  const detectors = [...form.querySelectorAll('[name="detectors"]:checked')].map((box) => box.value);
  const rows = (kind) => rowsOf(form, kind).map(ROWS[kind].read);
  const rate = elements.sample_rate.value.replace("%", "").trim();
  return {
    ...(rate === "" ? {} : { sample_rate: Number(rate) / 100 }),
    redact: { detectors, patterns: rows("patterns"), paths: rows("paths"), style: elements.style.value, hide_inputs: elements.hide_inputs.checked, hide_outputs: elements.hide_outputs.checked },
    rules: rows("rules"),
  };
}

/** Puts a policy into the form, or empties it where there is none. */
function fillPolicy(form, project = "*", { sample_rate: rate, redact = {}, rules = [] } = {}) {
  const { elements } = form;
  elements.project.value = project;
  elements.sample_rate.value = rate === undefined || rate === null ? "" : `${Number((rate * 100).toPrecision(6))} %`;
  elements.style.value = redact.style ?? "plain";
  const detectors = (redact.detectors ?? []).flatMap((name) => (name === "all" ? ["personal", "secrets"] : [name]));
  for (const box of form.querySelectorAll('[name="detectors"]')) box.checked = detectors.includes(box.value);
  for (const name of ["hide_inputs", "hide_outputs"]) elements[name].checked = redact[name] === true;
  for (const [kind, all] of Object.entries({ patterns: redact.patterns, paths: redact.paths, rules })) {
    rowsOf(form, kind).forEach((row) => row.remove());
    for (const one of all ?? []) addRow(form, kind, ROWS[kind].fields(one));
  }
}

function setUpPolicy(form) {
  const problem = form.querySelector(".problem-text");
  const back = document.getElementById("policy-reset");
  const heading = document.getElementById("policy-heading");
  let timer = 0;
  const problemIs = (text) => {
    problem.textContent = text;
    problem.hidden = text === "";
  };
  const test = async () => {
    try {
      const { redact } = policyOf(form);
      // A row that is begun is no pattern yet.
      const patterns = redact.patterns.filter(({ name, regex }) => name && regex);
      const { text } = await ask("/workspace/redaction/test", { method: "POST", body: { rules: { ...redact, patterns, paths: [] }, text: form.elements.sample.value } });
      form.elements.tested.value = text;
      problemIs("");
    } catch (error) {
      form.elements.tested.value = "";
      problemIs(error.message);
    }
  };
  const begin = (project, policy) => {
    fillPolicy(form, project, policy);
    const isEdit = policy !== undefined;
    heading.textContent = !isEdit ? "Set a policy" : project === "*" ? "Change the policy of all projects" : `Change the policy of ${project}`;
    form.elements.project.readOnly = isEdit;
    back.hidden = !isEdit;
    test();
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(test, 200); });
  form.addEventListener("click", (event) => {
    const { add } = event.target.closest("[data-add]")?.dataset ?? {};
    if (add) addRow(form, add).querySelector("input").focus();
    if (event.target.closest("[data-remove]")) {
      event.target.closest(".row-fields").remove();
      test();
    }
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    begin();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-edit-policy]");
    if (!button) return;
    begin(button.dataset.editPolicy, JSON.parse(button.closest("section").querySelector("[data-policy-json]").textContent));
    heading.scrollIntoView({ block: "start" });
    form.elements.sample_rate.focus({ preventScroll: true });
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await act(form.querySelector('[type="submit"]'), async () => {
      try {
        await ask(`/api/v1/ingest-policies/${encodeURIComponent(form.elements.project.value.trim())}`, { method: "PUT", body: policyOf(form) });
      } catch (error) {
        problemIs(error.message);
        return;
      }
      toast("The policy holds from now on", "good");
      document.activeElement?.blur();
      begin();
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

// A report on a server: the report's own modules, and what only a server can
// do with it: threads into datasets, categories renamed, merged and hidden.
import "../report.js";
import { report, threads } from "../data.js";
import { byId, h } from "../dom.js";
import { plural } from "../format.js";
import { ask, toast } from "./api.js";

/** Examples sent at once. */
const CHUNK = 50;

const chosen = { category: null, threads: [] };

function setUpDatasets() {
  for (const section of document.querySelectorAll(".view.category")) {
    const category = report.categories[section.dataset.category];
    const button = h("button", { type: "button", class: "button", onclick: () => open(category) }, "Add to a dataset");
    section.querySelector(".title-block").append(h("div", { class: "actions category-tools" }, button));
  }
  const form = byId("dataset-form");
  form.querySelector("[data-close]").addEventListener("click", () => byId("dataset-dialog").close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}

async function open(category) {
  const members = threads.filter((thread) => category.leaves.has(thread.category) && thread.traces.length > 0);
  Object.assign(chosen, { category, threads: members });
  const form = byId("dataset-form");
  form.querySelector(".problem-text").hidden = true;
  form.elements.name.value ||= category.name;
  byId("dataset-words").textContent = `${plural(members.length, "thread")} of “${category.name}”: inputs and outputs of the last trace of each.`;
  byId("dataset-dialog").showModal();
  form.elements.name.select();
  try {
    const known = await ask("/api/v1/datasets?limit=100");
    byId("dataset-names").replaceChildren(...known.map((dataset) => h("option", { value: dataset.name })));
  } catch { /* without a list of names one is typed */ }
}

async function datasetNamed(name) {
  const [known] = await ask(`/api/v1/datasets?name=${encodeURIComponent(name)}`);
  return known ?? ask("/api/v1/datasets", { method: "POST", body: { name, description: `Threads of the category “${chosen.category.name}”` } });
}

function exampleOf(dataset, thread) {
  return {
    dataset_id: dataset.id,
    source_run_id: thread.traces.at(-1),
    use_source_run_io: true,
    metadata: { thread: thread.id, category: chosen.category.name, summary: thread.summary },
  };
}

async function send(form) {
  const button = form.querySelector('[type="submit"]');
  if (button.disabled) return;
  button.disabled = true;
  const problem = form.querySelector(".problem-text");
  problem.hidden = true;
  let sent = 0;
  try {
    const dataset = await datasetNamed(form.elements.name.value.trim());
    const gone = [];
    for (let at = 0; at < chosen.threads.length; at += CHUNK) {
      const part = chosen.threads.slice(at, at + CHUNK);
      sent += await sendPart(dataset, part, gone);
      button.textContent = `${sent} of ${chosen.threads.length}`;
    }
    byId("dataset-dialog").close();
    toast(`${plural(sent, "example")} in the dataset “${dataset.name}”${gone.length > 0 ? `; ${gone.length} are no longer in the store` : ""}`, "good");
  } catch (error) {
    problem.textContent = `${error.message}${sent > 0 ? ` (${sent} were added)` : ""}`;
    problem.hidden = false;
  } finally {
    button.disabled = false;
    button.textContent = "Add threads";
  }
}

/** All at once; one by one where a trace is gone meanwhile. */
async function sendPart(dataset, part, gone) {
  const examples = part.map((thread) => exampleOf(dataset, thread));
  try {
    await ask("/api/v1/examples/bulk", { method: "POST", body: examples });
    return examples.length;
  } catch (error) {
    if (error.status !== 404) throw error;
  }
  let sent = 0;
  for (const example of examples) {
    try {
      await ask("/api/v1/examples", { method: "POST", body: example });
      sent += 1;
    } catch (error) {
      if (error.status !== 404) throw error;
      gone.push(example.source_run_id);
    }
  }
  return sent;
}

setUpDatasets();

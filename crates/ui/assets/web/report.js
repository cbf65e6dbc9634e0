// A report on a server: the report's own modules, and what only a server can
// do with it: threads into datasets, categories edited, a link for others.
import "../report.js";
import { report } from "../data.js";
import { byId, h } from "../dom.js";
import { plural } from "../format.js";
import { ask, flash, isTyping } from "./api.js";
import { setUpMenus } from "./menus.js";
import { editCategory, setUpEdits, setUpSharing } from "./report-edit.js";
import "./sends.js";

const place = document.querySelector("[data-report]").dataset;
const clusters = JSON.parse(byId("clusters").textContent);
const chosen = { category: null };

function clusterOf(category) {
  return clusters[category.position];
}

/** What one can do with a category, below its head: label, key, work; by category. */
function setUpTools() {
  const tools = [
    place.mayCollect === undefined ? null : ["Add to a dataset", "d", collect],
    place.mayChange === undefined ? null : ["Edit", "e", (category) => editCategory(category, clusters)],
  ].filter(Boolean);
  if (tools.length === 0) return;
  for (const section of document.querySelectorAll(".view.category")) {
    const category = report.categories[section.dataset.category];
    const own = tools.filter(([, key]) => key !== "e" || clusterOf(category)?.is_open);
    const buttons = own.map(([label, key, work]) => h("button", { type: "button", class: "button", title: `${label} (${key})`, onclick: () => work(category) }, label));
    section.querySelector(".title-block").append(h("div", { class: "actions category-tools" }, buttons));
  }
  byId("keys").querySelector("dl").append(...tools.flatMap(([label, key]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, `${label.toLowerCase()}: the category one is at`)]));
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event) || document.querySelector("dialog[open]")) return;
    const tool = tools.find(([, key]) => key === event.key);
    const category = tool && categoryAt();
    if (!category || (event.key === "e" && !clusterOf(category)?.is_open)) return;
    event.preventDefault();
    tool[2](category);
  });
}

/** The category in whose row the focus is, else the one that is shown. */
function categoryAt() {
  const at = document.activeElement.closest?.("tr[data-position]")?.dataset.position ?? document.querySelector(".view.category.current")?.dataset.category;
  return at === undefined ? null : report.categories[at];
}

// ----------------------------------------------------------------- datasets

async function collect(category) {
  chosen.category = category;
  const form = byId("dataset-form");
  form.querySelector(".problem-text").hidden = true;
  form.elements.name.value ||= category.name;
  byId("dataset-words").textContent = `${plural(category.threads, "thread")} of “${category.name}” become examples: inputs and outputs of the last trace of each. What is in the dataset already stays as it is.`;
  byId("dataset-dialog").showModal();
  form.elements.name.select();
  try {
    const known = await ask("/api/v1/datasets?limit=100");
    byId("dataset-names").replaceChildren(...known.map((dataset) => h("option", { value: dataset.name })));
  } catch { /* without a list of names one is typed */ }
}

function told({ added, known, gone, name }) {
  const words = [`${plural(added, "example")} added to “${name}”`, known > 0 ? `${known} were there already` : "", gone > 0 ? `${plural(gone, "thread")} no longer in the store` : ""];
  return words.filter(Boolean).join("; ");
}

async function send(form) {
  const button = form.querySelector('[type="submit"]');
  if (button.disabled) return;
  button.disabled = true;
  button.textContent = "Adding …";
  const problem = form.querySelector(".problem-text");
  problem.hidden = true;
  try {
    const name = form.elements.name.value.trim();
    const [known] = await ask(`/api/v1/datasets?name=${encodeURIComponent(name)}`);
    const body = known ? { dataset_id: known.id } : { name };
    const made = await ask(`${place.api}/clusters/${clusterOf(chosen.category).id}/dataset`, { method: "POST", body });
    flash(told(made));
    location.assign(`${place.datasets}/${made.dataset_id}`);
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
    button.disabled = false;
    button.textContent = "Add threads";
  }
}

function setUpDatasets() {
  const form = byId("dataset-form");
  if (!form) return;
  form.querySelector("[data-close]").addEventListener("click", () => byId("dataset-dialog").close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
  // Back from the dataset the page may be the one that was left.
  addEventListener("pageshow", () => {
    const button = form.querySelector('[type="submit"]');
    button.disabled = false;
    button.textContent = "Add threads";
    byId("dataset-dialog").close();
  });
}

/** Threads that were skipped are in no list of the report: they lead to their own pages. */
function linkSkipped() {
  if (place.project === "") return;
  for (const code of document.querySelectorAll("#method .skipped code")) {
    const link = h("a", { href: `${place.project}/threads/${encodeURIComponent(code.textContent)}` });
    code.replaceWith(link);
    link.append(code);
  }
}

setUpTools();
setUpMenus();
linkSkipped();
setUpDatasets();
setUpEdits(place);
setUpSharing(place);
performance.mark("assay-ready");

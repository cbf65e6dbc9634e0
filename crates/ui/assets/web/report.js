// A report on a server: the report's own modules, and what only a server can
// do with it: threads into datasets, categories edited, a link for others.
import "../report.js";
import { categoryPath, report } from "../data.js";
import { byId, h } from "../dom.js";
import { count, plural } from "../format.js";
import { accept, ask, flash, isTyping, refuse } from "./api.js";
import { setUpMenus } from "./menus.js";
import { editCategory, setUpEdits, setUpSharing } from "./report-edit.js";
import "./sends.js";

const place = document.querySelector("[data-report]").dataset;
const clusters = JSON.parse(byId("clusters").textContent);

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

/** `null` stands for every thread of the report. */
async function collect(category) {
  const form = byId("dataset-form");
  accept(form);
  form.elements.threads.value = category === null ? "" : String(category.position);
  form.elements.name.value ||= category?.name ?? document.querySelector("#overview :is(.eyebrow, h1)").textContent.trim();
  byId("dataset-dialog").showModal();
  form.elements.name.select();
  try {
    const known = await ask("/api/v1/datasets?limit=100");
    byId("dataset-names").replaceChildren(...known.map((dataset) => h("option", { value: dataset.name })));
  } catch { /* without a list of names one is typed */ }
}

/** What can be collected: all of the report, or a category with those below it. */
function offerThreads(form) {
  const option = (value, words) => h("option", { value }, words);
  form.elements.threads.replaceChildren(option("", `All ${plural(report.analysed, "thread")} of the report`),
    ...report.categories.map((category) => option(String(category.position), `${"\u2003".repeat(categoryPath(category.position).length - 1)}${category.name} (${count(category.threads)})`)));
}

function told({ added, known, gone, name }) {
  const words = [`${plural(added, "example")} added to “${name}”`, known > 0 ? `${known} were there already` : "", gone > 0 ? `${plural(gone, "thread")} no longer in the store` : ""];
  return words.filter(Boolean).join("; ");
}

/** Adds the threads of some categories to a dataset, one after another; those that are gone are counted. */
async function addTo(body, categories) {
  let target = body;
  const all = { added: 0, known: 0, gone: 0 };
  for (const category of categories) {
    try {
      const made = await ask(`${place.api}/clusters/${clusterOf(category).id}/dataset`, { method: "POST", body: target });
      for (const name of Object.keys(all)) all[name] += made[name];
      Object.assign(all, { name: made.name, dataset_id: made.dataset_id });
      target = { dataset_id: made.dataset_id };
    } catch (error) {
      // Of one category all threads may be gone; of all of them that is for the reader to know.
      if (error.status !== 400 || categories.length === 1) throw error;
      all.gone += category.threads;
    }
  }
  if (all.dataset_id === undefined) throw new Error("No thread of the report is in the store any more.");
  return all;
}

async function send(form) {
  const button = form.querySelector('[type="submit"]');
  if (button.disabled) return;
  button.disabled = true;
  button.textContent = "Adding …";
  accept(form);
  try {
    const name = form.elements.name.value.trim();
    const [known] = await ask(`/api/v1/datasets?name=${encodeURIComponent(name)}`);
    const chosen = form.elements.threads.value;
    const categories = chosen === "" ? report.categories.filter((category) => category.parent === null || category.parent === undefined) : [report.categories[Number(chosen)]];
    const made = await addTo(known ? { dataset_id: known.id } : { name }, categories);
    flash(told(made));
    location.assign(`${place.datasets}/${made.dataset_id}`);
  } catch (error) {
    refuse(form, error, { names: { dataset_id: "name" } });
    button.disabled = false;
    button.textContent = "Add threads";
  }
}

function setUpDatasets() {
  const form = byId("dataset-form");
  if (!form) return;
  offerThreads(form);
  form.querySelector("[data-close]").addEventListener("click", () => byId("dataset-dialog").close());
  byId("export-dataset")?.addEventListener("click", (event) => {
    event.target.closest("details").open = false;
    collect(null);
  });
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

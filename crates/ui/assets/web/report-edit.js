// A report as people want it: categories renamed, described, merged and
// hidden, all of which can be taken back; and a link for those without a key.
import { report } from "../data.js";
import { byId, h } from "../dom.js";
import { accept, act, ask, confirmed, flash, refuse, toast } from "./api.js";

const editing = { category: null, cluster: null, was: {} };

/** Categories that this one can be merged into: those of its own level, its siblings first. */
function targets(category, clusters) {
  const own = clusters[category.position];
  const fits = (other) => other !== category && clusters[other.position]?.is_open && clusters[other.position].level === own.level;
  const found = report.categories.filter(fits);
  return [...found.filter((other) => other.parent === category.parent), ...found.filter((other) => other.parent !== category.parent)];
}

export function editCategory(category, clusters) {
  const form = byId("edit-form");
  const { name, description, merge, hidden } = form.elements;
  const section = document.querySelector(`.category[data-category="${category.position}"]`);
  const was = { name: category.name, description: section.querySelector(".title-block .lead")?.textContent ?? "" };
  Object.assign(editing, { category, cluster: clusters[category.position].id, was });
  accept(form);
  name.value = was.name;
  description.value = was.description;
  const others = targets(category, clusters);
  merge.replaceChildren(h("option", { value: "" }, "Keep it on its own"), ...others.map((other) => h("option", { value: clusters[other.position].id }, other.name)));
  merge.disabled = others.length === 0;
  hidden.checked = false;
  byId("edit-title").textContent = `Edit “${category.name}”`;
  byId("edit-dialog").showModal();
  name.select();
}

/** What was changed in the form, as the API takes it, and what takes it back. */
function changeOf(form) {
  const { name, description, merge, hidden } = form.elements;
  const change = {};
  const undo = {};
  if (name.value.trim() !== editing.was.name) Object.assign(change, { name: name.value.trim() });
  if (description.value.trim() !== editing.was.description) Object.assign(change, { description: description.value.trim() });
  if (merge.value) Object.assign(change, { merge_into: merge.value });
  if (hidden.checked) Object.assign(change, { hidden: true });
  // As it was shown before, which may be an edit itself.
  if ("name" in change) undo.name = editing.was.name;
  if ("description" in change) undo.description = editing.was.description;
  if ("merge_into" in change) undo.merge_into = null;
  if ("hidden" in change) undo.hidden = false;
  return { change, undo };
}

function words(change, form) {
  const { name } = editing.category;
  if (change.hidden) return `“${name}” is hidden`;
  if (change.merge_into) return `“${name}” is merged into “${form.elements.merge.selectedOptions[0].textContent}”`;
  return change.name ? `“${name}” is called “${change.name}”` : `“${name}” has another description`;
}

async function save(form, place) {
  const button = form.querySelector('[type="submit"]');
  const { change, undo } = changeOf(form);
  if (Object.keys(change).length === 0) return byId("edit-dialog").close();
  button.disabled = true;
  try {
    const path = `${place.api}/clusters/${editing.cluster}`;
    await ask(path, { method: "PATCH", body: change });
    flash(words(change, form), "good", { path, method: "PATCH", body: undo });
    // What is not there any more cannot be looked at.
    if (change.merge_into || change.hidden) history.replaceState(null, "", "#overview");
    location.reload();
  } catch (error) {
    refuse(form, error, { names: { merge_into: "merge" } });
    button.disabled = false;
  }
  return undefined;
}

export function setUpEdits(place) {
  const form = byId("edit-form");
  if (!form) return;
  form.querySelector("[data-close]").addEventListener("click", () => byId("edit-dialog").close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save(form, place);
  });
}

// ------------------------------------------------------------------ sharing

function showLink(shared) {
  byId("share-link").hidden = !shared;
  byId("share-visit").hidden = !shared;
  byId("unshare").hidden = !shared;
  byId("share-none").hidden = Boolean(shared);
  byId("share").hidden = Boolean(shared);
  if (!shared) return;
  byId("share-link").querySelector("code").textContent = shared.url;
  // The link as others get it may have another host than the one this page came from.
  byId("share-visit").href = new URL(shared.url, location.href).pathname;
}

export function setUpSharing(place) {
  const dialog = byId("share-dialog");
  if (!dialog) return;
  const path = `${place.api}/share`;
  const on = (id, work) => byId(id).addEventListener("click", (event) => act(event.currentTarget, work));
  on("share-open", async () => {
    showLink(await ask(path));
    dialog.showModal();
  });
  on("share", async () => showLink(await ask(path, { method: "PUT", body: {} })));
  on("unshare", async () => {
    if (!await confirmed("Take the link back?", "Whoever has it reads nothing with it any more. A new link will be another one.", "Take it back")) return;
    await ask(path, { method: "DELETE" });
    showLink(null);
    toast("The link opens nothing any more", "good");
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
}

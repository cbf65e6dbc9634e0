// Projects: make one, delete one, and see the first trace arrive.
import { byId } from "../dom.js";
import { accept, act, ask, confirmed, isTyping, refuse, toast } from "./api.js";
import { keepFresh, refresh } from "./live.js";
import { setUpTabs } from "./tabs.js";

const region = () => document.querySelector('[data-live="projects"]');

function setUpCreating() {
  const dialog = byId("project-dialog");
  const form = byId("project-form");
  const open = () => { accept(form); form.reset(); dialog.showModal(); };
  const button = byId("new-project");
  if (!button) return;
  button.addEventListener("click", open);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "n" || event.ctrlKey || event.metaKey || isTyping(event) || dialog.open) return;
    event.preventDefault();
    open();
  });
  form.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { name, description } = form.elements;
    try {
      const made = await ask("/api/v1/sessions", { method: "POST", body: { name: name.value.trim(), description: description.value.trim() || null } });
      location.assign(`/p/${made.id}`);
    } catch (error) {
      refuse(form, error);
      name.focus();
    }
  });
}

function setUpDeleting() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-delete-project]");
    if (!button) return;
    const { deleteProject: id, name } = button.dataset;
    if (!await confirmed(`Delete ${name}?`, "Its traces, feedback and reports are deleted for good.", "Delete project")) return;
    await act(button, async () => {
      await ask(`/api/v1/sessions/${id}`, { method: "DELETE" });
      toast(`${name} is deleted`, "good");
      await refresh();
    });
  });
}

setUpCreating();
setUpDeleting();
setUpTabs();

let waited = region().matches("[data-waiting]");
document.addEventListener("assay-live", () => {
  setUpTabs();
  const waits = region().matches("[data-waiting]");
  if (waited && !waits) {
    toast("The first trace is here", "good");
    // The search and the span of time are part of the page as it is now.
    location.reload();
  }
  waited = waits;
});
if (region().matches("[data-pulse]")) {
  const address = new URL(location.href);
  address.searchParams.set("pulse", "1");
  refresh(address.href).catch(() => {});
} else {
  keepFresh(() => (waited ? 1.5 : 20));
}

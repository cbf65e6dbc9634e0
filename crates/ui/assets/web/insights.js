// The list of reports: progress as it happens, cancel, rename, delete, compare, run again.
import { byId, h } from "../dom.js";
import { count, money, plural, seconds, several } from "../format.js";
import { accept, act, ask, confirmed, isTyping, refuse, toast } from "./api.js";
import { keepFresh, refresh } from "./live.js";
import { setUpTabs } from "./tabs.js";

const region = () => document.querySelector('[data-live="insights"]');
const api = region().dataset.api;
const comparePath = byId("compare").pathname;
const streams = new Map();

/** How fast a step goes, from when it was first seen. */
class Pace {
  stage = "";
  total = 0;
  since = 0;
  from = 0;

  /** Seconds until the step's end, or null while nobody can know. */
  left({ stage, done, total }) {
    if (stage !== this.stage || total !== this.total || done < this.from) Object.assign(this, { stage, total, since: performance.now(), from: done });
    const moved = done - this.from;
    const took = (performance.now() - this.since) / 1000;
    if (moved <= 0 || total <= done || took < 1) return { rate: null, left: null };
    return { rate: moved / took, left: ((total - done) * took) / moved };
  }
}

/** What is told of a job, put into the row below its own. */
function show(job, told, pace) {
  const place = document.querySelector(`tr[data-running="${job}"]`);
  if (!place) return;
  const { stage, done, total, status, waiting, spend } = told;
  const say = (name, text) => { place.querySelector(`[data-fact="${name}"]`).textContent = text; };
  const badge = document.querySelector(`tr[data-job="${job}"] .status-cell .badge`);
  if (badge) badge.textContent = status === "queued" ? "queued" : "running";
  const steps = [...place.querySelectorAll(".stages li")];
  const at = steps.findIndex((step) => step.dataset.stage === stage);
  steps.forEach((step, index) => {
    step.className = at < 0 || index > at ? "" : index < at ? "done" : "now";
    if (index === at) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  });
  const bar = place.querySelector("progress");
  if (total > 0) {
    bar.max = total;
    bar.value = done;
  } else {
    bar.removeAttribute("value");
  }
  const { rate, left } = pace.left(told);
  const unit = steps[at]?.dataset.unit || "step";
  say("done", total > 0 ? `${count(done)} of ${plural(total, unit)}` : "no count");
  say("rate", rate === null ? "–" : `${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} ${several(unit)}/s`);
  say("left", left === null ? "–" : `about ${seconds(left)}`);
  if (spend) {
    say("spent", spend.cost === null ? "price unknown" : money(Number(spend.cost)));
    say("calls", spend.remembered > 0 ? `${count(spend.calls)} + ${count(spend.remembered)} remembered` : count(spend.calls));
  }
  say("words", status === "queued" ? "Waits for its turn: other reports are being made." : waiting ? `Waits for ${waiting}.` : "");
}

/** How long each job that is not done has been worked on. */
function showTimes() {
  for (const place of document.querySelectorAll('[data-fact="for"]')) {
    const since = Date.parse(place.dataset.since);
    if (!Number.isNaN(since)) place.textContent = seconds(Math.max(1, Math.round((Date.now() - since) / 1000)));
  }
}

/** Listens to every job that is not done. */
function watch() {
  const open = new Set([...document.querySelectorAll("tr[data-open]")].map((row) => row.dataset.job));
  for (const [id, { stream }] of streams) {
    if (open.has(id)) continue;
    stream.close();
    streams.delete(id);
  }
  for (const id of open) {
    const known = streams.get(id);
    if (known) {
      // The row may be another one now.
      if (known.told) show(id, known.told, known.pace);
      continue;
    }
    const stream = new EventSource(`${api}/${id}/events`);
    const watched = { stream, pace: new Pace(), told: null };
    stream.addEventListener("error", () => {
      const words = document.querySelector(`tr[data-running="${id}"] [data-fact="words"]`);
      if (words) words.replaceChildren(h("span", { class: "lost" }, "The server cannot be reached; trying again."));
    });
    stream.addEventListener("progress", (event) => {
      watched.told = JSON.parse(event.data);
      show(id, watched.told, watched.pace);
    });
    stream.addEventListener("done", (event) => {
      stream.close();
      streams.delete(id);
      const { status, error } = JSON.parse(event.data);
      if (status === "success") toast("The report is ready", "good");
      else if (error) toast(error, error === "cancelled" ? "" : "bad");
      refresh().catch(() => {});
    });
    streams.set(id, watched);
  }
  showTimes();
}

/** Reports ticked for a comparison: what is put in place anew is ticked again. */
const ticked = new Set();

function boxes() {
  return [...document.querySelectorAll('input[name="compare"]')];
}

function chosen() {
  return boxes().filter((box) => box.checked).map((box) => box.value);
}

function showCompare() {
  const link = byId("compare");
  const ids = chosen();
  link.hidden = ids.length === 0;
  if (ids.length === 2) {
    // Newest first in the list: the later one is "after".
    const query = new URLSearchParams({ before: ids[1], after: ids[0] });
    link.href = `${comparePath}?${query}`;
    link.textContent = "Compare these two";
    link.removeAttribute("aria-disabled");
  } else {
    link.removeAttribute("href");
    link.setAttribute("aria-disabled", "true");
    link.textContent = ids.length === 1 ? "Choose one more to compare" : "Choose two to compare";
  }
}

byId("compare").addEventListener("click", (event) => { if (chosen().length !== 2) event.preventDefault(); });

/** What a config takes, where a model is paid for it; an empty text where none is. */
async function priceOf(config) {
  const { model_calls: calls = 0, cost_usd: cost, expected_seconds: time, threads } = await ask(`${api}/estimate`, { method: "POST", body: { config_id: config } });
  if (!calls) return "";
  const paid = cost === null || cost === undefined ? "at a price that is not known" : `for about ${money(Number(cost))}`;
  return `A model is asked about ${plural(calls, "time")} over ${plural(threads, "thread")}, ${paid}${time ? `, in about ${seconds(time)}` : ""}. Under “New report” you choose fewer threads, a budget, or no model.`;
}

async function run(button, config) {
  await act(button, async () => {
    const price = await priceOf(config);
    if (price && !await confirmed("Ask a model?", price, "Make the report", "primary")) return;
    await ask(api, { method: "POST", body: { config_id: config } });
    toast("The report is being made");
    await refresh();
    scrollTo({ top: 0 });
  });
}

const renaming = { id: null };

function setUpRenaming() {
  const dialog = byId("rename-dialog");
  const form = byId("rename-form");
  form.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await ask(`${api}/${renaming.id}`, { method: "PATCH", body: { name: form.elements.name.value } });
      dialog.close();
      await refresh();
    } catch (error) {
      refuse(form, error);
    }
  });
}

function rename(button) {
  renaming.id = button.dataset.rename;
  const form = byId("rename-form");
  accept(form);
  form.elements.name.value = button.dataset.name;
  byId("rename-dialog").showModal();
  form.elements.name.select();
}

async function remove(button, path, heading, text) {
  if (!await confirmed(heading, text, "Delete")) return;
  await act(button, async () => {
    await ask(path, { method: "DELETE" });
    toast("Deleted", "good");
    await refresh();
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { runConfig, cancel, resume, rename: renamed, delete: deleted, deleteConfig, name } = button.dataset;
  if (runConfig) run(button, runConfig);
  if (renamed) rename(button);
  if (deleted) remove(button, `${api}/${deleted}`, `Delete ${name}?`, "The report is deleted for good. The traces stay.");
  if (deleteConfig) remove(button, `${api}/configs/${deleteConfig}`, `Delete the config ${name}?`, "Its schedule ends. Reports it made stay.");
  if (resume) {
    act(button, async () => {
      await ask(`${api}/${resume}/resume`, { method: "POST" });
      toast("It goes on where it stopped");
      await refresh();
    });
  }
  if (cancel) {
    act(button, async () => {
      await ask(`${api}/${cancel}/cancel`, { method: "POST" });
      await refresh();
    });
  }
});
document.addEventListener("change", ({ target }) => {
  if (target.name !== "compare") return;
  if (target.checked) ticked.add(target.value);
  else ticked.delete(target.value);
  showCompare();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event) || document.querySelector("dialog[open]")) return;
  if (event.key === "n") document.querySelector('[data-key="n"]')?.click();
  if (event.key === "x") {
    const box = document.activeElement.closest?.("tr")?.querySelector('input[name="compare"]');
    if (box) box.click();
  }
});

setUpRenaming();
setUpTabs();
watch();
showCompare();
document.addEventListener("assay-live", () => {
  for (const box of boxes()) box.checked = ticked.has(box.value);
  setUpTabs();
  watch();
  showCompare();
});
setInterval(showTimes, 1000);
keepFresh(() => (region().matches("[data-waiting]") ? 1.5 : 15));

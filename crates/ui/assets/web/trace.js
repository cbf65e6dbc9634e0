// A trace: choosing runs without leaving the page, folding, values that open
// where one looks, and feedback.
import { announce, byId, h } from "../dom.js";
import { act, ask, confirmed, isTyping, toast } from "./api.js";
import { foldLong } from "./folding.js";
import { fetchDocument, take } from "./fragment.js";
import { showTimes } from "./shell.js";

const tree = byId("tree");
const detail = byId("detail");
let loading = null;

// ---------------------------------------------------------------------- runs

function nodes() {
  return [...tree.querySelectorAll(".node")];
}

function mark(id) {
  for (const node of nodes()) {
    const isCurrent = node.dataset.id === id;
    node.classList.toggle("current", isCurrent);
    const link = node.querySelector("a");
    if (isCurrent) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

/** Shows what is at an address of this trace in place of what is shown now. */
async function show(href, { push = true } = {}) {
  loading?.abort();
  loading = new AbortController();
  detail.setAttribute("aria-busy", "true");
  try {
    const url = new URL(href, location.href);
    const asked = new URL(url);
    asked.searchParams.set("part", "run");
    const page = await fetchDocument(`${asked.pathname}${asked.search}`, loading.signal);
    const fresh = take(page.body);
    const run = fresh.querySelector("[data-run]")?.dataset.run;
    detail.replaceChildren(...fresh.childNodes);
    detail.scrollTop = 0;
    settle(detail);
    if (run) mark(run);
    // Every form of every run has its address; the links of the tree keep the form.
    const view = url.searchParams.get("view");
    for (const link of tree.querySelectorAll("a")) {
      const target = new URL(link.href);
      if (view) target.searchParams.set("view", view);
      link.setAttribute("href", `${target.pathname}${target.search}`);
    }
    if (push) history.pushState({}, "", url);
    announce(detail.querySelector("h2")?.textContent ?? "");
  } catch (error) {
    if (error.name === "AbortError") return;
    toast(error.message, "bad");
  }
  detail.removeAttribute("aria-busy");
}

function isPlainClick(event) {
  return event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
}

document.addEventListener("click", (event) => {
  if (!isPlainClick(event)) return;
  const twist = event.target.closest("button.twist");
  if (twist) return void fold(twist.closest(".node"), twist.getAttribute("aria-expanded") === "true");
  const link = event.target.closest("#tree a, a[data-swap]");
  if (!link) return;
  event.preventDefault();
  show(link.href);
});
addEventListener("popstate", () => show(location.href, { push: false }));

/** Hides or shows what is below a node; folded nodes below stay folded. */
function fold(node, isFolded) {
  node.querySelector("button.twist")?.setAttribute("aria-expanded", String(!isFolded));
  node.classList.toggle("folded", isFolded);
  const depth = Number(node.dataset.depth);
  let hideBelow = isFolded ? depth : Infinity;
  for (let next = node.nextElementSibling; next && Number(next.dataset.depth) > depth; next = next.nextElementSibling) {
    const own = Number(next.dataset.depth);
    if (own <= hideBelow) hideBelow = Infinity;
    next.hidden = own > hideBelow;
    if (hideBelow === Infinity && next.classList.contains("folded")) hideBelow = own;
  }
}

// ---------------------------------------------------------------------- keys

function step(by) {
  const seen = nodes().filter((node) => !node.hidden);
  const focused = document.activeElement.closest?.(".node");
  const at = seen.indexOf(focused ?? seen.find((node) => node.classList.contains("current")));
  const next = seen[at + by];
  if (!next) return;
  const link = next.querySelector("a");
  link.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  show(link.href);
}

function foldCurrent(isFolded) {
  const node = document.activeElement.closest?.(".node") ?? tree.querySelector(".node.current");
  if (node?.querySelector("button.twist")) fold(node, isFolded);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
  if (document.querySelector("dialog[open]")) return;
  const inDetail = detail.contains(document.activeElement) && document.activeElement !== detail;
  const keys = {
    j: () => byId("older").click(),
    k: () => byId("newer").click(),
    1: () => detail.querySelectorAll(".run-views a")[0]?.click(),
    2: () => detail.querySelectorAll(".run-views a")[1]?.click(),
    3: () => detail.querySelectorAll(".run-views a")[2]?.click(),
    Escape: () => (byId("list") ? byId("list").click() : history.back()),
  };
  if (!inDetail) {
    Object.assign(keys, {
      ArrowDown: () => step(1),
      ArrowUp: () => step(-1),
      ArrowLeft: () => foldCurrent(true),
      ArrowRight: () => foldCurrent(false),
    });
  }
  const work = keys[event.key];
  if (!work) return;
  event.preventDefault();
  work();
});

// -------------------------------------------------------------------- values

/** What a place of a value holds comes when it is opened. */
document.addEventListener("toggle", async (event) => {
  const place = event.target;
  if (!place.matches?.("details[data-load]") || !place.open) return;
  const href = place.dataset.load;
  place.removeAttribute("data-load");
  try {
    const page = await fetchDocument(href);
    place.append(...take(page.body).childNodes);
    settle(place);
  } catch (error) {
    place.dataset.load = href;
    place.open = false;
    toast(error.message, "bad");
  }
}, true);

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-more]");
  if (!button) return;
  act(button, async () => {
    const page = await fetchDocument(button.dataset.more);
    const list = take(page.querySelector("[data-json]"));
    button.closest("li").replaceWith(...list.children);
  });
});

/** Plain text goes on as one scrolls. */
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) goOn(entry.target);
}, { rootMargin: "1200px" });

async function goOn(button) {
  watcher.unobserve(button);
  try {
    const page = await fetchDocument(button.dataset.next);
    const fresh = [...take(page.body).childNodes];
    button.replaceWith(...fresh);
    for (const node of fresh) if (node.matches?.("[data-next]")) watcher.observe(node);
  } catch (error) {
    toast(error.message, "bad");
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-next]");
  if (button?.matches("button")) goOn(button);
});

// ------------------------------------------------------------------ feedback

function formOf(run) {
  return run.querySelector("form[data-feedback]");
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-feedback]");
  if (!form) return;
  event.preventDefault();
  const { run, trace } = byId("feedback").dataset;
  const { key, score, comment } = form.elements;
  const body = {
    score: score.value.trim() === "" ? null : Number(score.value),
    comment: comment.value.trim() === "" ? null : comment.value,
  };
  act(form.querySelector("button"), async () => {
    const edited = form.dataset.edited;
    if (edited) await ask(`/api/v1/feedback/${edited}`, { method: "PATCH", body });
    else await ask("/api/v1/feedback", { method: "POST", body: { ...body, key: key.value.trim(), run_id: run, trace_id: trace, feedback_source: { type: "app" } } });
    await show(location.href, { push: false });
    toast(edited ? "Feedback changed" : "Feedback given", "good");
    byId("feedback").scrollIntoView({ block: "nearest" });
  });
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("#feedback [data-edit], #feedback [data-delete]");
  if (!button) return;
  const item = button.closest("li");
  if (button.matches("[data-delete]")) {
    if (!await confirmed("Delete this feedback?", `${item.dataset.key} goes away for everybody.`, "Delete")) return;
    await act(button, async () => {
      await ask(`/api/v1/feedback/${item.dataset.id}`, { method: "DELETE" });
      await show(location.href, { push: false });
      toast("Feedback deleted", "good");
    });
    return;
  }
  const form = formOf(byId("feedback"));
  form.dataset.edited = item.dataset.id;
  form.elements.key.value = item.dataset.key;
  form.elements.key.readOnly = true;
  form.elements.score.value = item.dataset.score;
  form.elements.comment.value = item.dataset.comment;
  form.querySelector("button").textContent = "Save";
  if (!form.querySelector("[data-cancel]")) {
    form.append(h("button", { type: "button", class: "quiet", "data-cancel": "", onclick: () => show(location.href, { push: false }) }, "Cancel"));
  }
  form.elements.score.focus();
});

// ---------------------------------------------------------------------- whole

function settle(root) {
  showTimes(root);
  foldLong(root);
  for (const button of root.querySelectorAll("[data-next]")) watcher.observe(button);
}

settle(document);
tree.querySelector(".node.current")?.scrollIntoView({ block: "nearest" });

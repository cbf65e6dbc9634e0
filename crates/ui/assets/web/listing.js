// The lists of threads and traces: they go on as one scrolls, what is far away
// is taken out of the page, and what arrives meanwhile is announced. What is
// asked for above a list replaces it in place (`in-place.js`).
import { announce, byId, h } from "../dom.js";
import { count as grouped } from "../format.js";
import { act, ask, confirmed, toast } from "./api.js";
import { problemView, setUpBuilder, tally, would } from "./filters.js";
import { eachFrame, fetchDocument, later, take } from "./fragment.js";
import { go, leaveMenu, setUpInPlace } from "./in-place.js";
import { menuKeys, setUpMenus, showRange } from "./menus.js";
import { showTimes } from "./shell.js";

/** The list as it is now, or null where there are no rows. */
let list = null;
const unit = () => byId("listing").dataset.unit;
/** Rows further away than so many heights of the list are taken out. */
const KEEP = 4;
/** So many taken out portions stay in memory. */
const REMEMBER = 36;
const NEWS_EVERY = 4000;
/** Of a row further down than so many portions (200,000 rows), the way back is not remembered. */
const RETURN = 5000;
/** Rows that did not come are asked for again after so many milliseconds. */
const AGAIN = 1000;

/** So long a list goes on by itself while nothing is found. */
const SEEK = 20_000;

// ------------------------------------------------------------------ portions

/** Rows that came together, and where from. `body` is null while it is out of the page and forgotten. */
class Portion {
  constructor({ from, next, first, length, body = null }) {
    Object.assign(this, { from, next, first, length, body });
    this.isIn = body !== null;
    this.isLoading = false;
  }

  static of(body) {
    const { from, next, first } = body.dataset;
    return new Portion({ from, next, first, length: body.rows.length, body });
  }

  /** Has its rows again. */
  async bringBack() {
    if (this.body === null) {
      this.isLoading = true;
      try {
        const page = await fetchDocument(this.from);
        this.body = take(page.querySelector("tbody"));
        this.length = this.body.rows.length;
      } finally {
        this.isLoading = false;
      }
    }
    this.isIn = true;
    showTimes(this.body);
  }
}

/**
 * The page holds the portions near what is in sight, and one gap as high as those between, before or
 * after them: a table of a hundred thousand rows costs the browser no more than one of a hundred.
 */
class List {
  constructor(scroller) {
    this.scroller = scroller;
    this.table = scroller.querySelector("table");
    this.portions = [Portion.of(this.table.tBodies[0])];
    /** Out of the page and in memory, the longest first. */
    this.out = [];
    this.end = scroller.querySelector("[data-end]");
    this.isLoading = false;
    this.left = new AbortController();
    this.soughtSince = null;
    scroller.addEventListener("scroll", eachFrame(() => this.look()), { passive: true });
    this.sizes = new ResizeObserver(eachFrame(() => this.measureAgain()));
    // Begins with the size it has: the rows are painted before more are asked for.
    this.sizes.observe(scroller);
  }

  /** Another list takes its place. */
  leave() {
    this.sizes.disconnect();
    this.left.abort();
  }

  measure() {
    const first = this.portions.find((portion) => portion.length > 0 && portion.isIn);
    if (first) this.rowHeight = first.body.getBoundingClientRect().height / first.length;
    else this.rowHeight ??= 0;
  }

  /** Where rows are of another height now, so are the gaps, and the row at the top stays there. */
  measureAgain() {
    if (this.left.signal.aborted) return;
    const before = this.rowHeight;
    this.measure();
    if (before > 0 && this.rowHeight !== before) {
      const { top } = this;
      this.draw();
      this.scroller.scrollTop = top * this.rowHeight;
    }
    this.look();
  }

  look() {
    if (this.left.signal.aborted) return;
    if (this.rowHeight === undefined) this.measure();
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    // How many rows are above what is in sight.
    this.top = this.rowHeight > 0 ? scrollTop / this.rowHeight : 0;
    const far = clientHeight * KEEP;
    const held = this.table.contains(document.activeElement) ? document.activeElement.closest("tbody") : null;
    let top = this.table.tHead.offsetHeight;
    let isChanged = false;
    for (const portion of this.portions) {
      const bottom = top + portion.length * this.rowHeight;
      const isNear = bottom > scrollTop - far && top < scrollTop + clientHeight + far;
      if (isNear && !portion.isIn) {
        if (!portion.isLoading) this.bringBack(portion);
      } else if (!isNear && portion.isIn && portion.body !== held) {
        portion.isIn = false;
        this.out.push(portion);
        isChanged = true;
      }
      top = bottom;
    }
    if (isChanged) this.draw();
    // What has been out of the page for long is asked for again when it is needed.
    while (this.out.length > REMEMBER) this.out.shift().body = null;
    if (scrollTop + clientHeight > scrollHeight - clientHeight * 2 - 600) this.more();
  }

  async bringBack(portion) {
    this.out = this.out.filter((other) => other !== portion);
    try {
      await portion.bringBack();
    } catch (error) {
      if (!this.isCut) toast(`${error.message}. Trying again…`, "bad");
      this.isCut = true;
      setTimeout(() => this.look(), AGAIN);
      return;
    }
    this.isCut = false;
    this.draw();
  }

  /** Puts into the table what is to be in it. What stays is not touched: it may have the focus. */
  draw() {
    const parts = [];
    let gap = 0;
    const close = () => {
      if (gap > 0) parts.push(this.gap(gap));
      gap = 0;
    };
    for (const portion of this.portions) {
      if (portion.isIn) {
        close();
        parts.push(portion.body);
      } else {
        gap += portion.length;
      }
    }
    close();
    const stays = new Set(parts);
    for (const body of [...this.table.tBodies]) if (!stays.has(body)) body.remove();
    let at = this.table.tBodies[0] ?? null;
    for (const part of parts) {
      if (part === at) at = at.nextElementSibling;
      else this.table.insertBefore(part, at);
    }
  }

  gap(rows) {
    const cell = h("td", { colspan: this.table.tHead.rows[0].cells.length });
    const row = h("tr", { class: "gap-row", "aria-hidden": "true" }, cell);
    row.style.height = `${rows * this.rowHeight}px`;
    return h("tbody", {}, row);
  }

  /** Puts the portions in place that followed when one left; those in sight are fetched. */
  async restore(chain, top) {
    if (this.portions.length !== 1) return;
    this.measure();
    for (const [next, length] of chain.slice(1)) this.portions.push(new Portion({ from: this.portions.at(-1).next, next, length }));
    this.draw();
    const back = this.bringBack(this.portions.at(-1));
    this.scroller.scrollTop = top;
    this.look();
    await back;
  }

  async more() {
    const last = this.portions.at(-1);
    if (this.isLoading || !last.next) return;
    this.isLoading = true;
    if (this.soughtSince === null) this.say("Loading…");
    try {
      const page = await fetchDocument(last.next, this.left.signal);
      const body = take(page.querySelector("tbody"));
      showTimes(body);
      this.table.append(body);
      this.portions.push(Portion.of(body));
      if (this.rowHeight === 0) this.measure();
      if (!this.sayHowFar(body)) return;
    } catch (error) {
      if (error.name === "AbortError") return;
      this.end.replaceChildren(`${error.message}. `, h("button", { type: "button", class: "quiet", onclick: () => this.more() }, "Try again"));
      this.end.hidden = false;
      return;
    } finally {
      this.isLoading = false;
    }
    this.look();
  }

  /** Says what is left after the last portion; whether it is looked further by itself. */
  sayHowFar(body) {
    const { next } = body.dataset;
    if (!next) {
      const nothing = this.scroller.querySelector("[data-nothing]");
      const hasNone = this.portions.every((portion) => portion.length === 0);
      if (nothing && hasNone) nothing.hidden = false;
      this.say(nothing && hasNone ? "" : "That is all.");
      return true;
    }
    if (body.rows.length > 0) {
      this.soughtSince = null;
      this.say("");
      return true;
    }
    // What matches is rare, and has to be looked for: up to here there was nothing more.
    this.soughtSince ??= performance.now();
    const moment = new URL(next, location.href).searchParams.get("cursor")?.split(".")[0];
    const iso = new Date(Number(moment) / 1000);
    const when = Number.isNaN(iso.getTime()) ? "" : h("time", { datetime: iso.toISOString(), "data-how": "list" }, iso.toISOString());
    const goesOn = performance.now() - this.soughtSince < SEEK;
    const on = goesOn ? "still looking…" : h("button", { type: "button", class: "quiet", onclick: () => {
      this.soughtSince = null;
      this.more();
    } }, "Look further");
    this.end.replaceChildren("Looked through everything back to ", when, " · ", on);
    this.end.hidden = false;
    showTimes(this.end);
    return goesOn;
  }

  say(words) {
    this.end.textContent = words;
    this.end.hidden = words === "";
  }
}

// -------------------------------------------------------------------- counts

async function showCount() {
  const place = byId("count");
  const path = place.dataset.count;
  place.title = "";
  if (!path) {
    place.textContent = "";
    return;
  }
  // Meanwhile something else may be asked for.
  const isStill = () => place.dataset.count === path;
  try {
    const soon = await ask(path);
    if (isStill()) place.textContent = tally(soon, place.dataset.unit);
    if (soon.exact || !isStill()) return;
    const found = await ask(`${path}${path.includes("?") ? "&" : "?"}whole=1`);
    if (!isStill()) return;
    place.textContent = tally(found, place.dataset.unit);
    place.title = found.exact ? "" : "Counting all of them takes long";
  } catch (error) {
    if (!isStill()) return;
    place.textContent = "";
    if (error.status !== 400) toast(error.message, "bad");
  }
}

// ---------------------------------------------------------------------- news

let saidOfNews = "";

function forgetNews() {
  saidOfNews = "";
  byId("news").replaceChildren();
}

function setUpNews() {
  const place = byId("news");
  const look = async () => {
    const path = place.dataset.news;
    if (document.hidden || !path) return;
    const shown = list;
    const since = shown?.portions[0].first ?? "";
    let news;
    try {
      news = await ask(`${path}${path.includes("?") ? "&" : "?"}since=${encodeURIComponent(since)}`);
    } catch {
      return;
    }
    if (shown !== list) return;
    const words = news.count === 0 ? "" : `${grouped(news.count)}${news.more ? "+" : ""} new`;
    if (words === saidOfNews) return;
    saidOfNews = words;
    place.replaceChildren(...(words === "" ? [] : [h("button", { type: "button", class: "button news-button", onclick: () => go(location.href, { push: false }) }, `${words} · show`)]));
    if (words !== "") announce(`${words} ${unit()}s`);
    showCount();
  };
  setInterval(look, NEWS_EVERY);
  document.addEventListener("visibilitychange", look);
}

// -------------------------------------------------------------------- filter

/** What the filter language makes of a text: how many match, or where it is wrong. */
async function check(path, text, signal) {
  return ask(`${path}${path.includes("?") ? "&" : "?"}filter=${encodeURIComponent(text)}`, { signal });
}

/** Where it is said what is wrong with a filter. */
const problem = () => document.querySelector('[data-swap="problem"]');

function setUpRaw() {
  const form = document.querySelector("form[data-raw]");
  const field = form?.querySelector("textarea");
  if (!field) return;
  const matches = form.querySelector("[data-matches]");
  let running = null;
  const look = later(async () => {
    running?.abort();
    running = new AbortController();
    if (field.value.trim() === "") {
      problem().replaceChildren();
      field.removeAttribute("aria-invalid");
      matches.textContent = "";
      return;
    }
    try {
      const found = await check(field.dataset.check, field.value, running.signal);
      problem().replaceChildren(...(found.problem ? problemView(found.problem) : []));
      field.toggleAttribute("aria-invalid", Boolean(found.problem));
      matches.textContent = found.problem ? "" : would(found, unit(), found.count === 1 ? "matches" : "match");
    } catch (error) {
      if (error.name !== "AbortError") matches.textContent = error.message;
    }
  }, 220);
  field.addEventListener("input", look);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
}

// --------------------------------------------------------------------- views

function setUpViews() {
  const form = byId("save-view");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    act(form.querySelector("button"), async () => {
      const state = new URLSearchParams(location.search);
      for (const place of ["cursor", "views"]) state.delete(place);
      const name = form.elements.name.value.trim();
      await ask(`/api/v1/sessions/${form.dataset.project}/views`, {
        method: "POST",
        body: { display_name: name, type: form.dataset.kind, filter_string: state.get("filter"), list_state: state.toString() },
      });
      await go(location.href, { push: false });
      form.reset();
      toast("Saved", "good");
    });
  });
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-delete-view]");
    if (!button) return;
    if (!await confirmed("Delete the saved filter?", "The list itself stays as it is.", "Delete")) return;
    await act(button, async () => {
      await ask(`/api/v1/sessions/${form.dataset.project}/views/${button.dataset.deleteView}`, { method: "DELETE" });
      button.closest("li").remove();
    });
  });
}

// ---------------------------------------------------------------------- keys

const remembered = () => `assay-row:${location.pathname}`;

function remember(event) {
  const row = event.target.closest?.("#listing tr.row");
  if (!row || !list) return;
  const at = list.portions.findIndex((portion) => portion.body?.contains(row));
  const chain = at > 0 && at < RETURN ? list.portions.slice(0, at + 1).map(({ next, length }) => [next, length]) : [];
  try {
    sessionStorage.setItem(remembered(), JSON.stringify({ id: row.dataset.id, search: location.search, top: list.scroller.scrollTop, chain }));
  } catch { /* storage is off: the focus begins at the top */ }
}

/** The row one came back from has the focus again, however far down it is. */
async function comeBack() {
  let seen = null;
  try {
    seen = JSON.parse(sessionStorage.getItem(remembered()) ?? "null");
  } catch { /* storage is off, or not ours: the focus begins at the top */ }
  if (!seen?.id || !list) return;
  if (seen.search === location.search && seen.chain?.length > 1) await list.restore(seen.chain, seen.top);
  const row = byId("listing").querySelector(`tr[data-id="${CSS.escape(seen.id)}"]`);
  if (row) {
    row.classList.add("last-seen");
    row.querySelector(".row-link").focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }
}

// ------------------------------------------------------------------ in place

function setUpList() {
  list?.leave();
  const scroller = byId("listing");
  list = scroller.classList.contains("listing") ? new List(scroller) : null;
  // For whoever wants to know what the page holds.
  scroller.portions = () => ({ all: list.portions.length, rows: list.portions.reduce((sum, portion) => sum + portion.length, 0) });
}

/** What may be in use keeps its place, and is told what it now is about. */
function takeOver(fresh) {
  byId("count").textContent = "";
  for (const id of ["count", "news"]) Object.assign(byId(id).dataset, fresh.getElementById(id).dataset);
  for (const place of document.querySelectorAll("[data-check]")) place.dataset.check = fresh.querySelector("[data-check]").dataset.check;
  document.querySelector(".builder-count").textContent = "";
  for (const time of document.querySelectorAll("input[data-iso]")) time.dataset.iso = fresh.querySelector(`input[data-iso][name="${time.name}"]`).dataset.iso;
  for (const column of document.querySelectorAll("input[type=checkbox][name=column]")) column.checked = fresh.querySelector(`input[type=checkbox][value="${column.value}"]`).defaultChecked;
  for (const name of ["[data-search]", "form[data-raw] textarea"]) {
    const field = document.querySelector(name);
    if (field !== document.activeElement) field.value = fresh.querySelector(name).defaultValue;
  }
  const raw = fresh.getElementById("raw");
  document.querySelector("form[data-raw] textarea").toggleAttribute("aria-invalid", raw.querySelector("textarea").hasAttribute("aria-invalid"));
  document.querySelector("[data-matches]").textContent = "";
  if (raw.open) byId("raw").open = true;
}

document.addEventListener("assay-replaced", ({ detail: fresh }) => {
  takeOver(fresh);
  showRange();
  forgetNews();
  setUpList();
  showCount();
});

document.addEventListener("assay-density", () => list?.measureAgain());

setUpMenus(async (href) => {
  if (await go(href)) leaveMenu(byId("time"));
});
setUpInPlace();
setUpList();
document.addEventListener("click", remember);
comeBack();
showCount();
setUpNews();
setUpRaw();
setUpBuilder(unit);
setUpViews();
document.querySelector("form[data-at-once]").addEventListener("change", (event) => event.currentTarget.requestSubmit());
menuKeys({
  f: () => { byId("add-filter").open = true; },
  e: () => { byId("raw").open = true; },
  n: () => document.querySelector(".news-button")?.click(),
});

// Lists of threads: filter, sort, and draw a screenful at a time.
import { announce, byId, h, timeOf } from "./dom.js";
import { compact, money, percent, plural, seconds } from "./format.js";
import { attributeName, attributeText, categoryById, categoryPath, hasAttribute, haveWords, isMatch, isSearched, loadWords, report, searchFor, threads } from "./data.js";
import { addressOfCategory, addressOfThread, addressOfThreads, replaceAddress } from "./router.js";
import { matchingCategories } from "./tree.js";

/** Rows drawn at once; the next ones follow when the end comes near. */
const PAGE = 60;

/** Words marked in one text; a letter alone occurs hundreds of times. */
const MARKS = 12;

const SORTS = {
  "": ["Report order", () => 0],
  latency: ["Slowest first", (a, b) => (b.latency ?? -1) - (a.latency ?? -1)],
  cost: ["Most expensive first", (a, b) => (b.cost ?? -1) - (a.cost ?? -1)],
  tokens: ["Most tokens first", (a, b) => b.tokens - a.tokens],
  newest: ["Newest first", (a, b) => (b.time ?? -1e15) - (a.time ?? -1e15)],
  oldest: ["Oldest first", (a, b) => (a.time ?? 1e15) - (b.time ?? 1e15)],
  sure: ["Most typical first", (a, b) => b.confidence - a.confidence],
  unsure: ["Least clear first", (a, b) => a.confidence - b.confidence],
};

const STATUSES = { "": "All outcomes", failing: "Failing", fine: "Not failing", error: "Ended in an error", pending: "Unfinished" };

/** The threads last listed, in their order: what j and k walk through when one is open. */
export let lastList = { threads, address: "#threads" };

export function selectThreads({ q = "", status = "", category = null, attribute = "", value = "", reason = "", sort = "" }) {
  const words = wordsOf(q);
  const found = threads.filter((thread) => {
    if (category && !category.leaves.has(thread.category)) return false;
    if (status === "failing" && !thread.fails) return false;
    if (status === "fine" && thread.fails) return false;
    if ((status === "error" || status === "pending") && thread.status !== status) return false;
    if (attribute && !hasAttribute(thread, attribute, value)) return false;
    if (reason && thread.reason !== reason) return false;
    return words.length === 0 || isMatch(thread, words.join(" "));
  });
  const order = SORTS[sort]?.[1];
  return order && sort ? found.sort((a, b) => order(a, b) || a.row - b.row) : found;
}

function wordsOf(q) {
  return q.toLowerCase().split(/\s+/).filter(Boolean);
}

/** Where the first of the words stands in a text, from a place on: `[from, until]`, or null. */
function nextMatch(lower, words, from) {
  let best = null;
  for (const word of words) {
    const at = lower.indexOf(word, from);
    if (at >= 0 && (best === null || at < best[0])) best = [at, at + word.length];
  }
  return best;
}

/** A text with the words that were searched marked. One that is cut to a line (`isLine`) begins near the first of them. */
function marked(text, words, isLine = false) {
  if (words.length === 0) return [text];
  const lower = text.toLowerCase();
  // What changes its length in lower case cannot be pointed into.
  if (lower.length !== text.length) return [text];
  const out = [];
  let match = nextMatch(lower, words, 0);
  let from = isLine && match && match[0] > 90 ? text.indexOf(" ", match[0] - 40) + 1 : 0;
  // A word longer than the way to the match is cut.
  if (match && from > match[0]) from = match[0];
  if (from > 0) out.push("… ");
  for (; match && out.length < MARKS * 2; match = nextMatch(lower, words, from)) {
    out.push(text.slice(from, match[0]), h("mark", {}, text.slice(...match)));
    from = match[1];
  }
  out.push(text.slice(from));
  return out;
}

/** The summary without the request, where it begins with it: the request stands above. */
function restOfSummary(thread) {
  const [, quoted, rest] = /^Asked “(.*?)”(?=$|[\s.,])([^]*)$/.exec(thread.summary) ?? [];
  if (quoted === undefined) return thread.summary;
  const flat = (text) => text.replace(/\s+/g, " ").trim();
  if (!flat(thread.request).startsWith(flat(quoted.replace(/…$/, "")))) return thread.summary;
  const left = rest.replace(/^\s*\(([^()]*)\)/, "$1").replace(/^[\s.,]+/, "");
  return left ? left[0].toUpperCase() + left.slice(1) : "";
}

/** What was searched and stands in none of the lines of a row: the first attribute that has it. */
function foundElsewhere(thread, words) {
  const seen = [thread.request, thread.summary, thread.failure ?? ""].join("\n").toLowerCase();
  const missing = words.filter((word) => !seen.includes(word));
  if (missing.length === 0) return null;
  const found = Object.entries(thread.attributes).map(([name, value]) => `${attributeName(name)} = ${attributeText(value)}`)
    .concat(thread.id, thread.traces, thread.reason ?? []).find((text) => missing.some((word) => text.toLowerCase().includes(word)));
  return found === undefined ? null : h("span", { class: "found" }, marked(found.slice(0, 120), words));
}

export function threadRow(thread, { showCategory, words = [] }) {
  const leaf = thread.category === null ? null : report.categories[thread.category];
  const summary = restOfSummary(thread);
  const facts = [
    words.length === 0 ? null : foundElsewhere(thread, words),
    thread.latency === null ? null : h("span", { title: "latency" }, seconds(thread.latency)),
    thread.cost === null ? null : h("span", { title: "cost" }, money(thread.cost)),
    thread.tokens === 0 ? null : h("span", { title: "tokens" }, `${compact(thread.tokens)} tokens`),
    thread.time === null ? null : timeOf(thread.time, { class: "wide-only" }),
    h("span", { class: "wide-only", title: "confidence: how clearly this category" }, `${percent(thread.confidence)} sure`),
  ];
  return h("li", { class: "thread-row" },
    h("a", { class: "row-link", href: addressOfThread(thread) },
      h("span", { class: `state ${thread.fails ? "failed" : thread.status}`, title: stateTitle(thread) }),
      h("span", { class: "thread-words" },
        h("span", { class: "thread-request" },
          thread.rank === null ? null : h("span", { class: "rank" }, `#${thread.rank}`), marked(thread.request || "(no request)", words)),
        thread.failure === null ? null : h("span", { class: "thread-summary thread-failure" }, marked(thread.failure, words, true)),
        thread.reason === null ? null : h("span", { class: "thread-summary" }, marked(thread.reason, words, true)),
        summary === "" ? null : h("span", { class: "thread-summary" }, marked(summary, words, true)),
        h("span", { class: "thread-facts" },
          showCategory && leaf ? h("span", { class: "tag" }, h("i", { class: `dot ${leaf.color}` }), leaf.name) : null,
          facts))));
}

export function stateTitle(thread) {
  if (thread.status === "error") return "ended in an error";
  if (thread.fails) return "a failure shows";
  return thread.status === "pending" ? "unfinished" : "no failure shows";
}

/** Draws `list` into `mount`, more as the end comes near. Draws at least `atLeast` rows: resolves once they are there. */
function drawRows(mount, list, options, atLeast) {
  const rows = h("ol", { class: "thread-rows" });
  const end = h("div", { class: "list-end" });
  let drawn = 0;
  let isDrawing = false;
  const put = (limit) => {
    rows.append(...list.slice(drawn, limit).map((thread) => threadRow(thread, options)));
    drawn = Math.min(limit, list.length);
    if (drawn >= list.length) {
      watcher.disconnect();
      end.remove();
    }
  };
  const draw = async (limit) => {
    const portion = list.slice(drawn, limit);
    if (haveWords(portion)) return put(limit);
    if (isDrawing) return undefined;
    isDrawing = true;
    if (drawn === 0) rows.setAttribute("aria-busy", "true");
    try {
      await loadWords(portion);
      put(limit);
      // What comes next is on its way before it is scrolled to.
      loadWords(list.slice(drawn, drawn + PAGE)).catch(() => {});
    } catch (error) {
      watcher.disconnect();
      end.replaceChildren(h("div", { class: "empty small", role: "alert" }, h("p", {}, `What the threads are about did not come: ${error.message}`),
        h("button", { type: "button", class: "button", onclick: () => drawRows(mount, list, options, drawn + PAGE) }, "Try again")));
    } finally {
      isDrawing = false;
      rows.removeAttribute("aria-busy");
    }
    // Where the end is still in sight, nothing else would tell.
    if (drawn < list.length) {
      watcher.unobserve(end);
      watcher.observe(end);
    }
    return undefined;
  };
  const watcher = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) draw(drawn + PAGE);
  }, { rootMargin: "1200px" });
  mount.replaceChildren(rows, end);
  const first = draw(Math.max(PAGE, atLeast));
  if (drawn > 0 && drawn < list.length) watcher.observe(end);
  mount.assayDrawn = () => drawn;
  return first;
}

/** Threads worth reading, in their order: what j and k walk through when one was opened from the overview. */
export function listHighlights() {
  const list = threads.filter((thread) => thread.rank !== null).sort((a, b) => a.rank - b.rank);
  lastList = { threads: list, address: "#overview" };
}

/** A list that was chosen elsewhere: j and k walk through it when one of it is open. */
export function mountChosenList(mount, list, { address, atLeast }) {
  lastList = { threads: list, address };
  drawRows(mount, list, { showCategory: true }, atLeast);
}

function noThreads(filtered, clear) {
  return h("div", { class: "empty" },
    h("h3", {}, filtered ? "No thread matches" : "No threads here"),
    h("p", {}, filtered ? "Try fewer words, or another outcome." : "The numbers above are about threads that this page does not list."),
    filtered ? h("button", { type: "button", class: "button", onclick: clear }, "Clear the filters") : null);
}

function chooser(name, label, options, value, onChange) {
  return h("select", { name, "aria-label": label, onchange: (event) => onChange(event.target.value) },
    Object.entries(options).map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
}

const sortNames = Object.fromEntries(Object.entries(SORTS).map(([key, [name]]) => [key, name]));

/** The list inside a category. Keeps its choice while the page is open. */
export function mountCategoryList(mount, category, address) {
  const state = mount.assayState ??= { status: "", sort: "" };
  const draw = () => {
    const list = selectThreads({ ...state, category });
    lastList = { threads: list, address };
    const tools = h("div", { class: "list-tools" },
      h("span", { class: "list-count" }, countText(list.length, category.threads)),
      chooser("status", "Outcome", STATUSES, state.status, (status) => { state.status = status; draw(); }),
      chooser("sort", "Order", sortNames, state.sort, (sort) => { state.sort = sort; draw(); }));
    const rows = h("div", {});
    const options = { showCategory: category.leaves.size > 1 };
    const atLeast = mount.assayRows?.assayDrawn?.() ?? 0;
    mount.assayRows = rows;
    mount.replaceChildren(tools, rows);
    if (list.length === 0) rows.append(noThreads(state.status !== "", () => { state.status = ""; draw(); }));
    else drawRows(rows, list, options, atLeast);
  };
  draw();
}

function countText(listed, all) {
  return listed < all ? `${plural(listed, "thread")} listed` : plural(listed, "thread");
}

/** Has a search answered, and shows the list then: until it is, what was there stays. */
async function awaitSearch(mount, words, query) {
  const hash = location.hash;
  mount.setAttribute("aria-busy", "true");
  try {
    await searchFor(words);
    if (location.hash === hash) await mountThreadList(query);
  } catch (error) {
    if (location.hash !== hash) return;
    mount.replaceChildren(h("div", { class: "empty small", role: "alert" }, h("h3", {}, "The search was not answered"), h("p", {}, error.message),
      h("button", { type: "button", class: "button", onclick: () => awaitSearch(mount, words, query) }, "Try again")));
  }
  mount.removeAttribute("aria-busy");
}

/** The address whose threads the list shows, row by row. */
let listed = null;
export const listedAddress = () => listed;

/** The list of all threads, with search; its state is its address. Resolves, and is told of by `assay-listed`, once it is there. */
export function mountThreadList(query) {
  const mount = byId("thread-list");
  const sought = wordsOf(query.get("q") ?? "").join(" ");
  if (sought !== "" && !isSearched(sought)) {
    return awaitSearch(mount, sought, query);
  }
  const state = Object.fromEntries(["q", "status", "category", "attribute", "value", "reason", "sort"].map((key) => [key, query.get(key) ?? ""]));
  const change = (changes) => {
    replaceAddress(addressOfThreads({ ...state, ...changes }));
    mountThreadList(new URLSearchParams(location.hash.split("?")[1] ?? ""));
  };
  const category = state.category ? categoryById(state.category) : null;
  const list = selectThreads({ ...state, category });
  lastList = { threads: list, address: location.hash || "#threads" };
  const categories = { "": "All categories" };
  for (const one of report.categories) {
    categories[one.id] = `${"\u2003".repeat(categoryPath(one.position).length - 1)}${one.name}`;
  }
  const filtered = state.q || state.status || category || state.attribute || state.reason;
  const tools = h("div", { class: "list-tools" },
    h("span", { class: "list-count" }, countText(list.length, filtered ? 0 : report.analysed)),
    chooser("category", "Category", categories, state.category, (value) => change({ category: value })),
    chooser("status", "Outcome", STATUSES, state.status, (value) => change({ status: value })),
    chooser("sort", "Order", sortNames, state.sort, (value) => change({ sort: value })));
  const chips = [
    state.q ? chip(`“${state.q}”`, () => { byId("search").elements.q.value = ""; change({ q: "" }); }) : null,
    state.attribute ? chip(`${attributeName(state.attribute)} = ${state.value}`, () => change({ attribute: "", value: "" })) : null,
    state.reason ? chip(`in “Other”: ${state.reason}`, () => change({ reason: "" })) : null,
  ].filter(Boolean);
  const found = state.q ? matchingCategories(state.q).slice(0, 8) : [];
  const rows = h("div", {});
  const atLeast = mount.assayAddress === location.hash ? mount.assayRows?.assayDrawn?.() ?? 0 : 0;
  mount.assayAddress = location.hash;
  mount.assayRows = rows;
  mount.replaceChildren(tools,
    ...(chips.length > 0 ? [h("p", { class: "chips" }, chips)] : []),
    ...(found.length > 0 ? [categoryHits(found)] : []), rows);
  let drawn = null;
  if (list.length === 0) {
    rows.append(noThreads(Boolean(filtered), () => { byId("search").elements.q.value = ""; change({ q: "", status: "", category: "", attribute: "", value: "", reason: "" }); }));
  } else {
    drawn = drawRows(rows, list, { showCategory: true, words: wordsOf(state.q) }, atLeast);
  }
  if (report.listed < report.analysed && !filtered) {
    mount.append(h("p", { class: "hint" }, `This page lists ${plural(report.listed, "thread")} of ${plural(report.analysed, "thread")}; assignments.csv has all.`));
  }
  announce(plural(list.length, "thread"));
  const address = location.hash;
  return Promise.resolve(drawn).then(() => {
    if (location.hash !== address) return;
    listed = address;
    document.dispatchEvent(new CustomEvent("assay-listed"));
  });
}

function chip(text, onRemove) {
  return h("button", { type: "button", class: "chip removable", onclick: onRemove, "aria-label": `Remove filter ${text}` }, text, " ×");
}

function categoryHits(found) {
  return h("ul", { class: "category-hits", "aria-label": "Matching categories" }, found.map((category) =>
    h("li", {}, h("a", { class: "row-link", href: addressOfCategory(category) },
      h("i", { class: `dot ${category.color}` }), h("span", {}, category.name), h("span", { class: "soft" }, percent(category.share))))));
}

// Puts the page together: views, search, keys, theme, where numbers come from.
import { byId, h } from "./dom.js";
import { categoryById, hasThreads, haveWords, loadThreads, loadWords, report, threadById } from "./data.js";
import { addressOfCategory, addressOfThread, addressOfThreads, parseAddress, replaceAddress, scrollBack, settle, startRouter } from "./router.js";
import { setUpTables, showTable, toggleFold } from "./tree.js";
import { listedAddress, listHighlights, mountCategoryList, mountThreadList } from "./threads.js";
import { neighbour, showThread } from "./conversation.js";
import { redrawMap, showMap } from "./map.js";

const pageTitle = document.title;
let shownThread = null;
/** The address one came from, by thread view: where Escape leads back. */
let cameFrom = "#overview";

function showView(address, { before, isMove }) {
  const section = sectionOf(address);
  for (const view of document.querySelectorAll(".view.current")) view.classList.remove("current");
  section.classList.add("current");
  shownThread = null;
  if (address.view === "thread" && before !== null && parseAddress(before).view !== "thread") cameFrom = before || "#overview";
  markTab(address.view);
  byId("evidence").hidePopover?.();
  showTable(section, address.query);
  const mount = mountOf(section);
  if (mount === null || isHereAlready(section, address)) show(section, address, mount, before);
  else awaitThreads(section, address, mount, before);
  if (isMove) focusFrom(section, before);
  return address.view === "categories" ? byId("categories") : null;
}

/** Where a view puts what it makes of threads; null for views that need none. */
function mountOf(section) {
  return { threads: byId("thread-list"), thread: byId("thread-mount"), map: byId("map-mount") }[section.id] ?? section.querySelector(".list-mount");
}

function show(section, address, mount, before) {
  if (section.id === "threads") {
    byId("search").elements.q.value = address.query.get("q") ?? "";
    mountThreadList(address.query);
  } else if (section.id === "thread") {
    shownThread = threadById(address.id);
    // A list belongs to where one came from: j and k keep to it from one thread to the next.
    const from = parseAddress(before ?? "#overview").view;
    if (shownThread?.rank && ["overview", "categories"].includes(from) && before !== null) listHighlights();
    showThread(shownThread);
  } else if (section.id === "map") {
    showMap(address.query);
  } else if (mount) {
    mountCategoryList(mount, report.categories[section.dataset.category], location.hash);
  }
  const heading = section.querySelector("h1");
  document.title = heading && section.id !== "overview" ? `${heading.textContent.trim()} · ${pageTitle}` : pageTitle;
}

/** Whether all is here that a view is made of. */
function isHereAlready(section, address) {
  if (!hasThreads()) return false;
  const thread = section.id === "thread" ? threadById(address.id) : null;
  return thread === null || haveWords([thread]);
}

/** The rest of the view is read meanwhile. */
async function awaitThreads(section, address, mount, before) {
  const hash = location.hash;
  const isHere = () => location.hash === hash && section.classList.contains("current");
  mount.setAttribute("aria-busy", "true");
  // From one thread to the next the one stays until the other is there.
  if (!hasThreads() || mount.childElementCount === 0) mount.replaceChildren(h("p", { class: "reading soft", role: "status" }, "Reading threads …"));
  try {
    await loadThreads();
    const thread = section.id === "thread" ? threadById(address.id) : null;
    if (thread) await loadWords([thread]);
    mount.removeAttribute("aria-busy");
    mount.replaceChildren();
    if (isHere()) {
      show(section, address, mount, before);
      scrollBack();
    }
  } catch (error) {
    mount.removeAttribute("aria-busy");
    mount.replaceChildren(h("div", { class: "empty small", role: "alert" },
      h("h3", {}, "The threads did not come"), h("p", {}, error.message),
      h("button", { type: "button", class: "button", onclick: () => awaitThreads(section, address, mount, before) }, "Try again")));
  }
}

/** Up to so many threads, a list of them is some hundred kilobytes at most. */
const FEW = 5000;

/** Threads are on their way before they are asked for: where they are few at once, else with the first sign of interest. */
function readAhead() {
  if (hasThreads()) return;
  const begin = () => loadThreads().catch(() => {});
  if (report.analysed <= FEW) setTimeout(begin, 0);
  const note = (event) => { if (event.target.closest?.('a[href^="#"], .figure, tr[data-position]')) begin(); };
  for (const kind of ["pointerover", "focusin"]) addEventListener(kind, note, { passive: true });
}

function sectionOf(address) {
  if (address.view === "category") {
    const category = categoryById(address.id);
    const found = category && document.querySelector(`.category[data-category="${category.position}"]`);
    if (found) return found;
  }
  const section = ["threads", "map", "method", "thread"].includes(address.view) ? byId(address.view) : null;
  return section ?? byId("overview");
}

function markTab(view) {
  const shown = view === "thread" ? parseAddress(cameFrom).view : view;
  const tab = ["category", "categories"].includes(shown) ? "overview" : shown;
  for (const link of document.querySelectorAll('.tabs a[href^="#"]')) {
    const on = link.getAttribute("href") === `#${tab}`;
    if (on) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Focus goes to the row one came back from, or to the start of what is new. */
function focusFrom(section, before) {
  if (document.activeElement === byId("search").elements.q) return;
  // A category is the same however its table is ordered.
  const place = before?.startsWith("#category/") ? before.split("?")[0] : before;
  const leads = (one) => one.getAttribute("href") === place;
  const link = before && ([...section.querySelectorAll(".row-link")].find(leads) ?? [...section.querySelectorAll("a[href]")].find(leads));
  if (link) return link.focus({ preventScroll: true });
  return byId("main").focus({ preventScroll: true });
}

function setUpSearch() {
  const form = byId("search");
  const input = form.elements.q;
  let timer = 0;
  /** The address whose list is to have the focus once it is there. */
  let wanted = null;
  const go = () => {
    const address = parseAddress(location.hash);
    const target = addressOfThreads({ ...(address.view === "threads" ? Object.fromEntries(address.query) : {}), q: input.value.trim() });
    if (target === location.hash) return;
    if (address.view === "threads") {
      replaceAddress(target);
      mountThreadList(parseAddress(target).query);
    } else if (input.value.trim()) {
      location.hash = target;
    }
  };
  // To what was found, not to the list before. Whoever writes on or went elsewhere stays there.
  const reach = () => {
    if (wanted === null || location.hash !== wanted) return;
    if (parseAddress(wanted).view === "threads" && listedAddress() !== wanted) return;
    wanted = null;
    if (document.activeElement === input) moveFocus(1);
  };
  input.addEventListener("input", () => {
    wanted = null;
    clearTimeout(timer);
    timer = setTimeout(go, 120);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    go();
    wanted = location.hash;
    reach();
  });
  document.addEventListener("assay-listed", reach);
}

function setUpEvidence() {
  const popover = byId("evidence");
  document.addEventListener("click", (event) => {
    const figure = event.target.closest(".figure");
    if (!figure || !popover.showPopover) return;
    popover.replaceChildren(h("strong", {}, figure.textContent), h("p", {}, figure.title),
      h("a", { href: figure.dataset.href, class: "button" }, wordsOfLink(figure.dataset.href)));
    popover.showPopover();
    const box = figure.getBoundingClientRect();
    popover.style.left = `${Math.max(8, Math.min(box.left, innerWidth - popover.offsetWidth - 8))}px`;
    const below = box.bottom + 6;
    popover.style.top = `${below + popover.offsetHeight > innerHeight ? Math.max(8, box.top - popover.offsetHeight - 6) : below}px`;
    popover.querySelector("a").focus();
  });
  addEventListener("scroll", () => popover.matches(":popover-open") && popover.hidePopover(), { passive: true });
}

/** What lies behind a figure, by its address. */
function wordsOfLink(href) {
  const { view, query } = parseAddress(href);
  if (view === "categories") return "Show the categories";
  if (view === "category") return "Show the category";
  return [...query].length === 0 ? "All threads" : "Show these threads";
}

function setUpTheme() {
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  byId("theme").addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? (systemDark.matches ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("assay-theme", next);
    } catch { /* storage is off: the choice lasts as long as the page */ }
    redrawMap();
  });
  systemDark.addEventListener("change", redrawMap);
}

function rowLinks() {
  const view = document.querySelector(".view.current");
  return [...view.querySelectorAll(".row-link")].filter((link) => link.offsetParent !== null);
}

function moveFocus(step) {
  const links = rowLinks();
  const at = links.indexOf(document.activeElement);
  // The overview begins with its categories: the threads worth reading are above them.
  const first = Math.max(0, links.findIndex((link) => link.closest("#overview .categories")));
  const next = links[at < 0 ? (step > 0 ? first : links.length - 1) : at + step];
  if (!next) return;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest", behavior: "instant" });
}

function goBack() {
  const { view, id } = parseAddress(location.hash);
  if (view === "thread") location.hash = cameFrom === location.hash ? "#overview" : cameFrom;
  else if (view === "category") {
    const parent = categoryById(id)?.parent;
    location.hash = parent === null || parent === undefined ? "#overview" : addressOfCategory(report.categories[parent]);
  } else if (view !== "overview") location.hash = "#overview";
  else return false;
  return true;
}

const KEYS = {
  "/": () => byId("search").elements.q.select(),
  j: () => step(1),
  k: () => step(-1),
  o: () => { location.hash = "#overview"; },
  l: () => { location.hash = "#threads"; },
  m: () => { if (byId("map")) location.hash = "#map"; },
  i: () => { location.hash = "#method"; },
  t: () => byId("theme").click(),
  "?": () => byId("keys").showModal(),
  Escape: goBack,
  ArrowRight: () => fold(true),
  ArrowLeft: () => fold(false),
};

function step(by) {
  if (!shownThread) return moveFocus(by);
  const next = neighbour(shownThread, by);
  if (next) location.hash = addressOfThread(next);
  return undefined;
}

function fold(open) {
  const button = document.activeElement.closest?.("tr")?.querySelector(".fold");
  if (!button) return false;
  toggleFold(button, open);
  return true;
}

function setUpKeys() {
  byId("help").addEventListener("click", () => byId("keys").showModal());
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const field = event.target.closest("input, select, textarea");
    if (field) {
      if (event.key === "Escape") field.blur();
      return;
    }
    if (event.key === "Escape" && byId("evidence").matches(":popover-open")) {
      byId("evidence").hidePopover();
      return event.preventDefault();
    }
    // The key is about what the keys before it led to, however fast they follow.
    settle();
    const action = KEYS[event.key];
    if (action && action() !== false) event.preventDefault();
  });
}

/** On paper every figure of the overview is there. */
function setUpPrint() {
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll(".view.current details")) details.open = true;
  });
}

setUpTables();
setUpSearch();
setUpEvidence();
setUpTheme();
setUpKeys();
setUpPrint();
startRouter(showView);
readAhead();
if (report.listed === 0) document.documentElement.classList.add("no-threads");

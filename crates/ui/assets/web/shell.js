// What every page does: theme, keys, times in the viewer's zone, copying.
import { byId } from "../dom.js";
import { LOCAL_MOMENT } from "../format.js";
import { isTyping, showFlash } from "./api.js";

const MINUTE = 60_000;

const formats = {
  moment: LOCAL_MOMENT,
  clock: new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" }),
  day: new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" }),
  list: new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" }),
  // Another year is said, and to the minute: there is no more room.
  listYear: new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }),
  full: new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" }),
};
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

/** "3 min ago" up to a month, then the day. */
export function ago(time, now = Date.now()) {
  const past = (time - now) / 1000;
  const size = Math.abs(past);
  if (size < 45) return "just now";
  if (size < 3600) return relative.format(Math.round(past / 60), "minute");
  if (size < 86_400) return relative.format(Math.round(past / 3600), "hour");
  if (size < 30 * 86_400) return relative.format(Math.round(past / 86_400), "day");
  return formats.day.format(time);
}

/** Writes the times below `root` as the viewer reads them. */
export function showTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const time = new Date(element.dateTime);
    if (Number.isNaN(time.getTime())) continue;
    let how = element.dataset.how ?? "moment";
    if (how === "list" && time.getFullYear() !== new Date().getFullYear()) how = "listYear";
    element.textContent = how === "ago" ? ago(time) : (formats[how] ?? formats.moment).format(time);
    element.title = formats.full.format(time);
  }
}

function setUpTheme() {
  byId("theme")?.addEventListener("click", () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("assay-theme", document.documentElement.dataset.theme);
    } catch { /* storage is off: the choice lasts as long as the page */ }
    document.dispatchEvent(new CustomEvent("assay-theme"));
  });
}

/** How close rows stand together; the choice stays with the browser. */
function setUpDensity() {
  const button = byId("density");
  const show = () => button?.setAttribute("aria-pressed", String(document.documentElement.dataset.density === "compact"));
  button?.addEventListener("click", () => {
    const { dataset } = document.documentElement;
    if (dataset.density === "compact") delete dataset.density;
    else dataset.density = "compact";
    try {
      localStorage.setItem("assay-density", dataset.density ?? "");
    } catch { /* storage is off: the choice lasts as long as the page */ }
    show();
    document.dispatchEvent(new CustomEvent("assay-density"));
  });
  show();
}

function setUpCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = button.dataset.copy || button.parentElement.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Without leave to copy, the text is at least chosen.
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      button.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

/** Rows are links: the whole row leads where its first link does. */
function setUpRows() {
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr.row");
    if (!row || event.target.closest("a, button, input, label, select, summary") || !getSelection().isCollapsed) return;
    const link = row.querySelector(".row-link");
    if (!link) return;
    if (event.ctrlKey || event.metaKey) open(link.href, "_blank", "noopener");
    else link.click();
  });
}

function rowLinks() {
  return [...document.querySelectorAll("main .row-link")].filter((link) => link.offsetParent !== null);
}

export function moveFocus(step) {
  const links = rowLinks();
  const at = links.indexOf(document.activeElement);
  const next = links[at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step];
  if (!next) return;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest", behavior: "instant" });
}

const GO = { i: "/insights", h: "/threads", r: "/traces", d: "/dashboard", s: "/settings" };
let goUntil = 0;

/** The letter after `g`. */
function go(key) {
  if (key === "p") location.assign("/");
  if (key === "e") document.querySelector('[data-place="datasets"]')?.click();
  const project = document.querySelector(".trail-project")?.getAttribute("href");
  if (project && GO[key]) location.assign(project + GO[key]);
}

/** `g`, then a letter: heard before the keys of a page, which may use the same letters. */
function setUpGo() {
  if (document.querySelector("nav.trail") === null) return;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event) || document.querySelector("dialog[open]")) return;
    const isSecond = goUntil > Date.now();
    goUntil = !isSecond && event.key === "g" ? Date.now() + 1200 : 0;
    if (!isSecond && goUntil === 0) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (isSecond) go(event.key);
  }, true);
}

/** One level up. A project's own link leads to its reports: from those it is no way up. */
function up() {
  const isHere = (link) => [location.pathname, location.pathname.replace(/\/insights$/, "")].includes(link.pathname);
  const last = [...document.querySelectorAll(".trail a")].filter((link) => !isHere(link)).at(-1);
  if (last) last.click();
}

function setUpKeys() {
  // A page that has keys of its own takes the event first, and prevents the default.
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (isTyping(event)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const keys = {
      "/": () => { document.querySelector("[data-search]")?.select(); event.preventDefault(); },
      j: () => moveFocus(1),
      k: () => moveFocus(-1),
      t: () => byId("theme").click(),
      "?": () => byId("keys")?.showModal(),
      Escape: up,
    };
    keys[event.key]?.();
  });
  byId("help")?.addEventListener("click", () => byId("keys")?.showModal());
}

// A report has keys of its own, here as in its file; what they leave leads on.
setUpGo();
if (document.querySelector("[data-report]") === null) {
  setUpTheme();
  setUpKeys();
} else {
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && !isTyping(event) && document.querySelector("dialog[open]") === null) up();
  });
}
setUpDensity();
setUpCopying();
setUpRows();
showTimes();
showFlash();
setInterval(showTimes, MINUTE);

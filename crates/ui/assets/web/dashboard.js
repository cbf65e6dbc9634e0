// Charts: what is under the pointer, and a stretch of time that is chosen on
// one of them and shown on all.
import { announce, byId, h } from "../dom.js";
import { fetchDocument, take } from "./fragment.js";
import { setUpMenus } from "./menus.js";

const place = byId("charts");
let body = null;
let plots = [];
/** First and last chosen interval, or null. */
let chosen = null;
let cursor = null;

const moment = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const written = {
  clock: new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" }),
  date: new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" }),
};

function timeOf(at) {
  return new Date(Number(body.dataset.start) + at * Number(body.dataset.step));
}

function rangeText(first, last) {
  const format = Number(body.dataset.step) < 60_000 ? exact : moment;
  return format.formatRange(timeOf(first), timeOf(last + 1));
}

// ----------------------------------------------------------------------- tip

const tip = h("div", { class: "chart-tip", role: "status", hidden: true });
const menu = h("div", { class: "chart-menu", role: "dialog", "aria-label": "Chosen time", hidden: true });
document.body.append(tip, menu);

function showTip(plot, at) {
  const rows = plot.data.series.map((series) => h("div", {}, h("i", { class: `dot ${series.color}` }), h("span", {}, series.name), h("b", {}, series.shown[at] ?? "–")));
  tip.replaceChildren(h("p", {}, rangeText(at, at)), ...rows);
  tip.hidden = false;
  const box = plot.node.getBoundingClientRect();
  const x = box.left + (at + 0.5) / plot.count * box.width;
  const width = tip.offsetWidth;
  const left = x + 14 + width > innerWidth - 8 ? x - width - 14 : x + 14;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, Math.min(box.top, innerHeight - tip.offsetHeight - 8))}px`;
}

function hideTip() {
  tip.hidden = true;
  cursor = null;
  draw();
}

// --------------------------------------------------------------------- brush

function draw() {
  for (const plot of plots) {
    const width = 100 / plot.count;
    const [x, size] = chosen ? [chosen[0] * width, (chosen[1] - chosen[0] + 1) * width] : [0, 0];
    plot.chosen.setAttribute("x", `${x}%`);
    plot.chosen.setAttribute("width", `${size}%`);
    const at = cursor === null ? "-9" : `${(cursor + 0.5) * width}%`;
    plot.cursor.setAttribute("x1", at);
    plot.cursor.setAttribute("x2", at);
  }
}

function choose(first, last) {
  chosen = first === null ? null : [Math.min(first, last), Math.max(first, last)];
  draw();
}

/** An address with the chosen time, under the names that its page has for it. */
function withTime(href, start = "from", end = "until") {
  const url = new URL(href, location.href);
  url.searchParams.set(start, timeOf(chosen[0]).toISOString());
  url.searchParams.set(end, timeOf(chosen[1] + 1).toISOString());
  return `${url.pathname}${url.search}`;
}

function showMenu(plot) {
  hideTip();
  draw();
  menu.replaceChildren(
    h("p", {}, rangeText(chosen[0], chosen[1])),
    h("a", { href: withTime(body.dataset.traces) }, "Traces of this time"),
    h("a", { href: withTime(body.dataset.report, "start", "end") }, "New report about it"),
    h("a", { href: withTime(body.dataset.zoom) }, "Look closer"),
    h("button", { type: "button", class: "quiet", onclick: closeMenu }, "Cancel"));
  menu.hidden = false;
  const box = plot.node.getBoundingClientRect();
  const middle = box.left + (chosen[0] + chosen[1] + 1) / 2 / plot.count * box.width;
  menu.style.left = `${Math.max(8, Math.min(middle - menu.offsetWidth / 2, innerWidth - menu.offsetWidth - 8))}px`;
  menu.style.top = `${Math.max(8, Math.min(box.bottom + 6, innerHeight - menu.offsetHeight - 8))}px`;
  menu.origin = plot.node;
  menu.querySelector("a").focus({ preventScroll: true });
  announce(`Chosen: ${rangeText(chosen[0], chosen[1])}`);
}

function closeMenu() {
  if (menu.hidden) return;
  menu.hidden = true;
  choose(null);
  menu.origin?.focus({ preventScroll: true });
}

function setUpPlot(node) {
  const plot = {
    node,
    data: JSON.parse(node.dataset.chart),
    count: Number(body.dataset.count),
    chosen: node.querySelector(".chosen"),
    cursor: node.querySelector(".cursor"),
  };
  const at = (event) => {
    const box = node.getBoundingClientRect();
    const place = Math.floor((event.clientX - box.left) / box.width * plot.count);
    return Math.max(0, Math.min(plot.count - 1, place || 0));
  };
  let from = null;
  node.addEventListener("pointermove", (event) => {
    cursor = at(event);
    if (from !== null) choose(from, cursor);
    showTip(plot, cursor);
    draw();
  });
  node.addEventListener("pointerleave", () => { if (from === null) hideTip(); });
  node.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    closeMenu();
    from = at(event);
    try {
      node.setPointerCapture(event.pointerId);
    } catch { /* a pointer that is gone already */ }
  });
  node.addEventListener("pointerup", (event) => {
    if (from === null) return;
    choose(from, at(event));
    from = null;
    showMenu(plot);
  });
  node.addEventListener("pointercancel", () => { from = null; choose(null); });
  node.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) {
      event.preventDefault();
      const next = Math.max(0, Math.min(plot.count - 1, (cursor ?? (by > 0 ? -1 : plot.count)) + by));
      if (event.shiftKey) {
        plot.anchor ??= cursor ?? next;
        choose(plot.anchor, next);
      } else {
        plot.anchor = null;
        choose(null);
      }
      cursor = next;
      draw();
      showTip(plot, cursor);
      announce(`${rangeText(cursor, cursor)}: ${plot.data.series.map((series) => `${series.name} ${series.shown[cursor]}`).join(", ")}`);
    } else if (event.key === "Enter" && cursor !== null) {
      event.preventDefault();
      if (!chosen) choose(cursor, cursor);
      plot.anchor = null;
      showMenu(plot);
    } else if (event.key === "Escape") {
      event.preventDefault();
      plot.anchor = null;
      choose(null);
      hideTip();
    }
  });
  node.addEventListener("blur", () => { if (menu.hidden) hideTip(); });
  return plot;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !menu.hidden) {
    event.preventDefault();
    closeMenu();
  }
}, true);
document.addEventListener("pointerdown", (event) => {
  if (!menu.hidden && !menu.contains(event.target) && !event.target.closest(".plot")) closeMenu();
});

async function load() {
  try {
    const page = await fetchDocument(place.dataset.href);
    body = take(page.getElementById("charts-body"));
    place.replaceChildren(body);
  } catch (error) {
    place.replaceChildren(h("div", { class: "problem", role: "alert" }, h("h2", {}, "The charts did not come"), h("p", {}, error.message),
      h("button", { type: "button", class: "button", onclick: load }, "Try again")));
  }
  place.removeAttribute("aria-busy");
  if (!body) return;
  for (const label of body.querySelectorAll("text[data-time]")) {
    label.textContent = (written[label.dataset.how] ?? written.date).format(new Date(label.dataset.time));
  }
  plots = [...body.querySelectorAll(".plot[data-chart]")].map(setUpPlot);
  draw();
}

setUpMenus();
if (place) load();

// The map: every thread a dot on a canvas. Zoom, move, hover, open.
import { byId, h } from "./dom.js";
import { percent, seconds } from "./format.js";
import { categoryPath, report, threads, topOf } from "./data.js";
import { addressOfCategory, addressOfThread } from "./router.js";
import { stateTitle } from "./threads.js";

const PADDING = 28;
const REACH = 14;
const LEAF_COLORS = 12;

const COLORINGS = {
  category: ["Category", (thread) => topOf(thread.category)?.color ?? "aside"],
  leaf: ["Subcategory", (thread) => leafColor(thread)],
  status: ["Outcome", (thread) => (thread.fails ? "bad" : thread.status === "pending" ? "warn" : "good")],
  confidence: ["Confidence", (thread) => `s${Math.min(4, Math.max(0, Math.floor(thread.confidence * 5)))}`],
};

const map = { canvas: null, view: { scale: 1, x: 0, y: 0 }, coloring: "category", only: null, hover: null, colors: {}, queued: false };

function leafColor(thread) {
  const leaf = thread.category === null ? null : report.categories[thread.category];
  return !leaf || leaf.color === "aside" ? "aside" : `c${leaf.position % LEAF_COLORS}`;
}

export function showMap() {
  const mount = byId("map-mount");
  if (!mount) return;
  if (!map.canvas) build(mount);
  readColors();
  resize();
}

export function redrawMap() {
  if (!map.canvas) return;
  readColors();
  queueDraw();
}

function build(mount) {
  map.canvas = h("canvas", { class: "map-canvas", tabindex: "0", role: "application", "aria-label": "Map of threads. Arrow keys move, plus and minus zoom, Enter opens the thread nearest to the center." });
  map.tip = h("div", { class: "map-tip", hidden: true });
  map.legend = h("div", { class: "legend", role: "group", "aria-label": "Show only" });
  const colorBy = h("select", { "aria-label": "Color by", onchange: (event) => { map.coloring = event.target.value; map.only = null; drawLegend(); queueDraw(); } },
    Object.entries(COLORINGS).map(([key, [name]]) => h("option", { value: key }, `Color by ${name.toLowerCase()}`)));
  const zoomButton = (text, label, onclick) => h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick }, text);
  const zoomAtCentre = (factor) => zoom(factor, map.canvas.clientWidth / 2, map.canvas.clientHeight / 2);
  mount.replaceChildren(
    h("div", { class: "list-tools" }, colorBy, h("span", { class: "soft" }, "A ring marks a failure")),
    h("div", { class: "map-frame" }, map.canvas, map.tip, h("div", { class: "map-zoom" },
      zoomButton("+", "Zoom in", () => zoomAtCentre(1.6)), zoomButton("−", "Zoom out", () => zoomAtCentre(1 / 1.6)), zoomButton("⤢", "Whole map", resetView))),
    map.legend);
  drawLegend();
  listen(map.canvas, zoomAtCentre);
  new ResizeObserver(resize).observe(map.canvas);
}

function resetView() {
  map.view = { scale: 1, x: 0, y: 0 };
  queueDraw();
}

function readColors() {
  const style = getComputedStyle(document.documentElement);
  const names = [...Array(LEAF_COLORS).keys()].map((n) => `c${n}`).concat("aside", "good", "warn", "bad", "text", "surface", "s0", "s1", "s2", "s3", "s4");
  map.colors = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function resize() {
  const { canvas } = map;
  if (!canvas || canvas.clientWidth === 0) return;
  const ratio = Math.min(devicePixelRatio || 1, 2);
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  map.ratio = ratio;
  queueDraw();
}

function place(thread) {
  const { scale, x, y } = map.view;
  const width = map.canvas.clientWidth - 2 * PADDING;
  const height = map.canvas.clientHeight - 2 * PADDING;
  return [PADDING + (thread.position[0] * width) * scale + x, PADDING + (thread.position[1] * height) * scale + y];
}

function queueDraw() {
  if (map.queued) return;
  map.queued = true;
  requestAnimationFrame(() => { map.queued = false; draw(); });
}

function draw() {
  const { canvas, colors, ratio } = map;
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  const colorOf = COLORINGS[map.coloring][1];
  const base = threads.length > 4000 ? 2.2 : threads.length > 1200 ? 3 : threads.length > 150 ? 4 : 5.5;
  const radius = Math.min(9, base * Math.sqrt(map.view.scale));
  for (const thread of threads) {
    const [x, y] = place(thread);
    if (x < -9 || y < -9 || x > canvas.clientWidth + 9 || y > canvas.clientHeight + 9) continue;
    const key = colorOf(thread);
    const faded = map.only !== null && !isShown(thread);
    pen.globalAlpha = faded ? 0.08 : 0.78;
    pen.fillStyle = colors[key] || colors.aside;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 7);
    pen.fill();
    if (thread.fails && !faded) {
      pen.globalAlpha = 0.95;
      pen.strokeStyle = colors.bad;
      pen.lineWidth = 1.4;
      pen.beginPath();
      pen.arc(x, y, radius + 1.6, 0, 7);
      pen.stroke();
    }
  }
  pen.globalAlpha = 1;
  if (map.hover) ring(pen, map.hover, radius + 4);
  drawLabels(pen);
}

function ring(pen, thread, radius) {
  const [x, y] = place(thread);
  pen.strokeStyle = map.colors.text;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.stroke();
}

/** Names where the dots of a category are thickest; those that would overlap are left out. */
function drawLabels(pen) {
  const members = new Map();
  const level = map.view.scale > 2.2 ? (thread) => thread.category : (thread) => topOf(thread.category)?.position ?? null;
  for (const thread of threads) {
    const position = level(thread);
    if (position === null || report.categories[position].color === "aside" || (map.only !== null && !isShown(thread))) continue;
    if (!members.has(position)) members.set(position, []);
    members.get(position).push(place(thread));
  }
  const taken = [];
  pen.font = "600 12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const [position, places] of [...members].sort((a, b) => b[1].length - a[1].length).slice(0, 60)) {
    const x = median(places.map((point) => point[0]));
    const y = median(places.map((point) => point[1]));
    const full = report.categories[position].name;
    const name = full.length > 30 ? `${full.slice(0, 29)}…` : full;
    const half = pen.measureText(name).width / 2 + 6;
    const edge = Math.max(half, Math.min(map.canvas.clientWidth - half, x));
    const box = [edge - half, y - 11, edge + half, y + 11];
    if (taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
    taken.push(box);
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeStyle = map.colors.surface;
    pen.strokeText(name, edge, y);
    pen.fillStyle = map.colors.text;
    pen.fillText(name, edge, y);
  }
}

function median(values) {
  const sorted = values.sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

function isShown(thread) {
  if (map.coloring === "category") return topOf(thread.category)?.position === map.only;
  if (map.coloring === "leaf") return thread.category === map.only;
  return COLORINGS[map.coloring][1](thread) === map.only;
}

function legendEntries() {
  if (map.coloring === "status") return [["good", "No failure"], ["bad", "Failing"], ["warn", "Unfinished"]].map(([key, name]) => ({ key, name, color: key }));
  if (map.coloring === "confidence") return [0, 1, 2, 3, 4].map((n) => ({ key: `s${n}`, name: `${n * 20}–${n * 20 + 20} %`, color: `s${n}` }));
  const wanted = new Set(threads.map((thread) => (map.coloring === "leaf" ? thread.category : topOf(thread.category)?.position ?? null)));
  return report.categories.filter((category) => wanted.has(category.position)).map((category) => ({
    key: category.position, name: category.name,
    color: map.coloring === "leaf" && category.color !== "aside" ? `c${category.position % LEAF_COLORS}` : category.color,
    href: addressOfCategory(category), share: category.share,
  }));
}

function drawLegend() {
  map.legend.replaceChildren(...legendEntries().map((entry) =>
    h("button", { type: "button", class: "legend-entry", "aria-pressed": String(map.only === entry.key), onclick: () => {
      map.only = map.only === entry.key ? null : entry.key;
      drawLegend();
      queueDraw();
    } }, h("i", { class: `dot ${entry.color}` }), entry.name, entry.share === undefined ? null : h("span", { class: "soft" }, percent(entry.share)))));
}

function nearest(x, y, reach) {
  let best = null;
  let least = reach * reach;
  for (const thread of threads) {
    if (map.only !== null && !isShown(thread)) continue;
    const [px, py] = place(thread);
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance < least) [best, least] = [thread, distance];
  }
  return best;
}

function zoom(factor, x, y) {
  const { view } = map;
  const scale = Math.max(0.8, Math.min(60, view.scale * factor));
  const real = scale / view.scale;
  map.view = { scale, x: (x - PADDING) * (1 - real) + view.x * real, y: (y - PADDING) * (1 - real) + view.y * real };
  queueDraw();
}

function pan(dx, dy) {
  map.view = { ...map.view, x: map.view.x + dx, y: map.view.y + dy };
  queueDraw();
}

function listen(canvas, zoomAtCentre) {
  const pointers = new Map();
  let moved = 0;
  const local = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) * 0.006), ...local(event));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, local(event));
    moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    const now = local(event);
    if (!before) return hover(nearest(...now, REACH), now);
    pointers.set(event.pointerId, now);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const spread = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
      zoom(spread(now) / Math.max(1, spread(before)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      moved += 10;
    } else {
      pan(now[0] - before[0], now[1] - before[1]);
      moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
    }
    return hover(null);
  });
  const end = (event) => {
    if (pointers.delete(event.pointerId) && event.type === "pointerup" && moved < 5) open(nearest(...local(event), REACH));
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("dblclick", (event) => zoom(2, ...local(event)));
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    if (steps[event.key]) pan(...steps[event.key]);
    else if (event.key === "+" || event.key === "=") zoomAtCentre(1.4);
    else if (event.key === "-") zoomAtCentre(1 / 1.4);
    else if (event.key === "0") resetView();
    else if (event.key === "Enter") open(nearest(canvas.clientWidth / 2, canvas.clientHeight / 2, 1e9));
    else return;
    const middle = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    hover(nearest(...middle, 1e9), middle);
    event.preventDefault();
    event.stopPropagation();
  });
}

function open(thread) {
  if (thread) location.hash = addressOfThread(thread);
}

function hover(thread, at) {
  map.canvas.classList.toggle("over-dot", Boolean(thread));
  if (map.hover !== thread) {
    map.hover = thread;
    queueDraw();
  }
  map.tip.hidden = !thread;
  if (!thread) return;
  const names = categoryPath(thread.category).map((category) => category.name).join(" › ");
  map.tip.replaceChildren(h("strong", {}, thread.request.slice(0, 140) || "(no request)"), h("span", {}, names),
    h("span", { class: "soft" }, [stateTitle(thread), thread.latency === null ? null : seconds(thread.latency)].filter(Boolean).join(" · ")));
  const left = Math.min(at[0] + 14, map.canvas.clientWidth - 270);
  map.tip.style.left = `${Math.max(4, left)}px`;
  map.tip.style.top = `${at[1] + (at[1] > map.canvas.clientHeight - 130 ? -110 : 16)}px`;
}

// The map: every thread a dot on a canvas. Zoom, move, hover, open; draw
// around dots to list their threads. Dots lie on one canvas, what follows the
// pointer on another above it, so that twenty thousand dots are not drawn anew
// for each of its steps.
import { byId, h, icon } from "./dom.js";
import { count, percent, plural, seconds } from "./format.js";
import { categoryPath, haveWords, loadWords, report, threads, topOf } from "./data.js";
import { addressOfThread, replaceAddress } from "./router.js";
import { stateTitle } from "./threads.js";
import { coloring, colorings } from "./map-colors.js";
import { areaOf, areaText, isInside, showArea } from "./map-area.js";

const PADDING = 28;
const REACH = 14;
/** Pixels of a square in which dots are counted. */
const CELL = 6;
/** Where a label may stand from what it names: sideways in its half widths, down in pixels. */
const LABEL_PLACES = [0, -1, 1].flatMap((right) => [0, -18, 18, -32, 32, -48, 48, -66, 66, -86, 86].map((down) => [right, down]));
const WHOLE = { scale: 1, x: 0, y: 0 };
const COLORS = [...Array(12).keys()].map((n) => `c${n}`)
  .concat("aside", "good", "warn", "bad", "text", "surface", "accent", "s0", "s1", "s2", "s3", "s4", "q0", "q1", "q2", "q3", "q4");

const map = {
  dots: null, canvas: null, view: WHOLE, kind: null, coloring: null, only: null, shown: null, labels: null,
  hover: null, area: null, drawing: null, isDrawing: false, colors: {}, sprites: new Map(), ratio: 1, queued: null, moving: 0,
};

/** Shows the map as its address says: `color`, `only`, `area`. */
export function showMap(query) {
  if (!byId("map-mount")) return;
  if (!map.canvas) build(byId("map-mount"));
  readColors();
  const kind = query.get("color") ?? "category";
  choose(map.kinds.some(([known]) => known === kind) ? kind : "category", query.get("only"));
  map.area = areaOf(query.get("area") ?? "");
  resize();
  listArea();
}

export function redrawMap() {
  if (!map.canvas) return;
  readColors();
  queueDraw("all");
}

function mapAddress(changes = {}) {
  const state = { color: map.kind === "category" ? "" : map.kind, only: map.only === null ? "" : map.coloring.groups[map.only].key, area: map.area ? areaText(map.area) : "", ...changes };
  const text = new URLSearchParams(Object.entries(state).filter(([, value]) => value)).toString();
  return text ? `#map?${text}` : "#map";
}

// ---------------------------------------------------------------------- parts

function build(mount) {
  map.kinds = colorings();
  map.dots = h("canvas", { class: "map-canvas", "aria-hidden": "true" });
  map.canvas = h("canvas", { class: "map-canvas map-over", tabindex: "0", role: "application", "aria-describedby": "map-keys",
    "aria-label": "Map of threads. Arrow keys move, plus and minus zoom, Enter opens the thread nearest to the center, V lists the threads in view." });
  map.tip = h("div", { class: "map-tip", hidden: true });
  map.caught = h("p", { class: "map-caught", hidden: true });
  map.legend = h("div", { class: "legend", role: "group", "aria-label": "Show only" });
  map.select = h("select", { "aria-label": "Color by", onchange: (event) => { choose(event.target.value, null); replaceAddress(mapAddress()); } },
    map.kinds.map(([key, words]) => h("option", { value: key }, `Color by ${words}`)));
  const button = (text, label, onclick, more = {}) => h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...more }, text);
  map.lasso = button(icon("M5 1.5C2.8 1.5 1 2.7 1 4.2S2.8 7 5 7 9 5.7 9 4.2 7.2 1.5 5 1.5M3 6.6C2.4 7.6 3 8.6 4.2 8.8"), "Draw around threads to list them (or hold Shift)", () => setDrawing(!map.isDrawing), { "aria-pressed": "false" });
  mount.replaceChildren(
    h("div", { class: "list-tools" }, map.select, h("span", { class: "soft" }, "A ring marks a failure"),
      h("button", { type: "button", class: "quiet map-view", onclick: takeView }, "List the threads in view")),
    h("div", { class: "map-frame" }, map.dots, map.canvas, map.tip, map.caught, h("div", { class: "map-zoom" },
      button("+", "Zoom in", () => zoomAtCentre(1.6)), button("−", "Zoom out", () => zoomAtCentre(1 / 1.6)), button("⤢", "Whole map", () => moveTo(WHOLE)), map.lasso)),
    h("p", { class: "hint wide-only", id: "map-keys" }, "Keys on the map: arrows move, + and − zoom, 0 shows all, Enter opens the nearest thread, V lists the threads in view, C clears the area."),
    map.legend, h("section", { id: "map-area", class: "block", "aria-label": "Threads in the area", hidden: true }));
  listen(map.canvas);
  new ResizeObserver(resize).observe(map.canvas);
}

/** Colours by something, and shows only one group of it where `only` is its key. */
function choose(kind, only) {
  if (map.kind !== kind) {
    map.kind = kind;
    map.coloring = coloring(kind);
    map.select.value = kind;
  }
  const at = map.coloring.groups.findIndex((group) => group.key === only);
  map.only = at < 0 ? null : at;
  map.shown = map.only === null ? null : Uint8Array.from(threads, (thread) => Number(map.coloring.has(thread, map.only)));
  map.labels = null;
  drawLegend();
  queueDraw("all");
}

function drawLegend() {
  map.legend.replaceChildren(...map.coloring.groups.map((group, at) =>
    h("button", { type: "button", class: "legend-entry", "aria-pressed": String(map.only === at), onclick: () => {
      choose(map.kind, map.only === at ? null : group.key);
      replaceAddress(mapAddress());
      map.legend.children[at].focus();
      listArea();
    } }, h("i", { class: `dot ${group.color} shape${group.shape ?? 0}` }), group.name, h("span", { class: "soft" }, group.share === undefined ? count(group.count) : percent(group.share)))));
}

function setDrawing(on) {
  map.isDrawing = on;
  map.lasso.setAttribute("aria-pressed", String(on));
  map.canvas.classList.toggle("drawing", on);
}

// ----------------------------------------------------------------------- area

function setArea(corners) {
  map.area = corners;
  replaceAddress(mapAddress());
  queueDraw("over");
  listArea();
}

function isShown(thread) {
  return map.shown === null || map.shown[thread.row] === 1;
}

function listArea() {
  const list = map.area && threads.filter((thread) => isShown(thread) && isInside(map.area, thread.position));
  showCaught(list);
  showArea(list, { address: mapAddress(), onClear: clearArea, onZoom: () => zoomTo(list) });
}

/** On the map itself, since the list may be below what is in view. */
function showCaught(list) {
  map.caught.hidden = list === null;
  if (list === null) return;
  const see = h("button", { type: "button", class: "quiet", onclick: () => byId("map-area").scrollIntoView({ block: "start" }) }, "See the list");
  map.caught.replaceChildren(h("b", {}, plural(list.length, "thread")), " in the area", list.length > 0 ? see : "");
}

function clearArea() {
  setArea(null);
  map.canvas.focus({ preventScroll: true });
}

/** The part of the map that can be seen, as an area: what a keyboard has for a hand that draws. */
function takeView() {
  const [left, top] = onMap(0, 0);
  const [right, bottom] = onMap(map.canvas.clientWidth, map.canvas.clientHeight);
  setArea([[left, top], [right, top], [right, bottom], [left, bottom]]);
}

function zoomTo(list) {
  const sides = [0, 1].map((side) => list.map((thread) => thread.position[side]));
  const [[left, right], [top, bottom]] = sides.map((values) => [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]);
  const [width, height] = extent();
  const scale = Math.max(0.8, Math.min(60, 0.9 / Math.max(right - left, bottom - top, 0.001)));
  moveTo({ scale, x: width / 2 - ((left + right) / 2) * width * scale, y: height / 2 - ((top + bottom) / 2) * height * scale });
}

// ------------------------------------------------------------------- geometry

function extent() {
  return [map.canvas.clientWidth - 2 * PADDING, map.canvas.clientHeight - 2 * PADDING];
}

function place([x, y]) {
  const [width, height] = extent();
  return [PADDING + x * width * map.view.scale + map.view.x, PADDING + y * height * map.view.scale + map.view.y];
}

/** The opposite of `place`. */
function onMap(x, y) {
  const [width, height] = extent();
  return [(x - PADDING - map.view.x) / (width * map.view.scale), (y - PADDING - map.view.y) / (height * map.view.scale)];
}

function zoomed(factor, x, y) {
  const { view } = map;
  const scale = Math.max(0.8, Math.min(60, view.scale * factor));
  const real = scale / view.scale;
  return { scale, x: (x - PADDING) * (1 - real) + view.x * real, y: (y - PADDING) * (1 - real) + view.y * real };
}

function setView(view) {
  map.moving += 1;
  map.view = view;
  queueDraw("all");
}

/** Glides there; at once for who wants less motion. */
function moveTo(view) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return setView(view);
  const from = map.view;
  const begun = performance.now();
  setView(from);
  const own = map.moving;
  const step = (now) => {
    if (map.moving !== own) return;
    const part = Math.min(1, Math.max(0, now - begun) / 180);
    const eased = 1 - (1 - part) ** 3;
    const between = (name) => from[name] + (view[name] - from[name]) * eased;
    map.view = { scale: between("scale"), x: between("x"), y: between("y") };
    queueDraw("all");
    if (part < 1) requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
  return undefined;
}

function zoomAtCentre(factor) {
  moveTo(zoomed(factor, map.canvas.clientWidth / 2, map.canvas.clientHeight / 2));
}

function nearest(x, y, reach) {
  const { scale, x: dx, y: dy } = map.view;
  const [width, height] = extent();
  let best = null;
  let least = reach * reach;
  for (const thread of threads) {
    const away = (PADDING + thread.position[0] * width * scale + dx - x) ** 2 + (PADDING + thread.position[1] * height * scale + dy - y) ** 2;
    if (away < least && isShown(thread)) [best, least] = [thread, away];
  }
  return best;
}

// -------------------------------------------------------------------- drawing

function readColors() {
  const style = getComputedStyle(document.documentElement);
  map.colors = Object.fromEntries(COLORS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  map.sprites.clear();
}

function resize() {
  const { canvas, dots } = map;
  if (!canvas || canvas.clientWidth === 0) return;
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((size) => Math.round(size * ratio));
  if (ratio === map.ratio && width === dots.width && height === dots.height) return;
  map.ratio = ratio;
  for (const one of [canvas, dots]) Object.assign(one, { width, height });
  map.sprites.clear();
  queueDraw("all");
}

/** Draws with the next frame: everything, or only what is above the dots. */
function queueDraw(what) {
  const before = map.queued;
  map.queued = before === "all" ? before : what;
  if (before !== null) return;
  requestAnimationFrame(() => {
    const queued = map.queued;
    map.queued = null;
    if (queued === "all") drawDots();
    drawOver();
  });
}

function emptied(canvas) {
  const pen = canvas.getContext("2d");
  pen.setTransform(map.ratio, 0, 0, map.ratio, 0, 0);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  return pen;
}

function radiusOfDots() {
  const base = threads.length > 4000 ? 2.2 : threads.length > 1200 ? 3 : threads.length > 150 ? 4 : 5.5;
  // In steps, so that a few pictures of dots are enough.
  return Math.min(9, Math.round(base * Math.sqrt(map.view.scale) * 2) / 2);
}

/** The shape of a dot: disc, square, diamond or triangle, of about the same area. */
function outline(pen, shape, radius) {
  const side = radius * 0.89;
  if (shape === 1) return pen.rect(-side, -side, 2 * side, 2 * side);
  const corners = { 2: [[0, -1.26], [1.26, 0], [0, 1.26], [-1.26, 0]], 3: [[0, -1.4], [1.3, 0.9], [-1.3, 0.9]] }[shape];
  if (!corners) return pen.arc(0, 0, radius, 0, 7);
  for (const [x, y] of corners) pen.lineTo(x * radius, y * radius);
  return pen.closePath();
}

/** A picture of a dot, made once: copying it is quicker than drawing. */
function sprite({ color = "aside", shape = 0 } = {}, radius, fails) {
  const key = `${color} ${shape} ${radius} ${fails}`;
  let made = map.sprites.get(key);
  if (!made) {
    const half = Math.ceil(radius * 1.4 + 3);
    made = document.createElement("canvas");
    made.width = made.height = Math.ceil(2 * half * map.ratio);
    const pen = made.getContext("2d");
    pen.setTransform(map.ratio, 0, 0, map.ratio, half * map.ratio, half * map.ratio);
    pen.globalAlpha = 0.78;
    pen.fillStyle = map.colors[color] || map.colors.aside;
    pen.beginPath();
    outline(pen, shape, radius);
    pen.fill();
    if (fails) ring(pen, [0, 0], radius + 1.6, map.colors.bad, radius < 3 ? 0.8 : 1.4);
    map.sprites.set(key, made);
  }
  return made;
}

function drawDots() {
  const pen = emptied(map.dots);
  const { groups, of } = map.coloring;
  const { scale, x: dx, y: dy } = map.view;
  const [width, height] = extent();
  const radius = radiusOfDots();
  const half = Math.ceil(radius * 1.4 + 3);
  const { clientWidth: right, clientHeight: bottom } = map.dots;
  // What is pale lies below.
  for (const isPale of map.shown === null ? [false] : [true, false]) {
    pen.globalAlpha = isPale ? 0.1 : 1;
    const pictures = new Map();
    for (const thread of threads) {
      if (isShown(thread) === isPale) continue;
      const x = PADDING + thread.position[0] * width * scale + dx;
      const y = PADDING + thread.position[1] * height * scale + dy;
      if (x < -half || y < -half || x > right + half || y > bottom + half) continue;
      const fails = thread.fails && !isPale;
      const which = 2 * of[thread.row] + Number(fails);
      let picture = pictures.get(which);
      if (!picture) pictures.set(which, picture = sprite(groups[of[thread.row]], radius, fails));
      pen.drawImage(picture, x - half, y - half, 2 * half, 2 * half);
    }
  }
  pen.globalAlpha = 1;
  drawLabels(pen);
}

function ring(pen, [x, y], radius, color, width) {
  pen.strokeStyle = color;
  pen.lineWidth = width;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.stroke();
}

/** Names at the dot in the middle of a category, the largest first; places are found once. */
function labelsAt(level) {
  map.labels ??= {};
  if (!map.labels[level]) {
    const members = new Map();
    for (const thread of threads) {
      const position = level === "leaf" ? thread.category : topOf(thread.category)?.position ?? null;
      if (position === null || report.categories[position].color === "aside" || !isShown(thread)) continue;
      if (!members.has(position)) members.set(position, []);
      members.get(position).push(thread.position);
    }
    const largest = [...members].sort((a, b) => b[1].length - a[1].length).slice(0, 60);
    map.labels[level] = largest.map(([position, places]) => ({ name: report.categories[position].name, at: middle(places) }));
  }
  return map.labels[level];
}

/** How many dots lie in squares of `CELL` pixels: what a label would hide. */
function crowding() {
  const { scale, x: dx, y: dy } = map.view;
  const [width, height] = extent();
  const columns = Math.ceil(map.dots.clientWidth / CELL);
  const rows = Math.ceil(map.dots.clientHeight / CELL);
  const cells = new Uint16Array(columns * rows);
  for (const thread of threads) {
    if (!isShown(thread)) continue;
    const column = Math.floor((PADDING + thread.position[0] * width * scale + dx) / CELL);
    const row = Math.floor((PADDING + thread.position[1] * height * scale + dy) / CELL);
    if (column >= 0 && row >= 0 && column < columns && row < rows) cells[row * columns + column] += 1;
  }
  return ([left, top, right, bottom]) => {
    let hidden = 0;
    for (let row = Math.max(0, Math.floor(top / CELL)); row <= Math.min(rows - 1, Math.floor(bottom / CELL)); row += 1) {
      for (let column = Math.max(0, Math.floor(left / CELL)); column <= Math.min(columns - 1, Math.floor(right / CELL)); column += 1) hidden += cells[row * columns + column];
    }
    return hidden;
  };
}

/** Where a label hides fewest dots, near to what it names and over no other label; null where there is no such place. */
function placeOf([x, y], half, taken, hidden) {
  const { clientWidth, clientHeight } = map.dots;
  let best = null;
  for (const [right, down] of LABEL_PLACES) {
    const center = Math.max(half, Math.min(clientWidth - half, x + right * (half + 8)));
    const middleLine = Math.max(11, Math.min(clientHeight - 11, y + down));
    const box = [center - half, middleLine - 10, center + half, middleLine + 10];
    if (taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue;
    // A dot hidden weighs as much as some steps away.
    const cost = hidden(box) * 6 + Math.hypot(center - x, middleLine - y) / 4;
    if (best === null || cost < best.cost) best = { cost, box, center, middleLine };
  }
  return best;
}

function drawLabels(pen) {
  const taken = [];
  const hidden = crowding();
  pen.font = "600 12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const label of labelsAt(map.view.scale > 2.2 ? "leaf" : "top")) {
    const [x, y] = place(label.at);
    if (x < 0 || y < 0 || x > map.dots.clientWidth || y > map.dots.clientHeight) continue;
    const name = label.name.length > 30 ? `${label.name.slice(0, 29)}…` : label.name;
    const found = placeOf([x, y], pen.measureText(name).width / 2 + 6, taken, hidden);
    if (found === null) continue;
    taken.push(found.box);
    drawLabel(pen, name, [x, y], found);
  }
}

/** A name, and a line to what it names where it stands aside. */
function drawLabel(pen, name, [x, y], { center, middleLine, box }) {
  if (Math.abs(middleLine - y) > 20 || x < box[0] || x > box[2]) {
    pen.strokeStyle = map.colors.text;
    pen.globalAlpha = 0.45;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(Math.max(box[0], Math.min(box[2], x)), middleLine > y ? box[1] + 2 : middleLine < y ? box[3] - 2 : y);
    pen.stroke();
    pen.globalAlpha = 1;
  }
  pen.lineWidth = 3.5;
  pen.lineJoin = "round";
  pen.strokeStyle = map.colors.surface;
  pen.globalAlpha = 0.85;
  pen.strokeText(name, center, middleLine);
  pen.globalAlpha = 1;
  pen.fillStyle = map.colors.text;
  pen.fillText(name, center, middleLine);
}

/** The place that is nearest to the median: of two heaps, in one of them. */
function middle(places) {
  const [x, y] = [0, 1].map((side) => Float64Array.from(places, (one) => one[side]).sort()[places.length >> 1]);
  const away = (one) => (one[0] - x) ** 2 + (one[1] - y) ** 2;
  return places.reduce((best, one) => (away(one) < away(best) ? one : best));
}

/** What lies above the dots: the area, and the dot under the pointer. */
function drawOver() {
  const pen = emptied(map.canvas);
  const corners = map.drawing ?? map.area;
  if (corners && corners.length > 1) {
    pen.beginPath();
    corners.forEach((corner, at) => (at === 0 ? pen.moveTo(...place(corner)) : pen.lineTo(...place(corner))));
    pen.closePath();
    pen.fillStyle = map.colors.accent;
    pen.globalAlpha = 0.1;
    pen.fill();
    pen.globalAlpha = 1;
    pen.strokeStyle = map.colors.accent;
    pen.lineWidth = 1.6;
    pen.setLineDash([5, 4]);
    pen.stroke();
    pen.setLineDash([]);
  }
  if (map.hover) ring(pen, place(map.hover.position), radiusOfDots() + 4, map.colors.text, 2);
}

// -------------------------------------------------------------------- hearing

function listen(canvas) {
  const pointers = new Map();
  let moved = 0;
  const local = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    setView(zoomed(Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) * 0.006), ...local(event)));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, local(event));
    moved = 0;
    // A second finger zooms.
    map.drawing = pointers.size === 1 && (map.isDrawing || event.shiftKey) ? [onMap(...local(event))] : null;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    const now = local(event);
    if (!before) return hover(nearest(...now, REACH), now);
    pointers.set(event.pointerId, now);
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    moved += other ? 10 : Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
    if (other) {
      const spread = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
      setView(zoomed(spread(now) / Math.max(1, spread(before)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2));
    } else if (map.drawing) {
      map.drawing.push(onMap(...now));
      queueDraw("over");
    } else {
      setView({ ...map.view, x: map.view.x + now[0] - before[0], y: map.view.y + now[1] - before[1] });
    }
    return hover(null);
  });
  const end = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    const drawn = map.drawing;
    map.drawing = null;
    if (event.type !== "pointerup") return;
    if (moved < 5) openDot(nearest(...local(event), REACH));
    else if (drawn && drawn.length > 2) {
      setDrawing(false);
      setArea(drawn);
    }
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("dblclick", (event) => moveTo(zoomed(2, ...local(event))));
  canvas.addEventListener("keydown", hearKey);
  canvas.addEventListener("blur", () => hover(null));
}

function hearKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const center = [map.canvas.clientWidth / 2, map.canvas.clientHeight / 2];
  const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
  const step = steps[event.key];
  if (step) setView({ ...map.view, x: map.view.x + step[0], y: map.view.y + step[1] });
  else if (event.key === "+" || event.key === "=") zoomAtCentre(1.4);
  else if (event.key === "-") zoomAtCentre(1 / 1.4);
  else if (event.key === "0") moveTo(WHOLE);
  else if (event.key === "v") takeView();
  else if (event.key === "c" && map.area) clearArea();
  else if (event.key === "Escape" && map.isDrawing) setDrawing(false);
  else if (event.key === "Enter") openDot(nearest(...center, 1e9));
  else return;
  if (step || "+=-".includes(event.key)) hover(nearest(...center, 1e9), center);
  else hover(null);
  event.preventDefault();
  event.stopPropagation();
}

function openDot(thread) {
  if (thread) location.hash = addressOfThread(thread);
}

function hover(thread, at) {
  map.canvas.classList.toggle("over-dot", Boolean(thread));
  if (map.hover !== thread) {
    map.hover = thread;
    queueDraw("over");
  }
  map.tip.hidden = !thread;
  if (!thread) return;
  if (!haveWords([thread])) {
    map.tip.hidden = true;
    loadWords([thread]).then(() => { if (map.hover === thread) hover(thread, at); }, () => {});
    return;
  }
  const names = categoryPath(thread.category).map((category) => category.name).join(" › ");
  map.tip.replaceChildren(h("strong", {}, thread.request.slice(0, 140) || "(no request)"), h("span", {}, names),
    h("span", { class: "soft" }, [stateTitle(thread), thread.latency === null ? null : seconds(thread.latency)].filter(Boolean).join(" · ")));
  const left = Math.min(at[0] + 14, map.canvas.clientWidth - 270);
  map.tip.style.left = `${Math.max(4, left)}px`;
  map.tip.style.top = `${at[1] + (at[1] > map.canvas.clientHeight - 130 ? -110 : 16)}px`;
}

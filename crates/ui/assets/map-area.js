// An area of the map: drawn by hand or what is in view, kept in the address,
// and the list of the threads in it.
import { announce, byId, h } from "./dom.js";
import { percent, plural } from "./format.js";
import { topOf } from "./data.js";
import { mountChosenList } from "./threads.js";

/** Corners kept of an area drawn by hand. */
const CORNERS = 48;
const FINENESS = 10_000;

/** An area as it stands in an address: corners in ten-thousandths of the map. */
export function areaText(corners) {
  const step = Math.max(1, corners.length / CORNERS);
  const kept = [];
  for (let at = 0; at < corners.length && kept.length < CORNERS; at += step) kept.push(corners[Math.floor(at)]);
  return kept.map(([x, y]) => `${Math.round(x * FINENESS)}.${Math.round(y * FINENESS)}`).join("_");
}

/** The area an address means; null where it means none. */
export function areaOf(text) {
  const corners = text.split("_").slice(0, CORNERS).map((corner) => corner.split(".").map((part) => Number.parseInt(part, 10) / FINENESS));
  const isWhole = corners.length > 2 && corners.every((corner) => corner.length === 2 && corner.every(Number.isFinite));
  return isWhole ? corners : null;
}

/** Whether a place is inside: a line from it to the right crosses the border an odd number of times. */
export function isInside(corners, [x, y]) {
  let inside = false;
  for (let at = 0, before = corners.length - 1; at < corners.length; before = at, at += 1) {
    const [ax, ay] = corners[at];
    const [bx, by] = corners[before];
    if ((ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

/** What stands below the map: the threads of the area, the failing share, their categories. */
export function showArea(list, { address, onClear, onZoom }) {
  const mount = byId("map-area");
  if (list === null) {
    mount.replaceChildren();
    mount.hidden = true;
    return;
  }
  const atLeast = mount.assayAddress === address ? mount.assayRows?.assayDrawn?.() ?? 0 : 0;
  const rows = h("div", {});
  Object.assign(mount, { assayAddress: address, assayRows: rows, hidden: false });
  mount.replaceChildren(
    h("div", { class: "block-head" }, h("h2", {}, `${plural(list.length, "thread")} in the area`),
      h("div", { class: "block-tools" },
        list.length > 0 ? h("button", { type: "button", class: "quiet", onclick: onZoom }, "Zoom to them") : null,
        h("button", { type: "button", class: "button", onclick: onClear }, "Clear the area"))),
    list.length > 0 ? h("p", { class: "chips" }, partsOf(list)) : null, rows);
  if (list.length === 0) {
    rows.append(h("div", { class: "empty" }, h("h3", {}, "No dot lies in this area"), h("p", {}, "Draw around some, or take a look at the whole map.")));
  } else {
    mountChosenList(rows, list, { address, atLeast });
  }
  announce(`${plural(list.length, "thread")} in the area`);
}

function partsOf(list) {
  const failing = list.filter((thread) => thread.fails).length;
  const tops = new Map();
  for (const thread of list) {
    const top = topOf(thread.category);
    if (top) tops.set(top, (tops.get(top) ?? 0) + 1);
  }
  const most = [...tops].sort((a, b) => b[1] - a[1]).slice(0, 6);
  return [h("span", { class: "chip" }, `${percent(failing / list.length)} failing`),
    ...most.map(([top, members]) => h("span", { class: "chip" }, h("i", { class: `dot ${top.color}` }), ` ${top.name} ${percent(members / list.length)}`))];
}

// The table of categories: fold, sort, filter. The rows are the server's own;
// nothing is drawn here, only ordered and hidden. How it is shown stands in the
// address of its view: what is loaded again, sent or come back to looks the same.
import { announce, byId } from "./dom.js";
import { plural } from "./format.js";
import { addressOfThreads, replaceQuery } from "./router.js";
import { report } from "./data.js";

export function setUpTables() {
  for (const table of document.querySelectorAll("table.categories")) setUpTable(table);
  const overview = document.querySelector("#overview table.categories");
  if (!overview) return;
  const filter = byId("category-filter");
  filter?.addEventListener("input", () => {
    filterRows(overview, filter.value);
    keepShown(overview);
  });
  const unfold = byId("unfold");
  if (!unfold) return;
  if (!overview.querySelector(".fold")) unfold.hidden = true;
  const label = () => {
    unfold.textContent = overview.querySelector('.fold[aria-expanded="false"]') ? "Unfold all" : "Fold all";
  };
  unfold.addEventListener("click", () => {
    const open = overview.querySelector('.fold[aria-expanded="false"]') !== null;
    for (const button of overview.querySelectorAll(".fold")) button.setAttribute("aria-expanded", String(open));
    showRows(overview);
    label();
    keepShown(overview);
  });
  overview.addEventListener("click", label);
  overview.addEventListener("assay-shown", label);
  label();
}

/** The positions of the categories whose subcategories are in sight, in the order of the report. */
function openOnes(table) {
  const open = [...table.querySelectorAll('.fold[aria-expanded="true"]')].map((fold) => Number(fold.closest("tr").dataset.position));
  return open.sort((a, b) => a - b).join(".");
}

/** More open categories than so many are written down as all, or not at all. */
const MANY = 60;

/** Writes down in the address how the table is shown. */
function keepShown(table) {
  const head = table.querySelector("th[aria-sort]");
  const open = openOnes(table);
  const isAll = table.querySelector(".fold") !== null && table.querySelector('.fold[aria-expanded="false"]') === null;
  const filter = table.closest("#overview") ? byId("category-filter") : null;
  replaceQuery({
    sort: head ? `${head.getAttribute("aria-sort") === "ascending" ? "" : "-"}${head.dataset.sort}` : "",
    q: filter?.value.trim() ?? "",
    open: open === table.assayOpen ? "" : isAll ? "all" : open.split(".").length > MANY ? "" : open || "none",
  });
}

/** Shows the table of a view as its address says; one that says nothing leaves it as it is. */
export function showTable(section, query) {
  const table = section.querySelector("table.categories");
  if (!table) return;
  const [sort, q, open] = ["sort", "q", "open"].map((name) => query.get(name) ?? "");
  if (sort || q || open) {
    if (open) {
      const chosen = new Set(open.split("."));
      for (const fold of table.querySelectorAll(".fold")) fold.setAttribute("aria-expanded", String(open === "all" || chosen.has(fold.closest("tr").dataset.position)));
    }
    const head = [...table.querySelectorAll("th[data-sort]")].find((one) => one.dataset.sort === sort.replace(/^-/, ""));
    const direction = sort.startsWith("-") ? "descending" : "ascending";
    if (head && head.getAttribute("aria-sort") !== direction) orderBy(table, head, direction);
    showRows(table);
    const filter = section.id === "overview" ? byId("category-filter") : null;
    if (filter) {
      filter.value = q;
      if (q) filterRows(table, q);
    }
    table.dispatchEvent(new CustomEvent("assay-shown"));
  } else if (location.hash !== "") {
    keepShown(table);
  }
}

function setUpTable(table) {
  table.addEventListener("click", (event) => {
    const fold = event.target.closest(".fold");
    if (fold) return toggleFold(fold, fold.getAttribute("aria-expanded") !== "true");
    const sort = event.target.closest(".sort");
    if (sort) return sortTable(table, sort.closest("th"));
    // The whole row is the link; selecting text is not a click.
    const row = event.target.closest("tbody tr");
    if (row && !event.target.closest("a, button") && getSelection().isCollapsed) row.querySelector("a").click();
    return undefined;
  });
  for (const row of table.tBodies[0].rows) linkRates(row);
  for (const head of table.querySelectorAll("th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
  }
  showRows(table);
  table.assayOpen = openOnes(table);
}

/** A rate leads to the threads it counts. */
function linkRates(row) {
  const category = report.categories[row.dataset.position];
  for (const [label, key, status] of [["Failures", "failures", "failing"], ["Errors", "errors", "error"]]) {
    const rate = category?.[key] > 0 && row.querySelector(`td[data-label="${label}"] .rate`);
    if (!rate) continue;
    const link = document.createElement("a");
    link.className = rate.className;
    link.href = addressOfThreads({ category: category.id, status });
    link.append(...rate.childNodes);
    rate.replaceWith(link);
  }
}

export function toggleFold(button, open) {
  button.setAttribute("aria-expanded", String(open));
  const table = button.closest("table");
  showRows(table);
  keepShown(table);
}

function showRows(table) {
  const shown = new Map();
  for (const row of table.tBodies[0].rows) {
    const parent = row.dataset.parent === undefined ? null : shown.get(row.dataset.parent);
    const visible = parent === null || parent === undefined || (parent.visible && parent.open);
    const fold = row.querySelector(".fold");
    shown.set(row.dataset.position, { visible, open: fold?.getAttribute("aria-expanded") === "true" });
    row.hidden = !visible;
    row.removeAttribute("data-folded");
  }
}

function sortTable(table, head) {
  const key = head.dataset.sort;
  const first = key === "name" ? "ascending" : "descending";
  const second = key === "name" ? "descending" : "ascending";
  orderBy(table, head, head.getAttribute("aria-sort") === first ? second : first);
  keepShown(table);
}

function orderBy(table, head, direction) {
  const key = head.dataset.sort;
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows];
  const children = new Map();
  for (const row of rows) {
    const parent = row.dataset.parent ?? "";
    children.set(parent, [...(children.get(parent) ?? []), row]);
  }
  for (const siblings of children.values()) siblings.sort((a, b) => compareRows(a, b, key, sign));
  const ordered = [];
  const stack = [...(children.get("") ?? [])].reverse();
  while (stack.length > 0) {
    const row = stack.pop();
    ordered.push(row);
    stack.push(...[...(children.get(row.dataset.position) ?? [])].reverse());
  }
  table.tBodies[0].append(...ordered);
}

function compareRows(a, b, key, sign) {
  const left = report.categories[a.dataset.position][key] ?? null;
  const right = report.categories[b.dataset.position][key] ?? null;
  // Rows without the value come last in either direction.
  if (left === null || right === null) return (left === null) - (right === null);
  if (typeof left === "string") return sign * left.localeCompare(right);
  return sign * (left - right) || a.dataset.position - b.dataset.position;
}

export function matchingCategories(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return report.categories.filter((category) => {
    const text = `${category.name}\n${category.words}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function filterRows(table, query) {
  if (query.trim() === "") {
    byId("no-category").hidden = true;
    return showRows(table);
  }
  const keep = new Set();
  const found = matchingCategories(query);
  for (const category of found) {
    for (let at = category, steps = 0; at && steps < 16; at = report.categories[at.parent], steps += 1) {
      keep.add(String(at.position));
    }
  }
  for (const row of table.tBodies[0].rows) row.hidden = !keep.has(row.dataset.position);
  byId("no-category").hidden = keep.size > 0;
  announce(plural(found.length, "matching category").replace("categorys", "categories"));
  return undefined;
}

// By what the dots of the map are coloured: category, outcome, confidence, or
// an attribute. A coloring puts each thread into at most one of its groups.
import { attributeName, attributeText, hasAttribute, report, threads, topOf } from "./data.js";
import { number } from "./format.js";

const LEAF_COLORS = 12;
/** Values of an attribute with a colour of their own. */
const VALUES = 11;
/** So many different numbers are told apart one by one. */
const NUMBERS = 5;

/** What the map can be coloured by: key and words. */
export function colorings() {
  const names = new Set(threads.flatMap((thread) => Object.keys(thread.attributes)));
  return [["category", "category"], ["leaf", "subcategory"], ["outcome", "outcome"], ["confidence", "confidence"],
    ...[...names].sort().map((name) => [`attribute:${name}`, attributeName(name)])];
}

/**
 * The groups of a coloring, `{ key, name, color, count, share }`; `of` says by
 * row in which a thread is (-1 for none), `has` whether it belongs to one,
 * which can be several.
 */
export function coloring(key) {
  if (key === "leaf") return byCategory((thread) => thread.category);
  if (key === "outcome") {
    const groups = [["good", "No failure"], ["bad", "Failing"], ["warn", "Unfinished"]].map(([color, name]) => ({ key: color, name, color }));
    return inGroups(groups, (thread) => (thread.fails ? 1 : thread.status === "pending" ? 2 : 0));
  }
  if (key === "confidence") {
    const groups = [0, 1, 2, 3, 4].map((at) => ({ key: `s${at}`, name: `${at * 20}–${at * 20 + 20} %`, color: `s${at}` }));
    return inGroups(groups, (thread) => Math.min(4, Math.max(0, Math.floor(thread.confidence * 5))));
  }
  if (key.startsWith("attribute:")) return byAttribute(key.slice("attribute:".length));
  return byCategory((thread) => topOf(thread.category)?.position ?? null);
}

/** Shapes of dots, for groups that share a colour. */
const SHAPES = 4;

/** There are more categories than colours one can tell apart: the next of the same colour has another shape. */
function withShapes(groups) {
  const seen = new Map();
  for (const group of groups) {
    const before = seen.get(group.color) ?? 0;
    seen.set(group.color, before + 1);
    group.shape = group.color === "aside" ? 0 : before % SHAPES;
  }
  return groups;
}

function inGroups(groups, groupOf, has = null) {
  const of = Int32Array.from(threads, groupOf);
  for (const group of groups) group.count = 0;
  const belongs = has ?? ((thread, at) => of[thread.row] === at);
  for (const thread of threads) groups.forEach((group, at) => { if (belongs(thread, at)) group.count += 1; });
  return { groups, of, has: belongs };
}

function byCategory(positionOf) {
  const positions = threads.map(positionOf);
  const wanted = new Set(positions);
  const groups = [];
  const places = new Map();
  for (const category of report.categories.filter((one) => wanted.has(one.position))) {
    const isLeaf = category.parent !== null && category.parent !== undefined;
    places.set(category.position, groups.length);
    groups.push({ key: category.id, name: category.name, share: category.share, count: 0,
      color: isLeaf && category.color !== "aside" ? `c${category.position % LEAF_COLORS}` : category.color });
  }
  withShapes(groups);
  const of = Int32Array.from(positions, (position) => places.get(position) ?? -1);
  for (const at of of) if (at >= 0) groups[at].count += 1;
  return { groups, of, has: (thread, at) => of[thread.row] === at };
}

function byAttribute(name) {
  const values = threads.map((thread) => thread.attributes[name]);
  const numbers = values.filter((value) => typeof value === "number");
  if (numbers.length > 0 && numbers.length === values.filter((value) => value !== undefined).length) return byNumber(values, numbers);
  const counts = new Map();
  for (const value of values) for (const label of labelsOf(value)) counts.set(label, (counts.get(label) ?? 0) + 1);
  const frequent = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, VALUES).map(([label]) => label);
  const groups = frequent.map((label, at) => ({ key: `=${label}`, name: label || "(empty)", color: `c${at}` }));
  const isRest = (row) => labelsOf(values[row]).length > 0 && !labelsOf(values[row]).some((label) => frequent.includes(label));
  const rest = counts.size > frequent.length ? groups.push({ key: "other", name: "Other values", color: "c11" }) - 1 : -1;
  const none = values.some((value) => labelsOf(value).length === 0) ? groups.push({ key: "none", name: "None", color: "aside" }) - 1 : -1;
  const groupOf = (thread) => {
    const labels = labelsOf(values[thread.row]);
    if (labels.length === 0) return none;
    const at = frequent.findIndex((label) => labels.includes(label));
    return at >= 0 ? at : rest;
  };
  const has = (thread, at) => {
    if (at === none) return labelsOf(values[thread.row]).length === 0;
    return at === rest ? isRest(thread.row) : hasAttribute(thread, name, frequent[at]);
  };
  return inGroups(groups, groupOf, has);
}

function labelsOf(value) {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [attributeText(value)];
}

/** Few different numbers are groups; of many, five groups of about the same size. */
function byNumber(values, numbers) {
  const sorted = Float64Array.from(numbers).sort();
  const distinct = [...new Set(sorted)];
  const edges = distinct.length <= NUMBERS ? distinct
    : [...new Set([1, 2, 3, 4, 5].map((part) => sorted[Math.min(sorted.length - 1, Math.ceil((sorted.length * part) / 5) - 1)]))];
  const step = edges.length > 1 ? 4 / (edges.length - 1) : 0;
  const groups = edges.map((edge, at) => {
    const isOne = distinct.length <= NUMBERS;
    const name = isOne ? number(edge) : at === 0 ? `up to ${number(edge)}` : `above ${number(edges[at - 1])} up to ${number(edge)}`;
    return { key: `n${at}`, name, color: `q${Math.round(at * step)}` };
  });
  const none = values.includes(undefined) ? groups.push({ key: "none", name: "None", color: "aside" }) - 1 : -1;
  return inGroups(groups, (thread) => {
    const value = values[thread.row];
    return value === undefined ? none : edges.findIndex((edge) => value <= edge);
  });
}

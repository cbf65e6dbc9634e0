// Markdown of messages as elements that cannot act: headings, lists, quotes,
// tables, code and emphasis. Text only becomes text nodes; links and images
// stay the text they are written as.
import { h } from "./dom.js";

const FENCE = /^ {0,3}(```|~~~)/;
const HEADING = /^ {0,3}#{1,6}\s+(.*?)\s*#*$/;
const BULLET = /^(\s*)(?:[-*+•]|(\d{1,4})[.)])\s+(.*)$/;
const QUOTE = /^ {0,3}>\s?(.*)$/;
const RULE = /^ {0,3}([-*_])(?: *\1){2,}\s*$/;
const ROW = /^\s*\|.*\|\s*$/;
const DIVIDER = /^\s*\|[\s:|-]+\|\s*$/;
/** No class may hold what ends it: each character is looked at once. */
const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|(?<![\w*])\*([^*\s](?:[^*\n]*[^*\s])?)\*(?![\w*])|~~([^~\n]+)~~/g;
/** Quotes in quotes are read so deep. */
const DEEP = 4;

/** The elements of a text. */
export function prose(text, depth = 0) {
  const lines = text.split("\n");
  const out = [];
  const starts = [fenced, heading, rule, table, quote, list, paragraph];
  for (let at = 0; at < lines.length;) {
    if (lines[at].trim() === "") at += 1;
    else at = starts.reduce((next, read) => next ?? read(lines, at, out, depth), null);
  }
  return out;
}

/** Reads what begins at a line into `out` and returns the line after it; null where it is something else. */
function fenced(lines, at, out) {
  const mark = FENCE.exec(lines[at])?.[1];
  if (!mark || lines[at].trim().slice(3).includes("`")) return null;
  let end = at + 1;
  while (end < lines.length && !(lines[end].trim().startsWith(mark) && lines[end].trim().length <= mark.length + 1)) end += 1;
  out.push(h("pre", { class: "code" }, lines.slice(at + 1, end).join("\n")));
  return end + 1;
}

function heading(lines, at, out) {
  const words = HEADING.exec(lines[at])?.[1];
  if (!words) return null;
  // The page has its own headings: these are only seen as such.
  out.push(h("p", { class: "prose-head" }, inline(words)));
  return at + 1;
}

function rule(lines, at, out) {
  if (!RULE.test(lines[at])) return null;
  out.push(h("hr", {}));
  return at + 1;
}

function table(lines, at, out) {
  if (!ROW.test(lines[at]) || !DIVIDER.test(lines[at + 1] ?? "")) return null;
  const cells = (line) => line.trim().slice(1, -1).split("|").map((cell) => inline(cell.trim()));
  let end = at + 2;
  while (end < lines.length && ROW.test(lines[end])) end += 1;
  out.push(h("div", { class: "prose-table", tabindex: "0", role: "region", "aria-label": "Table" }, h("table", {},
    h("thead", {}, h("tr", {}, cells(lines[at]).map((cell) => h("th", { scope: "col" }, cell)))),
    h("tbody", {}, lines.slice(at + 2, end).map((line) => h("tr", {}, cells(line).map((cell) => h("td", {}, cell))))))));
  return end;
}

function quote(lines, at, out, depth) {
  if (depth >= DEEP || !QUOTE.test(lines[at])) return null;
  let end = at;
  const inner = [];
  while (end < lines.length && QUOTE.test(lines[end])) inner.push(QUOTE.exec(lines[end++])[1]);
  out.push(h("blockquote", {}, prose(inner.join("\n"), depth + 1)));
  return end;
}

/** A list; what is indented more is shown further in. Numbers stay as they are written. */
function list(lines, at, out) {
  if (!BULLET.test(lines[at]) || RULE.test(lines[at])) return null;
  const items = [];
  let end = at;
  for (; end < lines.length; end += 1) {
    const item = BULLET.exec(lines[end]);
    if (item && !RULE.test(lines[end])) {
      items.push({ in: Math.min(3, Math.floor(item[1].replaceAll("\t", "  ").length / 2)), number: item[2], words: [item[3]] });
    } else if (lines[end].trim() !== "" && /^\s/.test(lines[end]) && !FENCE.test(lines[end].trim())) {
      items.at(-1).words.push(lines[end].trim());
    } else if (lines[end].trim() !== "" || !BULLET.test(lines[end + 1] ?? "")) {
      break;
    }
  }
  out.push(h("ul", { class: "prose-list" }, items.map((item) => h("li", { class: `in${item.in}` },
    h("span", { class: "mark" }, item.number === undefined ? "•" : `${item.number}.`), h("span", {}, inline(item.words.join("\n")))))));
  return end;
}

function paragraph(lines, at, out, depth) {
  let end = at + 1;
  const begins = (line) => line.trim() === "" || FENCE.test(line) || HEADING.test(line) || BULLET.test(line) || (depth < DEEP && QUOTE.test(line)) || RULE.test(line);
  while (end < lines.length && !begins(lines[end])) end += 1;
  out.push(h("p", {}, inline(lines.slice(at, end).join("\n"))));
  return end;
}

/** Code and emphasis within a line, as text nodes and elements. */
function inline(text) {
  const out = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > from) out.push(text.slice(from, found.index));
    const [whole, code, strong, emphasis, gone] = found;
    if (code !== undefined) out.push(h("code", {}, code));
    else if (strong !== undefined) out.push(h("strong", {}, strong));
    else if (emphasis !== undefined) out.push(h("em", {}, emphasis));
    else out.push(h("s", {}, gone));
    from = found.index + whole.length;
  }
  if (from < text.length) out.push(text.slice(from));
  return out;
}

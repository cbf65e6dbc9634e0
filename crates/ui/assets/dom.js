// Elements from plain values. Text only ever becomes text nodes, and attributes
// come from a short list: nothing here can run what a trace contains.
import { LOCAL_MOMENT, moment } from "./format.js";

const ATTRIBUTES = new Set([
  "class", "id", "href", "title", "type", "name", "value", "placeholder", "role", "tabindex", "open",
  "disabled", "hidden", "selected", "for", "autocomplete", "width", "height", "viewBox", "d",
  "datetime", "scope", "colspan", "rows", "min", "max", "step", "checked", "required", "maxlength", "spellcheck", "download",
]);

const SVG = "http://www.w3.org/2000/svg";

function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (ATTRIBUTES.has(name) || name.startsWith("aria-") || name.startsWith("data-")) {
      // Links lead within the page or to another page of the same server, whatever the data says.
      if (name === "href" && !/^(#|\/(?![/\\]))/.test(String(value))) continue;
      node.setAttribute(name, value === true ? "" : String(value));
    } else {
      throw new Error(`attribute ${name} is not allowed`);
    }
  }
}

export function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  setAttributes(node, attributes ?? {});
  node.append(...children.flat(4).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  setAttributes(svg, { viewBox: "0 0 10 10", "aria-hidden": "true" });
  const line = document.createElementNS(SVG, "path");
  setAttributes(line, { d: path });
  svg.append(line);
  return svg;
}

/** A moment as the viewer reads it; its title says it in UTC, as the other forms of a report do. */
export function timeOf(secondsSince1970, attributes) {
  const date = new Date(secondsSince1970 * 1000);
  const words = moment(secondsSince1970);
  if (Number.isNaN(date.getTime())) return h("span", {}, words);
  return h("time", { datetime: date.toISOString(), title: words, ...attributes }, LOCAL_MOMENT.format(date));
}

export function byId(id) {
  return document.getElementById(id);
}

export function announce(text) {
  byId("announce").textContent = text;
}

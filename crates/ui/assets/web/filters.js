// Conditions of a filter, one after another: the form that makes one, how many
// match, and where a written filter cannot be understood. Lists have it, and
// the form for a new report.
import { byId, h } from "../dom.js";
import { count as grouped } from "../format.js";
import { ask } from "./api.js";
import { later } from "./fragment.js";

const plural = (number, word) => `${grouped(number)} ${word}${number === 1 ? "" : "s"}`;

/** What a count says, which may have ended before everything was looked at. */
export function tally({ count, exact }, word) {
  if (exact) return plural(count, word);
  return count === 0 ? "not counted" : `more than ${plural(count, word)}`;
}

/** The same as a sentence: "3 threads match"; without its end where nothing was counted. */
export function would(found, word, end) {
  return `${tally(found, word)}${found.exact || found.count > 0 ? ` ${end}` : ""}`;
}

/** Where a filter goes wrong, with the place marked. */
export function problemView(problem) {
  return [
    h("p", { class: "problem-text" }, `Column ${problem.column}: ${problem.message}`),
    h("pre", { class: "caret" }, h("span", {}, problem.before), h("mark", {}, problem.at), h("span", {}, problem.after)),
  ];
}

/** The operators that make sense, by what a field holds. */
const SUITS = {
  text: ["eq", "neq", "contains", "in", "present", "absent"],
  number: ["gt", "gte", "lt", "lte", "eq", "neq"],
  choice: ["eq", "neq", "in"],
  entry: ["eq", "neq", "contains", "gt", "gte", "lt", "lte", "present", "absent"],
  tags: ["eq", "neq", "contains", "present", "absent"],
  search: ["contains"],
  score: ["gt", "gte", "lt", "lte", "eq", "present", "absent"],
};

/**
 * Leads the form of one condition: operators and known values that suit the field, and how
 * many would be left. `unit` says what is counted; `also` what else is asked for, as pairs.
 */
export function setUpBuilder(unit, also = () => []) {
  const form = byId("condition-form");
  const place = document.querySelector("[data-builder]");
  if (!form || !place) return;
  const { field, key, operator, value } = form.elements;
  const counted = place.querySelector("[data-check]");
  const known = (name) => [...place.querySelectorAll(`[data-known="${CSS.escape(name)}"] li`)].map((item) => item.textContent);
  const fill = (list, values) => byId(list).replaceChildren(...values.map((text) => h("option", { value: text })));
  const shape = () => {
    const option = field.selectedOptions[0];
    const { kind, example } = option.dataset;
    const hasKey = kind === "entry" || kind === "score";
    place.querySelector("[data-key]").hidden = !hasKey;
    key.required = hasKey;
    if (!hasKey) key.value = "";
    const suits = SUITS[kind] ?? SUITS.text;
    for (const choice of operator.options) choice.hidden = choice.disabled = !suits.includes(choice.value);
    if (!suits.includes(operator.value)) operator.value = suits[0];
    const isBare = operator.value === "present" || operator.value === "absent";
    place.querySelector("[data-value]").hidden = isBare;
    value.required = !isBare;
    value.placeholder = example;
    fill("known-keys", hasKey ? known(option.value) : []);
    fill("known-values", hasKey ? [] : known(option.value));
  };
  let running = null;
  const look = later(async () => {
    running?.abort();
    counted.textContent = "";
    if (!form.checkValidity()) return;
    running = new AbortController();
    const asked = new URLSearchParams([...new FormData(form), ...also()]);
    try {
      const found = await ask(`${counted.dataset.check.split("?")[0]}?${asked}`, { signal: running.signal });
      counted.textContent = found.problem ? found.problem.message : would(found, unit(), "would be left");
    } catch (error) {
      if (error.name !== "AbortError") counted.textContent = error.message;
    }
  }, 250);
  place.addEventListener("input", () => {
    shape();
    look();
  });
  form.addEventListener("reset", () => setTimeout(() => {
    shape();
    counted.textContent = "";
  }));
  shape();
}

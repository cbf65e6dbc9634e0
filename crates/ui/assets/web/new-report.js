// A new report: from plain words or by hand, with what it takes always in view.
import { byId, h } from "../dom.js";
import { compact, count, money, plural, seconds } from "../format.js";
import { accept, act, ask, refuse, toast } from "./api.js";
import { problemView, setUpBuilder, would } from "./filters.js";
import { fetchDocument, later, take } from "./fragment.js";
import { setUpMenus } from "./menus.js";
import { setUpTabs } from "./tabs.js";

const place = byId("new-report").dataset;
const auto = byId("way-auto");
const form = byId("way-manual");
const fields = form.elements;
const QUESTIONS = {
  does: "What does the agent in this tracing project do?",
  learn: "What would you like to learn about this agent?",
  structure: "How are traces in this tracing project structured?",
};
/** What a config may hold that the form has no field for: it goes through as it came. */
const KEPT = ["model", "read", "seed", "validate_model_secrets"];
/** What the form was filled with, to which its fields are put. */
const was = { kept: {}, dates: {}, alert: null, hasFocus: false };
let context = null;

function value(name) {
  return fields[name].value.trim();
}

function rowsOf(kind) {
  return [...form.querySelectorAll(`[data-rows="${kind}"] .row-fields`)];
}

function addRow(kind, values = {}) {
  const template = byId(kind === "partitions" ? "partition-row" : "attribute-row");
  const row = template.content.firstElementChild.cloneNode(true);
  for (const [name, text] of Object.entries(values)) row.querySelector(`[name="${name}"]`).value = text;
  row.querySelector("[data-remove]").addEventListener("click", () => { row.remove(); changed(); });
  form.querySelector(`[data-rows="${kind}"]`).append(row);
  return row;
}

/** A row for a question. What of its schema has no field stays with the row. */
function addAttribute(name, schema) {
  const row = addRow("attributes", { "attribute-name": name, "attribute-description": schema.description ?? "" });
  const [kind, options] = ["type", "options"].map((field) => row.querySelector(`[name="attribute-${field}"]`));
  // A list of types, or one that has no name here, is shown as words and sent as it came.
  kind.value = [...kind.options].some((option) => option.value === schema.type) ? schema.type : "string";
  options.value = (schema.enum ?? []).filter((option) => option !== null).join(", ");
  row.querySelector('[name="attribute-filter"]').checked = schema.filter_by === true;
  row.assayWas = { schema, kind: kind.value, options: options.value };
  return row;
}

function attributeOf(row) {
  const { schema = {}, kind, options } = row.assayWas ?? {};
  const [chosen, listed] = [read(row, "attribute-type"), read(row, "attribute-options")];
  const made = { ...schema, type: chosen === kind && schema.type !== undefined ? schema.type : chosen, description: read(row, "attribute-description") };
  if (chosen !== "string" || listed === "") delete made.enum;
  else if (listed !== options) made.enum = listed.split(",").map((option) => option.trim()).filter(Boolean);
  if (chosen === "boolean" && row.querySelector('[name="attribute-filter"]').checked) made.filter_by = true;
  else delete made.filter_by;
  return made;
}

function read(row, name) {
  return row.querySelector(`[name="${name}"]`).value.trim();
}

/** Chooses a tier. A list of radios cannot be set to an empty value, which is one of them. */
function setTier(tier) {
  for (const radio of fields.tier) radio.checked = radio.value === tier;
}

function windowOf() {
  const range = value("range");
  if (range === "") return {};
  if (range !== "dates") return { last_n_hours: Number(range) };
  // Fields show minutes; a moment that nobody changed is the one that was given.
  const moment = (name) => {
    if (value(name) === "") return undefined;
    return value(name) === was.dates[name]?.shown ? was.dates[name].given : new Date(value(name)).toISOString();
  };
  // The API wants a beginning with every end: without one, that is where the project begins.
  const [start, end] = [moment("start"), moment("end")];
  const first = end && !start && place.first ? `${place.first}T00:00:00.000Z` : undefined;
  return { start_time: start ?? first, end_time: end };
}

/** A number of threads, or a share of them. */
function sampleOf() {
  const given = value("sample");
  if (given === "") return undefined;
  return given.endsWith("%") ? Number(given.slice(0, -1)) / 100 : Number(given);
}

/** How threads are drawn, as the API and the command line call it. */
function sampleBy() {
  const chosen = value("sample_by");
  if (chosen === "uniform") return undefined;
  return chosen.endsWith(":") ? chosen + value("sample_key") : chosen;
}

/** What the form says, as the API takes it. What is empty is left out. */
function request() {
  const tier = fields.tier.value;
  const partitions = Object.fromEntries(rowsOf("partitions").map((row) => [read(row, "partition-name"), read(row, "partition-description")]).filter(([name]) => name));
  const attributes = Object.fromEntries(rowsOf("attributes").map((row) => [read(row, "attribute-name"), attributeOf(row)]).filter(([name]) => name));
  const hierarchy = value("hierarchy").split(",").map((text) => Number(text)).filter((number) => number > 0);
  const said = {
    ...was.kept, name: value("name"), focus: was.hasFocus ? fields.focus.value : undefined, filter: value("filter"), ...windowOf(),
    sample: sampleOf(), sample_by: sampleBy(), tier,
    cluster_model: tier === "local" ? undefined : value("cluster_model"),
    summary_model: tier === "deep" ? value("summary_model") : undefined,
    budget: tier === "local" || value("budget") === "" ? undefined : Number(value("budget")),
    hierarchy, partitions, summary_prompt: value("summary_prompt"), attribute_schemas: attributes, user_context: context,
  };
  const isSaid = ([, one]) => one !== undefined && one !== null && one !== "" && !(typeof one === "object" && Object.keys(one).length === 0);
  return Object.fromEntries(Object.entries(said).filter(isSaid));
}

// ------------------------------------------------------------ what it takes

let asking = null;
let timer = 0;
let isEmpty = false;

function tell(name, text) {
  byId("new-report").querySelector(`[data-estimate="${name}"]`).textContent = text;
}

const NAMES = ["population", "threads", "time", "calls", "tokens", "money"];

function known(value, show) {
  return value === undefined || value === null ? "–" : show(Number(value));
}

function showEstimate(found) {
  const { population, threads, model_calls: calls, remembered = 0, unpriced = [], not_applied: unmet } = found;
  tell("population", count(population));
  tell("threads", count(threads));
  tell("time", known(found.expected_seconds, (time) => `about ${seconds(time)}`));
  tell("calls", remembered > 0 ? `${known(calls, count)} + ${count(remembered)} known` : known(calls, count));
  tell("tokens", calls === 0 ? "0" : known(found.input_tokens === undefined ? null : found.input_tokens + found.output_tokens, compact));
  tell("money", moneyOf(found));
  tell("basis", basisOf(found, unpriced));
  showOver(found);
  const list = byId("new-report").querySelector('[data-estimate="unmet"]');
  list.replaceChildren(...(unmet ?? []).map(({ field, reason }) => h("li", {}, h("b", {}, `${nameOf(field)}: `), reason)));
  accept(form, null);
  problem("");
  nothing(population === 0);
}

/** What the form calls a field of the API. */
function nameOf(field) {
  const control = fields.namedItem(FIELDS[field] ?? field);
  const words = control instanceof Element ? control.closest(".field")?.querySelector("span")?.firstChild?.textContent.trim() : null;
  return words || { attribute_schemas: "Questions", partitions: "Top categories", tier: "Who reads" }[field] || field.replaceAll("_", " ");
}

/** Without a thread there is no report: that is said before it fails, with the way out. */
function nothing(isSo) {
  isEmpty = isSo;
  byId("nothing").hidden = !isSo;
  byId("all-time").hidden = value("range") === "";
  label();
}

/** What is expected, and between what it lies. */
function moneyOf({ cost_usd: cost, cost_low_usd: low, cost_high_usd: high }) {
  const isRange = typeof low === "number" && typeof high === "number" && high > low;
  return isRange ? `${money(cost)} (${money(low)} to ${money(high)})` : known(cost, money);
}

/** What the figures rest on. */
function basisOf({ basis, tier, looked_at: seen = 0, read_by_model: read, threads }, unpriced) {
  const words = [basis ? `The time is a guess from ${basis}.` : ""];
  if (seen > 0) words.push(`Calls and tokens are counted over ${plural(seen, "thread")}${read !== undefined && tier === "deep" && read < threads ? `; a model reads ${count(read)}, the others are placed like them` : ""}.`);
  if (unpriced.length > 0) words.push(`No price is known for ${unpriced.join(", ")}: add it under Prices.`);
  return words.filter(Boolean).join(" ");
}

/** A budget that will not do is said at once, beside the figure. */
function showOver({ exceeds_budget: isOver, cost_usd: cost, budget }) {
  const place = byId("new-report").querySelector('[data-estimate="over"]');
  place.hidden = !isOver;
  fields.budget.toggleAttribute("aria-invalid", Boolean(isOver));
  if (!isOver) return;
  const most = Number(budget ?? value("budget"));
  place.textContent = `The budget of ${money(most)} ends before the work does${cost === null || cost === undefined ? "" : `: about ${money(Number(cost))} are needed`}. The report is then partial: it says so, and keeps what it has.`;
}

/** The fields of the form by the names of the API, where they are others. */
const FIELDS = { start_time: "start", end_time: "end", last_n_hours: "range", schedule_cron: "cron", schedule_timezone: "zone", alert: "webhook", sample_rate: "sample" };

/** Says at the field what a request was refused for, while one goes on typing; the rest beside the figures. */
function refused(error) {
  const place = byId("new-report").querySelector('[data-estimate="problem"]');
  refuse(form, error, { names: FIELDS, place, isQuiet: true });
}

function problem(text) {
  const place = byId("new-report").querySelector('[data-estimate="problem"]');
  place.textContent = text;
  place.hidden = text === "";
}

/** Figures of what the form said before are not shown as those of what it says now. */
function wait() {
  for (const name of NAMES) tell(name, "…");
  showOver({});
  byId("new-report").querySelector(".estimate").setAttribute("aria-busy", "true");
}

async function estimate() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  wait();
  try {
    showEstimate(await ask(`${place.api}/estimate`, { method: "POST", body: request(), signal }));
  } catch (error) {
    if (error.name === "AbortError") return;
    nothing(false);
    for (const name of NAMES) tell(name, "–");
    tell("basis", "");
    showOver({});
    refused(error);
  }
  byId("new-report").querySelector(".estimate").removeAttribute("aria-busy");
}

const lookAtFilter = later(() => showFilter(), 200);

function changed({ isShown = false } = {}) {
  const tier = fields.tier.value;
  // As the keys allow, that may be "deep".
  for (const part of form.querySelectorAll("[data-tier]")) part.hidden = !part.dataset.tier.split(" ").includes(tier || "deep");
  for (const row of rowsOf("attributes")) {
    row.querySelector('[name="attribute-options"]').hidden = read(row, "attribute-type") !== "string";
    row.querySelector("[data-filter-by]").hidden = read(row, "attribute-type") !== "boolean";
  }
  for (const part of form.querySelectorAll('[data-when="dates"]')) part.hidden = value("range") !== "dates";
  form.querySelector('[data-when="sample-key"]').hidden = !value("sample_by").endsWith(":");
  form.querySelector("[data-cron]").hidden = value("schedule") !== "cron";
  form.querySelector("[data-zone]").hidden = value("schedule") === "";
  if (!isShown) lookAtFilter();
  clearTimeout(timer);
  // A key that is still to be typed is nothing to ask about.
  const isWaiting = value("sample_by").endsWith(":") && value("sample_key") === "";
  if (isWaiting) fields.sample_key.focus();
  else timer = setTimeout(estimate, 250);
}

// ------------------------------------------------------------------ filters

/** The time of the form as the lists of threads ask for it. */
function timePairs() {
  const { last_n_hours: hours, start_time: from, end_time: until } = windowOf();
  const start = hours ? new Date(Date.now() - hours * 3_600_000).toISOString() : from;
  return Object.entries({ from: start, until }).filter(([, moment]) => moment);
}

/** What the filter is, and the time: as pairs of a query. */
function asked() {
  return [...(value("filter") ? [["filter", value("filter")]] : []), ...timePairs()];
}

function condition({ field, operator, value: words, without }) {
  const said = [field, operator, words].filter(Boolean).join(" ");
  return h("span", { class: "condition" },
    h("span", { class: "condition-field" }, field), " ", h("span", { class: "soft" }, operator), " ", h("span", { class: "condition-value" }, words),
    h("button", { type: "button", "aria-label": `Remove the condition ${said}`, title: "Remove", onclick: () => { setFilter(without); byId("add-filter").querySelector("summary").focus(); } }, "×"));
}

let taking = null;

/** Takes the filter apart and counts what it matches; with a condition of the builder added to it, where one is given. */
async function showFilter(added = []) {
  taking?.abort();
  const own = taking = new AbortController();
  const said = byId("filter-said");
  const path = `${form.querySelector("[data-conditions]").dataset.conditions}?${new URLSearchParams([...asked(), ...added])}`;
  try {
    let found = await ask(path, { signal: own.signal });
    const { filter, conditions, problem: wrong } = found;
    byId("filter-problem").replaceChildren(...(wrong ? problemView(wrong) : []));
    fields.filter.toggleAttribute("aria-invalid", Boolean(wrong));
    if (wrong) {
      byId("conditions").replaceChildren();
      said.textContent = "This filter cannot be understood.";
      byId("raw").open = true;
      return;
    }
    if (added.length > 0) fields.filter.value = filter;
    byId("conditions").replaceChildren(...conditions.map(condition));
    if (added.length > 0) changed({ isShown: true });
    const tell = () => { said.textContent = would(found, "thread", found.count === 1 ? "matches" : "match"); };
    tell();
    if (!found.exact) {
      found = await ask(`${path}&whole=1`, { signal: own.signal });
      tell();
    }
  } catch (error) {
    if (error.name !== "AbortError") said.textContent = error.message;
  }
}

function setFilter(text) {
  fields.filter.value = text;
  changed();
}

function setUpConditions() {
  setUpMenus();
  setUpBuilder(() => "thread", asked);
  const building = byId("condition-form");
  const shut = (menu) => { menu.open = false; menu.querySelector("summary").focus(); };
  building.addEventListener("submit", async (event) => {
    event.preventDefault();
    await showFilter([...new FormData(building)]);
    building.reset();
    shut(byId("add-filter"));
  });
  byId("saved-filters")?.addEventListener("click", async (event) => {
    const link = event.target.closest(".pager a");
    if (link) {
      // The next page of the menu, and the form as it is.
      event.preventDefault();
      const menu = byId("saved-filters");
      try {
        const fresh = await fetchDocument(link.href);
        menu.querySelector(".menu-body").replaceWith(take(fresh.querySelector("#saved-filters .menu-body")));
        menu.querySelector("button").focus();
      } catch (error) {
        toast(error.message, "bad");
      }
      return;
    }
    const { filter } = event.target.closest("button")?.dataset ?? {};
    if (filter === undefined) return;
    setFilter(filter);
    shut(byId("saved-filters"));
  });
}

// --------------------------------------------------------- plain words, saving

function fill(config) {
  const { focus, name, filter, sample, tier, hierarchy, partitions, attribute_schemas: attributes } = config;
  was.kept = Object.fromEntries(KEPT.filter((key) => config[key] !== undefined && config[key] !== null).map((key) => [key, config[key]]));
  was.hasFocus = focus !== undefined && focus !== null;
  if (focus) fields.focus.value = focus;
  if (name) fields.name.value = name;
  if (filter) fields.filter.value = filter;
  if (sample >= 1) fields.sample.value = sample;
  else if (sample > 0) fields.sample.value = `${Number((sample * 100).toPrecision(6))}%`;
  if (config.sample_by) setSampleBy(config.sample_by);
  if (tier !== undefined && tier !== null) setTier(tier);
  for (const key of ["cluster_model", "summary_model", "summary_prompt", "budget"]) if (config[key]) fields[key].value = config[key];
  if (hierarchy) fields.hierarchy.value = hierarchy.join(", ");
  if (config.last_n_hours) setHours(config.last_n_hours);
  if (config.start_time) setDates(config);
  for (const [key, description] of Object.entries(partitions ?? {})) addRow("partitions", { "partition-name": key, "partition-description": description ?? "" });
  for (const [key, schema] of Object.entries(attributes ?? {})) addAttribute(key, schema);
  if (config.user_context) context = config.user_context;
  if (config.schedule_cron) setSchedule(config);
  if (config.alert) {
    was.alert = config.alert;
    fields.webhook.value = config.alert.webhook;
    fields.growth.value = points(config.alert.growth);
  }
  if (Object.keys(partitions ?? {}).length + Object.keys(attributes ?? {}).length > 0 || config.summary_prompt || config.schedule_cron || config.alert) byId("more").open = true;
}

function setSampleBy(words) {
  const at = words.indexOf(":");
  fields.sample_by.value = at < 0 ? words : words.slice(0, at + 1);
  if (at >= 0) fields.sample_key.value = words.slice(at + 1);
}

function setHours(hours) {
  const known = [...fields.range.options].some((option) => option.value === String(hours));
  if (!known) fields.range.append(h("option", { value: String(hours) }, `Last ${count(hours)} hours`));
  fields.range.value = String(hours);
}

function localInput(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? "" : new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function setDates({ start_time: start, end_time: end }) {
  fields.range.value = "dates";
  for (const [name, given] of [["start", start], ["end", end]]) {
    if (!given) continue;
    was.dates[name] = { given, shown: localInput(given) };
    fields[name].value = was.dates[name].shown;
  }
}

function setSchedule({ schedule_cron: cron, schedule_timezone: zone }) {
  const known = { "0 8 * * *": "daily", "0 8 * * 1": "weekly" }[cron];
  fields.schedule.value = known ?? "cron";
  fields.cron.value = known ? "" : cron;
  if (zone) fields.zone.value = zone;
}

auto.addEventListener("submit", (event) => {
  event.preventDefault();
  const said = Object.fromEntries(Object.entries(QUESTIONS).map(([name, question]) => [question, auto.elements[name].value.trim()]).filter(([, answer]) => answer));
  const place_ = auto.querySelector(".problem-text");
  act(auto.querySelector('[type="submit"]'), async () => {
    try {
      const draft = await ask(`${place.api}/configs/generate`, { method: "POST", body: { user_context: said } });
      place_.hidden = true;
      context = said;
      for (const kind of ["partitions", "attributes"]) rowsOf(kind).forEach((row) => row.remove());
      fill(draft);
      // Words are read by a model where one can be asked; what it takes is beside the form.
      if (!draft.tier) setTier("");
      const by = draft.generated_by === "local" ? "Drafted from your words, without a model." : `Drafted by ${draft.generated_by}.`;
      byId("drafted").textContent = `${by} Look it over, then make the report.`;
      byId("drafted").hidden = false;
      byId("tab-manual").click();
      byId("run")?.focus();
      changed();
    } catch (error) {
      place_.textContent = error.message;
      place_.hidden = false;
    }
  });
});

// ------------------------------------------------------------------ preview

function answersOf(attributes, isShown) {
  const shown = Object.entries(attributes ?? {}).filter(([name]) => isShown(name));
  return shown.map(([name, answer]) => h("div", {}, h("dt", {}, name.replaceAll("_", " ")), h("dd", {}, Array.isArray(answer) ? answer.join(", ") : answer === true ? "yes" : answer === false ? "no" : String(answer))));
}

function previewed(asked, { thread_id: thread, run_id: run, request: wanted, summary, attributes, evidence, included, unread }) {
  const project = place.back.replace(/\/insights$/, "");
  // What was asked is what is looked for; what every report tells is below it.
  const answers = answersOf(attributes, (name) => asked.has(name));
  const others = answersOf(attributes, (name) => !asked.has(name));
  return h("li", { class: "card previewed" },
    h("h3", {}, h("a", { href: run ? `/r/${run}` : `${project}/threads/${encodeURIComponent(thread)}` }, wanted || "(no request)"), included === false ? h("span", { class: "badge warn" }, "left out") : null),
    h("p", {}, summary || "–"),
    unread ? h("p", { class: "failed-words" }, `Not read by the model: ${unread}`) : null,
    answers.length > 0 ? h("dl", { class: "pairs" }, answers) : null,
    others.length > 0 ? h("details", {}, h("summary", {}, `${plural(others.length, "fact")} that every report tells`), h("dl", { class: "pairs" }, others)) : null,
    (evidence ?? []).length > 0 ? h("ul", { class: "quotes" }, evidence.map((one) => h("li", {}, one.quote ?? one.text ?? String(one)))) : null);
}

async function preview(button) {
  if (!isFine()) return;
  const said = byId("preview-said");
  const list = byId("previewed");
  said.textContent = "Reading …";
  list.setAttribute("aria-busy", "true");
  await act(button, async () => {
    try {
      const body = request();
      const asked = new Set(Object.keys(body.attribute_schemas ?? {}));
      const { threads, skipped, spend, tier, models } = await ask(`${place.api}/configs/preview`, { method: "POST", body: { ...body, threads: 5 } });
      const who = tier === "deep" ? `Read by ${models.at(-1)}` : `Read without a model: the tier is “${tier}”`;
      const paid = spend.calls > 0 ? `, ${plural(spend.calls, "call")}, ${spend.cost === null ? "price unknown" : money(spend.cost)}` : spend.remembered > 0 ? ", all of it remembered" : "";
      said.textContent = threads.length === 0 ? "No thread matches." : `${who}${paid}${skipped.length > 0 ? `; ${plural(skipped.length, "thread")} cannot be read` : ""}.`;
      list.replaceChildren(h("ol", { class: "previews" }, threads.map((one) => previewed(asked, one))));
      list.hidden = threads.length === 0;
    } catch (error) {
      said.textContent = error.message;
      list.hidden = true;
    }
  });
  list.removeAttribute("aria-busy");
}

/** Puts a variable where the cursor is. */
function setUpVariables() {
  for (const button of form.querySelectorAll("[data-variable]")) {
    button.addEventListener("click", () => {
      const field = fields.summary_prompt;
      field.setRangeText(button.dataset.variable, field.selectionStart, field.selectionEnd, "end");
      field.focus();
      changed();
    });
  }
}

function isFine() {
  const wrong = [...fields].find((field) => field.matches(":invalid:not(fieldset)"));
  if (!wrong) return true;
  wrong.closest("details")?.setAttribute("open", "");
  wrong.reportValidity();
  return false;
}

/** Words on the open tab: the first thing to be made of them is a draft. */
function hasWords() {
  const isOpen = byId("tab-auto").getAttribute("aria-selected") === "true";
  return isOpen && Object.keys(QUESTIONS).some((name) => auto.elements[name].value.trim() !== "");
}

/** The button says what it will do. */
function label() {
  const button = byId("run");
  if (!button) return;
  button.textContent = hasWords() ? "Draft from these words" : "Make the report";
  button.disabled = isEmpty && !hasWords();
}

async function run() {
  if (hasWords()) return auto.requestSubmit();
  if (!isFine()) return;
  await act(byId("run"), async () => {
    try {
      await ask(place.api, { method: "POST", body: request() });
      location.assign(place.back);
    } catch (error) {
      refused(error);
      form.querySelector("[data-is-refused]")?.focus();
    }
  });
}

function schedule() {
  const chosen = value("schedule");
  if (chosen === "") return { schedule_cron: null };
  return { schedule_cron: chosen === "cron" ? value("cron") : chosen, schedule_timezone: value("zone") || "UTC" };
}

/** A share as points, as people write them. */
const points = (share) => String(Number((share * 100).toPrecision(12)));

/** Whom to tell of what; a growth that is not said is the server's own. */
function alert() {
  const webhook = value("webhook");
  if (webhook === "") return null;
  const { growth: before, ...others } = was.alert ?? {};
  const said = value("growth");
  if (said === "") return { ...others, webhook };
  // What is left as it was goes back as it came.
  const growth = before !== undefined && points(before) === said ? before : Number((Number(said) / 100).toPrecision(12));
  return { ...others, webhook, growth };
}

function setUpSaving() {
  const dialog = byId("save-dialog");
  const saving = byId("save-form");
  byId("save").addEventListener("click", () => {
    if (!isFine()) return;
    accept(saving);
    saving.elements.name.value ||= value("name");
    dialog.showModal();
  });
  saving.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  saving.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { name, description } = saving.elements;
    const body = { name: name.value.trim(), description: description.value.trim() || null, config: request(), ...schedule(), alert: alert() };
    const id = place.configId;
    try {
      await ask(id ? `${place.api}/configs/${id}` : `${place.api}/configs`, { method: id ? "PATCH" : "POST", body });
      toast("Saved", "good");
      location.assign(place.back);
    } catch (error) {
      const isOfDialog = (error.fields ?? []).every(({ name: field }) => ["", "name", "description"].includes(field));
      if (isOfDialog) return refuse(saving, error);
      dialog.close();
      refused(error);
      form.querySelector("[data-is-refused]")?.focus();
    }
    return undefined;
  });
}

setUpTabs();
fields.zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const initial = JSON.parse(byId("initial").textContent);
fill(initial);
byId("save-form").elements.name.value = initial.saved_name ?? "";
byId("save-form").elements.description.value = initial.saved_description ?? "";
setUpConditions();
for (const button of form.querySelectorAll("[data-add]")) button.addEventListener("click", () => { addRow(button.dataset.add).querySelector("input").focus(); changed(); });
form.addEventListener("input", (event) => {
  // A condition that is being made asks nothing yet.
  if (event.target.form !== form) return;
  if (event.target.name === "focus") was.hasFocus = true;
  changed();
});
form.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(); });
setUpVariables();
if (byId("run")) {
  byId("run").addEventListener("click", run);
  auto.addEventListener("input", label);
  for (const kind of ["click", "keydown"]) byId("tab-auto").parentElement.addEventListener(kind, label);
  byId("preview").addEventListener("click", (event) => preview(event.currentTarget));
  setUpSaving();
}
byId("all-time").addEventListener("click", () => { fields.range.value = ""; changed(); });
changed();

// A new report: from plain words or by hand, with what it takes always in view.
import { byId, h } from "../dom.js";
import { count, money, plural, seconds } from "../format.js";
import { act, ask, toast } from "./api.js";
import { conditionText, conjunction } from "./filter-text.js";
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

function read(row, name) {
  return row.querySelector(`[name="${name}"]`).value.trim();
}

function windowOf() {
  const range = value("range");
  if (range === "") return {};
  if (range !== "dates") return { last_n_hours: Number(range) };
  const moment = (name) => (value(name) ? new Date(value(name)).toISOString() : undefined);
  return { start_time: moment("start"), end_time: moment("end") };
}

/** What the form says, as the API takes it. What is empty is left out. */
function request() {
  const tier = fields.tier.value;
  const partitions = Object.fromEntries(rowsOf("partitions").map((row) => [read(row, "partition-name"), read(row, "partition-description")]).filter(([name]) => name));
  const attributes = Object.fromEntries(rowsOf("attributes").map((row) => [read(row, "attribute-name"), { type: read(row, "attribute-type"), description: read(row, "attribute-description") }]).filter(([name]) => name));
  const hierarchy = value("hierarchy").split(",").map((text) => Number(text)).filter((number) => number > 0);
  const said = {
    name: value("name"), focus: fields.focus.value, filter: value("filter"), ...windowOf(),
    sample: Number(value("sample")) || undefined, tier,
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

function tell(name, text) {
  byId("new-report").querySelector(`[data-estimate="${name}"]`).textContent = text;
}

function range(low, high, show) {
  return low === high || high === undefined || high === null ? show(Number(low)) : `${show(Number(low))} – ${show(Number(high))}`;
}

function showEstimate(found) {
  const { population, threads, expected_seconds: time, model_calls: calls, cost_usd: cost, basis, not_applied: unmet } = found;
  tell("population", count(population));
  tell("threads", count(threads));
  tell("time", time === undefined || time === null ? "–" : `about ${seconds(time)}`);
  tell("calls", calls === undefined || calls === null ? "–" : typeof calls === "object" ? range(calls.low, calls.high, count) : count(calls));
  const low = found.cost_low_usd ?? cost?.low ?? cost;
  const high = found.cost_high_usd ?? found.cost_usd_high ?? cost?.high ?? low;
  tell("money", low === undefined || low === null ? "the price of this model is not known" : range(low, high, money));
  tell("basis", basis ? `The time is a guess from ${basis}.` : "");
  const list = byId("new-report").querySelector('[data-estimate="unmet"]');
  list.replaceChildren(...(unmet ?? []).map(({ field, reason }) => h("li", {}, h("b", {}, `${field.replaceAll("_", " ")}: `), reason)));
  byId("filter-said").textContent = `${plural(population, "thread")} ${population === 1 ? "matches" : "match"}`;
  problem("");
}

function problem(text) {
  const place = byId("new-report").querySelector('[data-estimate="problem"]');
  place.textContent = text;
  place.hidden = text === "";
}

async function estimate() {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    showEstimate(await ask(`${place.api}/estimate`, { method: "POST", body: request(), signal }));
    fields.filter.removeAttribute("aria-invalid");
  } catch (error) {
    if (error.name === "AbortError") return;
    for (const name of ["population", "threads", "time", "calls", "money"]) tell(name, "–");
    tell("basis", "");
    byId("filter-said").textContent = "";
    const isFilter = value("filter") !== "" && /filter|character|column/i.test(error.message);
    fields.filter.toggleAttribute("aria-invalid", isFilter);
    if (isFilter) byId("filter-said").textContent = error.message;
    problem(error.message);
  }
}

function changed() {
  const tier = fields.tier.value;
  for (const part of form.querySelectorAll("[data-tier]")) part.hidden = !part.dataset.tier.split(" ").includes(tier);
  for (const part of form.querySelectorAll('[data-when="dates"]')) part.hidden = value("range") !== "dates";
  form.querySelector("[data-cron]").hidden = value("schedule") !== "cron";
  form.querySelector("[data-zone]").hidden = value("schedule") === "";
  clearTimeout(timer);
  timer = setTimeout(estimate, 250);
}

// ------------------------------------------------------------------ filters

function setUpConditions() {
  const [kind, given, add] = [fields.condition, fields["condition-value"], byId("add-condition")];
  const needs = (word) => !["", "error", "fine"].includes(word);
  const put = () => {
    const text = conditionText(kind.value, given.value.trim());
    if (text === "") return given.focus();
    fields.filter.value = conjunction(value("filter"), text);
    kind.value = "";
    given.value = "";
    given.parentElement.hidden = true;
    add.hidden = true;
    return changed();
  };
  kind.addEventListener("change", () => {
    given.parentElement.hidden = !needs(kind.value);
    add.hidden = !needs(kind.value);
    if (needs(kind.value)) given.focus();
    else if (kind.value) put();
  });
  given.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); put(); } });
  add.addEventListener("click", put);
}

// --------------------------------------------------------- plain words, saving

function fill(config) {
  const { focus, name, filter, sample, tier, hierarchy, partitions, attribute_schemas: attributes } = config;
  if (focus) fields.focus.value = focus;
  if (name) fields.name.value = name;
  if (filter) fields.filter.value = filter;
  if (sample >= 1) fields.sample.value = sample;
  if (tier) fields.tier.value = tier;
  for (const key of ["cluster_model", "summary_model", "summary_prompt", "budget"]) if (config[key]) fields[key].value = config[key];
  if (hierarchy) fields.hierarchy.value = hierarchy.join(", ");
  if (config.last_n_hours) setHours(config.last_n_hours);
  if (config.start_time) setDates(config);
  for (const [key, description] of Object.entries(partitions ?? {})) addRow("partitions", { "partition-name": key, "partition-description": description ?? "" });
  for (const [key, schema] of Object.entries(attributes ?? {})) {
    addRow("attributes", { "attribute-name": key, "attribute-type": schema.type ?? "string", "attribute-description": schema.description ?? "" });
  }
  if (config.user_context) context = config.user_context;
  if (config.schedule_cron) setSchedule(config);
  if (config.webhook) fields.webhook.value = config.webhook;
  if (Object.keys(partitions ?? {}).length + Object.keys(attributes ?? {}).length > 0 || config.summary_prompt || config.schedule_cron) byId("more").open = true;
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
  fields.start.value = localInput(start);
  if (end) fields.end.value = localInput(end);
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

function isFine() {
  const wrong = form.querySelector(":invalid:not(fieldset)");
  if (!wrong) return true;
  wrong.closest("details")?.setAttribute("open", "");
  wrong.reportValidity();
  return false;
}

async function run() {
  if (!isFine()) return;
  await act(byId("run"), async () => {
    await ask(place.api, { method: "POST", body: request() });
    location.assign(place.back);
  });
}

function schedule() {
  const chosen = value("schedule");
  if (chosen === "") return { schedule_cron: null };
  return { schedule_cron: chosen === "cron" ? value("cron") : chosen, schedule_timezone: value("zone") || "UTC" };
}

function setUpSaving() {
  const dialog = byId("save-dialog");
  const saving = byId("save-form");
  const said = saving.querySelector(".problem-text");
  byId("save").addEventListener("click", () => {
    if (!isFine()) return;
    said.hidden = true;
    saving.elements.name.value ||= value("name");
    dialog.showModal();
  });
  saving.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  saving.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { name, description } = saving.elements;
    const webhook = value("webhook");
    const body = { name: name.value.trim(), description: description.value.trim() || null, config: request(), ...schedule(), alert: webhook ? { webhook } : null };
    const id = place.configId;
    try {
      await ask(id ? `${place.api}/configs/${id}` : `${place.api}/configs`, { method: id ? "PATCH" : "POST", body });
      toast("Saved", "good");
      location.assign(place.back);
    } catch (error) {
      said.textContent = error.message;
      said.hidden = false;
    }
  });
}

setUpTabs();
fields.zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
const initial = JSON.parse(byId("initial").textContent);
fill(initial);
byId("save-form").elements.name.value = initial.saved_name ?? "";
byId("save-form").elements.description.value = initial.saved_description ?? "";
setUpConditions();
for (const button of form.querySelectorAll("[data-add]")) button.addEventListener("click", () => addRow(button.dataset.add).querySelector("input").focus());
form.addEventListener("input", changed);
form.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run(); });
if (byId("run")) {
  byId("run").addEventListener("click", run);
  setUpSaving();
}
changed();

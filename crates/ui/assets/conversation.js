// One thread: what is known of it, and everything that was said and done.
import { byId, h, icon, timeOf } from "./dom.js";
import { attributeName, attributeText, categoryPath, conversation, loadWords, report } from "./data.js";
import { compact, count, money, number, percent, plural, seconds } from "./format.js";
import { prose } from "./prose.js";
import { addressOfCategory, addressOfThread, addressOfThreads } from "./router.js";
import { noConversation, pageOfThread, pageOfTrace } from "./source.js";
import { lastList, stateTitle } from "./threads.js";

/** Longer messages start folded. */
const FOLD_CHARS = 2400;
/** Traces with a button above the conversation; the side names all. */
const TRACE_BUTTONS = 4;

export function showThread(thread) {
  const mount = byId("thread-mount");
  if (!thread) {
    mount.replaceChildren(h("div", { class: "empty" },
      h("h1", {}, "This thread is not in the page"),
      h("p", {}, "It may have been left out to keep the page small, or belong to another report."),
      h("p", {}, h("a", { href: "#threads" }, "All threads of this page"))));
    return;
  }
  const body = h("section", { class: "talk", "aria-busy": "true", "aria-label": "Conversation" });
  mount.replaceChildren(crumbs(thread), head(thread), h("div", { class: "thread-body" }, body, side(thread)));
  // One is likely to go on to those beside it.
  const at = lastList.threads.indexOf(thread);
  if (at >= 0) loadWords(lastList.threads.slice(Math.max(0, at - 10), at + 11)).catch(() => {});
  conversation(thread).then((found) => body.replaceWith(talk(thread, found)), (error) => body.replaceWith(failed(thread, error)));
}

function failed(thread, error) {
  return h("section", { class: "talk" }, h("div", { class: "empty", role: "alert" },
    h("h3", {}, "The conversation did not come"), h("p", {}, error.message),
    h("button", { type: "button", class: "button", onclick: () => showThread(thread) }, "Try again")));
}

/** The neighbour in the list one came from: `step` is 1 or -1. */
export function neighbour(thread, step) {
  const at = lastList.threads.indexOf(thread);
  return at < 0 ? null : lastList.threads[at + step] ?? null;
}

function crumbs(thread) {
  const step = (by, text, label, path) => {
    const other = neighbour(thread, by);
    if (!other) return h("button", { type: "button", class: "icon-button", disabled: true, "aria-label": label }, icon(path));
    return h("a", { class: "icon-button", href: addressOfThread(other), title: text, "aria-label": label }, icon(path));
  };
  const at = lastList.threads.indexOf(thread);
  return h("div", { class: "thread-top" },
    h("nav", { class: "crumbs", "aria-label": "Place" },
      h("a", { href: "#overview" }, "Overview"),
      categoryPath(thread.category).map((category) => h("a", { href: addressOfCategory(category) }, category.name))),
    h("div", { class: "steps" },
      at < 0 ? null : h("span", { class: "soft" }, `${count(at + 1)} of ${count(lastList.threads.length)}`),
      step(-1, "Previous (k)", "Previous thread", "M2 6.5 5 3.5 8 6.5"), step(1, "Next (j)", "Next thread", "M2 3.5 5 6.5 8 3.5")));
}

function head(thread) {
  return h("header", { class: "title-block thread-head" },
    h("h1", {}, thread.request || "(no request)"),
    h("p", { class: "byline" },
      h("span", { class: `state-word ${thread.fails ? "failed" : thread.status}` }, stateTitle(thread)),
      thread.rank === null ? null : h("span", {}, `highlight #${thread.rank}`),
      thread.latency === null ? null : h("span", {}, seconds(thread.latency)),
      thread.cost === null ? null : h("span", {}, money(thread.cost)),
      thread.tokens === 0 ? null : h("span", {}, `${compact(thread.tokens)} tokens`),
      thread.time === null ? null : timeOf(thread.time)),
    pagesOf(thread),
    thread.failure === null ? null : h("p", { class: "failure" }, h("b", {}, "Failure "), thread.failure),
    thread.reason === null ? null : h("p", { class: "reason" }, h("b", {}, "In “Other” because "), thread.reason));
}

/** Where all of it stands, on a server. */
function pagesOf(thread) {
  const page = pageOfThread(thread);
  if (page === null) return null;
  const { traces } = thread;
  return h("p", { class: "actions thread-pages" }, h("a", { class: "button", href: page }, "Open the thread"),
    traces.slice(0, TRACE_BUTTONS).map((trace, at) => h("a", { class: "button", href: pageOfTrace(trace) }, traces.length === 1 ? "Open the trace" : `Trace ${at + 1}`)));
}

function side(thread) {
  const known = Object.entries(thread.attributes);
  const not = known.filter(([, value]) => value === false);
  const command = `${report.command} '${thread.id.replaceAll("'", "'\\''")}'`;
  return h("aside", { class: "thread-side", "aria-label": "About this thread" },
    h("section", { class: "card" }, h("h2", {}, "Summary"), h("p", { class: "words" }, thread.summary || "–")),
    h("section", { class: "card" }, h("h2", {}, "Facts"), h("dl", { class: "pairs" },
      pair("Confidence", percent(thread.confidence)),
      thread.weight === 1 ? null : pair("Stands for", `${number(thread.weight)} threads`),
      Object.entries(thread.feedback).map(([key, score]) => pair(key, number(score))),
      known.filter(([, value]) => value !== false).map(([name, value]) => attribute(name, value))),
    not.length === 0 ? null : h("details", { class: "not" }, h("summary", {}, `${count(not.length)} more: no`),
      h("dl", { class: "pairs" }, not.map(([name, value]) => attribute(name, value))))),
    h("section", { class: "card" }, h("h2", {}, "Where it is"), h("dl", { class: "pairs" },
      pair("Thread", linked(pageOfThread(thread), h("code", {}, thread.id))),
      thread.run === null ? null : pair("Run", h("code", {}, thread.run)),
      thread.traces.length === 0 ? null : pair(thread.traces.length === 1 ? "Trace" : "Traces", thread.traces.map((trace) => linked(pageOfTrace(trace), h("code", {}, trace))))),
      h("p", { class: "command" }, h("code", {}, command), copyButton(command))));
}

function linked(href, content) {
  return href === null ? content : h("a", { href }, content);
}

function pair(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

function attribute(name, value) {
  const labels = Array.isArray(value) ? value : [attributeText(value)];
  return h("div", {}, h("dt", {}, attributeName(name)), h("dd", {}, labels.length === 0 ? "–" : labels.map((label, index) => [
    index > 0 ? ", " : null,
    typeof value === "number" ? number(value) : h("a", { href: addressOfThreads({ attribute: name, value: label }) }, label),
  ])));
}

function copyButton(text) {
  const button = h("button", { type: "button", class: "quiet", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy";
    }
  } }, "Copy");
  return button;
}

function talk(thread, found) {
  if (!found) {
    return h("section", { class: "talk" }, h("div", { class: "empty" },
      h("h3", {}, noConversation.heading),
      h("p", {}, noConversation.text),
      h("p", {}, h("code", {}, `${report.command} '${thread.id.replaceAll("'", "'\\''")}'`))));
  }
  const { answers, answered } = matchAnswers(found.messages);
  const out = [];
  const turns = new Map((found.turns ?? []).map((turn) => [turn.at, turn]));
  found.messages.forEach((message, index) => {
    if (turns.has(index)) out.push(turnHead(turns.get(index)));
    if (found.gap && found.gap[0] === index) out.push(h("p", { class: "gap" }, `${plural(found.gap[1], "message")} left out`));
    if (!answered.has(index)) out.push(messageView(message, answers));
  });
  if (out.length === 0) out.push(h("div", { class: "empty" }, h("h3", {}, "Nothing was said"), h("p", {}, "The thread has no messages.")));
  return h("section", { class: "talk", "aria-label": "Conversation" }, out);
}

/** Where a trace of the thread begins: which one it is, and what it took. */
function turnHead({ number: place, trace, latency, cost, tokens = 0, failed }) {
  const href = pageOfTrace(trace);
  const name = `Trace ${count(place)}`;
  return h("p", { class: "turn-head" }, href === null ? h("b", {}, name) : h("a", { href }, name),
    failed ? h("span", { class: "badge bad" }, "error") : null,
    latency === undefined ? null : h("span", { title: "Latency" }, seconds(latency)),
    cost === undefined ? null : h("span", { title: "Cost" }, money(cost)),
    tokens === 0 ? null : h("span", { title: "Tokens" }, `${compact(tokens)} tokens`));
}

/** Which tool message answers which call, so that both are shown together. */
function matchAnswers(messages) {
  // Only a call made before can be answered, and only once.
  const open = [];
  const answers = new Map();
  const answered = new Set();
  messages.forEach((message, index) => {
    if (message.role === "tool") {
      // What does not say which call it answers (a run of its own) answers the first of its name.
      const at = open.findIndex((call) => message.answers == null ? call.name === message.name : call.id === message.answers);
      if (at >= 0) {
        answers.set(open.splice(at, 1)[0], message);
        answered.add(index);
      }
    }
    open.push(...(message.calls ?? []));
  });
  return { answers, answered };
}

function messageView(message, answers) {
  const name = message.name && message.name !== message.role ? message.name : null;
  const body = [
    (message.parts ?? []).map(partView),
    (message.calls ?? []).map((call) => callView(call, answers.get(call))),
    message.error ? h("div", { class: "failure" }, h("b", {}, "Error "), longText(message.error)) : null,
  ];
  const title = [h("b", {}, name ?? message.role), name ? h("span", { class: "soft" }, message.role) : null,
    message.time ? timeOf(message.time) : null];
  if (message.role === "system") {
    return h("details", { class: "message system" }, h("summary", {}, title, h("span", { class: "soft" }, preview(message))), body);
  }
  return h("article", { class: `message ${message.role}` }, h("header", {}, title), body);
}

function preview(message) {
  const text = (message.parts ?? []).map((part) => part.text).join(" ");
  return text.length > 90 ? `${text.slice(0, 90)}…` : text;
}

function partView(part) {
  if (part.kind === "thinking") {
    return h("details", { class: "thinking" }, h("summary", {}, "Thinking"), longText(part));
  }
  if (part.kind === "refusal") return h("div", { class: "refusal" }, h("b", {}, "Refused "), longText(part));
  if (part.kind === "media") return h("p", { class: "media" }, part.text);
  if (part.kind === "data") return h("pre", { class: "code" }, part.text, moreText(part));
  return longText(part, prose);
}

function callView(call, answer) {
  const failed = Boolean(answer?.error);
  const oneLine = call.arguments.text.replace(/\s+/g, " ");
  return h("details", { class: failed ? "call failed" : "call" },
    h("summary", {}, h("span", { class: "call-name" }, call.name), h("span", { class: "call-preview" }, oneLine.slice(0, 160)),
      failed ? h("span", { class: "badge bad" }, "failed") : answer ? null : h("span", { class: "badge" }, "no answer")),
    h("h4", {}, "Arguments"), h("pre", { class: "code" }, call.arguments.text, moreText(call.arguments)),
    answer ? [h("h4", {}, "Result"), (answer.parts ?? []).map((part) => h("pre", { class: "code" }, part.text, moreText(part))),
      answer.error ? h("div", { class: "failure" }, h("b", {}, "Error "), longText(answer.error)) : null] : null);
}

function moreText(part) {
  return part.more ? h("span", { class: "cut" }, ` … ${plural(part.more, "more character")}`) : null;
}

/** Text, as `read` takes it apart; long text starts folded. */
function longText(part, read = fences) {
  const words = h("div", { class: "words" }, ...read(part.text), moreText(part));
  if (part.text.length <= FOLD_CHARS) return words;
  words.classList.add("folded");
  const button = h("button", { type: "button", class: "quiet", onclick: () => {
    button.textContent = words.classList.toggle("folded") ? "Show all" : "Show less";
  } }, "Show all");
  return h("div", {}, words, button);
}

function fences(text) {
  return text.split(/^```[^\n`]*$/m).map((piece, index) =>
    index % 2 === 1 ? h("pre", { class: "code" }, piece.replace(/^\n|\n$/g, "")) : piece.replace(/^\n+|\n+$/g, index === 0 ? "" : "\n"));
}

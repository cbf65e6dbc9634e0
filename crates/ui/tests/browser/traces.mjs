// The pages of threads, traces and the dashboard in a real browser: filters,
// long lists, waterfalls, large payloads, feedback, charts; with the keyboard
// alone, in both themes, on a telephone.
//
//   cd crates/ui/tests/browser && npm install && node traces.mjs
//
// Environment as for web.mjs. LARGE is the address of a server with a million
// runs, and its project (`http://…/p/…`): with it, times are measured there.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { XSS } from "./payloads.mjs";
import { runAll, startBrowser } from "./pages.mjs";
import { api, importDemo, postRuns, projectOf, startServer, until } from "./server.mjs";

const shots = process.env.SHOTS;
if (shots) mkdirSync(shots, { recursive: true });
const { browser, open, faultsOf, inspect } = await startBrowser();

let demo = null;
async function demoServer() {
  if (demo) return demo;
  const server = await startServer({ forAll: true });
  await importDemo(server, "shop");
  demo = { ...server, project: await projectOf(server, "shop") };
  return demo;
}

/** Runs of one trace with children, as a client sends them. */
async function postTree(server, project, { payload = {}, error = null } = {}) {
  const now = Date.now() - 30_000;
  const stamp = (time) => time.toISOString().replaceAll(/[-:.]/g, "").replace("Z", "000Z");
  const root = randomUUID();
  const post = [];
  const add = (name, run_type, parent, from, until, more = {}) => {
    const id = parent ? randomUUID() : root;
    const start = new Date(now + from);
    const own = `${stamp(start)}${id}`;
    post.push({ id, trace_id: root, parent_run_id: parent?.id, dotted_order: parent ? `${parent.dotted_order}.${own}` : own, name, run_type, session_name: project,
      start_time: start.toISOString(), end_time: new Date(now + until).toISOString(), inputs: { step: name }, outputs: { done: true }, ...more });
    return post.at(-1);
  };
  const agent = add("support agent", "chain", null, 0, 9000, { inputs: { messages: [{ role: "user", content: "Where is **my** parcel?" }], ...payload }, outputs: { messages: [{ role: "assistant", content: "It is on its way." }] } });
  const plan = add("plan", "llm", agent, 100, 3000, { extra: { metadata: { ls_model_name: "gpt-test" } }, outputs: { usage_metadata: { input_tokens: 900, output_tokens: 60, total_tokens: 960 }, content: "look it up" } });
  add("look up the order", "tool", agent, 3200, 6000, { error, inputs: { order: "A-1717" } });
  add("search shelves", "retriever", plan, 400, 900);
  add("answer", "llm", agent, 6100, 8900, { outputs: { content: "It is on its way.", usage_metadata: { input_tokens: 1200, output_tokens: 80, total_tokens: 1280 } } });
  const answer = await fetch(`${server.address}/runs/batch`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ post, patch: [] }) });
  assert.ok(answer.ok, await answer.text());
  return { root, runs: post };
}

/** Waits until the modules of a page that one came to listen to keys. */
const arrived = async (page, selector) => {
  await page.waitForSelector(selector);
  await page.waitForFunction(() => document.readyState === "complete");
};

const counted = (page, pattern) => page.waitForFunction((source) => new RegExp(source).test(document.querySelector("#count").textContent), pattern.source);

const median = (times) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)];

/** Says a time, and keeps it if it is too long. */
function report(slow, limit, millis, words) {
  const line = `${Math.round(millis).toString().padStart(5)} ms  ${words}`;
  console.log(`        ${line}`);
  if (millis > limit) slow.push(line);
}

/**
 * Milliseconds from an input to the first frame in which it is done, on this
 * page or on the one it leads to. `work` and `isDone` run in the page.
 */
async function timed(page, isDone, work) {
  const start = page.url();
  const script = `(() => {
    const isDone = ${isDone.toString()};
    const note = () => setTimeout(() => { globalThis.painted ??= performance.timeOrigin + performance.now(); }, 0);
    // What a frame finds done, that frame paints: a task after it comes after the paint.
    const look = (isInFrame) => {
      if (globalThis.painted) return;
      if (!document.body || !isDone(${JSON.stringify(start)})) requestAnimationFrame(() => look(true));
      else if (isInFrame) note();
      else requestAnimationFrame(note);
    };
    look(false);
  })()`;
  const session = await page.context().newCDPSession(page);
  await session.send("Page.enable");
  const { identifier } = await session.send("Page.addScriptToEvaluateOnNewDocument", { source: script });
  const begun = await page.evaluate(`(() => {
    const began = performance.timeOrigin + performance.now();
    (${work.toString()})();
    ${script};
    return began;
  })()`);
  await page.waitForFunction(() => globalThis.painted !== undefined);
  const painted = await page.evaluate(() => {
    const at = globalThis.painted;
    delete globalThis.painted;
    return at;
  });
  await session.send("Page.removeScriptToEvaluateOnNewDocument", { identifier });
  await session.detach();
  return painted - begun;
}

/** Scrolls a list down until so many rows or all of them were there: what is in the page then, and how long frames took. */
function scrolled(page, rows) {
  return page.evaluate(async (wanted) => {
    const list = document.querySelector("#listing");
    const end = list.querySelector("[data-end]");
    const frames = [];
    let last = performance.now();
    let running = true;
    const tick = () => { const now = performance.now(); frames.push(now - last); last = now; if (running) requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
    const isThere = () => end.textContent === "That is all." || list.portions().rows >= wanted;
    // As fast as portions come; a list that stands still is an error, however many came before.
    for (let seen = 0, still = performance.now(); !isThere(); await new Promise((done) => setTimeout(done, 10))) {
      list.scrollTop = list.scrollHeight;
      if (list.portions().rows !== seen) [seen, still] = [list.portions().rows, performance.now()];
      else if (performance.now() - still > 20_000) throw new Error(`${seen} rows, and no more for 20 s`);
    }
    running = false;
    frames.sort((a, b) => a - b);
    return { portions: list.portions(), rows: list.querySelectorAll("tr.row").length, middle: frames[Math.floor(frames.length / 2)], slow: frames[Math.floor(frames.length * 0.99)],
      last: [...list.querySelectorAll("tr.row")].at(-1).textContent };
  }, rows);
}

/** Opens a row that is in sight and leads back: to that row, not to the top of the list. */
async function opensAndComesBack(page) {
  await page.waitForFunction(() => document.elementFromPoint(400, 600)?.closest("tr.row"));
  const opened = await page.evaluate(() => {
    const row = document.elementFromPoint(400, 600).closest("tr.row");
    row.querySelector(".row-link").click();
    return row.dataset.id;
  });
  await arrived(page, "#detail, .turn");
  await page.keyboard.press("Escape");
  await page.waitForFunction((id) => document.activeElement?.closest("tr.row")?.dataset.id === id, opened);
}

/** The page of a report of the large project, which is made of a part of its threads where there is none. */
async function reportOf(server, project) {
  const path = `/sessions/${project}/insights`;
  const known = (await api(server, "GET", `${path}?limit=20`)).clustering_jobs.find((job) => job.status === "success");
  const { id } = known ?? await api(server, "POST", path, { name: "A part of all", sample: 4000, tier: "local" });
  await until("the report", async () => (await api(server, "GET", `${path}/${id}`)).status === "success", 600);
  return `/p/${project}/insights/${id}`;
}

const tests = {
  async "traces are filtered by a form, by text, and the address keeps it all"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/traces`);
    await counted(page, /traces$/);
    const all = Number((await page.locator("#count").innerText()).replaceAll(/\D/g, ""));
    await page.keyboard.press("f");
    await page.locator("#add-filter select[name=field]").selectOption("status");
    await page.locator("#add-filter input[name=value]").fill("error");
    await page.waitForFunction(() => /would be left/.test(document.querySelector(".builder-count").textContent));
    await page.locator("#add-filter").getByRole("button", { name: "Add" }).click();
    await page.waitForURL(/filter=eq/);
    assert.match(await page.locator(".condition").innerText(), /Status\s+is\s+error/);
    await counted(page, /traces?$/);
    const failed = Number((await page.locator("#count").innerText()).replaceAll(/\D/g, ""));
    assert.ok(failed > 0 && failed < all, `${failed} of ${all}`);
    assert.equal(await page.locator(".listing .state:not(.error)").count(), 0);
    const again = await open(server, page.url().slice(server.address.length));
    await counted(again, new RegExp(`^${failed}\\b`));
    await again.close();
    await page.locator(".condition a").click();
    await page.waitForURL((url) => !url.search.includes("filter"));
    await page.locator("[data-search]").fill("refund");
    await page.keyboard.press("Enter");
    await page.waitForURL(/q=refund/);
    await counted(page, /traces?$/);
    assert.ok(await page.locator(".listing tbody tr.row").count() > 0);
    return page;
  },

  async "a filter that cannot be understood is refused at its character"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/traces`);
    await page.keyboard.press("e");
    await page.locator("#raw textarea").fill('and(eq(status, "error"), gt(latency, ))');
    await page.waitForSelector("#filter-problem mark");
    assert.match(await page.locator("#filter-problem").innerText(), /Column 38/);
    assert.equal(await page.locator("#filter-problem mark").innerText(), ")");
    await page.locator("#raw").getByRole("button", { name: "Apply" }).click();
    await page.waitForURL(/filter=/);
    assert.match(await page.locator("#filter-problem").innerText(), /Column 38/);
    assert.match(await page.locator("#listing").innerText(), /cannot be understood/);
    const box = await page.locator("#raw .menu-body").boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 1280, `the form lies from ${box.x} to ${box.x + box.width}`);
    await page.locator("#raw textarea").fill('eq(status, "error")');
    await page.waitForFunction(() => /match/.test(document.querySelector("[data-matches]").textContent));
    await page.locator("#raw").getByRole("button", { name: "Apply" }).click();
    await page.waitForSelector(".listing tr.row");
    return page;
  },

  async "columns, order and time are chosen, and a list is saved and found again"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/traces`);
    await page.locator("#columns summary").click();
    await page.getByLabel("Model", { exact: true }).check();
    await page.getByLabel("Feedback", { exact: true }).uncheck();
    await page.waitForFunction(() => {
      const heads = [...document.querySelectorAll(".listing thead th")].map((head) => head.textContent);
      return heads.includes("Model") && !heads.includes("Feedback");
    });
    assert.match(page.url(), /columns=/);
    assert.equal(await page.locator("#columns[open]").count(), 1, "one chooses on");
    await page.keyboard.press("Escape");
    const first = await page.locator(".listing tr.row").first().getAttribute("data-id");
    await page.locator("th a.sort").click();
    await page.waitForURL(/order=asc/);
    assert.notEqual(await page.locator(".listing tr.row").first().getAttribute("data-id"), first);
    assert.equal(await page.locator("th[aria-sort=ascending]").innerText(), "Started");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Started");
    await page.locator("#views summary").click();
    await page.locator("#save-view input").fill("oldest first");
    await page.locator("#save-view").getByRole("button", { name: "Save" }).click();
    await page.waitForFunction(() => document.querySelector("#views .menu-list")?.textContent.includes("oldest first"));
    await page.goto(`${server.address}/p/${server.project}/traces`);
    await page.locator("#views summary").click();
    await page.locator("#views a", { hasText: "oldest first" }).click();
    await page.waitForURL(/order=asc/);
    await page.locator("#views summary").click();
    await page.getByRole("button", { name: "Delete the saved filter oldest first" }).click();
    await page.locator("dialog.confirm .danger").click();
    await page.waitForFunction(() => !document.querySelector("#views .menu-list")?.textContent.includes("oldest first"));
    await page.goto(`${server.address}/p/${server.project}/traces?range=1h`);
    await page.locator("#time summary").click();
    assert.equal(await page.locator("#time [aria-current]").innerText(), "Last hour");
    return page;
  },

  async "what is asked for replaces the list in place, and the way back leads through it"() {
    const server = await demoServer();
    for (const [list, scope] of [["traces", true], ["threads", false]]) {
      const page = await open(server, `/p/${server.project}/${list}`);
      await counted(page, /s$/);
      const ids = () => page.evaluate(() => [...document.querySelectorAll("#listing tbody:first-of-type tr.row")].map((row) => row.dataset.id).join());
      const [all, count] = [await ids(), await page.locator("#count").innerText()];
      await page.evaluate(() => { globalThis.isSame = true; });
      await page.keyboard.press("/");
      await page.keyboard.type("refund");
      await page.keyboard.press("Enter");
      await page.waitForURL(/q=refund/);
      await counted(page, /s?$/);
      assert.equal(await page.evaluate(() => document.activeElement.id), "listing", "keys lead through what was found");
      const [found, fewer] = [await ids(), await page.locator("#count").innerText()];
      assert.ok(found !== all && fewer !== count, `${fewer} of ${count}`);
      await page.keyboard.press("j");
      await page.waitForFunction(() => document.activeElement.classList.contains("row-link"));
      await page.locator("#time summary").click();
      await page.locator("#time a", { hasText: "Last 90 days" }).click();
      await page.waitForURL(/range=90d/);
      assert.equal(await page.locator("#time[open]").count(), 0);
      assert.equal(await page.evaluate(() => document.activeElement.matches("#time summary")), true, "the focus is where the menu was opened");
      await page.goBack();
      await page.waitForFunction((ids) => [...document.querySelectorAll("#listing tbody:first-of-type tr.row")].map((row) => row.dataset.id).join() === ids, found);
      await page.goBack();
      await page.waitForFunction((ids) => [...document.querySelectorAll("#listing tbody:first-of-type tr.row")].map((row) => row.dataset.id).join() === ids, all);
      assert.equal(await page.locator("[data-search]").inputValue(), "");
      await page.waitForFunction((count) => document.querySelector("#count").textContent === count, count);
      await page.goForward();
      await page.waitForFunction(() => document.querySelector("[data-search]").value === "refund");
      if (scope) {
        await page.getByRole("link", { name: "Tools", exact: true }).click();
        await page.waitForURL(/scope=tool/);
        await counted(page, /runs?$/);
        assert.match(page.url(), /q=refund/);
        // A refused condition is said where one is; the list stays.
        await page.keyboard.press("f");
        await page.locator("#add-filter select[name=field]").selectOption("latency");
        await page.locator("#add-filter input[name=value]").fill("soon");
        page.expected = /400|422/;
        await page.locator("#add-filter").getByRole("button", { name: "Add" }).click();
        await page.waitForSelector(".toast.bad");
        assert.equal(await page.locator("#add-filter[open]").count(), 1);
        assert.ok(await page.locator("#listing tr.row").count() > 0);
      }
      assert.equal(await page.evaluate(() => globalThis.isSame), true, "the page was not loaded again");
      assert.deepEqual(page.problems, []);
      await page.close();
    }
    // Without scripts the same forms and links load the page.
    const context = await browser.newContext({ javaScriptEnabled: false, viewport: { width: 1280, height: 800 } });
    const plain = await context.newPage();
    await plain.goto(`${server.address}/p/${server.project}/traces`);
    await plain.locator("#add-filter summary").click();
    await plain.locator("#add-filter select[name=field]").selectOption("status");
    await plain.locator("#add-filter input[name=value]").fill("error");
    await plain.locator("#add-filter").getByRole("button", { name: "Add" }).click();
    await plain.waitForURL(/filter=eq/);
    assert.equal(await plain.locator(".listing .state:not(.error)").count(), 0);
    await plain.goto(`${server.address}/p/${server.project}/traces`);
    await plain.locator("#columns summary").click();
    await plain.getByLabel("Model", { exact: true }).check();
    await plain.getByRole("button", { name: "Show these" }).click();
    await plain.waitForURL(/columns=/);
    assert.ok((await plain.locator(".listing thead th").allInnerTexts()).includes("Model"));
    await plain.getByRole("link", { name: "Older" }).click();
    await plain.waitForURL(/cursor=/);
    assert.ok(await plain.locator(".listing tr.row").count() > 0);
    await context.close();
    return null;
  },

  async "a picture in a message is seen in its thread and its trace; what lies elsewhere or is none is named"() {
    const server = await startServer();
    const dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="pwned=1"><script>pwned=1</script></svg>').toString("base64");
    const html = Buffer.from("<script>pwned=1</script>").toString("base64");
    const image = (url) => ({ type: "image_url", image_url: { url } });
    await postRuns(server, "pictures", [{
      run_type: "llm", extra: { metadata: { session_id: "seen" } },
      inputs: { messages: [{ role: "user", content: [{ type: "text", text: "What is this?" }, image(`data:image/png;base64,${dot}`)] }] },
      outputs: { messages: [{ role: "assistant", content: "A dot." }] },
    }, {
      run_type: "llm", extra: { metadata: { session_id: "hostile" } },
      inputs: { messages: [{ role: "user", content: [
        image("https://elsewhere.example/a.png"), image("javascript:pwned=1"), image(`data:text/html;base64,${html}`), image("data:text/html,<script>pwned=1</script>"),
        image(`data:image/svg+xml;base64,${svg}`), image("data:image/svg+xml,<svg onload=pwned=1>"),
      ] }] },
      outputs: { messages: [{ role: "assistant", content: "Nothing to see." }] },
    }]);
    const project = await projectOf(server, "pictures");
    const page = await open(server, `/p/${project}/threads/seen`);
    const places = async (thread) => {
      await page.goto(`${server.address}/p/${project}/threads/${thread}`);
      await page.waitForSelector(".message.user");
      const trace = await page.locator(".turn-name").first().getAttribute("href");
      return [`/p/${project}/threads/${thread}`, trace];
    };
    for (const place of await places("seen")) {
      await page.goto(server.address + place);
      const picture = page.locator(".message.user .picture img");
      await picture.scrollIntoViewIfNeeded();
      await page.waitForFunction(() => document.querySelector(".message.user .picture img")?.naturalWidth === 1);
      assert.match(await picture.getAttribute("alt"), /^image \(image\/png\)/, place);
      assert.deepEqual(await faultsOf(page), [], place);
    }
    for (const place of await places("hostile")) {
      await page.goto(server.address + place);
      await page.waitForSelector(".message.user .media");
      assert.equal(await page.locator(".message img, .message svg, .message iframe").count(), 0, place);
      assert.equal(await page.locator(".message .media").count(), 6, place);
      assert.equal(await page.locator('.message .media a').count(), 0, place);
      assert.match(await page.locator(".message .media").first().innerText(), /https:\/\/elsewhere\.example\/a\.png/);
      assert.equal(await page.evaluate(() => typeof window.pwned), "undefined", place);
    }
    // Whatever is asked of another host is a problem of the page: there was none.
    return page;
  },

  async "twelve thousand rows scroll fluidly, and what is far away is not in the page"() {
    const server = await startServer();
    for (let at = 0; at < 24; at += 1) {
      await postRuns(server, "many", Array.from({ length: 500 }, (_, index) => ({ name: `run ${at * 500 + index}`, inputs: { number: at * 500 + index }, outputs: { ok: true } })));
    }
    const page = await open(server, `/p/${await projectOf(server, "many")}/traces`);
    await counted(page, /12,000 traces/);
    const seen = await scrolled(page, 12_000);
    assert.match(seen.last, /run \d+/);
    assert.equal(seen.portions.all, 1 + Math.ceil((12_000 - 24) / 40));
    assert.ok(seen.rows < 3000, `${seen.rows} rows are in the page`);
    assert.ok(seen.slow < 150, `a frame took ${seen.slow} ms`);
    await page.evaluate(() => { document.querySelector("#listing").scrollTop = 0; });
    await page.waitForFunction(() => document.querySelector("#listing tbody tr")?.classList.contains("row"));
    const rows = await page.evaluate(() => document.querySelectorAll("#listing tr.row").length);
    assert.ok(rows < 3000, `${rows} rows after going back`);
    // Closer together, more rows are in sight, and the list stays as long as its rows are.
    const sizes = () => page.evaluate(() => {
      const list = document.querySelector("#listing");
      const all = [...list.querySelectorAll("tbody")].reduce((sum, body) => sum + body.getBoundingClientRect().height, 0);
      return { row: list.querySelector("tr.row").getBoundingClientRect().height, all, pressed: document.querySelector("#density").ariaPressed };
    });
    const wide = await sizes();
    await page.locator("#density").click();
    const close = await sizes();
    assert.deepEqual([wide.row, close.row, wide.pressed, close.pressed], [40, 30, "false", "true"]);
    assert.ok(Math.abs(close.all - 12_000 * 30) < 60, `${close.all} px`);
    await page.locator("#density").click();
    assert.equal((await sizes()).row, 40);
    // On a narrow page rows are cards; what is in sight stays there, also on the way back.
    await page.evaluate(() => { document.querySelector("#listing").scrollTop = 60_000; });
    const atTop = () => page.evaluate(() => {
      const list = document.querySelector("#listing");
      const edge = list.getBoundingClientRect().top + list.querySelector("thead").offsetHeight;
      const row = [...list.querySelectorAll("tr.row")].find((one) => one.getBoundingClientRect().bottom > edge + 1);
      return row ? Number(/run (\d+)/.exec(row.textContent)[1]) : null;
    });
    const isIn = () => page.waitForFunction(() => document.elementFromPoint(200, 500)?.closest("tr.row"));
    await isIn();
    const top = await atTop();
    for (const [width, height] of [[375, 70], [1280, 40]]) {
      await page.setViewportSize({ width, height: 900 });
      await page.waitForFunction((least) => Math.abs(document.querySelector("#listing tr.row").getBoundingClientRect().height - least) < 40, height === 40 ? 40 : 130);
      await isIn();
      const now = await atTop();
      assert.ok(Math.abs(now - top) <= 2, `${now}, and before ${top}, ${width} px wide`);
    }
    // Whoever comes back from a row far down finds it again, not the top of the list.
    await page.evaluate(() => { document.querySelector("#listing").scrollTop = 150_000; });
    await opensAndComesBack(page);
    assert.ok(await page.evaluate(() => document.querySelector("#listing").scrollTop) > 100_000);
    await page.locator("#density").click();
    await page.reload();
    await page.waitForSelector("tr.row");
    assert.equal((await sizes()).row, 30, "the choice is kept");
    return page;
  },

  async "what arrives is announced and nothing jumps"() {
    const server = await startServer();
    await postRuns(server, "live", [{ inputs: { n: 0 } }]);
    const project = await projectOf(server, "live");
    const page = await open(server, `/p/${project}/traces`);
    await postRuns(server, "live", Array.from({ length: 12 }, (_, n) => ({ inputs: { n } })));
    await page.waitForSelector(".news-button", { timeout: 12_000 });
    assert.match(await page.locator(".news-button").innerText(), /^12 new/);
    assert.equal(await page.locator(".listing tr.row").count(), 1);
    await page.keyboard.press("n");
    await page.waitForFunction(() => document.querySelectorAll(".listing tr.row").length === 13);
    await page.goto(`${server.address}/p/${project}/threads`);
    await postRuns(server, "live", [{ inputs: { n: 99 }, start_time: new Date().toISOString(), end_time: new Date(Date.now() + 500).toISOString() }]);
    await page.waitForSelector(".news-button", { timeout: 12_000 });
    return page;
  },

  async "a trace is a waterfall that leads through its runs"() {
    const server = await startServer();
    const { root, runs } = await postTree(server, "agent", { error: "order A-1717 is not known" });
    const project = await projectOf(server, "agent");
    const page = await open(server, `/p/${project}/traces`);
    await page.locator(".listing .row-link").first().click();
    await arrived(page, "#tree .node");
    assert.deepEqual(await page.locator(".node-name").allInnerTexts(), ["support agent", "plan", "search shelves", "look up the order", "answer"]);
    const bars = await page.evaluate(() => [...document.querySelectorAll(".fall-bar")].map((bar) => [Number.parseFloat(bar.getAttribute("x")), Number.parseFloat(bar.getAttribute("width"))]));
    assert.deepEqual(bars[0], [0, 100]);
    assert.ok(bars[3][0] > 30 && bars[3][0] < 40 && bars[3][1] > 28 && bars[3][1] < 34, `${bars[3]}`);
    assert.match(await page.locator(".node", { hasText: "look up" }).innerText(), /error[\s\S]*2\.8 s/);
    assert.match(await page.locator("#detail").innerText(), /Where is my parcel/);
    assert.equal(await page.locator("#detail .prose strong").innerText(), "my");
    await page.keyboard.press("ArrowDown");
    await page.waitForFunction(() => document.querySelector("#detail h2").textContent.includes("plan"));
    assert.match(page.url(), new RegExp(`run=${runs[1].id}`));
    await page.keyboard.press("ArrowLeft");
    assert.equal(await page.locator(".node", { hasText: "search shelves" }).isVisible(), false);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("2");
    await page.waitForSelector("#detail .json");
    assert.match(page.url(), /view=json/);
    await page.keyboard.press("3");
    await page.waitForSelector("#detail .raw");
    await page.goBack();
    await page.waitForSelector("#detail .json");
    await page.locator("[data-search]").fill("A-1717");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".found");
    assert.match(await page.locator(".found").innerText(), /1 run, 2/);
    assert.equal(await page.locator(".hits").innerText(), "2");
    await page.goto(`${server.address}/r/${runs[2].id}`);
    await page.waitForFunction(() => document.querySelector("#detail h2").textContent.includes("look up the order"));
    assert.equal(new URL(page.url()).pathname, `/p/${project}/traces/${root}`);
    return page;
  },

  async "neighbours follow the list one came from, and Escape leads back to it"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/traces?filter=${encodeURIComponent('eq(status, "error")')}`);
    const ids = await page.evaluate(() => [...document.querySelectorAll("#listing tr.row")].slice(0, 3).map((row) => row.dataset.id));
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await arrived(page, "#tree");
    assert.match(page.url(), new RegExp(ids[0]));
    await page.keyboard.press("j");
    await page.waitForURL(new RegExp(`traces/${ids[1]}`));
    await arrived(page, "#tree");
    await page.keyboard.press("j");
    await page.waitForURL(new RegExp(`traces/${ids[2]}`));
    await arrived(page, "#tree");
    await page.keyboard.press("k");
    await page.waitForURL(new RegExp(`traces/${ids[1]}`));
    await arrived(page, "#tree");
    await page.keyboard.press("Escape");
    await page.waitForSelector("#listing tr.row");
    assert.match(page.url(), /filter=eq/);
    return page;
  },

  async "a payload of five megabytes opens at once and stays fluid"() {
    const server = await startServer();
    const payload = { rows: Array.from({ length: 20_000 }, (_, number) => ({ number, words: `row ${number} `.repeat(26) })), text: "long ".repeat(100_000) };
    assert.ok(JSON.stringify(payload).length > 5e6);
    const { root } = await postTree(server, "big", { payload });
    const project = await projectOf(server, "big");
    const page = await open(server, `/p/${project}/traces/${root}?view=json`);
    const begun = Date.now();
    await page.goto(`${server.address}/p/${project}/traces/${root}?view=json`);
    await page.waitForSelector(".json");
    const took = Date.now() - begun;
    assert.ok(took < 1500, `the page took ${took} ms`);
    const size = await page.evaluate(() => document.querySelectorAll("*").length);
    assert.ok(size < 3000, `${size} elements`);
    await page.locator(".json details", { has: page.locator("> summary", { hasText: /^rows/ }) }).last().locator("> summary").click();
    await page.waitForSelector(".json [data-more]");
    assert.match(await page.locator(".json [data-more]").last().innerText(), /19,900 more/);
    await page.locator(".json [data-more]").last().click();
    await page.waitForFunction(() => [...document.querySelectorAll(".json [data-more]")].at(-1).textContent.startsWith("19,800"));
    await page.locator(".json details", { has: page.locator("> summary", { hasText: /^text/ }) }).last().locator("> summary").click();
    await page.waitForSelector(".json .raw");
    await page.goto(`${server.address}/p/${project}/traces/${root}?view=raw`);
    await page.waitForSelector("#detail .raw");
    const scrolled = await page.evaluate(async () => {
      const pane = document.querySelector("#detail");
      const frames = [];
      let last = performance.now();
      let running = true;
      const tick = () => { const now = performance.now(); frames.push(now - last); last = now; if (running) requestAnimationFrame(tick); };
      requestAnimationFrame(tick);
      const end = performance.now() + 6000;
      while (performance.now() < end) {
        pane.scrollTop += 2500;
        await new Promise((done) => setTimeout(done, 16));
      }
      running = false;
      frames.sort((a, b) => a - b);
      return { slow: frames[Math.floor(frames.length * 0.98)], pieces: document.querySelectorAll("#detail .raw").length };
    });
    assert.ok(scrolled.pieces > 4, `${scrolled.pieces} pieces`);
    assert.ok(scrolled.slow < 160, `a frame took ${scrolled.slow} ms`);
    return page;
  },

  async "feedback is given, changed and taken back"() {
    const server = await startServer();
    const { root } = await postTree(server, "judged");
    const project = await projectOf(server, "judged");
    const page = await open(server, `/p/${project}/traces/${root}`);
    await page.locator("form[data-feedback] input[name=key]").fill("correctness");
    await page.locator("form[data-feedback] input[name=score]").fill("0.5");
    await page.locator("form[data-feedback] input[name=comment]").fill("half <b>right</b>");
    await page.getByRole("button", { name: "Give" }).click();
    await page.waitForSelector(".feedback li");
    assert.match(await page.locator(".feedback li").innerText(), /correctness[\s\S]*0\.5[\s\S]*half <b>right<\/b>/);
    const [given] = await api(server, "GET", `/feedback?run=${root}`);
    assert.deepEqual([given.key, given.score, given.run_id], ["correctness", 0.5, root]);
    await page.getByRole("button", { name: "Edit correctness" }).click();
    await page.locator("form[data-feedback] input[name=score]").fill("1");
    await page.getByRole("button", { name: "Save" }).click();
    await page.waitForFunction(() => document.querySelector(".feedback li b")?.textContent === "1");
    await page.getByRole("button", { name: "Delete correctness" }).click();
    await page.locator("dialog.confirm .danger").click();
    await page.waitForFunction(() => document.querySelectorAll(".feedback li").length === 0);
    assert.equal((await api(server, "GET", `/feedback?run=${root}`)).length, 0);
    return page;
  },

  async "a thread is a conversation, or its traces"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/threads`);
    await counted(page, /threads$/);
    await page.locator(".listing .row-link").first().click();
    await arrived(page, ".chat .turn .message");
    assert.ok(await page.locator(".chat .message.user").count() > 0);
    assert.match(await page.locator(".turn-facts").first().innerText(), / s|ms/);
    await page.keyboard.press("c");
    await arrived(page, ".turn-list .node");
    await page.locator(".turn-list .node a").first().click();
    await arrived(page, "#tree .node.current");
    await page.keyboard.press("Escape");
    await arrived(page, ".turn");
    await page.keyboard.press("]");
    await page.waitForURL(/threads\//);
    return page;
  },

  async "what is shared is seen by anybody, and nothing beside it"() {
    const server = await startServer();
    const { root, runs } = await postTree(server, "open");
    const { share_token } = await api(server, "PUT", `/runs/${runs[1].id}/share`, {});
    const page = await open(server, `/public/${share_token}/r`);
    assert.deepEqual(await page.locator(".node-name").allInnerTexts(), ["plan", "search shelves"]);
    assert.equal(await page.locator("form[data-feedback]").count(), 0);
    assert.ok(!(await page.content()).includes("support agent"));
    page.expected = /404/;
    const beside = await fetch(`${server.address}/public/${share_token}/r?run=${root}`);
    assert.equal(beside.status, 404);
    await page.locator(".node a").nth(1).click();
    await page.waitForFunction(() => document.querySelector("#detail h2").textContent.includes("search shelves"));
    return page;
  },

  async "a stretch of time on a chart leads to its traces, to a report, and closer"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/dashboard`);
    await page.waitForSelector("#chart-traces .plot");
    assert.ok(await page.locator(".chart").count() >= 9);
    assert.match(await page.locator(".facts").innerText(), /Traces[\s\S]*Error rate[\s\S]*Latency[\s\S]*Tokens[\s\S]*Cost/);
    const all = Number((await page.locator("#chart-traces .chart-figure").innerText()).replaceAll(/\D/g, ""));
    const box = await page.locator("#chart-traces .plot").boundingBox();
    await page.mouse.move(box.x + box.width * 0.3, box.y + 60);
    await page.waitForSelector(".chart-tip:visible");
    assert.match(await page.locator(".chart-tip").innerText(), /failed/);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + 70, { steps: 6 });
    await page.mouse.up();
    await page.waitForSelector(".chart-menu:visible");
    const report = await page.locator(".chart-menu a", { hasText: "report" }).getAttribute("href");
    assert.match(report, /insights\/new\?start=.*&end=/);
    const closer = await page.locator(".chart-menu a", { hasText: "closer" }).getAttribute("href");
    await page.locator(".chart-menu a", { hasText: "Traces" }).click();
    await page.waitForURL(/traces\?from=.*until=/);
    await counted(page, /traces?$/);
    const some = Number((await page.locator("#count").innerText()).replaceAll(/\D/g, ""));
    assert.ok(some > 0 && some < all, `${some} of ${all}`);
    await page.goto(server.address + closer);
    await page.waitForSelector("#chart-traces .plot");
    assert.equal(Number((await page.locator("#chart-traces .chart-figure").innerText()).replaceAll(/\D/g, "")), some);
    await page.locator("#chart-traces .plot").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Shift+ArrowRight");
    await page.keyboard.press("Shift+ArrowRight");
    await page.keyboard.press("Enter");
    await page.waitForSelector(".chart-menu:visible");
    await page.keyboard.press("Escape");
    assert.equal(await page.locator(".chart-menu:visible").count(), 0);
    return page;
  },

  async "charts are split by metadata and tags"() {
    const server = await startServer();
    for (const version of ["v1", "v2"]) {
      await postRuns(server, "versions", Array.from({ length: version === "v1" ? 7 : 5 }, () => ({ inputs: {}, outputs: {}, tags: [`tag ${version}`], error: version === "v2" ? "broken" : null, extra: { metadata: { version } } })));
    }
    const project = await projectOf(server, "versions");
    const page = await open(server, `/p/${project}/dashboard`);
    await page.waitForSelector("#chart-traces");
    await page.locator("#group summary").click();
    await page.locator("#group a", { hasText: "By version" }).click();
    await page.waitForSelector("#chart-traces .legend");
    assert.match(await page.locator("#chart-traces .legend").innerText(), /v1[\s\S]*v2/);
    await page.goto(`${server.address}/p/${project}/dashboard?group=tag`);
    await page.waitForSelector("#chart-errors .legend");
    assert.match(await page.locator("#chart-errors .legend").innerText(), /tag v1[\s\S]*tag v2/);
    return page;
  },

  async "nothing that a trace contains runs, in any list, thread, trace or chart"() {
    const server = await startServer();
    await postRuns(server, "hostile", XSS.map((payload, index) => ({
      name: payload, inputs: { messages: [{ role: "user", content: payload }], [payload]: payload }, outputs: { messages: [{ role: "assistant", content: XSS[(index + 1) % XSS.length], tool_calls: [{ id: payload, name: payload, args: { [payload]: payload } }] }] },
      error: index % 3 === 0 ? payload : null, tags: [payload], run_type: index % 4 === 0 ? "tool" : "chain", extra: { metadata: { [payload.slice(0, 60)]: payload, session_id: index % 2 ? payload : "one" } },
    })));
    const project = await projectOf(server, "hostile");
    const rows = await (await fetch(`${server.address}/runs/query`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ session: [project], limit: 100 }) })).json();
    for (const [index, payload] of XSS.slice(0, 20).entries()) {
      await api(server, "POST", "/feedback", { run_id: rows.runs[index % 5].id, key: payload, score: 1, value: payload, comment: payload });
      await api(server, "POST", `/sessions/${project}/views`, { display_name: payload, type: index % 2 ? "runs" : "threads" });
    }
    const base = `/p/${project}`;
    const every = "name,input,output,error,start,latency,model,tags,feedback,metadata,thread";
    const paths = [`${base}/traces?columns=${every}`, `${base}/threads`, `${base}/dashboard`, `${base}/dashboard?group=tag`, `${base}/dashboard?group=name`, `${base}/threads/one`, `${base}/threads/one?view=traces`,
      ...XSS.slice(0, 12).map((payload) => `${base}/traces?q=${encodeURIComponent(payload)}&filter=${encodeURIComponent(payload)}`),
      ...XSS.slice(0, 12).map((payload) => `${base}/traces?filter=${encodeURIComponent(`eq(name, ${JSON.stringify(payload)})`)}`),
      ...XSS.slice(0, 6).map((payload) => `${base}/threads/${encodeURIComponent(payload)}`),
      ...rows.runs.slice(0, 24).flatMap((run, index) => [`/r/${run.id}`, `${base}/traces/${run.id}?view=${index % 2 ? "json" : "raw"}&q=${encodeURIComponent(XSS[index])}&in=${encodeURIComponent(`traces?q=${XSS[index]}`)}`])];
    const page = await open(server, `${base}/traces`);
    page.expected = /404|400|422/;
    for (const path of paths) {
      await page.goto(server.address + path);
      await page.waitForTimeout(path.includes("dashboard") ? 500 : 60);
      const found = await page.evaluate(() => {
        for (const details of document.querySelectorAll("details")) details.open = true;
        for (const node of document.querySelectorAll("main *")) for (const kind of ["mouseover", "pointermove", "focus"]) node.dispatchEvent(new Event(kind, { bubbles: true }));
        const own = (address) => /^(#|\/(?![/\\])|\?)/.test(address);
        return {
          pwned: window.pwned,
          odd: [...document.querySelectorAll("main *")].filter((node) =>
            ["IFRAME", "OBJECT", "EMBED", "IMG", "BASE", "VIDEO", "MARQUEE", "STYLE", "SCRIPT", "FOREIGNOBJECT"].includes(node.tagName.toUpperCase())
            || [...node.attributes].some((attribute) => attribute.name.startsWith("on"))
            || node.hasAttribute("href") && !own(node.getAttribute("href")) && !(node.rel === "noopener noreferrer nofollow" && /^(https?|mailto):/i.test(node.href))).map((node) => node.cloneNode(false).outerHTML.slice(0, 160)),
        };
      });
      assert.deepEqual(found, { pwned: undefined, odd: [] }, path);
    }
    // What was opened on the last page may still be on its way.
    await page.goto("about:blank");
    return page;
  },

  async "no page has a serious fault of accessibility or is wider than a telephone, in either theme"() {
    const server = await demoServer();
    const base = `/p/${server.project}`;
    const { runs } = await (await fetch(`${server.address}/runs/query`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ session: [server.project], limit: 20, run_type: "tool", error: true }) })).json();
    const thread = await (await fetch(`${server.address}/threads?project=shop&limit=1`)).json();
    const pages = { threads: `${base}/threads`, traces: `${base}/traces`, "traces-filtered": `${base}/traces?filter=${encodeURIComponent('and(eq(status, "error"), gt(latency, "1s"))')}`,
      "traces-refused": `${base}/traces?filter=${encodeURIComponent("and(eq(status, )")}`, "traces-none": `${base}/traces?q=nothingatallmatches`,
      thread: `${base}/threads/${encodeURIComponent(thread.threads[0].thread_id)}`, "thread-traces": `${base}/threads/${encodeURIComponent(thread.threads[0].thread_id)}?view=traces`,
      trace: `/r/${runs[0].id}`, "trace-json": `${base}/traces/${runs[0].trace_id}?view=json` };
    const charts = (path) => async (page) => {
      await page.goto(server.address + path);
      await page.waitForSelector("#charts-body");
    };
    Object.assign(pages, { dashboard: charts(`${base}/dashboard`), "dashboard-split": charts(`${base}/dashboard?group=name`) });
    await inspect(server, pages, { shots, viewport: { width: 1440, height: 900 } });
    return null;
  },

  async "the keyboard is enough"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/insights`);
    await page.keyboard.press("g");
    await page.keyboard.press("r");
    await page.waitForURL(/traces$/);
    await arrived(page, "#listing tr.row");
    await page.keyboard.press("/");
    await page.keyboard.type("refund");
    await page.keyboard.press("Enter");
    await page.waitForURL(/q=refund/);
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await arrived(page, "#tree");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Escape");
    await page.waitForSelector("#listing tr.row");
    // The row one came from has the focus.
    await page.waitForFunction(() => document.activeElement.classList.contains("row-link"));
    await page.keyboard.press("e");
    await page.waitForFunction(() => document.activeElement.tagName === "TEXTAREA");
    await page.keyboard.press("Escape");
    await page.waitForSelector("#raw:not([open])");
    await page.keyboard.press("?");
    await page.waitForSelector("#keys[open]");
    return page;
  },

  async "pages are there within 300 ms, with a million runs stored"() {
    const { origin, pathname } = new URL(process.env.LARGE);
    const server = { address: origin };
    const page = await open(server, `${pathname}/traces`);
    const first = await page.locator(".row-link").first().getAttribute("href");
    await page.goto(`${origin}${pathname}/threads`);
    const thread = await page.locator(".row-link").first().getAttribute("href");
    const filtered = (list, text) => `${pathname}/${list}?filter=${encodeURIComponent(text)}`;
    const failed = 'eq(status, "error")';
    const made = await reportOf(server, pathname.split("/").at(-1));
    const paths = ["/", `${pathname}/dashboard`, `${pathname}/insights`, `${pathname}/insights/new`, made, `${made}#threads`, `${pathname}/settings`, first, thread];
    for (const list of ["traces", "threads"]) {
      paths.push(`${pathname}/${list}`, `${pathname}/${list}?q=refund`, `${pathname}/${list}?q=xyzzy`, `${pathname}/${list}?range=24h`);
      for (const text of [failed, `and(${failed}, gt(latency, "2s"))`, 'like(name, "%age%")', 'and(eq(input_key, "question"), eq(input_value, "x"))', 'and(eq(metadata_key, "user"), eq(metadata_value, "u1"))', 'like(output_value, "%nowhere%")']) paths.push(filtered(list, text));
    }
    const slow = [];
    for (const path of paths) {
      const times = [];
      for (let at = 0; at < 5; at += 1) {
        await page.goto(origin + path);
        times.push(await page.evaluate(() => new Promise((done) => {
          const found = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
          const look = () => (found() ? done(found()) : requestAnimationFrame(look));
          look();
        })));
      }
      report(slow, 300, median(times), decodeURIComponent(path.slice(0, 160)));
    }
    assert.deepEqual(slow, [], "first contentful paint");
    return page;
  },

  async "a hundred thousand rows scroll fluidly, with a million runs stored"() {
    const { origin, pathname } = new URL(process.env.LARGE);
    for (const list of ["traces?scope=all", "threads"]) {
      const page = await open({ address: origin }, `${pathname}/${list}`);
      const began = performance.now();
      const seen = await scrolled(page, 100_000);
      const took = (performance.now() - began) / 1000;
      console.log(`        ${list}: ${seen.portions.rows} rows in ${took.toFixed(0)} s, ${seen.rows} of them in the page, a frame ${seen.middle.toFixed(1)} ms, of a hundred the slowest ${seen.slow.toFixed(1)} ms`);
      assert.ok(seen.portions.rows >= 100_000 || list === "threads", `${seen.portions.rows} rows`);
      assert.ok(seen.rows < 3000, `${seen.rows} rows are in the page`);
      assert.ok(seen.slow < 100, `a frame took ${seen.slow} ms`);
      // Back at the top, and in the middle, rows are there as soon as one is.
      for (const part of [0, 0.5]) {
        await page.evaluate((at) => { const one = document.querySelector("#listing"); one.scrollTop = one.scrollHeight * at; }, part);
        await page.waitForFunction(() => document.elementFromPoint(400, 600)?.closest("tr.row"));
      }
      // Whoever opens the last row comes back to it.
      await page.evaluate(() => { const one = document.querySelector("#listing"); one.scrollTop = one.scrollHeight; });
      await opensAndComesBack(page);
      await page.close();
    }
    return null;
  },

  async "what one does is there within 100 ms, with a million runs stored"() {
    const { origin, pathname } = new URL(process.env.LARGE);
    const server = { address: origin };
    const page = await open(server, `${pathname}/traces`);
    const slow = [];
    const goes = async (words, prepare, isDone, work) => {
      const times = [];
      for (let at = 0; at < 5; at += 1) {
        await prepare();
        // Whoever does something has seen the page: it is painted, and has what it asked for.
        await page.waitForLoadState("networkidle");
        times.push(await timed(page, isDone, work));
      }
      report(slow, 100, median(times), words);
    };
    const to = (path) => async () => {
      await page.goto(`${origin}${pathname}${path}`);
      await page.waitForFunction(() => document.readyState === "complete" && document.querySelector("#count, #tree, .chart, .turn, .empty")?.isConnected);
    };
    // Done is what has painted its rows or its change, on this page or on the one it leads to.
    for (const list of ["traces", "threads"]) {
      await goes(`${list}: a filter is added by the form`, async () => {
        await to(`/${list}`)();
        await page.keyboard.press("f");
        await page.locator("#add-filter select[name=field]").selectOption("status");
        await page.locator("#add-filter input[name=value]").fill("error");
      }, () => location.search.includes("filter=") && document.querySelector("tr.row, .empty") !== null, () => document.querySelector("#add-filter form").requestSubmit());
      await goes(`${list}: the filter's form is opened`, to(`/${list}`), () => document.querySelector("#add-filter").open && document.activeElement.name === "field", () => { document.querySelector("#add-filter").open = true; });
      await goes(`${list}: the columns are opened`, to(`/${list}`), () => document.querySelector("#columns").open, () => document.querySelector("#columns summary").click());
      await goes(`${list}: a column is added`, async () => {
        await to(`/${list}`)();
        await page.locator("#columns summary").click();
      }, () => location.search.includes("columns=") && document.querySelector("tr.row") !== null, () => document.querySelector("#columns [type=checkbox]:not(:checked)").click());
      await goes(`${list}: a filter is written`, async () => {
        await to(`/${list}`)();
        await page.keyboard.press("e");
        await page.locator("#raw textarea").fill('and(eq(status, "error"), gt(latency, "2s"))');
      }, () => location.search.includes("filter=") && document.querySelector("tr.row, .empty") !== null, () => document.querySelector("#raw form").requestSubmit());
      await goes(`${list}: the last 24 hours`, to(`/${list}`), () => location.search.includes("range=") && document.querySelector("tr.row, .empty") !== null, () => document.querySelector('#time a[href*="range=24h"]').click());
      await goes(`${list}: back to the list before`, async () => {
        await to(`/${list}`)();
        await page.locator("[data-search]").fill("refund");
        await page.keyboard.press("Enter");
        await page.waitForURL(/q=refund/);
        await counted(page, /\d/);
      }, () => location.search === "" && document.querySelector("[data-search]").value === "" && document.querySelector("tr.row") !== null, () => history.back());
      for (const words of ["refund", "xyzzy"]) {
        await goes(`${list}: “${words}” is looked for`, async () => {
          await to(`/${list}`)();
          await page.locator("[data-search]").fill(words);
        }, () => location.search.includes("q=") && document.querySelector("tr.row, .empty") !== null, () => document.querySelector("[data-search]").form.requestSubmit());
      }
      await goes(`${list}: the first row is opened`, to(`/${list}`), () => document.querySelector("#detail, .turn") !== null, () => document.querySelector(".row-link").click());
      await goes(`${list}: back from what was opened`, async () => {
        await to(`/${list}`)();
        await page.locator(".row-link").first().click();
        await page.waitForSelector("#detail, .turn");
        await page.waitForFunction(() => document.readyState === "complete");
      }, () => /\/(traces|threads)$/.test(location.pathname) && document.querySelector("tr.row") !== null, () => history.back());
      await goes(`${list}: the next portion, once one scrolls to it`, to(`/${list}`), () => document.querySelectorAll("#listing tbody").length > globalThis.before, () => {
        const listing = document.querySelector("#listing");
        globalThis.before = listing.querySelectorAll("tbody").length;
        listing.scrollTop = listing.scrollHeight;
      });
    }
    await goes("traces: model calls instead", to("/traces"), () => location.search.includes("scope=llm") && document.querySelector("tr.row, .empty") !== null, () => document.querySelector('.choices a[href*="scope=llm"]').click());
    await goes("traces: sorted the other way", to("/traces"), () => location.search.includes("order=asc") && document.querySelector("tr.row") !== null, () => document.querySelector("a.sort").click());
    await to("/traces")();
    const first = await page.locator(".row-link").first().getAttribute("href");
    const there = async () => {
      await page.goto(`${origin}${first}`);
      await page.waitForFunction(() => document.querySelector("#older") !== null);
    };
    await goes("trace: the next one", there, (start) => location.href !== start && document.querySelector("#detail") !== null, () => document.querySelector("#older").click());
    await goes("trace: its own form of a run", there, (start) => location.href !== start && !document.querySelector("#detail").hasAttribute("aria-busy"), () => document.querySelectorAll(".run-views a:not([aria-current])")[0].click());
    await goes("trace: a run of the tree", there, () => document.querySelector(".node.current") !== null && !document.querySelector("#detail").hasAttribute("aria-busy"), () => [...document.querySelectorAll("#tree a")].at(-1).click());
    await to("/threads")();
    const thread = await page.locator(".row-link").first().getAttribute("href");
    const inThread = (query) => async () => {
      await page.goto(`${origin}${thread}${thread.includes("?") ? "&" : "?"}${query}`);
      await page.waitForSelector(".turn");
    };
    await goes("thread: its traces", inThread(""), () => location.search.includes("view=traces") && document.querySelector(".turn-list .node") !== null, () => document.querySelector(".choices a:not([aria-current])").click());
    await goes("thread: a run inside", inThread("view=traces"), (start) => location.href !== start && document.querySelector("#detail h2") !== null, () => [...document.querySelectorAll(".turn-list .node a")].at(-1).click());
    await goes("thread: the next one", inThread(""), (start) => location.href !== start && document.querySelector(".turn") !== null, () => document.querySelector("#older").click());
    const charts = async () => {
      await page.goto(`${origin}${pathname}/dashboard`);
      await page.waitForSelector("#chart-traces .plot");
    };
    const brush = () => {
      const plot = document.querySelector("#chart-traces .plot");
      const box = plot.getBoundingClientRect();
      for (const [kind, at] of [["down", 0.3], ["move", 0.4], ["move", 0.6], ["up", 0.6]]) {
        plot.dispatchEvent(new PointerEvent(`pointer${kind}`, { bubbles: true, button: 0, clientX: box.left + box.width * at, clientY: box.top + 20 }));
      }
    };
    await goes("dashboard: a stretch of time is chosen", charts, () => document.querySelector(".chart-menu:not([hidden])") !== null, brush);
    const made = await reportOf(server, pathname.split("/").at(-1));
    const inReport = (hash = "", selector = "#overview.current .categories") => async () => {
      // The same address with another place in it is no page that is loaded.
      await page.goto("about:blank");
      await page.goto(`${origin}${made}${hash}`);
      await page.waitForSelector(selector);
      await page.waitForFunction(() => performance.getEntriesByName("assay-ready").length > 0);
    };
    const listed = () => document.querySelector("#threads.current .thread-row, .category.current .thread-row") !== null;
    await goes("report: categories are sorted", inReport(), () => document.querySelector("#overview th[data-sort=p99]").hasAttribute("aria-sort"), () => document.querySelector("#overview th[data-sort=p99] .sort").click());
    // A handful of categories is not searched, and has no field for it.
    await inReport()();
    const isSearched = await page.locator("#category-filter").count() > 0;
    if (isSearched) await goes("report: categories are searched", inReport(), () => location.hash.includes("q="), () => {
      const field = document.querySelector("#category-filter");
      field.value = "a";
      field.dispatchEvent(new Event("input"));
    });
    await goes("report: a category is opened", inReport(), () => document.querySelector(".category.current") !== null, () => document.querySelector("#overview .categories .row-link").click());
    await goes("report: its threads are listed", inReport("#method", "#method.current"), listed, () => { location.hash = "#threads"; });
    await goes("report: its threads are searched", inReport("#threads", "#threads.current .thread-row"), () => location.hash.includes("q=") && !document.querySelector("#thread-list[aria-busy]"), () => {
      const form = document.querySelector("#search");
      form.elements.q.value = "a";
      form.requestSubmit();
    });
    await goes("report: a conversation is opened", inReport("#threads", "#threads.current .thread-row"), () => document.querySelector("#thread.current .message, #thread.current .talk .empty") !== null, () => document.querySelector("#threads .row-link").click());
    await goes("report: its map is opened", inReport(), () => document.querySelector("#map.current .map-canvas") !== null, () => { location.hash = "#map"; });
    await goes("report: its map is coloured by outcome", inReport("#map", "#map.current .map-canvas"), () => [...document.querySelectorAll("#map .legend-entry")].some((one) => one.textContent.startsWith("No failure")), () => {
      const select = document.querySelector("#map select");
      select.selectedIndex = [...select.options].findIndex((option) => option.text.includes("outcome"));
      select.dispatchEvent(new Event("change", { bubbles: true }));
    });
    const at = (path, selector) => async () => {
      await page.goto(`${origin}${path}`);
      await page.waitForSelector(selector);
    };
    await goes("projects: sorted by errors", at("/", "tr.row"), () => /sort=/.test(location.search) && document.querySelector("tr.row") !== null, () => [...document.querySelectorAll("thead a")].find((link) => link.textContent.includes("Errors")).click());
    await goes("insights: to a new report", at(`${pathname}/insights`, "tr.row"), () => document.querySelector("#condition-form") !== null, () => document.querySelector('a[href$="/insights/new"]').click());
    await goes("new report: a condition is added to its filter", async () => {
      await at(`${pathname}/insights/new?config=error-analysis`, "#add-filter")();
      await page.locator("#add-filter > summary").click();
      await page.locator("[data-builder] select[name=field]").selectOption("status");
      await page.locator("[data-builder] input[name=value]").fill("error");
    }, () => document.querySelector("#conditions .condition") !== null, () => document.querySelector("#condition-form").requestSubmit());
    await goes("dashboard: its traces", async () => {
      await charts();
      await page.evaluate(brush);
      await page.waitForSelector(".chart-menu:visible");
    }, () => location.pathname.endsWith("/traces") && document.querySelector("tr.row, .empty") !== null, () => document.querySelector(".chart-menu a").click());
    assert.deepEqual(slow, [], "from the input to the paint");
    return page;
  },
};

const skip = (name) => name.includes("million") && !process.env.LARGE && "LARGE names no project";
await runAll(tests, { browser, skip, after: () => demo?.stop() });

// The pages of a server in a real browser: from the first trace to a dataset,
// with the mouse, with the keyboard alone, in both themes and on a telephone.
//
//   cd crates/ui/tests/browser && npm install && node web.mjs
//
// Needs Node 20, Chromium (CHROMIUM names another binary) and the `assay`
// command: ASSAY names it, else cargo builds it. SHOTS is a folder for
// screenshots of every page in both themes, ONLY a word of the tests to run.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { XSS } from "./payloads.mjs";
import { runAll, startBrowser } from "./pages.mjs";
import { api, importDemo, postRuns, startServer, until } from "./server.mjs";

const shots = process.env.SHOTS;
if (shots) mkdirSync(shots, { recursive: true });
const { browser, open, faultsOf, inspect, picture } = await startBrowser();

/** A server with the demo and two reports, made once. */
let demo = null;
async function demoServer() {
  if (demo) return demo;
  const server = await startServer({ forAll: true });
  await importDemo(server, "shop");
  const [project] = await api(server, "GET", "/sessions?name=shop");
  const jobs = [];
  for (const config of ["usage-patterns", "error-analysis"]) {
    const job = await api(server, "POST", `/sessions/${project.id}/insights`, { config_id: config });
    await until(`report ${config}`, async () => (await api(server, "GET", `/sessions/${project.id}/insights/${job.id}`)).status === "success", 240);
    jobs.push(job.id);
  }
  const earlier = await api(server, "POST", `/sessions/${project.id}/insights`, { config_id: "usage-patterns", sample: 540, seed: 3 });
  await until("the earlier report of a part", async () => (await api(server, "GET", `/sessions/${project.id}/insights/${earlier.id}`)).status === "success", 240);
  const part = await api(server, "POST", `/sessions/${project.id}/insights`, { config_id: "usage-patterns", sample: 540, seed: 4 });
  await until("a report of a part", async () => (await api(server, "GET", `/sessions/${project.id}/insights/${part.id}`)).status === "success", 240);
  demo = { ...server, project: project.id, jobs, part: part.id };
  return demo;
}

const tests = {
  async "the first trace arrives while one looks, and opens its project"() {
    const server = await startServer();
    const page = await open(server, "/");
    assert.match(await page.locator(".onboarding").innerText(), /waiting for a trace/);
    for (const way of ["JavaScript", "OpenTelemetry", "Files", "Python"]) {
      await page.getByRole("tab", { name: way }).click();
      assert.equal(await page.locator(".way:visible").count(), 1);
    }
    assert.match(await page.locator(".way:visible").innerText(), new RegExp(`LANGSMITH_ENDPOINT=${server.address}`));
    await postRuns(server, "my-agent", [{ inputs: { question: "why?" }, outputs: { answer: "because" } }]);
    await page.waitForSelector("table.projects a:text-is('my-agent')", { timeout: 8000 });
    await page.locator("a:text-is('my-agent')").click();
    await page.waitForURL(/\/p\/[0-9a-f-]+\/insights$/);
    assert.equal(await page.locator(".tabs a[aria-current]").innerText(), "Insights");
    return page;
  },

  async "a report is drafted in plain words, runs before one's eyes, and leads to a dataset"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/insights`);
    // The report of a part is set beside the one before that asked the same; equal names have equal colours.
    assert.match(await page.locator(`tr[data-job="${server.part}"] .shares .sub`).innerText(), /[+−]\d+\.\d pts$/);
    const colors = await page.evaluate(() => [...document.querySelectorAll(".shares rect")].map((one) => [one.textContent.replace(/: [\d,]+ threads$/, ""), one.getAttribute("class")]));
    assert.equal(new Set(colors.map(([name]) => name)).size, new Set(colors.map((pair) => pair.join())).size);
    await page.getByRole("link", { name: "New report" }).click();
    await page.locator("textarea[name=does]").fill("It answers customers of a shop.");
    await page.locator("textarea[name=learn]").fill("What do people ask for, and are they satisfied?");
    await page.getByRole("button", { name: "Draft the report" }).click();
    await page.waitForSelector("#drafted:visible");
    assert.equal(await page.locator("#way-manual input[name=focus]:checked").inputValue(), "usage");
    await page.locator("input[name=name]").first().fill("Drafted here");
    await page.waitForFunction(() => /^\d/.test(document.querySelector('[data-estimate="population"]').textContent));
    assert.equal(await page.locator('[data-estimate="population"]').innerText(), "600");
    await page.locator("input[name=sample]").fill("400");
    await page.waitForFunction(() => document.querySelector('[data-estimate="threads"]').textContent === "400");
    await page.getByRole("button", { name: "Make the report" }).click();
    await page.waitForSelector("tr[data-job] >> text=Drafted here");
    // Its steps, how far it is, what it took, and a way to end it.
    await page.waitForSelector("tr.running-row");
    assert.deepEqual(await page.locator(".running-row .stages li").allInnerTexts(), ["Read", "Embed", "Group", "Name", "Count"]);
    await page.waitForFunction(() => document.querySelector(".stages .now") !== null && /^[\d,]+ of 400 threads$|texts?$|no count/.test(document.querySelector('[data-fact="done"]').textContent));
    assert.match(await page.locator('[data-fact="spent"]').innerText(), /^\$0$/);
    assert.ok(await page.getByRole("button", { name: "Cancel Drafted here" }).isVisible());
    await picture(page, "running", shots);
    await page.waitForSelector("tr:has-text('Drafted here') a.row-link", { timeout: 120_000 });
    await page.locator("tr:has-text('Drafted here') a.row-link").click();
    await page.waitForSelector("#overview.current .categories");
    await page.locator("#overview .categories .d0 a").first().click();
    await page.waitForSelector(".view.category.current .thread-row");
    await page.locator(".view.current .thread-row a").first().click();
    await page.waitForSelector("#thread.current .message");
    await page.keyboard.press("Escape");
    await page.waitForSelector(".view.category.current");
    await page.locator(".view.current").getByRole("button", { name: "Add to a dataset" }).click();
    await page.locator("#dataset-form input[name=name]").fill("from a category");
    await page.getByRole("button", { name: "Add threads" }).click();
    await page.waitForSelector(".toast.good");
    const [dataset] = await api(server, "GET", "/datasets?name=from%20a%20category");
    assert.ok(dataset.example_count > 10, `${dataset.example_count} examples`);
    return page;
  },

  async "a filter says how many threads it matches, and where it is wrong"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/insights/new?config=error-analysis`);
    assert.equal(await page.locator("#way-manual input[name=focus]:checked").inputValue(), "errors");
    // The form of one condition is that of the lists: fields, keys and values that occur, and a count before it is added.
    await page.locator("#add-filter > summary").click();
    await page.locator("[data-builder] select[name=field]").selectOption("status");
    await page.locator("[data-builder] input[name=value]").fill("error");
    await page.waitForFunction(() => /^\d+ threads? would be left$/.test(document.querySelector(".builder-count").textContent));
    const left = (await page.locator(".builder-count").innerText()).split(" ")[0];
    await page.locator("[data-builder] button[type=submit]").click();
    await page.waitForSelector("#conditions .condition");
    assert.match(await page.locator(".condition").innerText(), /Status\s+is\s+error/);
    assert.equal(await page.locator("#add-filter").getAttribute("open"), null);
    assert.equal(await page.locator("textarea[name=filter]").inputValue(), 'eq(status, "error")');
    assert.match(await page.locator("#filter-said").innerText(), new RegExp(`^${left} threads? match`));
    await page.waitForFunction(() => !["600", "…", "–"].includes(document.querySelector('[data-estimate="population"]').textContent));
    const some = Number((await page.locator('[data-estimate="population"]').innerText()).replace(",", ""));
    assert.ok(some > 0 && some < 600, `${some} of 600`);
    assert.equal(String(some), left);
    // Taken away again, all of them match.
    await page.locator(".condition button").click();
    await page.waitForFunction(() => document.querySelector("#filter-said").textContent === "600 threads match");
    assert.equal(await page.locator(".condition").count(), 0);
    // What the server refuses is said at the field, by its name in the form.
    page.expected = /400|422/;
    await page.locator("input[name=tier][value=names]").check();
    await page.locator("input[name=budget]").fill("-1");
    await page.waitForSelector(".field:has(input[name=budget]) .problem-text");
    assert.match(await page.locator(".field:has(input[name=budget]) .problem-text").innerText(), /^Budget: .*negative/);
    await page.locator("input[name=budget]").fill("");
    await page.waitForFunction(() => document.querySelector(".field:has(input[name=budget]) .problem-text") === null);
    await page.locator("input[name=tier][value=local]").check();
    await page.locator("#raw > summary").click();
    await page.locator("textarea[name=filter]").fill("eq(status");
    await page.waitForSelector("textarea[aria-invalid]");
    assert.match(await page.locator("#filter-problem").innerText(), /Column 1?\d: /);
    assert.equal(await page.locator("#filter-problem mark").count(), 1);
    await page.keyboard.press("Escape");
    // On a telephone what it takes stays in view, too.
    await page.setViewportSize({ width: 375, height: 812 });
    const { y, height } = await page.locator(".estimate").boundingBox();
    assert.ok(y > 300 && y + height <= 812, `${height} high at ${y}`);
    return page;
  },

  async "a config is saved with a schedule, runs, and is deleted"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/insights/new`);
    await page.getByRole("tab", { name: "Everything by hand" }).click();
    await page.locator("#more summary").click();
    await page.locator("select[name=schedule]").selectOption("weekly");
    await page.getByRole("button", { name: "Save as config" }).click();
    await page.locator("#save-form input[name=name]").fill("Every Monday");
    await page.locator("#save-form").getByRole("button", { name: "Save" }).click();
    await page.waitForSelector(".config:has-text('Every Monday') >> text=every Monday at 08:00");
    await page.getByRole("button", { name: "Delete Every Monday" }).click();
    await page.locator("dialog.confirm").getByRole("button", { name: "Delete" }).click();
    await page.waitForFunction(() => !document.body.innerText.includes("Every Monday"));
    return page;
  },

  async "a report is the same pages as its file: search, map, back, deep links, export"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/insights/${server.jobs[0]}`);
    await page.waitForSelector(".category-tools", { state: "attached" });
    const sent = page.bytes();
    assert.ok(sent <= 400_000, `${sent} bytes were sent`);
    await page.keyboard.press("/");
    await page.keyboard.type("refund");
    await page.waitForSelector("#threads.current .thread-row");
    const again = await open(server, page.url().slice(server.address.length));
    await again.waitForSelector("#threads.current .thread-row");
    assert.equal(await again.locator("#thread-list .list-count").innerText(), await page.locator("#thread-list .list-count").innerText());
    await again.close();
    await page.locator(".report-tabs a", { hasText: "Map" }).click();
    await page.waitForSelector("#map.current canvas");
    await page.goBack();
    await page.waitForSelector("#threads.current");
    for (const name of ["Page (HTML)", "Markdown", "Report (JSON)", "Threads (CSV)", "Threads (JSONL)"]) {
      const path = await page.locator(".menu-list a", { hasText: name }).getAttribute("href");
      const file = await fetch(server.address + path);
      assert.ok(file.ok && /^attachment; filename="usage-patterns[\w-]*\.\w+"$/.test(file.headers.get("content-disposition")), `${name}: ${file.headers.get("content-disposition")}`);
    }
    return page;
  },

  async "two reports are compared"() {
    const server = await demoServer();
    const page = await open(server, `/p/${server.project}/insights`);
    const boxes = page.locator('input[name="compare"]');
    await boxes.nth(0).check();
    await boxes.nth(1).check();
    await page.getByRole("link", { name: "Compare these two" }).click();
    await page.waitForSelector(".flow");
    assert.ok(await page.locator(".changes tbody tr").count() > 3);
    await page.locator(".changes a").first().click();
    await page.waitForSelector(".view.category.current");
    return page;
  },

  async "the keyboard is enough"() {
    const server = await demoServer();
    const page = await open(server, "/");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForSelector("table.reports");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#overview.current .categories");
    await page.waitForFunction(() => document.querySelector(".category-tools") !== null);
    for (let at = 0; at < 12; at += 1) {
      await page.keyboard.press("j");
      if (await page.evaluate(() => document.activeElement.getAttribute("href")?.startsWith("#category/"))) break;
    }
    await page.keyboard.press("Enter");
    await page.waitForSelector(".view.category.current");
    await page.keyboard.press("Escape");
    await page.waitForSelector("#overview.current");
    await page.keyboard.press("?");
    assert.equal(await page.locator("#keys").isVisible(), true);
    await page.keyboard.press("Escape");
    await page.goto(`${server.address}/p/${server.project}/insights`);
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await page.waitForURL(/settings$/);
    await page.keyboard.press("t");
    await page.keyboard.press("g");
    await page.keyboard.press("p");
    await page.waitForURL(`${server.address}/`);
    return page;
  },

  async "settings are changed and hold"() {
    const server = await startServer();
    await postRuns(server, "mine", [{ inputs: { a: 1 }, outputs: { b: 2 } }]);
    const page = await open(server, "/workspace/prices");
    await page.locator("input[name=name]").fill("ours");
    await page.locator("input[name=match_pattern]").fill("^ours$");
    await page.locator("input[name=prompt_cost]").fill("2.5");
    await page.locator("input[name=completion_cost]").fill("10");
    await page.getByRole("button", { name: "Add" }).click();
    await page.waitForSelector("tr:has-text('ours') >> text=$2.50");
    const [price] = await api(server, "GET", "/model-price-map");
    assert.deepEqual([Number(price.prompt_cost), Number(price.completion_cost)], [0.0000025, 0.00001]);
    await page.goto(`${server.address}/workspace/redaction`);
    await page.getByRole("checkbox", { name: "email" }).check();
    await page.waitForFunction(() => document.querySelector('output[name="tested"]').value.includes("[EMAIL]"));
    await page.getByRole("button", { name: "Add a pattern" }).click();
    await page.locator("input[name=pattern-name]").fill("customer");
    await page.locator("input[name=pattern-regex]").fill("Ada B[a-z]+");
    await page.waitForFunction(() => document.querySelector('output[name="tested"]').value.startsWith("[CUSTOMER], [EMAIL]"));
    await page.getByRole("button", { name: "Add a rule" }).click();
    await page.locator("input[name=rule-name]").fill("pings");
    await page.locator("input[name=rule-filter]").fill('eq(name, "ping")');
    await page.locator("input[name=sample_rate]").fill("50 %");
    await page.getByRole("button", { name: "Set the policy" }).click();
    await page.waitForSelector("text=replaces email");
    await page.getByRole("button", { name: "Edit the policy of *" }).click();
    assert.equal(await page.locator("#policy-heading").innerText(), "Change the policy of all projects");
    assert.equal(await page.locator("input[name=pattern-regex]").inputValue(), "Ada B[a-z]+");
    assert.equal(await page.locator("input[name=rule-filter]").inputValue(), 'eq(name, "ping")');
    assert.equal(await page.locator("input[name=sample_rate]").inputValue(), "50 %");
    assert.ok(await page.getByRole("checkbox", { name: "email" }).isChecked());
    await page.locator(".policy-rule [data-remove]").click();
    await page.getByRole("button", { name: "Set the policy" }).click();
    await page.waitForFunction(() => !document.querySelector("main").innerText.includes("pings"));
    assert.match(await page.locator("main").innerText(), /keeps 50\.0 % of traces[^]*replaces customer/);
    await page.goto(`${server.address}/workspace/models`);
    await page.getByRole("button", { name: "Set OPENAI_API_KEY" }).click();
    await page.locator("#secret input[name=value]").fill("sk-test");
    await page.locator("#secret").getByRole("button", { name: "Set" }).click();
    await page.waitForSelector("tr:has-text('OPENAI_API_KEY') >> text=set");
    assert.ok(!(await page.content()).includes("sk-test"));
    const [project] = await api(server, "GET", "/sessions?name=mine");
    await page.goto(`${server.address}/p/${project.id}/settings`);
    await page.locator("input[name=retention]").fill("30d");
    await page.locator("form:has(input[name=retention])").getByRole("button", { name: "Save" }).click();
    await page.locator("dialog.confirm").getByRole("button", { name: "Go on" }).click();
    await page.waitForSelector("text=kept for 30d");
    await page.getByRole("button", { name: "Delete project" }).click();
    await page.locator("dialog.confirm .danger").click();
    await page.waitForURL(`${server.address}/`);
    return page;
  },

  async "the first key closes the server, and its holder logs in, and out"() {
    const server = await startServer();
    const page = await open(server, "/workspace/keys");
    page.expected = /401|422/;
    await page.locator("input[name=description]").fill("mine");
    assert.deepEqual(await page.locator("select[name=role] option").allInnerTexts(), ["admin: everything"]);
    await page.getByRole("button", { name: "Make the key" }).click();
    await page.waitForSelector("#new-key:visible");
    const key = await page.locator("#new-key code").innerText();
    assert.match(key, /^asy_sk_/);
    await page.getByRole("link", { name: "I have copied it" }).click();
    await page.waitForSelector("th:has-text('mine')");
    await page.context().clearCookies();
    await page.goto(`${server.address}/workspace/about`);
    await page.waitForURL(/\/login\?next=/);
    assert.deepEqual(await faultsOf(page), []);
    if (shots) await page.screenshot({ path: join(shots, "login-light.png") });
    await page.locator("input[name=key]").fill("asy_sk_nonsense");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.waitForSelector("text=This key is not known here.");
    await page.emulateMedia({ colorScheme: "dark" });
    assert.deepEqual(await faultsOf(page), []);
    if (shots) await page.screenshot({ path: join(shots, "login-dark.png") });
    await page.locator("input[name=key]").fill(key);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.waitForURL(/workspace\/about$/);
    await page.goto(`${server.address}/`);
    await page.getByRole("button", { name: "New project" }).click();
    await page.locator("#project-form input[name=name]").fill("with a key");
    await page.getByRole("button", { name: "Create" }).click();
    await page.waitForURL(/\/p\/.*insights$/);
    const cookies = await page.context().cookies();
    assert.deepEqual(cookies.map(({ httpOnly, sameSite }) => [httpOnly, sameSite]), [[true, "Strict"]]);
    await page.getByRole("button", { name: "Log out" }).click();
    await page.waitForURL(/\/login$/);
    return page;
  },

  async "a page outlives a restart of its server"() {
    const server = await startServer();
    await postRuns(server, "steady", [{ inputs: { a: 1 }, outputs: { b: 1 } }]);
    const page = await open(server, "/");
    await page.waitForSelector("a:text-is('steady')");
    page.expected = /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|Failed to load/;
    const { port } = new URL(server.address);
    await server.stop({ keep: true });
    await startServer({ port, data: server.data });
    await page.locator("a:text-is('steady')").click();
    await page.waitForSelector("h1:text-is('Insights')");
    await page.goBack();
    await page.getByRole("button", { name: "Delete steady" }).click();
    await page.locator("dialog.confirm .danger").click();
    await page.waitForSelector(".onboarding");
    return page;
  },

  async "nothing that a trace or a name contains runs, on any page"() {
    const server = await startServer();
    const names = XSS.map((payload, index) => `${index} ${payload}`.slice(0, 180));
    await postRuns(server, names[0], XSS.map((payload, index) => ({
      name: payload, inputs: { messages: [{ role: "user", content: payload }] }, outputs: { messages: [{ role: "assistant", content: XSS[(index + 1) % XSS.length] }] },
      error: index % 3 === 0 ? payload : null, tags: [payload], extra: { metadata: { [payload.slice(0, 60)]: payload, session_id: payload } },
    })));
    for (const name of names.slice(1, 20)) await api(server, "POST", "/sessions", { name, description: name });
    const [project] = await api(server, "GET", `/sessions?name=${encodeURIComponent(names[0])}`);
    const insights = `/sessions/${project.id}/insights`;
    for (const payload of XSS.slice(0, 12)) {
      await api(server, "POST", `${insights}/configs`, { name: payload, description: payload, config: { focus: "usage", partitions: { [payload]: payload } } });
    }
    await api(server, "POST", "/model-price-map", { name: XSS[0], match_pattern: "x", prompt_cost: "1", completion_cost: "1", provider: XSS[1] });
    const made = [];
    for (const config of ["usage-patterns", "usage-patterns", "error-analysis"]) made.push(await api(server, "POST", insights, { config_id: config, name: XSS[2] }));
    for (const job of made) await until("a report", async () => !["queued", "running"].includes((await api(server, "GET", `${insights}/${job.id}`)).status), 120);
    const paths = ["/", `/?q=${encodeURIComponent(XSS[0])}`, `/p/${project.id}/insights`, `/p/${project.id}/insights/new`, `/p/${project.id}/settings`,
      `/p/${project.id}/insights/compare?before=${made[0].id}&after=${made[1].id}`, "/workspace/prices", "/workspace/redaction", `/login?next=${encodeURIComponent(XSS[0])}`,
      ...made.map((job) => `/p/${project.id}/insights/${job.id}`), `/nothing/${encodeURIComponent(XSS[0])}`];
    const page = await open(server, "/");
    page.expected = /404/;
    for (const path of paths) {
      await page.goto(server.address + path);
      await look(page, path);
    }
    for (const job of made) {
      await page.goto(`${server.address}/p/${project.id}/insights/${job.id}#threads`);
      const links = await page.evaluate(() => [...document.querySelectorAll("#threads .row-link")].map((link) => link.getAttribute("href")));
      for (const link of links.filter((_, index) => index % 9 === 0)) {
        await page.evaluate((to) => { location.hash = to; }, link);
        await page.waitForTimeout(40);
      }
      await look(page, "conversations");
    }
    return page;
  },

  async "on a telephone every figure of a list is in sight, and says what it is"() {
    const server = await demoServer();
    const page = await open(server, "/?window=all", { viewport: { width: 375, height: 812 } });
    const lists = { "/?window=all": "table.projects", [`/p/${server.project}/insights`]: "table.reports", [`/p/${server.project}/threads`]: "#listing table", [`/p/${server.project}/traces`]: "#listing table", [`/p/${server.project}/insights/${server.jobs[0]}`]: "#overview table.categories" };
    for (const [path, table] of Object.entries(lists)) {
      await page.goto(server.address + path);
      await page.waitForSelector(`${table} tbody tr`);
      const wrong = await page.evaluate((selector) => {
        const cells = [...document.querySelector(`${selector} tbody tr`).children].filter((cell) => cell.childNodes.length > 0);
        const isSeen = (cell) => {
          const { left, right, width, height } = cell.getBoundingClientRect();
          return width > 0 && height > 0 && left >= 0 && right <= innerWidth + 0.5;
        };
        const isNamed = (cell) => cell.dataset.label || cell.matches("th, .pick, .tools, .shares, .status-cell, .title-cell");
        return cells.filter((cell) => !isSeen(cell) || !isNamed(cell)).map((cell) => cell.outerHTML.slice(0, 120));
      }, table);
      assert.deepEqual(wrong, [], path);
    }
    return page;
  },

  async "no page has a serious fault of accessibility or is wider than a telephone, in either theme"() {
    const server = await demoServer();
    const project = `/p/${server.project}`;
    const pages = { projects: "/", insights: `${project}/insights`, "new-report": `${project}/insights/new?config=usage-patterns`, report: `${project}/insights/${server.jobs[0]}`,
      category: (page) => inside(page, server, "category"), conversation: (page) => inside(page, server, "conversation"), map: `${project}/insights/${server.jobs[0]}#map`,
      compare: `${project}/insights/compare?before=${server.jobs[0]}&after=${server.part}`, "project-settings": `${project}/settings`, models: "/workspace/models",
      prices: "/workspace/prices", redaction: "/workspace/redaction", keys: "/workspace/keys", about: "/workspace/about", missing: "/p/nothing/at/all" };
    await inspect(server, pages, { shots, expected: /404/ });
    const empty = await startServer();
    await inspect(empty, { "first-trace": "/" }, { shots });
    return null;
  },

  async "no dialog and no view inside a report has a serious fault of accessibility or moves by itself, in either theme"() {
    const server = await demoServer();
    const list = `/p/${server.project}/insights`;
    const report = `${list}/${server.jobs[0]}`;
    /** Goes somewhere, does something, and waits for what it opens. */
    const opens = (path, work, selector) => async (page) => {
      await page.goto(server.address + path);
      await page.waitForSelector("html.js");
      await page.waitForTimeout(150);
      await work(page);
      await page.waitForSelector(selector);
    };
    const click = (name) => (page) => page.getByRole("button", { name }).first().click();
    const press = (key) => (page) => page.keyboard.press(key);
    await inspect(server, {
      method: `${report}#method`, "report-threads": `${report}#threads?q=refund`, failures: `${list}/${server.jobs[1]}`,
      "choose-comparison": `${list}/compare`,
      "new-project": opens("/", press("n"), "#project-dialog[open]"),
      "delete-project": opens("/", click(/^Delete shop/), "dialog.confirm[open]"),
      help: opens("/", press("?"), "#keys[open]"),
      rename: opens(list, click(/^Rename/), "#rename-dialog[open]"),
      "delete-report": opens(list, click(/^Delete/), "dialog.confirm[open]"),
      "save-config": opens(`${list}/new?config=usage-patterns`, click("Save as config"), "#save-dialog[open]"),
      "new-report-more": opens(`${list}/new?config=usage-patterns`, async (page) => {
        await page.locator("input[name=tier][value=deep]").check();
        await page.locator("#more summary").click();
        await page.getByRole("button", { name: "Add a question" }).click();
        await page.getByRole("button", { name: "Add a category" }).click();
      }, ".attribute-fields"),
      evidence: opens(report, (page) => page.locator("#overview .figure").first().click(), "#evidence:popover-open"),
      collect: opens(report, async (page) => {
        await page.locator("#overview .categories .d0 a").first().focus();
        await page.keyboard.press("d");
      }, "#dataset-dialog[open]"),
      // Nobody has set a key of a provider here: what the tier takes cannot be told.
    }, { shots, expected: /400/ });
    return null;
  },
};

/** A view inside the report: its first category, or a conversation. */
async function inside(page, server, name) {
  await page.goto(`${server.address}/p/${server.project}/insights/${server.jobs[0]}`);
  await page.waitForSelector(".category-tools", { state: "attached" });
  await page.locator("#overview .categories .d0 a").first().click();
  await page.waitForSelector(".view.category.current .thread-row");
  if (name === "category") return;
  await page.locator(".view.current .thread-row a").first().click();
  await page.waitForSelector("#thread.current .message");
}

/** Touches everything and looks for what should not be there. */
async function look(page, place) {
  await page.waitForTimeout(80);
  const found = await page.evaluate(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
    for (const node of document.querySelectorAll("main *")) {
      for (const kind of ["mouseover", "focus", "toggle"]) node.dispatchEvent(new Event(kind, { bubbles: true }));
    }
    const own = (address) => address.startsWith("#") || /^\/(?![/\\])/.test(address) || address.startsWith("/?");
    return {
      pwned: window.pwned,
      odd: [...document.querySelectorAll("main *")].filter((node) =>
        ["IFRAME", "OBJECT", "EMBED", "IMG", "BASE", "VIDEO", "MARQUEE", "STYLE"].includes(node.tagName)
        || (node.tagName === "SCRIPT" && node.type !== "application/json")
        || [...node.attributes].some((attribute) => attribute.name.startsWith("on") || attribute.name === "style" && node.tagName !== "CANVAS")
        || !own(node.getAttribute("href") ?? "#")).map((node) => node.cloneNode(false).outerHTML.slice(0, 160)),
    };
  });
  assert.deepEqual(found, { pwned: undefined, odd: [] }, place);
}

await runAll(tests, { browser, after: () => demo?.stop() });

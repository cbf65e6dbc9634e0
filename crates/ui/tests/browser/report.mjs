// The report page in a real browser: nothing in a trace runs, nothing is asked of
// any server, and a reader gets from the summary to a conversation and back.
//
//   cd crates/ui/tests/browser && npm install && npm test
//
// Needs Node 20, cargo, and Chromium (Debian: `apt-get install chromium`);
// CHROMIUM names another binary, REPORTS a folder of pages made before
// (html.html, hostile.html, wide.html, large.html, empty.html), SHOTS a folder for screenshots.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const folder = process.env.REPORTS ?? makeReports();
const shots = process.env.SHOTS;
if (shots) mkdirSync(shots, { recursive: true });

function makeReports() {
  const made = mkdtempSync(join(tmpdir(), "assay-report-"));
  for (const form of ["html", "hostile", "wide", "large", "crowd", "empty"]) {
    const page = execFileSync("cargo", ["run", "-q", "-p", "assay-ui", "--example", "sample", form], { maxBuffer: 1 << 28 });
    writeFileSync(join(made, `${form}.html`), page);
  }
  return made;
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
});

/** A page on which any request, error, dialog or blocked action is a failure. */
async function open(form, hash = "", options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  page.problems = [];
  const address = pathToFileURL(join(folder, `${form}.html`)).href;
  page.on("request", (request) => { if (!request.url().startsWith(address)) page.problems.push(`request ${request.url()}`); });
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) page.problems.push(message.text()); });
  page.on("pageerror", (error) => page.problems.push(error.message));
  page.on("dialog", (dialog) => { page.problems.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(address + hash);
  await page.waitForSelector("html.js .view.current");
  return page;
}

const view = (page) => page.evaluate(() => document.querySelector(".view.current").id);
const text = (page, selector) => page.locator(selector).first().innerText();

/** Reads until what is read is what is expected: a click answers before the page has drawn. */
async function becomes(read, expected) {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const found = await read();
    if (isDeepStrictEqual(found, expected) || Date.now() > deadline) return assert.deepEqual(found, expected);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Goes to an address within the page and lets it draw. */
async function visit(page, hash) {
  await page.evaluate((to) => { location.hash = to; }, hash);
  await page.waitForTimeout(60);
}

const tests = {
  async "nothing that a trace contains runs, loads or navigates"() {
    const page = await open("hostile");
    const start = page.url();
    const hashes = await page.evaluate(() => [...new Set([...document.querySelectorAll("main a[href^='#']")].map((link) => link.getAttribute("href")))]);
    for (const hash of ["#threads", "#map", "#method", ...hashes.filter((_, index) => index % 5 === 0).slice(0, 60)]) {
      await visit(page, hash);
      await page.evaluate(() => {
        for (const details of document.querySelectorAll(".view.current details")) details.open = true;
        for (const node of document.querySelectorAll(".view.current *")) {
          for (const kind of ["mouseover", "focus", "toggle", "blur"]) node.dispatchEvent(new Event(kind, { bubbles: true }));
        }
      });
    }
    const shown = await page.evaluate(() => ({
      pwned: window.pwned,
      odd: [...document.querySelectorAll("main *")].filter((node) =>
        ["SCRIPT", "IFRAME", "OBJECT", "EMBED", "IMG", "LINK", "BASE", "VIDEO", "MARQUEE", "STYLE"].includes(node.tagName)
        || [...node.attributes].some((attribute) => attribute.name.startsWith("on"))
        || (node.getAttribute("href") ?? "#").startsWith("#") === false).map((node) => node.outerHTML.slice(0, 100)),
    }));
    assert.deepEqual(shown, { pwned: undefined, odd: [] });
    assert.equal(page.url().split("#")[0], start.split("#")[0]);
    return page;
  },

  async "every payload is shown in the conversation as it was written"() {
    const page = await open("hostile");
    const href = await page.locator(".highlight").first().getAttribute("href");
    await visit(page, href);
    const words = await page.locator(".talk").textContent();
    for (const payload of ["<script>window.pwned=1</script>", "<img src=x onerror=window.pwned=1>", "⟦U+202E⟧txt.exe", "tags ⟦U+E0041⟧"]) {
      assert.ok(words.includes(payload), `${payload} is not shown`);
    }
    return page;
  },

  async "from the summary to a category, a subcategory, a thread, a tool call, and back"() {
    const page = await open("html");
    await page.locator("#overview .categories a", { hasText: "Refunds and payments" }).click();
    await becomes(() => view(page), "category/t1");
    await page.locator(".view.current .categories a", { hasText: "Ask for a refund" }).click();
    await becomes(() => text(page, ".view.current h1"), "Ask for a refund");
    await page.locator(".view.current select[name=status]").selectOption("failing");
    await becomes(() => text(page, ".view.current .list-count"), "28 threads listed");
    await page.locator(".view.current .thread-row a").nth(2).click();
    await becomes(() => view(page), "thread");
    await page.locator(".call summary").first().click();
    assert.match(await text(page, ".call"), /"order": 88213/);
    assert.match(await text(page, ".call .failure"), /timed out/);
    await page.goBack();
    await becomes(() => text(page, ".view.current h1"), "Ask for a refund");
    await becomes(() => text(page, ".view.current .list-count"), "28 threads listed");
    await page.goBack();
    await page.goBack();
    await becomes(() => view(page), "overview");
    return page;
  },

  async "search finds threads and categories, and its address can be shared"() {
    const page = await open("html");
    await page.keyboard.press("/");
    await page.keyboard.type("invoice vat");
    await page.waitForFunction(() => document.querySelector(".view.current").id === "threads");
    const found = await text(page, "#thread-list .list-count");
    assert.match(found, /^\d+ threads$/);
    assert.ok((await text(page, ".thread-request")).includes("VAT"));
    assert.ok((await text(page, ".category-hits")).includes("Invoices"));
    const again = await open("html", page.url().slice(page.url().indexOf("#")));
    await becomes(() => text(again, "#thread-list .list-count"), found);
    await again.close();
    await page.locator("#search input").fill("no such words");
    await page.waitForSelector("#thread-list .empty");
    await page.getByRole("button", { name: "Clear the filters" }).click();
    await becomes(() => text(page, "#thread-list .list-count"), "400 threads");
    return page;
  },

  async "a number shows what it counts and leads to the threads behind it"() {
    const page = await open("html");
    await page.locator(".figure").nth(1).click();
    assert.match(await text(page, "#evidence"), /some failure shows\n28 of \d+ analysed threads, 95 % interval/);
    await page.locator("#evidence a").click();
    await becomes(() => text(page, "#thread-list .list-count"), "28 threads");
    assert.match(page.url(), /#threads\?category=c03&status=failing$/);
    await becomes(() => page.locator("#evidence").isVisible(), false);
    await visit(page, "#overview");
    await page.locator(".reference").first().click();
    await becomes(() => view(page), "thread");
    for (const [link, status] of [["#overview .fact a >> nth=0", "failing"], ["#overview .categories tbody tr a.rate >> nth=0", "failing"]]) {
      await visit(page, "#overview");
      const shown = page.locator(link);
      await shown.click();
      await becomes(() => view(page), "threads");
      assert.equal(await page.locator("#thread-list select[name=status]").inputValue(), status);
      assert.ok(await page.locator("#thread-list .state.failed").count() > 0);
    }
    await visit(page, "#overview");
    await page.locator("#overview .attribute a").first().click();
    await becomes(() => view(page), "threads");
    await becomes(() => page.locator(".chip.removable").count(), 1);
    return page;
  },

  async "j and k keep to the list one came from, and begin with the categories in the overview"() {
    const page = await open("html", "#thread/thread-0208");
    const steps = () => text(page, "#thread .steps").then((words) => words.trim());
    await becomes(async () => / of 400$/.test(await steps()), true);
    for (let at = 0; at < 12; at += 1) {
      await page.keyboard.press("j");
      await becomes(async () => / of 400$/.test(await steps()), true);
    }
    await visit(page, "#overview");
    await page.keyboard.press("j");
    assert.ok(await page.evaluate(() => document.activeElement.closest("#overview .categories tbody") !== null));
    await page.locator(".highlight").nth(1).click();
    await becomes(async () => /^2 of \d\d?$/.test(await steps()), true);
    return page;
  },

  async "found words are marked, and the second line does not say the first again"() {
    const page = await open("html", "#threads?q=refund");
    const marks = await page.locator(".thread-row mark").allTextContents();
    assert.ok(marks.length > 0 && marks.every((words) => words.toLowerCase() === "refund"), marks.join());
    return page;
  },

  async "messages are read as Markdown, and what would lead elsewhere stays text"() {
    const page = await open("html");
    // The first that went well.
    await visit(page, "#threads?status=fine");
    await page.locator("#thread-list .row-link").first().click();
    await page.waitForSelector("#thread.current .message.assistant .prose-head");
    const parts = (selector) => page.locator(`#thread .message.assistant ${selector}`).allInnerTexts();
    assert.deepEqual(await parts(".prose-head"), ["Your parcel"]);
    assert.deepEqual(await parts(".words strong"), ["on its way"]);
    assert.deepEqual(await parts(".prose-list li span:last-child"), ["van_7", "[a map](javascript:alert)"]);
    assert.deepEqual(await parts(".words .code"), ['{ "eta": "**Tuesday**" }']);
    assert.ok((await text(page, ".talk")).includes("yara_garcia_1905, 2*3*4 kg:"));
    return page;
  },

  async "the keyboard is enough"() {
    const page = await open("html");
    await page.keyboard.press("l");
    await page.waitForSelector("#threads.current .thread-row");
    for (const key of ["j", "j", "j", "k"]) await page.keyboard.press(key);
    const request = await page.evaluate(() => document.activeElement.querySelector(".thread-request").textContent);
    const focused = await page.evaluate(() => document.activeElement.getAttribute("href"));
    await page.keyboard.press("Enter");
    await page.waitForSelector("#thread.current h1");
    assert.ok(request.includes(await text(page, "#thread h1")));
    await page.keyboard.press("j");
    await page.waitForFunction((before) => location.hash !== before, focused);
    await page.keyboard.press("k");
    await page.waitForFunction((before) => location.hash === before, focused);
    await page.keyboard.press("Escape");
    await page.waitForSelector("#threads.current");
    await becomes(() => page.evaluate(() => document.activeElement.getAttribute("href")), focused);
    // Keys that follow faster than the browser tells of a new address mean the same.
    await page.keyboard.press("Enter");
    await page.waitForSelector("#thread.current h1");
    await page.evaluate(() => {
      for (const key of ["j", "j", "k", "k", "Escape"]) document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    });
    await page.waitForSelector("#threads.current");
    await becomes(() => page.evaluate(() => document.activeElement.getAttribute("href")), focused);
    await page.keyboard.press("o");
    await page.waitForSelector("#overview.current");
    await page.locator("#overview .categories tbody a").first().focus();
    await page.keyboard.press("ArrowLeft");
    await becomes(() => page.locator("#overview .categories a", { hasText: "Track a parcel" }).isVisible(), false);
    await page.keyboard.press("ArrowRight");
    await becomes(() => page.locator("#overview .categories a", { hasText: "Track a parcel" }).isVisible(), true);
    await page.keyboard.press("?");
    await becomes(() => page.locator("#keys").isVisible(), true);
    return page;
  },

  async "categories sort and filter"() {
    const page = await open("html");
    const names = () => page.locator("#overview .categories tbody tr.d0 .row-link").allInnerTexts();
    await page.locator("#overview th[data-sort=failures] .sort").click();
    await becomes(async () => (await names())[0], "Refunds and payments");
    await page.locator("#overview th[data-sort=failures] .sort").click();
    await becomes(async () => (await names()).at(-1), "Refunds and payments");
    await page.locator("#category-filter").fill("boots");
    await becomes(() => page.locator("#no-category").isVisible(), true);
    await page.locator("#category-filter").fill("stock");
    await becomes(() => page.locator("#overview tbody tr:visible .row-link").allInnerTexts(), ["Product questions", "Stock and availability"]);
    return page;
  },

  async "how the categories are shown stands in the address"() {
    const page = await open("html");
    const shown = () => page.locator("#overview .categories tbody tr:visible .row-link").allInnerTexts();
    await page.locator("#overview th[data-sort=failures] .sort").click();
    await page.locator("#unfold").click();
    await page.locator("#category-filter").fill("stock");
    await becomes(() => page.evaluate(() => location.hash), "#overview?sort=-failures&open=none&q=stock");
    const before = await shown();
    await page.reload();
    await page.waitForSelector("html.js .view.current");
    assert.deepEqual(await shown(), before);
    assert.equal(await page.locator("#category-filter").inputValue(), "stock");
    assert.equal(await page.locator("#overview th[data-sort=failures]").getAttribute("aria-sort"), "descending");
    // What is not looked for any more is there again, in the same order and as far unfolded.
    await page.locator("#category-filter").fill("");
    await becomes(async () => (await shown()).length > before.length, true);
    const all = await shown();
    // Into a category and back by keys, by the browser and by the tab: it stays so.
    for (const back of [() => page.keyboard.press("Escape"), () => page.goBack(), () => page.locator('.tabs a[href="#overview"]').click()]) {
      await page.locator("#overview .categories tbody .row-link").first().click();
      await page.waitForSelector(".category.current");
      await back();
      await page.waitForSelector("#overview.current");
      assert.deepEqual(await shown(), all);
      await becomes(() => page.evaluate(() => location.hash), "#overview?sort=-failures&open=none");
    }
    return page;
  },

  async "the theme follows the system until it is chosen, and the choice is kept"() {
    const page = await open("html", "", { colorScheme: "dark" });
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await background();
    await page.locator("#theme").click();
    assert.notEqual(await background(), dark);
    await page.reload();
    assert.notEqual(await background(), dark);
    return page;
  },

  async "a dot of the map says what it is and opens its thread"() {
    const page = await open("html", "#map");
    const box = await page.locator(".map-over").boundingBox();
    let found = false;
    for (let x = 60; x < box.width - 60 && !found; x += 9) {
      await page.mouse.move(box.x + x, box.y + box.height * 0.62);
      found = await page.locator(".map-tip").isVisible();
    }
    assert.ok(found, "no dot found");
    await page.mouse.down();
    await page.mouse.up();
    await page.waitForSelector("#thread.current");
    await page.goBack();
    await page.locator(".legend-entry").nth(1).click();
    await becomes(() => page.locator(".legend-entry").nth(1).getAttribute("aria-pressed"), "true");
    return page;
  },

  async "the map is coloured by category, outcome or attribute, and its legend narrows it"() {
    const page = await open("html", "#map");
    const entries = () => page.locator(".legend-entry").allInnerTexts();
    assert.match((await entries())[0], /Orders and delivery\s+\d/);
    await page.locator("#map select").selectOption({ label: "Color by outcome" });
    await becomes(async () => (await entries()).map((entry) => entry.split(/\s+\d/)[0]), ["No failure", "Failing", "Unfinished"]);
    await page.locator("#map select").selectOption({ label: "Color by language" });
    const languages = await entries();
    assert.deepEqual(languages.map((entry) => entry.slice(0, 2)).sort(), ["de", "en", "es"]);
    assert.equal(languages.map((entry) => Number(entry.replaceAll(/\D/g, ""))).reduce((a, b) => a + b), 400);
    const before = await page.evaluate(() => document.querySelector(".map-canvas").toDataURL());
    await page.locator(".legend-entry", { hasText: "de" }).click();
    await page.waitForFunction((old) => document.querySelector(".map-canvas").toDataURL() !== old, before);
    assert.match(page.url(), /color=attribute%3Alanguage&only=%3Dde/);
    const again = await open("html", page.url().slice(page.url().indexOf("#")));
    await becomes(() => again.locator(".legend-entry[aria-pressed=true]").innerText().then((words) => words.slice(0, 2)), "de");
    await again.locator("#map select").selectOption({ label: "Color by turns" });
    assert.ok(await again.locator(".legend-entry .q0").count() === 1 && await again.locator(".legend-entry .q4").count() === 1);
    await again.locator("#map select").selectOption({ label: "Color by tools used" });
    assert.match((await again.locator(".legend-entry").first().innerText()), /verify_customer\s+400/);
    assert.deepEqual(again.problems, []);
    await again.close();
    return page;
  },

  async "drawing around dots lists their threads, and the address keeps the area"() {
    const page = await open("html", "#map");
    const box = await page.locator(".map-over").boundingBox();
    const draw = async (left, top, right, bottom) => {
      const at = (x, y) => [box.x + box.width * x, box.y + box.height * y];
      await page.mouse.move(...at(left, top));
      await page.mouse.down();
      for (const corner of [[right, top], [right, bottom], [left, bottom], [left, top]]) await page.mouse.move(...at(...corner), { steps: 6 });
      await page.mouse.up();
    };
    await page.getByRole("button", { name: /^Draw around/ }).click();
    await draw(0.005, 0.005, 0.92, 0.99);
    await becomes(() => text(page, "#map-area h2"), "400 threads in the area");
    assert.equal(await page.locator(".map-zoom [aria-pressed]").getAttribute("aria-pressed"), "false");
    await page.keyboard.down("Shift");
    await draw(0.1, 0.2, 0.5, 0.8);
    await page.keyboard.up("Shift");
    const few = await text(page, "#map-area h2");
    const count = Number.parseInt(few, 10);
    assert.ok(count > 0 && count < 400, few);
    await becomes(() => page.locator("#map-area .thread-row").count(), Math.min(count, 60));
    assert.match(await text(page, "#map-area .chips"), /% failing/);
    const again = await open("html", page.url().slice(page.url().indexOf("#")));
    await becomes(() => text(again, "#map-area h2"), few);
    const row = again.locator("#map-area .row-link").nth(1);
    const href = await row.getAttribute("href");
    await row.click();
    await again.waitForSelector("#thread.current");
    assert.match(await text(again, "#thread .steps"), new RegExp(`^2 of ${count}`));
    await again.keyboard.press("Escape");
    await again.waitForSelector("#map.current");
    await becomes(() => again.evaluate(() => document.activeElement.getAttribute("href")), href);
    await again.getByRole("button", { name: "Clear the area" }).click();
    await becomes(() => again.locator("#map-area").isVisible(), false);
    assert.ok(!again.url().includes("area="));
    assert.deepEqual(again.problems, []);
    await again.close();
    return page;
  },

  async "the map needs no mouse, and stands still for who wants less motion"() {
    const page = await open("html", "#map", { reducedMotion: "reduce" });
    const picture = () => page.evaluate(() => new Promise((done) => {
      requestAnimationFrame(() => requestAnimationFrame(() => done(document.querySelector(".map-canvas").toDataURL())));
    }));
    await page.locator(".map-over").focus();
    const whole = await picture();
    await page.keyboard.press("v");
    await becomes(() => text(page, "#map-area h2"), "400 threads in the area");
    for (const key of ["+", "+", "+", "ArrowLeft"]) await page.keyboard.press(key);
    const closer = await picture();
    assert.notEqual(closer, whole);
    await page.waitForTimeout(300);
    assert.equal(await picture(), closer, "something still moves");
    await page.keyboard.press("v");
    await page.waitForFunction(() => Number.parseInt(document.querySelector("#map-area h2").textContent, 10) < 400);
    assert.ok(await page.locator(".map-tip").isHidden());
    await page.keyboard.press("c");
    await becomes(() => page.locator("#map-area").isVisible(), false);
    await page.keyboard.press("0");
    assert.equal(await picture(), whole);
    await page.keyboard.press("+");
    await page.waitForSelector(".map-tip:visible");
    const request = await text(page, ".map-tip strong");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#thread.current");
    assert.ok((await text(page, "#thread h1")).startsWith(request.slice(0, 40)));
    return page;
  },

  async "twenty thousand dots stay fluid"() {
    const page = await open("crowd", "#map");
    const box = await page.locator(".map-over").boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.evaluate(() => {
      window.frames20k = [];
      let last = performance.now();
      const tick = (now) => { window.frames20k.push(now - last); last = now; requestAnimationFrame(tick); };
      requestAnimationFrame(tick);
    });
    for (let at = 0; at < 24; at += 1) {
      await page.mouse.wheel(0, at < 12 ? -40 : 40);
      await page.mouse.move(box.x + box.width * (0.3 + at / 60), box.y + box.height / 2);
    }
    const frames = (await page.evaluate(() => window.frames20k)).sort((a, b) => a - b);
    const slow = frames[Math.floor(frames.length * 0.95)];
    assert.ok(slow < 120, `a frame took ${slow} ms`);
    const took = await page.evaluate(async () => {
      const begun = performance.now();
      document.querySelector(".map-view").click();
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      return performance.now() - begun;
    });
    assert.match(await text(page, "#map-area h2"), /^\d+,\d{3} threads/);
    assert.ok(took < 400, `listing took ${took} ms`);
    return page;
  },

  async "nothing is wider than a telephone"() {
    const page = await open("html", "", { viewport: { width: 375, height: 812 } });
    for (const hash of ["#overview", "#threads", "#map", "#method", "#category/t1", "#category/c03", "#thread/thread-0208"]) {
      await visit(page, hash);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${hash} overflows`);
    }
    return page;
  },

  async "five thousand threads and a thousand categories stay fluid"() {
    const page = await open("large", "#threads");
    const took = await page.evaluate(async () => {
      const start = performance.now();
      location.hash = "#threads?q=refund&sort=cost";
      await new Promise((done) => addEventListener("hashchange", () => requestAnimationFrame(done), { once: true }));
      return performance.now() - start;
    });
    assert.ok(took < 400, `a search took ${took} ms`);
    assert.ok(await page.locator(".thread-row").count() < 400, "rows are drawn before they are needed");
    const wide = await open("wide");
    await becomes(() => wide.locator("#overview tbody tr:visible").count(), 100);
    await wide.locator("#category-filter").fill("leaf 777");
    await becomes(() => wide.locator("#overview tbody tr:visible").count(), 2);
    assert.deepEqual(wide.problems, []);
    await wide.close();
    return page;
  },

  async "an empty report says what to do"() {
    const page = await open("empty");
    assert.match(await text(page, "#overview .empty"), /Nothing was analysed/);
    await visit(page, "#thread/none");
    assert.match(await text(page, "#thread .empty"), /not in the page/);
    return page;
  },

  async "no view has a serious fault of accessibility, in either theme"() {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open("html", "", { colorScheme });
      for (const hash of ["#overview", "#threads", "#map", "#map?color=outcome&area=0.0_10000.0_10000.10000_0.10000", "#method", "#category/t1", "#thread/thread-0208"]) {
        await visit(page, hash);
        const found = await page.evaluate(async (source) => {
          if (!window.axe) (0, eval)(source);
          const result = await window.axe.run(document, { resultTypes: ["violations"] });
          return result.violations.filter((one) => ["serious", "critical"].includes(one.impact))
            .map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 120)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
        }, axe).catch((error) => [error.message]);
        assert.deepEqual(found, [], `${colorScheme} ${hash}`);
      }
      await page.close();
    }
    return null;
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    const page = await test();
    if (page) {
      assert.deepEqual(page.problems, []);
      if (shots) await page.screenshot({ path: join(shots, `${name.replaceAll(/\W+/g, "-")}.png`) });
      await page.close();
    }
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}\n        ${error.message.replaceAll("\n", "\n        ")}`);
  }
}
await browser.close();
console.log(failed === 0 ? `${Object.keys(tests).length} passed` : `${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

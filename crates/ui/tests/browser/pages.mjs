// Pages on which whatever should not happen is a failure: errors, dialogs,
// requests to another host, faults of accessibility, more width than there is.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { endAll } from "./server.mjs";

/** Layout that moves by itself, as Chromium scores it; 0.1 is what a reader begins to notice. */
const MOST_SHIFT = 0.03;

/** Notes what moves while a page is looked at, from the moment it is asked for. */
function watchShifts() {
  window.assayShifts = [];
  const words = ({ node }) => (node?.outerHTML ?? node?.textContent ?? "").slice(0, 100);
  const note = (entry) => window.assayShifts.push({ value: entry.value, what: entry.sources.slice(0, 2).map(words) });
  new PerformanceObserver((list) => list.getEntries().filter((entry) => !entry.hadRecentInput).forEach(note)).observe({ type: "layout-shift", buffered: true });
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function startBrowser() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"],
  });

  /** Opens a page of a server. `page.expected` matches errors that belong to the test. */
  async function open(server, path, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const page = await context.newPage();
    page.problems = [];
    let bytes = 0;
    page.bytes = () => bytes;
    const note = (text) => { if (!page.expected?.test(text)) page.problems.push(text); };
    page.on("request", (request) => { if (!request.url().startsWith(server.address)) note(`request ${request.url()}`); });
    page.on("response", async (response) => {
      const { responseBodySize = 0, responseHeadersSize = 0 } = await response.request().sizes().catch(() => ({}));
      bytes += responseBodySize + responseHeadersSize;
    });
    page.on("console", (message) => { if (["error", "warning"].includes(message.type())) note(message.text()); });
    page.on("pageerror", (error) => note(error.message));
    page.on("dialog", (dialog) => { note(`dialog ${dialog.message()}`); dialog.dismiss(); });
    page.setDefaultTimeout(20_000);
    await page.addInitScript(watchShifts);
    await page.goto(server.address + path);
    await page.waitForSelector("html.js");
    const { close } = page;
    page.close = async () => { await close.call(page); await context.close(); };
    return page;
  }

  /** Serious faults of accessibility on a page, in words. */
  async function faultsOf(page) {
    await page.evaluate(axe);
    return page.evaluate(async () => {
      // Colours on their way from one to another are nobody's choice.
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const ends = (one) => one.effect?.getComputedTiming().iterations !== Infinity;
      await Promise.allSettled(document.getAnimations().filter(ends).map((one) => one.finished));
      const { violations } = await window.axe.run(document, { resultTypes: ["violations"], preload: false });
      const serious = violations.filter((one) => ["serious", "critical"].includes(one.impact));
      return serious.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 140)} ${node.any[0]?.message ?? node.all[0]?.message ?? ""}`).join(" | ")}`);
    });
  }

  /**
   * Looks at pages in both themes and on a telephone. They are given by name, as
   * a path or as what leads a page there. `shots` is a folder for pictures.
   */
  async function inspect(server, pages, { shots, expected, viewport = { width: 1280, height: 800 } } = {}) {
    for (const colorScheme of ["light", "dark"]) {
      const page = await open(server, "/", { colorScheme, viewport });
      page.expected = expected;
      for (const [name, place] of Object.entries(pages)) {
        if (typeof place === "string") await page.goto(server.address + place);
        else await place(page);
        await page.waitForTimeout(250);
        assert.deepEqual(await faultsOf(page), [], `${colorScheme} ${name}`);
        const shifts = await page.evaluate(() => window.assayShifts);
        const moved = shifts.reduce((sum, { value }) => sum + value, 0);
        assert.ok(moved <= MOST_SHIFT, `${name} moves by ${moved.toFixed(3)}: ${JSON.stringify(shifts)}`);
        if (shots) await page.screenshot({ path: join(shots, `${name}-${colorScheme}.png`) });
        await page.setViewportSize({ width: 375, height: 812 });
        await page.waitForTimeout(80);
        const wide = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        assert.ok(wide[0] <= wide[1], `${name} is ${wide[0]} wide on a telephone`);
        if (shots && colorScheme === "light") await page.screenshot({ path: join(shots, `${name}-phone.png`) });
        await page.setViewportSize(viewport);
      }
      assert.deepEqual(page.problems, []);
      await page.close();
    }
  }

  /** Pictures of what a page shows now, in both themes. */
  async function picture(page, name, shots) {
    if (!shots) return;
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(250);
      await page.screenshot({ path: join(shots, `${name}-${colorScheme}.png`) });
    }
    await page.emulateMedia({ colorScheme: "light" });
  }

  return { browser, open, faultsOf, inspect, picture };
}

/**
 * Runs tests by name and ends the process; ONLY chooses among them. What a test
 * returns is a page that must have had no problems. After each test its pages are
 * closed, then its servers stopped. `skip` says why one is left out, `after`
 * tidies up.
 */
export async function runAll(tests, { browser, skip = () => false, after = () => {} }) {
  const chosen = Object.entries(tests).filter(([name]) => !process.env.ONLY || name.includes(process.env.ONLY));
  let [passed, failed] = [0, 0];
  for (const [name, test] of chosen) {
    const reason = skip(name);
    if (reason) {
      console.log(`skipped ${name}: ${reason}`);
      continue;
    }
    const begun = Date.now();
    try {
      const page = await test();
      if (page) assert.deepEqual(page.problems, []);
      passed += 1;
      console.log(`ok      ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n        ${error.message.replaceAll("\n", "\n        ")}`);
    }
    await Promise.all(browser.contexts().map((context) => context.close()));
    await endAll();
  }
  await after();
  await browser.close();
  console.log(failed === 0 ? `${passed} passed` : `${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

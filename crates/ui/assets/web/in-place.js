// A page that changes where it stands: what leads to the same page with other
// parameters (links, forms, the way back) only has the regions replaced that
// may differ, each marked `data-swap`. Whatever one may be typing into stays.
// Without this module all of it works too, by loading the page.
import { toast } from "./api.js";
import { fetchDocument, take } from "./fragment.js";
import { showTimes } from "./shell.js";

/** Milliseconds after which one is told that something is fetched. */
const LASTING = 80;

const head = document.querySelector("[data-part]");
/** The address whose page is shown. */
let shown = location.pathname + location.search;
let running = null;

const within = (root, name) => [...root.querySelectorAll("[data-swap]")].find((region) => region.dataset.swap === name);

/** What a focused element is called, to find the same one in a fresh region. */
const called = (element) => element.getAttribute("aria-label") ?? element.textContent;

/** Replaces the regions; the focus stays with what bears the same name, or goes to the list. */
function replace(fresh) {
  for (const region of document.querySelectorAll("[data-swap]")) {
    const next = within(fresh, region.dataset.swap);
    if (!next) continue;
    const focused = region.contains(document.activeElement) ? document.activeElement : null;
    const taken = take(next);
    showTimes(taken);
    region.replaceWith(taken);
    if (!focused) continue;
    const same = [...taken.querySelectorAll("a, button")].find((other) => called(other) === called(focused));
    (same ?? document.getElementById("listing")).focus({ preventScroll: true });
  }
}

/**
 * Shows the page of an address of this page: resolves to whether it does.
 * `push` says whether it is a step that one can go back from.
 */
export async function go(href, { push = true, arrived = () => {} } = {}) {
  running?.abort();
  const own = running = new AbortController();
  // Dimming a list takes as long as answering often does: only what lasts is said to.
  const lasting = setTimeout(() => document.getElementById("listing").setAttribute("aria-busy", "true"), LASTING);
  try {
    const fresh = await fetchDocument(head.dataset.part + new URL(href, location.href).search, own.signal);
    if (own.signal.aborted) return false;
    const { here } = fresh.querySelector("[data-here]").dataset;
    if (push && here !== shown) history.pushState(null, "", here);
    shown = here;
    replace(fresh);
    document.dispatchEvent(new CustomEvent("assay-replaced", { detail: fresh }));
    arrived(fresh);
    return true;
  } catch (error) {
    if (error.name === "AbortError") return false;
    document.getElementById("listing").removeAttribute("aria-busy");
    // The address is another already: what is shown must not be of the one before.
    if (!push) location.reload();
    else toast(error.message, "bad");
    return false;
  } finally {
    clearTimeout(lasting);
  }
}

/** Closes the menu something was chosen in; the focus is where it was opened. */
export function leaveMenu(element) {
  const menu = element.closest("details.menu");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus({ preventScroll: true });
}

function isHere(link) {
  return link.origin === location.origin && link.pathname === location.pathname && link.target === "" && !link.hasAttribute("download");
}

export function setUpInPlace() {
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest?.("main a[href]");
    if (!link || link.getAttribute("href").startsWith("#") || !isHere(link)) return;
    event.preventDefault();
    // Whoever leafs through a menu has not chosen yet.
    const menu = link.closest(".pager") ? null : link.closest("details.menu");
    go(link.href, { arrived: () => { if (menu?.open) leaveMenu(menu); } });
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "get" || new URL(form.action).pathname !== location.pathname) return;
    event.preventDefault();
    go(`?${new URLSearchParams(new FormData(form))}`, {
      arrived(fresh) {
        // A filter that is refused is mended where it was written; columns are chosen one after another.
        if (form.querySelector("[aria-invalid]") || "atOnce" in form.dataset) return;
        if (form.closest("details.menu")) leaveMenu(form);
        // As after any page that was loaded, keys lead through what was found.
        else if (form.contains(document.activeElement)) document.getElementById("listing").focus({ preventScroll: true });
      },
    });
  });
  addEventListener("popstate", () => {
    if (location.pathname + location.search !== shown) go(location.href, { push: false });
  });
}

// Parts of a page that change by themselves: the same address is asked again
// and what differs is put in place. The server's templates stay the only ones.
import { fetchDocument } from "./fragment.js";
import { showTimes } from "./shell.js";

/** Whether somebody is at work inside, which must not be taken away. */
function isInUse(region) {
  const active = document.activeElement;
  return region.contains(active) && active.matches("input:not([type=checkbox]), textarea, select");
}

/** What the server said of a region, whatever scripts made of it: times are shown in the viewer's zone. */
function print(region) {
  const copy = region.cloneNode(true);
  for (const time of copy.querySelectorAll("time")) {
    time.textContent = "";
    time.removeAttribute("title");
  }
  return new XMLSerializer().serializeToString(copy);
}

// As the page came: before other modules change anything.
const prints = new Map();
for (const region of document.querySelectorAll("[data-live]")) prints.set(region.dataset.live, print(region));

/** Asks again and replaces the live regions that changed. Resolves to whether any did. */
export async function refresh(address = location.href) {
  const fresh = await fetchDocument(address);
  let hasChanged = false;
  for (const region of document.querySelectorAll("[data-live]")) {
    const name = region.dataset.live;
    const next = [...fresh.querySelectorAll("[data-live]")].find((other) => other.dataset.live === name);
    if (!next || isInUse(region)) continue;
    const taken = document.importNode(next, true);
    const now = print(taken);
    if (prints.get(name) === now) continue;
    prints.set(name, now);
    showTimes(taken);
    const focused = region.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    region.replaceWith(taken);
    if (focused) [...taken.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === focused)?.focus({ preventScroll: true });
    hasChanged = true;
    taken.dispatchEvent(new CustomEvent("assay-live", { bubbles: true }));
  }
  return hasChanged;
}

/** Refreshes every `seconds()` while the page is looked at. Goes on after errors, less often. */
export function keepFresh(seconds) {
  let failures = 0;
  const next = () => setTimeout(async () => {
    if (document.hidden) return next();
    try {
      await refresh();
      failures = 0;
    } catch {
      failures = Math.min(failures + 1, 5);
    }
    document.documentElement.classList.toggle("offline", failures > 0);
    return next();
  }, seconds() * 1000 * (1 + failures));
  next();
}

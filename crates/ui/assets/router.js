// One address per view, kept after the `#`: back, reload and copied links work.
// `#overview`, `#categories` (a part of it), `#threads?q=…`, `#map?area=…`, `#method`, `#category/ID`, `#thread/ID`.

const DEFAULT_VIEW = "overview";
const scrolls = new Map();
let current = null;
let listener = () => {};

/** The address as `{ view, id, query }`. */
export function parseAddress(hash) {
  const text = hash.replace(/^#/, "");
  const [path, query = ""] = splitOnce(text, "?");
  const [view, id = null] = splitOnce(path, "/");
  return { view: view || DEFAULT_VIEW, id: id === null ? null : decode(id), query: new URLSearchParams(query) };
}

function splitOnce(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function addressOfThread(thread) {
  return `#thread/${encodeURIComponent(thread.id)}`;
}

export function addressOfCategory(category) {
  return `#category/${encodeURIComponent(category.id)}`;
}

export function addressOfThreads(query) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return text ? `#threads?${text}` : "#threads";
}

/** Changes the address of the current view without a new entry in the history. */
export function replaceAddress(hash) {
  history.replaceState(history.state, "", hash);
  current = location.hash;
}

export function startRouter(onChange) {
  listener = onChange;
  history.scrollRestoration = "manual";
  addEventListener("scroll", () => current !== null && scrolls.set(current, scrollY), { passive: true });
  addEventListener("hashchange", () => navigate(true));
  navigate(false);
}

function navigate(isMove) {
  if (location.hash === "#main") return;
  const before = current;
  current = location.hash;
  const part = listener(parseAddress(current), { before, isMove });
  // Where one has been is found again as it was left; what is new starts at its top, or at the part that is meant.
  if (part && !scrolls.has(current)) part.scrollIntoView({ behavior: "instant" });
  else scrollTo({ top: scrolls.get(current) ?? 0, behavior: "instant" });
}

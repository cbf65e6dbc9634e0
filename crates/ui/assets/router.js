// One address per view, kept after the `#`: back, reload and copied links work.
// `#overview?sort=…&q=…&open=…`, `#categories` (a part of it), `#threads?q=…`, `#map?area=…`, `#method`, `#category/ID`, `#thread/ID`.

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
  scrolls.set(current, scrollY);
}

/** The same view with these in the query of its address; what is empty is taken out of it. */
export function replaceQuery(changes) {
  const [path, query = ""] = splitOnce(location.hash || `#${DEFAULT_VIEW}`, "?");
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  const text = next.toString();
  const hash = text ? `${path}?${text}` : path;
  if (hash !== (location.hash || `#${DEFAULT_VIEW}`)) replaceAddress(hash);
}

/** Scrolls to where one was, once there is enough on the page for it. */
export function scrollBack() {
  if (scrolls.has(current)) scrollTo({ top: scrolls.get(current), behavior: "instant" });
}

export function startRouter(onChange) {
  listener = onChange;
  history.scrollRestoration = "manual";
  addEventListener("scroll", () => current !== null && scrolls.set(current, scrollY), { passive: true });
  addEventListener("hashchange", settle);
  // What is loaded again, or come back to from another page, is where it was.
  addEventListener("pagehide", () => history.replaceState({ ...history.state, top: scrollY }, ""));
  if (history.state?.top > 0) scrolls.set(location.hash, history.state.top);
  navigate(false);
}

/** Shows what the address says, where it does not yet: the browser tells of a change only later, and of several at once. */
export function settle() {
  if (location.hash !== current) navigate(true);
}

function navigate(isMove) {
  if (location.hash === "#main") return;
  const before = current;
  current = location.hash;
  const isKnown = scrolls.has(current);
  const top = scrolls.get(current) ?? 0;
  const part = listener(parseAddress(current), { before, isMove });
  // Where one has been is found again as it was left; what is new starts at its top, or at the part that is meant.
  if (part && !isKnown) part.scrollIntoView({ behavior: "instant" });
  else scrollTo({ top, behavior: "instant" });
}

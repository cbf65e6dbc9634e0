// Parts of pages, fetched as documents: the browser parses them without running
// anything in them, and only their nodes are taken over.

/** The document at a path of this server. Rejects with words for people. */
export function fetchDocument(path, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", path);
    request.responseType = "document";
    request.timeout = 30_000;
    request.setRequestHeader("accept", "text/html");
    request.addEventListener("load", () => {
      const page = request.response;
      if (new URL(request.responseURL || location.href).pathname === "/login") {
        location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
      } else if (request.status >= 400 || !page) {
        const said = page?.querySelector(".message-page .lead")?.textContent;
        reject(new Error(said || `the server answered ${request.status}`));
      } else {
        resolve(page);
      }
    });
    for (const end of ["error", "timeout"]) request.addEventListener(end, () => reject(new Error("the server cannot be reached")));
    request.addEventListener("abort", () => reject(new DOMException("no longer wanted", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send();
  });
}

/** A node of another document as one of this. */
export function take(node) {
  return node ? document.adoptNode(node) : null;
}

/** Calls `work` at most once a frame. */
export function eachFrame(work) {
  let waits = false;
  return () => {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      work();
    });
  };
}

/** Calls `work` once nothing happened for a while. */
export function later(work, millis) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), millis);
  };
}

// A reporter of node:test that writes what became of each test, one JSON
// object a line, as outcomes.py does for pytest.
export default async function* outcomes(source) {
  for await (const event of source) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { name, file, details, skip, todo } = event.data;
    // A file and a suite are reported as tests of their own.
    if (details?.type === "suite" || name === file) continue;
    const outcome =
      skip !== undefined || todo !== undefined ? "skipped" : event.type === "test:pass" ? "passed" : "failed";
    const error = details?.error;
    const detail = error ? String(error.cause?.stack ?? error.cause ?? error) : "";
    yield JSON.stringify({ id: name, outcome, detail: detail.slice(-4000) }) + "\n";
  }
}

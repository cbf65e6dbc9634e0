// Conditions as the filter language writes them.

/** A text in the filter language: quoted, with nothing in it that ends the quotes. */
export function quoted(text) {
  return JSON.stringify(text);
}

/** One condition; empty where its value is missing or cannot be. */
export function conditionText(kind, value) {
  if (kind === "error") return 'eq(status, "error")';
  if (kind === "fine") return 'neq(status, "error")';
  if (value === "") return "";
  if (kind === "latency") return Number(value) >= 0 ? `gt(latency, ${Number(value)})` : "";
  if (kind === "tag") return `has(tags, ${quoted(value)})`;
  if (kind === "name") return `eq(name, ${quoted(value)})`;
  if (kind === "search") return `search(${quoted(value)})`;
  if (kind === "feedback") return `eq(feedback_key, ${quoted(value)})`;
  if (kind === "metadata") {
    const at = value.indexOf("=");
    if (at < 1) return `eq(metadata_key, ${quoted(value)})`;
    return `and(eq(metadata_key, ${quoted(value.slice(0, at).trim())}), eq(metadata_value, ${quoted(value.slice(at + 1).trim())}))`;
  }
  return "";
}

/** Both conditions together. */
export function conjunction(before, added) {
  const text = before.trim();
  if (text === "") return added;
  if (text.startsWith("and(") && text.endsWith(")") && isWhole(text)) return `${text.slice(0, -1)}, ${added})`;
  return `and(${text}, ${added})`;
}

/** Whether the first parenthesis ends at the end of the text. */
function isWhole(text) {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < text.length; at += 1) {
    const c = text[at];
    if (inText && c === "\\") at += 1;
    else if (c === '"') inText = !inText;
    else if (!inText && c === "(") depth += 1;
    else if (!inText && c === ")" && (depth -= 1) === 0) return at === text.length - 1;
  }
  return false;
}

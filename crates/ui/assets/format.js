// Numbers as `assay_domain::format` writes them; tests/report/format.rs compares the two.

const NONE = "–";

/** How a moment is written in the viewer's language and zone. */
export const LOCAL_MOMENT = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

/** `toFixed`, with ties to the even digit instead of away from zero. */
function fixed(value, decimals) {
  // So many digits that what follows the kept ones is exact.
  const exact = value.toFixed(decimals + 40);
  const kept = exact.slice(0, decimals === 0 ? -41 : -40);
  const isTie = exact.slice(-40) === `5${"0".repeat(39)}`;
  return isTie && "02468".includes(kept.at(-1)) ? kept : value.toFixed(decimals);
}

function grouped(digits) {
  return digits.replace(/\B(?=(\d{3})+$)/g, ",");
}

export function percent(share) {
  if (!Number.isFinite(share)) return NONE;
  if (share === 0 || share === 1) return `${Math.abs(share * 100)} %`;
  if (Math.abs(share) < 0.0005) return "<0.1 %";
  if (share > 0.9995 && share < 1) return ">99.9 %";
  return `${fixed(share * 100, 1)} %`;
}

export function seconds(value) {
  if (!Number.isFinite(value)) return NONE;
  if (value < 0) return `-${seconds(-value)}`;
  if (value === 0) return "0 s";
  if (value < 0.001) return "<1 ms";
  if (value < 0.9995) return `${fixed(value * 1000, 0)} ms`;
  if (value < 9.95) return `${fixed(value, 1)} s`;
  if (value < 59.5) return `${fixed(value, 0)} s`;
  if (value < 3599.5) return twoUnits(Math.round(value), 60, "m", "s");
  const minutes = Math.round(value / 60);
  if (minutes < 1440) return twoUnits(minutes, 60, "h", "m");
  return twoUnits(Math.round(value / 3600), 24, "d", "h");
}

function twoUnits(small, perLarge, largeName, smallName) {
  const large = Math.floor(small / perLarge);
  const rest = small - large * perLarge;
  return rest === 0 ? `${large} ${largeName}` : `${large} ${largeName} ${rest} ${smallName}`;
}

export function money(dollars) {
  if (!Number.isFinite(dollars)) return NONE;
  if (dollars < 0) return `-${money(-dollars)}`;
  if (dollars === 0) return "$0";
  if (dollars < 0.000001) return "<$0.000001";
  if (dollars < 0.995) {
    let decimals = 2;
    for (let scaled = dollars; scaled < 0.0995 && decimals < 7; scaled *= 10) decimals += 1;
    return `$${fixed(dollars, decimals)}`;
  }
  if (dollars < 999.995) return `$${fixed(dollars, 2)}`;
  return `$${grouped(fixed(dollars, 0))}`;
}

export function count(value) {
  return grouped(String(value));
}

export function compact(value) {
  for (const [limit, unit, name] of [[999.5, 1, ""], [999500, 1e3, "k"], [999500000, 1e6, "M"]]) {
    if (value < limit) return scaledNumber(value / unit, name);
  }
  return scaledNumber(value / 1e9, "B");
}

function scaledNumber(value, unit) {
  return unit === "" || value >= 9.95 ? `${fixed(value, 0)}${unit}` : `${fixed(value, 1)}${unit}`;
}

export function number(value) {
  if (!Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 99.95) return `${value < 0 ? "-" : ""}${grouped(fixed(size, 0))}`;
  const decimals = size >= 9.995 ? 1 : size >= 0.0995 || size === 0 ? 2 : 4;
  const text = fixed(value, decimals).replace(/\.?0+$/, "");
  return text === "-0" || text === "" ? "0" : text;
}

export function moment(secondsSince1970) {
  const date = new Date(secondsSince1970 * 1000);
  return Number.isNaN(date.getTime()) ? NONE : `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

export function plural(value, word) {
  return `${count(value)} ${value === 1 ? word : several(word)}`;
}

/** A word for more than one: `threads`, `categories`, `days`. */
export function several(word) {
  return /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}ies` : `${word}s`;
}

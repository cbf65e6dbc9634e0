// Menus (details that lie over the page), and fields for times in the viewer's zone.
import { isTyping } from "./api.js";

function openMenus() {
  return [...document.querySelectorAll("details.menu[open]")];
}

/** The value of a `datetime-local` field in the viewer's zone. */
function localValue(iso) {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "";
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function setUpTimes(go) {
  for (const form of document.querySelectorAll("form[data-times]")) {
    const fields = [...form.querySelectorAll("input[data-iso]")];
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const query = new URLSearchParams(new FormData(form));
      for (const field of fields) {
        if (field.value === "") query.delete(field.name);
        else query.set(field.name, new Date(field.value).toISOString());
      }
      go(`${form.getAttribute("action")}?${query}`);
    });
  }
}

/** Writes a chosen time as the viewer reads it: "Nov 21, 18:00 – 19:00", and into its fields. */
export function showRange() {
  for (const field of document.querySelectorAll("form[data-times] input[data-iso]")) field.value = localValue(field.dataset.iso);
  const place = document.querySelector("[data-range]");
  const [from, until] = ["from", "until"].map((name) => document.querySelector(`input[name="${name}"][data-iso]`)?.dataset.iso);
  if (!place || !(from || until)) return;
  const format = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  const [start, end] = [from, until].map((iso) => (iso ? new Date(iso) : null));
  if (start && end) place.textContent = format.formatRange(start, end);
  else place.textContent = start ? `since ${format.format(start)}` : `until ${format.format(end)}`;
}

/** However far to the side a menu is opened, all of it can be seen. */
function keepInSight(menu) {
  const body = menu.querySelector(".menu-body");
  // What is not shown lies nowhere.
  if (!body || body.offsetWidth === 0) return;
  body.style.translate = "";
  const { left, right } = body.getBoundingClientRect();
  const shift = Math.max(8 - left, Math.min(0, document.documentElement.clientWidth - 8 - right));
  if (shift !== 0) body.style.translate = `${shift}px`;
}

/** `go` leads to the address of a chosen time. */
export function setUpMenus(go = (href) => location.assign(href)) {
  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("toggle", (event) => {
    const menu = event.target;
    if (!menu.matches?.("details.menu") || !menu.open) return;
    for (const other of openMenus()) if (other !== menu) other.open = false;
    keepInSight(menu);
    menu.querySelector(".menu-body :is(input:not([type=hidden]), select, textarea, a, button)")?.focus({ preventScroll: true });
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    const menu = openMenus().at(-1);
    if (!menu) return;
    event.preventDefault();
    menu.open = false;
    menu.querySelector("summary").focus();
  }, true);
  setUpTimes(go);
  showRange();
  const look = () => openMenus().forEach(keepInSight);
  look();
  addEventListener("resize", look);
  // What stands before an open menu may push it.
  document.addEventListener("assay-replaced", look);
}

/** Opens a menu by a key. */
export function menuKeys(keys) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    if (document.querySelector("dialog[open]")) return;
    const work = keys[event.key];
    if (!work) return;
    event.preventDefault();
    work();
  });
}

// A thread: long texts start folded, and keys lead to its neighbours.
import { byId, h } from "../dom.js";
import { isTyping } from "./api.js";

for (const words of document.querySelectorAll("[data-fold]")) {
  const button = h("button", { type: "button", class: "quiet", onclick: () => {
    button.textContent = words.classList.toggle("folded") ? "Show all" : "Show less";
  } }, "Show all");
  words.after(button);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
  if (document.querySelector("dialog[open]")) return;
  const keys = {
    "[": () => byId("newer").click(),
    "]": () => byId("older").click(),
    c: () => document.querySelector(".choices a:not([aria-current])")?.click(),
    Escape: () => (byId("list") ? byId("list").click() : history.back()),
  };
  const work = keys[event.key];
  if (!work) return;
  event.preventDefault();
  work();
});

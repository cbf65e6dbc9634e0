// A thread: long texts start folded, and keys lead to its neighbours.
import { byId } from "../dom.js";
import { isTyping } from "./api.js";
import { foldLong } from "./folding.js";

foldLong(document);

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

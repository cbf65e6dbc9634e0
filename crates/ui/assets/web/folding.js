// Long texts start folded.
import { h } from "../dom.js";

export function foldLong(root) {
  for (const words of root.querySelectorAll("[data-fold]")) {
    words.removeAttribute("data-fold");
    const button = h("button", { type: "button", class: "quiet", onclick: () => {
      button.textContent = words.classList.toggle("folded") ? "Show all" : "Show less";
    } }, "Show all");
    words.after(button);
  }
}

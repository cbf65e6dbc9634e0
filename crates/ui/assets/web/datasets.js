// Datasets: the list, and one of them. What is sent says itself what it sends.
import { isTyping } from "./api.js";
import { setUpMenus } from "./menus.js";
import "./sends.js";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-opens], dialog [data-close]");
  if (!button) return;
  if (button.dataset.opens) document.getElementById(button.dataset.opens).showModal();
  else button.closest("dialog").close();
});

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event) || document.querySelector("dialog[open]")) return;
  const button = document.querySelector(`[data-opens][data-key="${CSS.escape(event.key)}"]`);
  if (!button) return;
  event.preventDefault();
  button.click();
});

setUpMenus();

// Tabs: one of several panels, arrow keys between them. Which one is open is in
// the page as it comes (`data-off`), so that nothing moves when this starts.

export function setUpTabs(root = document) {
  for (const group of root.querySelectorAll("[data-tabs]")) {
    const list = group.querySelector('[role="tablist"]');
    if (!list || list.dataset.ready !== undefined) continue;
    const tabs = [...list.querySelectorAll('[role="tab"]')];
    const choose = (chosen, withFocus) => {
      for (const tab of tabs) {
        const isChosen = tab === chosen;
        tab.setAttribute("aria-selected", String(isChosen));
        tab.tabIndex = isChosen ? 0 : -1;
        group.querySelector(`#${tab.getAttribute("aria-controls")}`).toggleAttribute("data-off", !isChosen);
      }
      if (withFocus) chosen.focus();
    };
    list.addEventListener("click", (event) => {
      const tab = event.target.closest('[role="tab"]');
      if (tab) choose(tab, false);
    });
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      choose(tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length], true);
    });
    list.dataset.ready = "";
    choose(tabs.find((tab) => tab.getAttribute("aria-selected") === "true") ?? tabs[0], false);
  }
}

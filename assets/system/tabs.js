// Tabs by the pattern of WAI-ARIA: one stop for Tab, arrows move, what has the focus is shown.
import { el } from "./dom.js";
import { asked } from "./state.js";

export const FIRST = "overview";
let changed = () => {};

export function onTab(then) { changed = then; }

function all() { return Array.from(document.querySelectorAll("#system-tabs [role=tab]")); }

export function open(name, focus) {
  asked.tab = name;
  all().forEach((tab) => {
    const own = tab.dataset.tab === name;
    tab.setAttribute("aria-selected", String(own));
    tab.tabIndex = own ? 0 : -1;
    el(tab.getAttribute("aria-controls")).hidden = !own;
    if (own) {
      if (focus) tab.focus();
      tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  });
  window.dash_clientside.set_props("system-seen-" + name, { data: true });  // the server fills a tab's panels when it is first seen
}

export function chosen() {
  const tab = all().find((each) => each.getAttribute("aria-selected") === "true");
  return tab ? tab.dataset.tab : FIRST;
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest && event.target.closest("#system-tabs [role=tab]");
  if (tab && tab.dataset.tab !== asked.tab) { open(tab.dataset.tab, true); changed(); }
});
document.addEventListener("keydown", (event) => {
  const tab = event.target.closest && event.target.closest("#system-tabs [role=tab]");
  if (!tab) return;
  const tabs = all(), at = tabs.indexOf(tab), last = tabs.length - 1;
  const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  open(tabs[to].dataset.tab, true); changed();
});

// What the page's controls do; `assets/js/system.js` calls in here.
import { begin, watch } from "./age.js";
import { el, set } from "./dom.js";
import { forget } from "./charts.js";
import { draw } from "./draw.js";
import { save } from "./export.js";
import { another, drop, poll } from "./feed.js";
import { renew, waits } from "./past.js";
import { onZoom } from "./pointer.js";
import { renewProcesses, waitsForList } from "./processes.js";
import { renewServed } from "./served.js";
import { asked, S, TOTAL } from "./state.js";
import { chosen, FIRST, onTab, open } from "./tabs.js";

function address() {
  const query = new URLSearchParams(location.search), zoom = asked.zoom;
  const wanted = {
    tab: asked.tab === "overview" ? "" : asked.tab, window: asked.window === 300 ? "" : asked.window, interface: asked.name, unit: asked.bits ? "bits" : "",
    from: zoom ? new Date(zoom.from).toISOString() : "", to: zoom ? new Date(zoom.to).toISOString() : "",
  };
  Object.keys(wanted).forEach((name) => { if (wanted[name]) query.set(name, wanted[name]); else query.delete(name); });
  const text = query.toString();
  history.replaceState(history.state, "", location.pathname + (text ? "?" + text : ""));
}

function pause(on) {
  asked.paused = on;
  set("system-pause", {
    "aria-pressed": String(on),
    children: [
      { namespace: "dash_html_components", type: "I", props: { className: "oc-i sm " + (on ? "oc-i-play" : "oc-i-pause"), "aria-hidden": "true" } },
      { namespace: "dash_html_components", type: "Span", props: { children: on ? "Continue" : "Pause" } },
    ],
  });
}

function ask() { poll(); renew(); renewProcesses(); }
function choice() { asked.owed = asked.paused; ask(); }

function zoomTo(zoom) {
  const before = asked.zoom;
  asked.zoom = zoom;
  if ((before && before.from) !== (zoom && zoom.from) || (before && before.to) !== (zoom && zoom.to)) S.held = {};
  if (el("system-unzoom")) el("system-unzoom").hidden = !zoom;
  address(); draw(); choice();
}

// The page has just come: what it shows stands in the address, and nothing is paused on it.
function arrive() {
  const query = new URLSearchParams(location.search), from = Date.parse(query.get("from")), to = Date.parse(query.get("to"));
  asked.paused = false;
  asked.rest = true;
  asked.tab = chosen();
  if (asked.tab !== FIRST) open(asked.tab);  // the server fills the first tab by itself
  asked.zoom = from < to ? { from, to } : null;
  if (el("system-unzoom")) el("system-unzoom").hidden = !asked.zoom;
}

let clock = null, ticks = 0;

function tick() {
  if (!el("system-page")) { clearInterval(clock); clock = null; return; }
  watch();
  if (asked.owed && S.seq !== null && S.heardAt !== null && !waits() && !waitsForList()) asked.owed = false;
  ask();
  ticks += 1;
  if (!asked.paused) renewServed(ticks);
}

// The page has come, or something was chosen on it.
export function choose(by, seconds, name, unit, presses) {
  if (!el("system-page")) return;  // left again before these scripts came
  const bits = unit === "bits", wanted = !name || name === TOTAL ? "" : name, came = begin(), host = el("system-page").dataset.host || "";
  if (came) arrive();
  if (!clock) clock = setInterval(tick, Number(el("system-page").dataset.tick));
  if (by === "system-pause" && presses) pause(!asked.paused);
  const moved = seconds !== asked.window && !came;
  if (moved && asked.zoom) { asked.zoom = null; el("system-unzoom").hidden = true; }
  let changed = seconds !== asked.window || wanted !== asked.name || host !== asked.host;
  if (changed) drop();
  if (host !== asked.host) another();
  changed = changed || bits !== asked.bits;
  asked.window = seconds; asked.name = wanted; asked.bits = bits; asked.host = host;
  if (changed) { S.held = {}; address(); }
  watch();
  if (changed && S.seq !== null) draw();
  if (changed) choice(); else ask();
}

// Panels whose parts were put in place anew: what stood in them is gone.
export function filled(ids) {
  forget(ids); draw();
  if (ids.indexOf("system-processes") >= 0) ask();
}

onTab(() => { S.held = {}; address(); draw(); choice(); });
onZoom(zoomTo);

document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
window.addEventListener("ops:theme", () => draw());
document.addEventListener("toggle", (event) => { if (event.target.closest && event.target.closest(".oc-numbers")) draw(); }, true);
document.addEventListener("click", (event) => {
  const button = el("system-page") && event.target.closest("#system-unzoom, #system-export, [data-interface]");
  if (!button) return;
  if (button.id === "system-unzoom") zoomTo(null);
  else if (button.id === "system-export") save(button);
  else set("system-interface", { value: asked.name === button.dataset.interface ? TOTAL : button.dataset.interface });
});
let scrolled = 0;
window.addEventListener("scroll", () => {  // charts that were out of sight take their new points
  if (scrolled || !el("system-page")) return;
  scrolled = requestAnimationFrame(() => { scrolled = 0; draw(); });
}, { passive: true });

// What the page's controls do; `assets/js/system.js` calls in here.
import { begin, watch } from "./age.js";
import { set } from "./dom.js";
import { draw } from "./draw.js";
import { drop, poll } from "./feed.js";
import { asked, S, TOTAL } from "./state.js";

function address() {
  var query = new URLSearchParams(location.search);
  [["window", asked.window === 300 ? "" : String(asked.window)], ["interface", asked.name], ["unit", asked.bits ? "bits" : ""]].forEach(function (pair) {
    if (pair[1]) query.set(pair[0], pair[1]); else query.delete(pair[0]);
  });
  var text = query.toString();
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

export function tick(by, seconds, name, unit, presses) {
  var bits = unit === "bits", wanted = !name || name === TOTAL ? "" : name;
  if (begin()) asked.paused = false;  // the page has just come: nothing is paused on it
  if (by === "system-pause" && presses) pause(!asked.paused);
  var chosen = seconds !== asked.window || wanted !== asked.name;
  if (chosen) drop();
  if (bits !== asked.bits) chosen = true;
  asked.window = seconds; asked.name = wanted; asked.bits = bits;
  if (chosen) { S.held = {}; address(); }
  watch();
  if (chosen && S.seq !== null) draw();
  poll();
}

export { draw };

document.addEventListener("visibilitychange", function () { if (!document.hidden) poll(); });
window.addEventListener("ops:theme", function () { draw(); });
document.addEventListener("toggle", function (event) { if (event.target.closest && event.target.closest(".oc-numbers")) draw(); }, true);

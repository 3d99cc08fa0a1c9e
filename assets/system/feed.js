// Asking: one request a tick for everything on the page, from a cursor on.
import { watch } from "./age.js";
import { el, set } from "./dom.js";
import { draw } from "./draw.js";
import { asked, KEEP_MS, PERIODS, S, SERIES, TOTAL, URL_LIVE, WHY } from "./state.js";

var busy = null;

export function poll() {
  if (busy || asked.paused || document.hidden || !el("system-page")) return;
  var mine = new AbortController(), query = "?window=" + asked.window;
  if (S.seq !== null) query += "&since=" + S.seq;
  if (asked.name) query += "&interface=" + encodeURIComponent(asked.name);
  busy = mine;
  var timer = setTimeout(function () { mine.abort(); }, PERIODS * asked.periodMs);
  fetch(URL_LIVE + query, { signal: mine.signal, credentials: "same-origin", headers: { Accept: "application/json" } })
    .then(function (answer) {
      // The sign-in changed under this page: the shell says so at once.
      if (answer.status === 401 || answer.status === 403) window.opsBeat();
      if (!answer.ok) throw new Error("HTTP " + answer.status);
      return answer.json();
    })
    .then(function (body) { if (busy === mine) heard(body); })
    .catch(function () { if (busy === mine) { S.misses += 1; watch(); } })
    .finally(function () { clearTimeout(timer); if (busy === mine) busy = null; });
}

// What was asked for last is no longer wanted.
export function drop() {
  if (busy) { busy.abort(); busy = null; }
  S.seq = null;
}

function heard(body) {
  if (body.reset) {
    SERIES.forEach(function (name) { S[name] = []; });
    WHY.forEach(function (name) { S.why[name] = []; });
    S.now = null;
  }
  body.t.forEach(function (_, i) {
    SERIES.forEach(function (name) { S[name].push(body[name][i]); });
    WHY.forEach(function (name) { var reasons = body.gaps[name]; S.why[name].push(reasons ? reasons[String(i)] || null : null); });
  });
  var old = 0, newest = S.t[S.t.length - 1];
  while (old < S.t.length && newest - S.t[old] > KEEP_MS) old += 1;
  SERIES.forEach(function (name) { S[name].splice(0, old); });
  WHY.forEach(function (name) { S.why[name].splice(0, old); });
  if (body.now) S.now = body.now;
  if (body.mounts) S.mounts = body.mounts;
  if (body.about) { S.about = body.about; options(); }
  asked.periodMs = body.period_s * 1000;
  S.seq = body.seq; S.misses = 0; S.ageAt = body.age_s; S.heardAt = performance.now(); S.lastHeard = Date.now();
  draw();
}

function options() {
  var names = S.about.interfaces.map(function (each) { return each.name; });
  if (asked.name && names.indexOf(asked.name) < 0) names.push(asked.name);
  var first = { label: "Total of the default route", value: TOTAL };
  set("system-interface", { options: [first].concat(names.map(function (name) { return { label: name, value: name }; })) });
}

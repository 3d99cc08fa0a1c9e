// Asking: one request a tick for everything on the page, from a cursor on. What is due more seldom (the history, the list
// of processes) rides on the tick in which it is due.
import { watch } from "./age.js";
import { el, set } from "./dom.js";
import { draw } from "./draw.js";
import { clear, reachS, take } from "./series.js";
import { asked, PERIODS, S, TOTAL, URL_LIVE } from "./state.js";

let busy = null, carried = [];
const riders = [];

// A rider is `{add(query), heard(answer), failed(error), lost(), hurry()}`: `add` writes its question into the tick's and
// says whether it did; then it is told the answer, the failure, or that nobody waits for the answer any more. `hurry` says
// whether it cannot wait for the next tick.
export function ride(rider) { riders.push(rider); }

// What is not configured is not asked for again: only a restart of the server brings it.
// What is chosen while the page is paused is fetched once: the controls must not show what the figures are not of.
export function mayAsk() { return (!asked.paused || asked.owed) && !document.hidden && !!el("system-page") && !(S.refused && S.refused.unset); }

// One request with a limit; what the sign-in changed under this page is told by the shell at once.
export function get(address, abort, limitMs) {
  const timer = setTimeout(() => abort.abort(), limitMs);
  return fetch(address, { signal: abort.signal, credentials: "same-origin", headers: { Accept: "application/json" } })
    .then((answer) => {
      if (answer.status === 401 || answer.status === 403) window.opsBeat();
      return answer;
    })
    .finally(() => clearTimeout(timer));
}

// What the server says instead of figures: its own words, where it has some.
function refusal(answer) {
  return answer.json().catch(() => ({})).then((problem) => {
    const unset = problem.type === "not-configured";
    const refused = { unset, title: problem.title, ended: problem.type === "signed-out" };
    throw Object.assign(new Error(problem.title || "HTTP " + answer.status), { detail: problem.detail, refused });
  });
}

export function poll() {
  if (busy || !mayAsk()) return;
  const mine = new AbortController(), query = new URLSearchParams({ window: reachS() });
  if (S.seq !== null) query.set("since", S.seq);
  if (asked.name) query.set("interface", asked.name);
  if (asked.host) query.set("host", asked.host);
  if (asked.also) query.set("also", asked.also);
  const along = (carried = riders.filter((rider) => rider.add(query)));
  busy = mine;
  get(URL_LIVE + "?" + query, mine, PERIODS * asked.periodMs)
    .then((answer) => (answer.ok ? answer.json() : refusal(answer)))
    .then((body) => { if (busy === mine) { along.forEach((rider) => rider.heard(body)); heard(body); } })
    .catch((error) => { if (busy === mine) { along.forEach((rider) => rider.failed(error)); S.refused = error.refused || null; S.misses += 1; watch(); if (along.length) draw(); } })
    .finally(() => { if (busy === mine) { busy = null; carried = []; } fillRest(); if (riders.some((rider) => rider.hurry())) poll(); });
}

// Panels below the first ones come after the first answer: so many charts at once keep that from being drawn.
function fillRest() {
  if (!asked.rest) return;
  asked.rest = false;
  setTimeout(() => { if (el("system-page")) window.dash_clientside.set_props("system-seen-rest", { data: true }); }, 0);
}

// What was asked for last is no longer wanted.
export function drop() {
  if (busy) {
    busy.abort(); busy = null;
    carried.forEach((rider) => rider.lost());
    carried = [];
  }
  S.seq = null;
}

// Another host is shown: nothing of the one before may stand for it.
export function another() {
  clear();
  Object.assign(S, { mounts: [], about: null, down: null, empty: null, trouble: null, heardAt: null, ageAt: null, lastHeard: null, misses: 0, refused: null });
}

// What the charts of the open tab need beside the rest: asked for from the beginning of the window on.
export function also(names) {
  const wanted = names.join(",");
  if (wanted === asked.also) return;
  asked.also = wanted;
  drop();
  setTimeout(poll, 0);
}

function heard(body) {
  if (body.reset) clear();
  take(body);
  if (body.now) S.now = body.now;
  S.down = body.down || null;
  S.empty = body.empty || null;
  S.trouble = body.trouble || null;
  const back = S.refused !== null;
  if (body.mounts) S.mounts = body.mounts;
  if (body.about) { S.about = body.about; options(); }
  asked.periodMs = body.period_s * 1000;
  S.seq = body.seq; S.misses = 0; S.refused = null; S.ageAt = body.age_s; S.heardAt = performance.now(); S.lastHeard = Date.now();
  draw();
  if (back) failedAgain();
}

// What the server could not fill while it was refused the figures, it is asked for again.
function failedAgain() {
  document.querySelectorAll('section[data-panel][data-look="failed"]').forEach((panel) => window.opsRetry(panel.id));
}

function options() {
  const names = S.about.interfaces.map((each) => each.name);
  if (asked.name && names.indexOf(asked.name) < 0) names.push(asked.name);
  const first = { label: asked.host || S.about.total_routed === false ? "The busiest interface" : "Total of the default route", value: TOTAL };
  set("system-interface", { options: [first].concat(names.map((name) => ({ label: name, value: name }))) });
}

// The history: windows that memory does not hold. Asked when the question changes and again after each of its steps, along
// with the tick. What takes long (another host's comes from its Prometheus) is asked by itself, until it is quick again.
import { draw } from "./draw.js";
import { get, mayAsk, poll, ride } from "./feed.js";
import { asked, H, LIVE_S, S, URL_HISTORY } from "./state.js";
import { known } from "./words.js";

const POINTS = 360, LEAST_MS = 10000, MOST_MS = 60000, LIMIT_MS = 20000;
let busy = null, wanted = false, slow = false;

// A chart on the page shows what the live answers do not carry.
export function want(on) {
  const now = on && !wanted && due();
  wanted = on;
  if (now) setTimeout(() => { poll(); renew(); }, 0);
}

// A window is live as long as memory holds it; what is zoomed into must not have left it. After a restart memory begins
// within the window: what was before is the history's for as long as that has something of it.
export function isPast() { return isLong() || isJoined(); }
function isLong() { return asked.window > LIVE_S || (!!asked.zoom && Date.now() - asked.zoom.from > 3600000); }
// Steps of the history up to where memory begins, and the live points since.
export function isJoined() { return !isLong() && beginsLate() && hasEarlier(); }

// Memory begins later than the window. Another host's memory is its Prometheus, which forgets nothing on our restart.
export function beginsLate() {
  if (asked.host || asked.window > LIVE_S || S.seq === null || !S.t.length) return false;
  const from = asked.zoom ? asked.zoom.from : S.t[S.t.length - 1] - asked.window * 1000;
  return S.t[0] - from > 1.5 * asked.periodMs;
}
// The history was asked about the time before memory begins, since it began there.
export function toldBefore() {
  if (!H.body || H.key !== question(POINTS)) return false;
  return Date.parse(H.body.window.start) <= S.t[0] && (!!asked.zoom || S.t[0] <= Date.parse(H.body.window.end));
}
function hasEarlier() {
  if (!toldBefore()) return false;
  const before = (S.t[0] / 1000 - H.body.t0_s) / H.body.step_s;  // so many whole steps
  return Object.values(H.body.series).some((series) => series.mean.some((value, i) => i + 1 <= before && known(value)));
}
function lacks() { return isPast() || wanted || (beginsLate() && !toldBefore()); }

function span(points) {
  const query = new URLSearchParams();
  if (asked.zoom) {
    query.set("start", new Date(asked.zoom.from).toISOString());
    query.set("end", new Date(asked.zoom.to).toISOString());
  } else query.set("window_s", asked.window);
  if (points) query.set("points", points);
  return query;
}

export function question(points) {
  const query = span(points);
  if (asked.name) query.set("interface", asked.name);
  if (asked.host) query.set("host", asked.host);
  return URL_HISTORY + "?" + query;
}

function due() {
  if (H.key !== question(POINTS)) return true;
  const step = H.body && !H.problem ? H.body.step_s * 1000 : LEAST_MS;
  return performance.now() - H.askedAt >= Math.min(MOST_MS, Math.max(LEAST_MS, step));
}

export function again() { H.askedAt = -MOST_MS; poll(); renew(); }

// Whether the page waits for a past that it has not been told.
export function waits() { return lacks() && (H.key !== question(POINTS) || (!H.body && !H.problem)); }
// Whether it is to be asked now; if so, it counts as asked.
function begin() {
  if (!lacks() || !mayAsk() || !due()) return false;
  if (asked.zoom && asked.zoom.from > (S.t.length ? S.t[S.t.length - 1] : Date.now())) return false;  // there is no past of it
  const address = question(POINTS);
  if (H.key !== address) { H.key = address; H.body = null; H.problem = null; }  // old lines are of another question
  H.askedAt = performance.now();
  return true;
}
function took(body) { H.body = body; H.problem = null; H.answers += 1; }
function failed(title, detail) {
  H.problem = { title: "The history could not be read", detail: [title, detail].filter(Boolean).join(". ") };
  H.answers += 1;
}
function failedFor(error) {
  const silent = error instanceof TypeError || error instanceof DOMException;
  failed(silent ? "The console did not answer." : error.message, error.detail);
}

ride({
  add(query) {
    // Another host's live figures come first: they do not wait for a Prometheus that takes its time over the past.
    if (slow || (asked.host && S.seq === null) || !begin()) return false;
    query.set("past", span(POINTS));
    return true;
  },
  heard(body) { if (body.past.problem) failed(body.past.problem.title, body.past.problem.detail); else took(body.past); },
  failed(error) {
    slow = error.name === "AbortError";
    if (slow) { H.askedAt = -MOST_MS; renew(); } else failedFor(error);
  },
  lost() { H.askedAt = -MOST_MS; },
  hurry() { return !slow && S.seq !== null && lacks() && H.key !== question(POINTS); },
});

export function renew() {
  if (!slow) return;
  if (H.key !== question(POINTS) && busy) { busy.abort(); busy = null; }
  if (busy || !begin()) return;
  const mine = new AbortController();
  busy = mine;
  get(H.key, mine, LIMIT_MS)
    .then((answer) => answer.json().then((body) => {
      if (!answer.ok) throw Object.assign(new Error(body.title || "HTTP " + answer.status), { detail: body.detail });
      return body;
    }))
    .then((body) => { if (busy === mine) { slow = performance.now() - H.askedAt > asked.periodMs; took(body); } })
    .catch((error) => { if (busy === mine) failedFor(error); })
    .finally(() => { if (busy === mine) { busy = null; draw(); } });
}

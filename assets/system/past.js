// The history: windows that memory does not hold. Asked when the question changes and again after each of its steps.
import { draw } from "./draw.js";
import { get, mayAsk } from "./feed.js";
import { asked, H, LIVE_S, URL_HISTORY } from "./state.js";

const POINTS = 360, LEAST_MS = 10000, MOST_MS = 60000, LIMIT_MS = 20000;
let busy = null, wanted = false;

// A chart on the page shows what the live answers do not carry.
export function want(on) { wanted = on; }

// A window is live as long as memory holds it; what is zoomed into must not have left it.
export function isPast() {
  if (asked.window > LIVE_S) return true;
  return !!asked.zoom && Date.now() - asked.zoom.from > 3600000;
}

export function question(points) {
  const query = new URLSearchParams();
  if (asked.zoom) {
    query.set("start", new Date(asked.zoom.from).toISOString());
    query.set("end", new Date(asked.zoom.to).toISOString());
  } else query.set("window_s", asked.window);
  if (asked.name) query.set("interface", asked.name);
  if (asked.host) query.set("host", asked.host);
  if (points) query.set("points", points);
  return URL_HISTORY + "?" + query;
}

function due() {
  if (H.key !== question(POINTS)) return true;
  const step = H.body && !H.problem ? H.body.step_s * 1000 : LEAST_MS;
  return performance.now() - H.askedAt >= Math.min(MOST_MS, Math.max(LEAST_MS, step));
}

export function again() { H.askedAt = -MOST_MS; renew(); }

export function renew() {
  if (!(isPast() || wanted) || !mayAsk()) return;
  const address = question(POINTS);
  if (H.key !== address && busy) { busy.abort(); busy = null; }
  if (busy || !due()) return;
  if (H.key !== address) { H.key = address; H.body = null; H.problem = null; }  // old lines are of another question
  const mine = new AbortController();
  busy = mine;
  H.askedAt = performance.now();
  get(address, mine, LIMIT_MS)
    .then((answer) => answer.json().then((body) => {
      if (!answer.ok) throw Object.assign(new Error(body.title || "HTTP " + answer.status), { detail: body.detail });
      return body;
    }))
    .then((body) => { if (busy === mine) { H.body = body; H.problem = null; } })
    .catch((error) => {
      if (busy !== mine) return;
      const silent = error instanceof TypeError || error instanceof DOMException;
      H.problem = { title: "The history could not be read", detail: silent ? "The console did not answer." : [error.message, error.detail].filter(Boolean).join(". ") };
    })
    .finally(() => { if (busy === mine) { busy = null; H.answers += 1; draw(); } });
}

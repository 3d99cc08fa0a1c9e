// How new is what stands here, whoever went silent: the network, the server or its sampler.
import { el, fill, make } from "./dom.js";
import { draw } from "./draw.js";
import { asked, PERIODS, S, WATCH_MS } from "./state.js";
import { zone } from "./view.js";
import * as words from "./words.js";

var watching = null, said = "", drawnAt = 0;

export function ageS() {
  if (S.ageAt === null || S.heardAt === null) return null;
  return S.ageAt + (performance.now() - S.heardAt) / 1000;
}
export function state() {
  var limit = (PERIODS * asked.periodMs) / 1000;
  if (asked.paused) return "paused";
  if (S.refused && S.refused.unset) return "unset";
  if (S.heardAt === null && S.refused && S.refused.title) return "refused";
  if (S.heardAt === null) return S.misses >= PERIODS ? "silent" : "loading";
  if (S.refused && S.refused.ended) return "silent";
  if (S.misses > 0 && (S.misses >= PERIODS || (performance.now() - S.heardAt) / 1000 >= limit)) return "silent";
  if (ageS() !== null && ageS() > limit) return "stale";
  if (S.down) return "down";
  if (S.empty) return "empty";
  if (!S.now || S.now.reason === "measuring") return "measuring";
  return "live";
}
// Of a host that does not answer Prometheus.
export function downWords() { return S.down.since === null ? "Never seen" : "Down since " + words.clock(S.down.since, words.offsetMs(zone(), S.down.since)); }
export function isOld(now) { return now === "stale" || now === "silent"; }

export function badge(kind, shape, words) {
  var mark = shape === "clock" ? make("i", "oc-i oc-i-stale sm") : shape === "triangle" ? make("i", "oc-i oc-i-failed sm") : make("span", "oc-dot " + shape);
  mark.setAttribute("aria-hidden", "true");
  var pill = make("span", "oc-badge " + kind);
  pill.append(mark, words);
  return pill;
}
export function liveBadge(now) {
  var offset = words.offsetMs(zone(), Date.now());
  switch (now) {
    case "paused": return badge("", "none", "Paused");
    case "loading": return badge("", "none", "Connecting");
    case "unset": return badge("", "none", "Not configured");
    case "refused": return badge("danger", "triangle", S.refused.title);
    case "measuring": return badge("", "none", "Measuring");
    case "down": return badge("danger", "triangle", downWords());
    case "empty": return badge("danger", "triangle", "No data");
    case "stale": return badge("warn", "clock", "Stale: " + words.age(ageS()) + " old");
    case "silent":
      if (S.refused && S.refused.title) return badge("danger", "triangle", S.refused.title);  // it did answer
      return badge("danger", "triangle", S.lastHeard === null ? "No answer" : "No answer since " + words.clock(S.lastHeard, offset));
    default: return badge("ok", "live", "Live, every " + asked.periodMs / 1000 + " s");
  }
}

// Begins when the page has come; whether it had to.
export function begin() {
  if (watching) return false;
  said = "";
  watching = setInterval(() => watch(true), WATCH_MS);
  return true;
}

// Runs without the server and without Dash: it must see them fall silent. What is old moves on a tick at a time, as what
// is live does, and only by the watch's own timer (`timed`): a browser that is too slow must not be kept busy by it.
export function watch(timed) {
  if (!el("system-page")) { clearInterval(watching); watching = null; said = ""; return; }
  var now = state(), told = now + (isOld(now) && ageS() !== null ? words.age(ageS()) : "");
  if (told === said && el("system-live").childElementCount) return;
  var changed = now !== said.slice(0, now.length) || said === "";
  said = told;
  fill("system-live", [liveBadge(now)]);
  el("system-page").dataset.state = now;
  if (changed || (timed && isOld(now) && performance.now() - drawnAt >= asked.periodMs)) { drawnAt = performance.now(); draw(); }
}

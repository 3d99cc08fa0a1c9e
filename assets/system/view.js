// The window that is drawn, its zone, its title and its units.
import { ageS, isOld, state } from "./age.js";
import { el, set } from "./dom.js";
import { live, peak, source } from "./source.js";
import { asked, H, S } from "./state.js";
import * as words from "./words.js";

const LENGTHS = [[86400, "d"], [3600, "h"], [60, "min"]];

export function zone() {
  const page = el("system-page");
  return (page && page.dataset.zone) || Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

function bounds(src) {
  if (asked.zoom) return { from: asked.zoom.from, to: asked.zoom.to };
  if (src.past) {
    const to = H.body ? Date.parse(H.body.window.end) : Date.now();
    return { from: to - asked.window * 1000, to };
  }
  const newest = S.t.length ? S.t[S.t.length - 1] : Date.now();
  const to = isOld(state()) && S.t.length && ageS() !== null ? newest + ageS() * 1000 : newest;
  return { from: to - asked.window * 1000, to };
}

export function viewOf() {
  const src = source(), view = bounds(src);
  view.src = src;
  view.offset = words.offsetMs(zone(), view.to);
  view.zone = zone() === "UTC" ? "UTC" : "";
  view.old = isOld(state());
  // A window that spans days: a time of day alone would not say of which.
  view.long = words.day(view.from, view.offset) !== words.day(view.to, view.offset);
  view.when = (at) => (view.long ? words.day(at, view.offset) + " " : "") + words.clock(at, view.offset);
  return view;
}

// "in 15 min", "from 12:01:05 to 12:02:10": the time that a p95 or a peak is of.
export function spanWords(view) {
  if (asked.zoom) return "from " + view.when(view.from) + " to " + view.when(view.to);
  const length = LENGTHS.find((each) => asked.window >= each[0] && asked.window % each[0] === 0);
  return "in " + asked.window / length[0] + words.NBSP + length[1];
}

export function title() { return asked.name || (S.about && S.about.total_of.length ? S.about.total_of.join(" + ") : "total"); }

// When figures came last. The scrape of a host that did not answer brought none.
function newest(view) {
  const at = S.down ? S.down.since : S.empty ? null : S.t.length ? S.t[S.t.length - 1] : null;
  return at === null ? null : words.clock(at, view.offset) + " " + zone();
}

export function subtitle(view) {
  if (!S.about) return;
  const whose = asked.host || { host: "This host", container: "This container", unknown: "This system" }[S.about.scope];
  const at = newest(view), last = at ? "last sample " + at : S.t.length || S.empty ? "no sample" : "no sample yet";
  set("system-sub", { children: [whose, S.about.total_rule, last].filter(Boolean).join(" · ") });
}

export function asOf(view) {
  const text = newest(view) || words.UNKNOWN;
  const step = S.now && words.known(S.now.interval_s) ? S.now.interval_s.toFixed(2) + " s measured, every " + asked.periodMs / 1000 + " s planned" : words.UNKNOWN;
  const notes = S.about && S.about.notes ? "Prometheus says: " + S.about.notes.join(" ") : "";
  document.querySelectorAll(".sys-as-of").forEach((node) => { node.textContent = text; });
  document.querySelectorAll(".sys-notes").forEach((node) => { if (node.textContent !== notes) node.textContent = notes; });
  document.querySelectorAll(".sys-step").forEach((node) => { node.textContent = step; });
}

// One unit for the network and one for the disks: that of their charts' axes, which every figure beside them takes. It
// grows with the window's peak at once and shrinks only when the peak is a tenth of it, so that it does not flicker.
const FAMILIES = { network: ["net_in", "net_out"], disk: ["disk_read", "disk_write"] };

export function factor(family) { return family === "network" && asked.bits ? 8 : 1; }

export function stepFor(family, view) {
  const tops = FAMILIES[family].flatMap((name) => [peak(view.src, name, view), peak(live, name, view), (S.v[name] || []).slice(-1)[0]]);
  const most = Math.max(0, ...tops.filter(words.known)) * factor(family);
  const wanted = words.stepOf(most), held = S.held[family];
  if (!held || wanted[0] > held[0] || most < held[0] / 10) S.held[family] = wanted;
  return S.held[family];
}

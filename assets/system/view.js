// The window that is drawn, its zone and its units.
import { ageS, isOld, state } from "./age.js";
import { el, set } from "./dom.js";
import { asked, S } from "./state.js";
import * as gaps from "./gaps.js";
import * as words from "./words.js";

export function zone() {
  var page = el("system-page");
  return (page && page.dataset.zone) || Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

export function windowOf() {
  var newest = S.t.length ? S.t[S.t.length - 1] : Date.now();
  var to = isOld(state()) && S.t.length && ageS() !== null ? newest + ageS() * 1000 : newest;
  return { from: to - asked.window * 1000, to: to };
}

export function title() { return asked.name || (S.about && S.about.total_of.length ? S.about.total_of.join(" + ") : "total"); }
export function subtitle(view) {
  if (!S.about) return;
  var whose = { host: "This host", container: "This container", unknown: "This system" }[S.about.scope];
  var last = S.t.length ? "last sample " + words.clock(S.t[S.t.length - 1], view.offset) + " " + zone() : "no sample yet";
  set("system-sub", { children: [whose, S.about.total_rule, last].filter(Boolean).join(" · ") });
}
export function asOf(view) {
  var text = S.t.length ? words.clock(S.t[S.t.length - 1], view.offset) + " " + zone() : words.UNKNOWN;
  var step = S.now && words.known(S.now.interval_s) ? S.now.interval_s.toFixed(2) + " s measured, every " + asked.periodMs / 1000 + " s planned" : words.UNKNOWN;
  document.querySelectorAll(".sys-as-of").forEach(function (node) { node.textContent = text; });
  document.querySelectorAll(".sys-step").forEach(function (node) { node.textContent = step; });
}

// One unit for the network and one for the disks: that of their chart's axis, which every figure beside it takes. It
// grows with the window's peak at once and shrinks only when the peak is a tenth of it, so that it does not flicker.
export function factor(kind) { return kind === "network" && asked.bits ? 8 : 1; }
export function axis(kind, view) {
  var columns = kind === "network" ? [S.recv, S.sent] : [S.read, S.written];
  var most = Math.max.apply(null, columns.map(function (each) { return peak(each, view); }).filter(words.known).concat([0])) * factor(kind);
  var wanted = words.stepOf(most), held = S.held[kind];
  if (!held || wanted[0] > held[0] || most < held[0] / 10) S.held[kind] = held = wanted;
  return held;
}
export function peak(values, view) {
  var shown = values.filter(function (value, i) { return words.known(value) && S.t[i] >= view.from; });
  return shown.length ? Math.max.apply(null, shown) : null;
}
export function gapsOf(kind, values, view) {
  return gaps.gaps(S.t, function (i) { return words.known(values[i]); }, S.why[kind], view.from, view.to, asked.periodMs);
}
export function newestFirst(row) {
  var out = [];
  for (var i = S.t.length - 1; i >= 0 && out.length < 60; i -= 1) out.push(row(i));
  return out;
}

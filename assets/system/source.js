// The columns that are drawn, whichever way they came: live points or steps of the history. One shape for both:
// `at` (ms), `periodMs`, `mid`, `most`, `least` by name, gaps with reasons, and a summary of the window.
import * as gaps from "./gaps.js";
import { isPast } from "./past.js";
import { H, S, asked } from "./state.js";
import { known } from "./words.js";

const NOTHING = [];

function groupOf(name) {
  const first = name.split("_")[0];
  return { net: "network", mem: "memory", swap: "memory", disk: "disk" }[first] || first.replace(/\d+$/, "");
}

const live = {
  past: false,
  get at() { return S.t; },
  get periodMs() { return asked.periodMs; },
  names() { return Object.keys(S.v); },
  mid(name) { return S.v[name] || NOTHING; },
  most() { return null; },
  least() { return null; },
  never(name) { const why = live.why(name); return why.length > 0 && why.every((reason) => reason === "not offered here"); },
  why(name) {
    const of = groupOf(name);
    return S.why[of] || S.why[of + "_io"] || (of === "network" && asked.name && S.why["network@" + asked.name]) || NOTHING;
  },
  gaps(name, view) {
    const values = live.mid(name);
    return gaps.gaps(S.t, (i) => known(values[i]), live.why(name), view.from, view.to, asked.periodMs);
  },
  // The figures of the window, by the same definition as the history's: nearest rank of the 2 s rates.
  summary(name, view) {
    const values = live.mid(name), shown = [];
    let most = null, mostAt = null;
    S.t.forEach((at, i) => {
      if (at < view.from || at > view.to || !known(values[i])) return;
      shown.push(values[i]);
      if (most === null || values[i] > most) { most = values[i]; mostAt = at; }
    });
    if (!shown.length) return { p95: null, max: null, max_at: null, of: null };
    shown.sort((a, b) => a - b);
    return { p95: shown[Math.ceil(0.95 * shown.length) - 1], max: most, max_at: mostAt, of: asked.periodMs / 1000 + " s rates" };
  },
};

const past = {
  past: true,
  // The middle of each step; of the last one, of as much as has passed: a spike of now does not wait for half of it.
  get at() {
    if (!H.body) return NOTHING;
    if (H.body !== past.of) {
      past.of = H.body;
      past.times = Array.from({ length: H.body.n }, (_, i) => (past.start(i) + Math.min(past.start(i + 1), Date.parse(H.body.window.end))) / 2);
    }
    return past.times;
  },
  start(i) { return (H.body.t0_s + i * H.body.step_s) * 1000; },
  get periodMs() { return H.body ? H.body.step_s * 1000 : asked.periodMs; },
  get coarse() { return !!H.body && H.body.step_s > H.body.tier_s || !!H.body && H.body.tier_s > asked.periodMs / 1000; },  // a step holds several samples
  names() { return H.body ? Object.keys(H.body.series) : NOTHING; },
  column(name, which) { return (H.body && H.body.series[name] && H.body.series[name][which]) || NOTHING; },
  mid(name) { return past.column(name, "mean"); },
  most(name) { return past.column(name, "max"); },
  least(name) { return past.column(name, "min"); },
  why() { return NOTHING; },
  never() { return false; },
  gaps(name, view) {
    const values = past.mid(name), of = groupOf(name), found = [];
    if (!H.body) return [{ from: view.from, to: view.to, reason: H.problem ? "history failed" : "reading" }];
    const told = (H.body.gaps || []).filter((gap) => !gap.of || gap.of.split("@")[0].replace("_io", "") === of)
      .map((gap) => ({ from: Date.parse(gap.start), to: Date.parse(gap.end), reason: gap.reason }));
    // What the server tells has its own beginning and end, whatever the steps. One in which no whole step is unknown has no
    // room for a hatch: it is told in words.
    told.forEach((gap) => found.push(Object.assign({ small: true }, gap)));
    past.at.forEach((at, i) => {
      if (known(values[i])) return;
      const from = past.start(i), to = Math.min(past.start(i + 1), view.to), last = found[found.length - 1];
      const because = told.length ? found.filter((gap) => gap.from < to && gap.to > from && gap.small !== undefined) : [];
      if (because.length) because.forEach((gap) => { gap.small = false; });
      else if (last && last.to === from && last.small === undefined) last.to = to;
      else found.push({ from, to, reason: "unknown" });
    });
    return found.filter((gap) => gap.to > view.from && gap.from < view.to).sort((a, b) => a.from - b.from);
  },
  summary(name) { return (H.body && H.body.summary && H.body.summary[name]) || { p95: null, max: null, max_at: null, of: null }; },
};

export function source() { return isPast() ? past : live; }
export { live, past as history };

export function peak(src, name, view) {
  const values = src.most(name) || src.mid(name);
  let top = null;
  src.at.forEach((at, i) => { if (at >= view.from && at <= view.to && known(values[i]) && (top === null || values[i] > top)) top = values[i]; });
  return top;
}

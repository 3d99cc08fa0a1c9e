// The columns that are drawn, whichever way they came: live points or steps of the history. One shape for both:
// `at` (ms), `periodMs`, `mid`, `most`, `least` by name, gaps with reasons, and a summary of the window.
import { ageS } from "./age.js";
import * as gaps from "./gaps.js";
import { beginsLate, isJoined, isPast, toldBefore } from "./past.js";
import { H, S, asked } from "./state.js";
import { known } from "./words.js";

const NOTHING = [];

function groupOf(name) {
  const first = name.split("_")[0];
  return { net: "network", mem: "memory", swap: "memory", disk: "disk" }[first] || first.replace(/\d+$/, "");
}

// The time up to which something can be known: the newest sample's, gone on by its age.
function now() { return S.t.length ? S.t[S.t.length - 1] + (ageS() || 0) * 1000 : Date.now(); }

function notYet(view) {
  const from = Math.max(view.from, now());
  return view.to - from > gaps.SILENT_PERIODS * asked.periodMs ? [{ from, to: view.to, reason: gaps.NOT_YET }] : [];
}

// The sampler's own clock tells a step that was late; where it tells of none, the wall clock jumped.
function jumped(i) { return !asked.host && !Object.values(S.why).some((reasons) => reasons[i] === "late sample"); }

// Why nothing is known of the time before memory begins.
function before(gap, name) {
  if (S.turnedAt === S.t[0]) return [Object.assign({}, gap, { reason: gaps.TURNED })];
  if (!beginsLate()) return [gap];
  if (!toldBefore()) return [Object.assign({}, gap, { reason: H.problem ? "history failed" : "reading" })];
  const found = told(name).filter((each) => each.from < gap.to && each.to > gap.from)
    .map((each) => Object.assign(each, { from: Math.max(each.from, gap.from), to: Math.min(each.to, gap.to) })).sort((a, b) => a.from - b.from);
  if (!found.length) return [gap];
  const last = found[found.length - 1], first = found[0].from - gap.from > 1.5 * asked.periodMs ? [Object.assign({}, gap, { to: found[0].from })] : [];
  last.to = Math.max(last.to, gap.to);  // up to where memory begins, or the window ends
  return first.concat(found);
}

// How a host is now tells of its silence, which may have begun before what is held, since when it lasts, or that it never
// spoke: a window of many days may know better.
function toNow(found, values) {
  const silent = S.down ? found.filter((gap) => gap.reason === "host down") : [];
  if (!silent.length) return;
  const last = found[found.length - 1];
  if (S.down.since === null && !values.some(known)) silent.forEach((gap) => { gap.reason = "never seen"; });
  else if (S.down.since !== null && last.open && silent.indexOf(last) >= 0) Object.assign(last, { since: S.down.since, open: false });
}

// What the history tells of gaps: its own beginnings and ends, whatever the steps.
function told(name) {
  const of = groupOf(name);
  return (H.body.gaps || []).filter((gap) => !gap.of || gap.of.split("@")[0].replace("_io", "") === of)
    .map((gap) => ({ from: Date.parse(gap.start), to: Date.parse(gap.end), since: Date.parse(gap.start), reason: gap.reason, open: gap.start === H.body.window.start }));
}

// What a live figure is of: a level is a sample, anything else a rate over the step. As `series.py` says it of the history's.
const LEVELS = /^(mem|swap|load|mount|temp|gpu)/;
export const liveOf = (name) => asked.periodMs / 1000 + (LEVELS.test(name) ? " s samples" : " s rates");
const NONE = { p95: null, max: null, max_at: null, of: null, max_of: null };

const live = {
  past: false,
  get at() { return S.t; },
  get periodMs() { return asked.periodMs; },
  // How far another host is scraped apart may have been changed: whether a step was late there its own sampler tells.
  breakMs(i) { return asked.host && !Object.values(S.why).some((reasons) => gaps.OVERDUE.indexOf(reasons[i]) >= 0) ? Infinity : asked.periodMs; },
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
    const values = live.mid(name), to = Math.min(view.to, now()), turned = S.turnedAt;
    if (to <= view.from) return notYet(view);
    if (S.empty && !S.t.length) return [{ from: view.from, to, reason: "no scrapes" }];
    const found = gaps.gaps(S.t, (i) => known(values[i]), live.why(name), view.from, to, asked.periodMs, jumped, live.breakMs)
      .flatMap((gap) => (gap.reason === "not started" && S.t.length ? before(gap, name) : [gap])).concat(notYet(view));
    toNow(found, values);
    const because = S.refused && S.refused.title ? S.refused.title + "." : S.trouble && S.trouble.detail;
    found.forEach((gap) => { if (gap.reason === "stale" && because) gap.because = because; });
    // Set back by less than the window: what was dropped leaves no room for a hatch, and is told in words.
    if (turned !== null && turned !== S.t[0] && turned > view.from) found.push({ from: turned - asked.periodMs, to: turned, reason: gaps.TURNED, small: true });
    return found.sort((a, b) => a.from - b.from);
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
    if (!shown.length) return NONE;
    shown.sort((a, b) => a - b);
    return { p95: shown[Math.ceil(0.95 * shown.length) - 1], max: most, max_at: mostAt, of: liveOf(name), max_of: liveOf(name) };
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
    const values = past.mid(name), found = [];
    if (view.from >= now()) return notYet(view);
    if (!H.body) return [{ from: view.from, to: view.to, reason: H.problem ? "history failed" : "reading" }];
    // One in which no whole step is unknown has no room for a hatch: it is told in words.
    told(name).forEach((gap) => found.push(Object.assign({ small: true }, gap)));
    toNow(found, values);
    const explained = found.length > 0;
    const shares = past.column(name, "gap");
    past.at.forEach((at, i) => {
      // A step of which most is not known has a figure of the rest: what is missing is hatched all the same.
      if (known(values[i])) {
        if (shares[i] > 0.5) found.filter((gap) => gap.from < past.start(i + 1) && gap.to > past.start(i)).forEach((gap) => { gap.small = false; });
        return;
      }
      const from = past.start(i), to = Math.min(past.start(i + 1), view.to), last = found[found.length - 1];
      const because = explained ? found.filter((gap) => gap.from < to && gap.to > from && gap.small !== undefined) : [];
      // Of another host a step that holds an outage is blank as a whole: no line is drawn there, and so it is hatched.
      if (because.length) because.forEach((gap) => { gap.small = false; gap.blank = { from: Math.min(from, (gap.blank || gap).from), to: Math.max(to, (gap.blank || gap).to) }; });
      else if (last && last.to === from && last.small === undefined) last.to = to;
      else found.push({ from, to, reason: "unknown" });
    });
    return found.filter((gap) => gap.to > view.from && gap.from < view.to)
      .map((gap) => Object.assign(gap, { since: gap.since || gap.from, from: Math.max(gap.from, view.from) })).sort((a, b) => a.from - b.from);
  },
  summary(name) { return (H.body && H.body.summary && H.body.summary[name]) || NONE; },
};

// After a restart: steps of the history up to where memory begins, and the live points since. No line crosses from one to
// the other: nobody measured in between.
const joined = {
  past: false,
  get coarse() { return past.coarse; },
  get periodMs() { return past.periodMs; },
  get steps() {  // how many; the last may hold the end of the run before and the beginning of this one
    const begun = S.t[0], ends = told("net_in").filter((gap) => gap.from < begun).map((gap) => gap.from);
    return past.at.filter((_, i) => past.start(i + 1) <= begun || ends.some((end) => end > past.start(i) && past.start(i) < begun)).length;
  },
  get at() {
    if (joined.of !== H.body || joined.seq !== S.seq) {
      const count = joined.steps, before = past.at.slice(0, count).map((at) => Math.min(at, S.t[0] - 1));
      Object.assign(joined, { of: H.body, seq: S.seq, count, times: before.concat(S.t) });
    }
    return joined.times;
  },
  breakMs(i) { return i < joined.count ? past.periodMs : i === joined.count ? 0 : asked.periodMs; },
  with(column, values) {
    joined.at;
    const before = column.slice(0, joined.count);
    return before.concat(new Array(joined.count - before.length).fill(null), values);
  },
  names() { return live.names(); },
  mid(name) { return joined.with(past.mid(name), live.mid(name)); },
  most(name) { return joined.with(past.most(name), live.mid(name)); },
  least(name) { return joined.with(past.least(name), live.mid(name).map(() => null)); },  // a single sample has no band
  never(name) { return live.never(name); },
  why(name) { return joined.with([], live.why(name)); },
  gaps(name, view) {
    const begun = Math.max(S.t[0], view.from), since = view.to > begun ? live.gaps(name, Object.assign({}, view, { from: begun })) : [];
    const before = view.from < begun ? past.gaps(name, Object.assign({}, view, { to: Math.min(begun, view.to) })) : [];
    before.filter((gap) => gap.to >= begun - asked.periodMs).forEach((gap) => { gap.small = false; });  // live points show its end
    return before.concat(since);
  },
  summary(name) { return past.summary(name); },
};

export function source() { return isJoined() ? joined : isPast() ? past : live; }
export { live, past as history };

export function peak(src, name, view) {
  const values = src.most(name) || src.mid(name);
  let top = null;
  src.at.forEach((at, i) => { if (at >= view.from && at <= view.to && known(values[i]) && (top === null || values[i] > top)) top = values[i]; });
  return top;
}

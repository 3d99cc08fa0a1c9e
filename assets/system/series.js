// The live points as columns by the names of the history: net_in, cpu, disk_read. A column that begins late or was not
// sent is null where there is nothing, never 0.
import { asked, LIVE_S, S } from "./state.js";

const NAMES = { recv: "net_in", sent: "net_out", cpu: "cpu", memory: "mem_used", read: "disk_read", written: "disk_write" };

export const CARRIED = Object.values(NAMES);

function columns(body) {
  const found = Object.assign({}, body.series);
  Object.keys(NAMES).forEach((name) => { if (body[name]) found[NAMES[name]] = body[name]; });
  (body.cores || []).forEach((cores, i) => cores.forEach((value, core) => {
    const name = "cpu_core_" + core;
    if (!found[name]) found[name] = body.t.map(() => null);
    found[name][i] = value;
  }));
  return found;
}

function append(into, name, before, values, count) {
  if (!into[name]) into[name] = new Array(before).fill(null);
  for (let i = 0; i < count; i += 1) into[name].push(values && values[i] !== undefined ? values[i] : null);
}

// How far back the points must reach, in seconds: the window, or the beginning of what is zoomed into. What is older is let
// go: a page that is left open must not grow.
export function reachS() {
  const zoomed = asked.zoom ? Math.ceil((Date.now() - asked.zoom.from) / 1000) : 0;
  return Math.min(3600, Math.max(Math.min(asked.window, LIVE_S), zoomed));
}

export function clear() { S.t = []; S.v = {}; S.why = {}; S.now = null; S.turnedAt = null; }

function keep(columns, isKept) { columns.forEach((column) => column.splice(0, column.length, ...column.filter((_, i) => isKept(i)))); }

// A clock that was set back: what was measured before bears times that are yet to come. It has no place on an axis that
// ends now.
function dropFuture(columns) {
  const future = new Set();
  let least = Infinity;
  for (let i = S.t.length - 1; i >= 0; i -= 1) {
    if (S.t[i] < least) least = S.t[i];
    else { if (!future.size) S.turnedAt = least; future.add(i); }
  }
  if (future.size) keep(columns, (i) => !future.has(i));
}

export function take(body) {
  const before = S.t.length, count = body.t.length, found = columns(body), gaps = body.gaps || {};
  new Set(Object.keys(S.v).concat(Object.keys(found))).forEach((name) => append(S.v, name, before, found[name], count));
  new Set(Object.keys(S.why).concat(Object.keys(gaps))).forEach((of) => append(S.why, of, before, gaps[of], count));
  S.t.push(...body.t);
  const keepMs = reachS() * 1000, all = [S.t].concat(Object.values(S.v), Object.values(S.why));
  dropFuture(all);
  let old = 0;  // the last one before the window stays: where a gap reaches into it, that is its beginning
  while (old + 1 < S.t.length && S.t[S.t.length - 1] - S.t[old + 1] > keepMs) old += 1;
  if (old) all.forEach((column) => column.splice(0, old));
}

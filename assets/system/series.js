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

export function clear() { S.t = []; S.v = {}; S.why = {}; S.now = null; }

export function take(body) {
  const before = S.t.length, count = body.t.length, found = columns(body), gaps = body.gaps || {};
  new Set(Object.keys(S.v).concat(Object.keys(found))).forEach((name) => append(S.v, name, before, found[name], count));
  new Set(Object.keys(S.why).concat(Object.keys(gaps))).forEach((of) => append(S.why, of, before, gaps[of], count));
  S.t.push(...body.t);
  const keepMs = reachS() * 1000;
  let old = 0;
  while (old < S.t.length && S.t[S.t.length - 1] - S.t[old] > keepMs) old += 1;
  if (old) [S.t].concat(Object.values(S.v), Object.values(S.why)).forEach((column) => column.splice(0, old));
}

// Gaps: where nothing is known, from the last known moment on
import { age, known } from "./words.js";

// A step so long that nobody looked in between: no line is drawn over it, even where both ends are known.
// `periodMs` may be a function of the point's place: where steps of the history go over into live points it changes.
export function stalled(times, i, periodMs) {
  return i > 0 && times[i] - times[i - 1] > 1.5 * (typeof periodMs === "function" ? periodMs(i) : periodMs);
}

const NO_NEWER = "no newer sample";
export const SILENT_PERIODS = 3;
export const JUMPED = "the clock was set forward, or the machine slept", TURNED = "the clock was set back", NOT_YET = "not yet";
const KILLED = "Ops Center was not running, or was killed before it had saved this";  // as `history_reader.py` tells it
const AT_TIMES = "The host did not answer at times, or was not asked";  // as `prometheus_outages.py` tells many outages

// Readings that failed. The first one after them brings no rate yet: that time is theirs, too.
const UNREAD = ["host down", "no figures", "read error"];
export const OVERDUE = UNREAD.concat("late sample");

function goesOn(times, isKnown, reasons, start, i, periodMs) {
  if (i >= times.length || isKnown(i)) return false;
  if (UNREAD.indexOf(reasons[start]) < 0) return reasons[i] === reasons[start];
  if (stalled(times, i, periodMs)) return false;  // of the time between nobody knows
  return reasons[i] === reasons[start] || (reasons[i] === "measuring" && reasons[i - 1] === reasons[start]);
}

// `jumped(i)` tells whether the sampler looked in time and only the wall clock went on by more. `since` is where a gap began
// that reaches into the window; one that is `open` may have begun earlier still. `breakMs`: as `stalled` takes it.
export function gaps(times, isKnown, reasons, from, to, periodMs, jumped, breakMs) {
  breakMs = breakMs || periodMs;
  var found = [], i = 0;
  if (!times.length) return [{ from: from, to: to, reason: "not started" }];
  if (times[0] - from > 1.5 * periodMs) found.push({ from: from, to: Math.min(times[0], to), reason: "not started" });
  while (i < times.length) {
    // A level is known again at once after a stall, and a host may be asked again and not answer: the time without a sample
    // is a gap all the same.
    const silent = stalled(times, i, breakMs) && (isKnown(i) ? isKnown(i - 1) : UNREAD.indexOf(reasons[i]) >= 0);
    if (silent) found.push({ from: times[i - 1], to: times[i], reason: jumped(i) ? JUMPED : "late sample" });
    if (isKnown(i)) { i += 1; continue; }
    var start = i;
    while (goesOn(times, isKnown, reasons, start, i + 1, breakMs)) i += 1;
    var begin = silent ? times[start] : start > 0 ? times[start - 1] : found.length ? times[0] : Math.max(from, times[0] - periodMs);
    var merged = found.length && found[found.length - 1].reason === "not started" && reasons[start] === "measuring";
    if (merged) found[found.length - 1].to = Math.min(times[i], to);
    else found.push({ from: begin, to: times[i], reason: reasons[start] || "unknown", open: start === 0 && !found.length });
    i += 1;
  }
  if (to - times[times.length - 1] > SILENT_PERIODS * periodMs) found.push({ from: times[times.length - 1], to: to, reason: "stale" });
  return found.filter(function (gap) { return gap.to > from && gap.to > gap.from; })
    .map(function (gap) { return Object.assign(gap, { since: gap.from, from: Math.max(gap.from, from) }); });
}

// How long a gap is, of which the window may show the end alone.
export function length(gap) {
  const begun = known(gap.since) ? gap.since : gap.from;
  return age(Math.round((gap.to - begun) / 1000)) + (gap.open ? " or more" : "");
}
// The words over a chart, which has little room: of another host the state that the table of hosts names.
export function short(gap, host) {
  switch (gap.reason) {
    case "not started": return "not measured";
    case "late sample": case "stale": return length(gap) + " without a sample";
    case "host down": return "down for " + length(gap);
    case AT_TIMES: return "down at times";
    case "no figures": case "no scrapes": case NO_NEWER: return "no data";
    case "read error": return host ? "not in its scrapes" : gap.reason;
    case KILLED: return "not running, or killed";
    default: return gap.reason.split(/[:(]/)[0];  // the rest stands in the list of gaps
  }
}
// `name` is the interface that is shown; none is the total, which may have been of others then than now. `host` is another
// host whose figures are shown; nothing is this machine.
export function why(gap, name, host) {
  switch (gap.reason) {
    case "not started": return host ? "Prometheus has nothing of this host before." : "Nothing was measured before the console's last start.";
    case "measuring": return "The first reading. A rate needs two.";
    case NO_NEWER: return host ? "Prometheus has nothing newer of it." : "There is no newer sample.";
    case "late sample": return (host ? "Prometheus has no sample of it for " : "No sample for ") + length(gap) + ". Rates over so long a step are not drawn.";
    case JUMPED: return "The clock was set forward, or the machine slept.";
    case TURNED: return "The clock was set back. What was measured before bears later times.";
    case NOT_YET: return "This time has not come yet.";
    case "counter reset": return "The counter was set back. What passed meanwhile is not known.";
    case "faster than possible": return "The counter moved on by more than the link can carry. That is no measurement.";
    case "interface gone": return (name || "An interface of the total") + " was not there.";
    case "route changed": return "The interfaces of the default route changed.";
    case "another is the busiest": return "Another interface became the busiest: from then on the total is of that one.";
    case "no interface": return "There is no interface but loopback.";
    case "host down": return (host || "The host") + " did not answer for " + length(gap) + ".";
    case "never seen": return "No scrape of it succeeded in the last 24 hours.";
    case "no figures": return "It answers, but without node_exporter's figures.";
    case "no scrapes": return "Prometheus no longer scrapes it.";
    case "not in its scrapes": return "Its scrapes did not have it.";
    case "read error": return host ? "Its scrapes did not have it." : "The counters could not be read.";
    case "not offered here": return "This system does not count it.";
    case "reading": return "The history is being read.";
    case "history failed": return "The history could not be read.";
    case "unknown": return host ? "Prometheus has too few scrapes of it for a step." : "Not known.";
    case "stale": return "No sample for " + length(gap) + "." + (gap.because ? " " + gap.because : "");
    default: return /^[A-Z]/.test(gap.reason) ? gap.reason + "." : "Not known: " + gap.reason + ".";
  }
}

// Words for figures, ages, times and gaps. null is unknown and stays unknown: it is "—". Nothing here makes a 0 of it.
export var NBSP = "\u00a0", UNKNOWN = "—";
export var STEPS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];

export function known(value) { return value !== null && value !== undefined; }

export function digits(value, small) {
  if (value === 0) return "0";
  var size = Math.abs(value);
  var after = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 || !small ? 2 : size >= 0.09995 ? 3 : 4;
  return size < 999.5 ? value.toFixed(after) : value.toLocaleString("en-US", digitsOf(after));
}
export function digitsOf(n) { return { minimumFractionDigits: n, maximumFractionDigits: n }; }

// The step a value is written in: k, M, G as in components/formats.py.
export function stepOf(value) {
  for (var i = 0; i < STEPS.length; i += 1) if (Math.abs(value) >= STEPS[i][0] * (STEPS[i][0] > 1 ? 0.9995 : 0)) return STEPS[i];
  return STEPS[STEPS.length - 1];
}
export function written(value, unit, step) {
  if (!known(value)) return [UNKNOWN, ""];
  // One unit for a chart and all that stands beside it; a figure too small for it to tell from zero, or too large to be
  // read in it, has its own.
  var size = Math.abs(value), used = step && (value === 0 || (size >= step[0] / 100 && size < step[0] * 1e5)) ? step : stepOf(value);
  return [digits(value / used[0], used[0] > 1), used[1] + unit];
}
export function rate(bytes, bits, step) { return written(known(bytes) && bits ? bytes * 8 : bytes, bits ? "bit/s" : "B/s", step); }
export function size(bytes) { return written(bytes, "B"); }
export function percent(value) { return (value < 10 ? value.toFixed(1) : value.toFixed(0)) + "%"; }
export function words(pair) { return pair[1] ? pair[0] + NBSP + pair[1] : pair[0]; }

export function age(seconds) {
  if (seconds < 90) return Math.floor(seconds) + NBSP + "s";
  if (seconds < 5400) return Math.floor(seconds / 60) + NBSP + "min";
  return Math.floor(seconds / 3600) + NBSP + "h";
}

// ---- time: one offset for the whole window, so that the axis never runs backwards on a DST change
export function offsetMs(zone, at) {
  var parts = {};
  new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(new Date(at)).forEach(function (part) { parts[part.type] = Number(part.value); });
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) - Math.floor(at / 1000) * 1000;
}
// A moment's label is made once: all charts and all drawings of it hold the same one. Those that nobody asks for go.
const MOMENTS = 600;  // a window has up to 450, and a drawing some of its own
let labels = new Map(), older = new Map();
export function local(at, offset) {
  const moment = at + offset;
  let label = labels.get(moment);
  if (label !== undefined) return label;
  label = older.get(moment) || new Date(moment).toISOString().replace("T", " ").slice(0, 23);
  if (labels.size >= MOMENTS) { older = labels; labels = new Map(); }
  labels.set(moment, label);
  return label;
}
export function clock(at, offset) { return new Date(at + offset).toISOString().slice(11, 19); }
export function day(at, offset) { return new Date(at + offset).toLocaleDateString("en-GB", { timeZone: "UTC", day: "numeric", month: "short" }); }
// The reverse of `local`.
export function parse(text, offset) { return Date.parse(String(text).replace(" ", "T") + (String(text).length > 10 ? "Z" : "T00:00Z")) - offset; }

// What the page knows and what it was asked to show.
export var URL_LIVE = "/api/v1/system/live", PERIODS = 3, WATCH_MS = 500, KEEP_MS = 3600000;
export var TOTAL = "/total";  // no interface may have a slash in its name
export var SERIES = ["t", "recv", "sent", "cpu", "cores", "memory", "read", "written"], WHY = ["network", "cpu", "memory", "disk"];

export function fresh() {
  var made = { seq: null, why: {}, now: null, mounts: [], about: null, heardAt: null, ageAt: null, lastHeard: null, misses: 0, held: {} };
  SERIES.forEach(function (name) { made[name] = []; });
  WHY.forEach(function (name) { made.why[name] = []; });
  return made;
}
export var asked = { window: 300, name: "", bits: false, paused: false, periodMs: 2000 };
export var S = fresh();

// What the page knows and what it was asked to show.
export const URL_LIVE = "/api/v1/system/live", URL_HISTORY = "/api/v1/system/history", URL_PROCESSES = "/api/v1/system/processes";
export const PERIODS = 3, WATCH_MS = 500;
export const LIVE_S = 900;  // a longer window is the history's: its steps keep their greatest value
export const TOTAL = "/total";  // no interface may have a slash in its name

export const asked = { tab: "overview", window: 300, name: "", host: "", bits: false, also: "", zoom: null, paused: false, owed: false, periodMs: 2000 };

// The live points: `t` in ms, `v` a column a series, `why` by what was read the reasons of points that are not known.
// `refused` is what the server said instead of figures: `{unset, title, ended}`, `ended` where the session has; `turnedAt` (ms) the first point after the wall
// clock was set back; `trouble` why another host's figures are old: `{title, detail}`; `empty` why
// there is no figure of it though it is not down.
export const S = { trouble: null, seq: null, t: [], v: {}, why: {}, turnedAt: null, now: null, mounts: [], about: null, down: null, empty: null, heardAt: null, ageAt: null, lastHeard: null, misses: 0, refused: null, held: {} };
// The newest answer of the history, of which question it is, and why the last one failed.
export const H = { key: null, body: null, askedAt: 0, answers: 0, problem: null };

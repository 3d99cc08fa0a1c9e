// The strip of figures: the newest value of each, its trend over the window, and the window's p95 and greatest value.
import { ageS, badge, downWords } from "./age.js";
import { el, fill, make } from "./dom.js";
import { history, liveOf, peak } from "./source.js";
import { beginsLate, toldBefore } from "./past.js";
import { asked, H, S } from "./state.js";
import { spanWords, stepFor, title } from "./view.js";
import * as plot from "./plot.js";
import * as words from "./words.js";

function card(id, pair, note, view, drawing, told) {
  if (!el(id)) return;
  if (!pair && (S.down || S.empty)) note = S.down ? downWords() : "no data";
  el(id).classList.toggle("sys-stale", view.old);
  if (pair) fill(id + "-value", [document.createTextNode(pair[0]), pair[1] ? make("span", "oc-unit", pair[1]) : null]);
  else {
    const chip = make("span", "oc-unknown"); chip.title = note;
    chip.append(make("span", "visually-hidden", "not known: " + note));
    fill(id + "-value", [chip]);
  }
  const old = view.old && ageS() !== null;
  fill(id + "-note", [old ? badge("warn", "clock", words.age(ageS()) + " old") : document.createTextNode(note)]);
  fill(id + "-spark", [drawing || null]);
  fill(id + "-span", told || []);
}

// The greatest value of the window: where the history tells it, with the live points since it was asked. Nothing stands
// above it that is newer.
function greatest(name, found, view, now) {
  let most = found.max, of = found.max_of, at = typeof found.max_at === "string" ? Date.parse(found.max_at) : found.max_at;
  // Before live points the history was asked some time ago: the window may have moved on from where it was greatest.
  if (words.known(at) && at < view.from - view.src.periodMs) { most = peak(view.src, name, view); at = null; }
  (S.v[name] || []).forEach((value, i) => {
    const inside = S.t[i] >= view.from && (S.t[i] <= view.to || !asked.zoom);
    if (inside && words.known(value) && (!words.known(most) || value > most)) { most = value; at = S.t[i]; of = liveOf(name); }
  });
  if (!asked.zoom && words.known(now) && now > most) { most = now; at = S.t[S.t.length - 1]; of = liveOf(name); }
  return { most, at, of };
}

// "15 s samples" with its length as it is written elsewhere, and in one piece: "6 h means" of 21,612 s.
function steps(told) {
  const parts = told.split(" s ");
  return piece(words.age(Number(parts[0])) + " " + parts[1]);
}
// Words that a narrow card must not part: a line breaks between such pieces only, never within a figure.
function piece(text) { return text.replace(/ /g, words.NBSP); }
function during(view) { return spanWords(view).split(" to ").map(piece).join(" to" + words.NBSP); }

// "p95 2.31 MB/s", "max 16.2 MB/s", "2 s rates in 5 min". Where the two are of different steps each says its own, short
// enough for a card: "p95 2.31 MB/s of 10 s", "max 16.2 MB/s of 2 s", "means in 1 d" (a rate is the mean of its step).
function spanOf(name, view, text, now) {
  if (beginsLate() && !toldBefore() && !H.problem) return [make("span", "", piece("p95 and max") + " are being read")];
  const found = view.src.summary(name, view), { most: top, at, of } = greatest(name, found, view, now);
  if (!words.known(top) || !view.src.at.length) return notKnown(view);
  const line = (word, value) => { const made = make("span"); made.append(word + words.NBSP, make("b", "", text(value))); return made; };
  const most = line("max", top);
  const p95 = words.known(found.p95) ? line("p95", found.p95) : make("span", "", "p95 not known");
  const each = words.known(found.p95) && parseFloat(found.of) !== parseFloat(of), length = (told) => " " + piece("of " + words.age(parseFloat(told)));
  most.title = (of ? "of " + of : "") + (words.known(at) ? " at " + view.when(at) : "");
  if (each) { p95.title = "of " + found.of; p95.append(length(found.of)); most.append(length(of)); }
  const kind = each ? (of.endsWith("samples") ? "steps" : "means") : of ? steps(of) : "";
  return [p95, most, make("span", "", kind + " " + during(view))];
}

function notKnown(view) { return [make("span", "", piece("p95 and max") + " " + piece("not known") + " " + during(view))]; }

function trend(name, view, color, top) {
  const src = view.src;
  return plot.spark(src.at, src.most(name) || src.mid(name), view.from, view.to, "var(--oc-" + color + ")", top, src.breakMs || src.periodMs);
}

export function cards(view) {
  if (!el("system-now") || el("system-now").closest("[hidden]")) return;
  const i = S.t.length - 1, now = S.now, step = stepFor("network", view), waiting = S.heardAt === null ? "no answer yet" : "measuring";
  const newest = (name) => (i < 0 || !S.v[name] ? null : S.v[name][i]);
  const whyNot = (of) => unread(S.why[of] && S.why[of][i]) || waiting;
  [["system-received", "net_in", "s0"], ["system-sent", "net_out", "s2"]].forEach(([id, name, color]) => {
    const value = newest(name), pair = words.known(value) ? words.rate(value, asked.bits, step) : null;
    const note = pair ? title() + ", over the last " + piece(now.interval_s.toFixed(1) + " s") + (now.imprecise ? ", imprecise" : "") : whyNot("network");
    card(id, pair, note, view, trend(name, view, color), spanOf(name, view, (v) => words.words(words.rate(v, asked.bits, step))));
  });
  const cpu = newest("cpu"), about = S.about;
  const cores = about && about.cores ? "of " + about.cores + (about.cores === 1 ? " core" : " cores") + (about.cpu_limit ? ", of which " + whose() + " may use " + about.cpu_limit : "") : "";
  card("system-cpu-now", words.known(cpu) ? [cpu < 10 ? cpu.toFixed(1) : cpu.toFixed(0), "%"] : null, words.known(cpu) ? cores : whyNot("cpu"), view,
    trend("cpu", view, "text-2", 100), spanOf("cpu", view, words.percent));
  memory(view, waiting); disk(view, waiting); load(view, waiting);
}

// Of another host nobody reads anything but what stands in its scrapes.
function unread(reason) { return asked.host && reason === "read error" ? "not in its scrapes" : reason; }

// What a control group's limit is the limit of: it need not be a container.
function whose() { return S.about && S.about.scope === "container" ? "this container" : "its control group"; }

function memory(view, waiting) {
  const found = S.now && S.now.memory;
  if (!found) {  // of what the window had before there may be a past all the same
    const kept = view.src.names().indexOf("mem_used") >= 0;
    card("system-memory-now", null, unread(S.now && S.now.reasons.memory) || waiting, view, kept ? trend("mem_used", view, "text-2") : null,
      kept ? spanOf("mem_used", view, (v) => words.words(words.size(v))) : notKnown(view));
    return;
  }
  const limited = words.known(found.limit), used = limited ? found.limit_used : found.used, whole = limited ? found.limit : found.total;
  const name = limited ? "mem_limit_used" : "mem_used";
  const swap = found.swap_total === null ? ", swap " + (S.now.reasons.swap || "not known") : "";
  card("system-memory-now", words.size(used), "of " + words.words(words.size(whole)) + (limited ? ", the limit of " + whose() : "") + swap, view,
    trend(name, view, "text-2", name === "mem_used" ? found.total : whole), spanOf(name, view, (v) => words.words(words.size(v)), used));
}

function disk(view, waiting) {
  const root = S.down ? null : S.mounts.find((mount) => mount.path === "/");
  // File systems have a slower clock than the ticks: their past is the history's in every window.
  const past = Object.assign({}, view, { src: history }), name = "mount_used_" + (root ? root.label.replace(/[ ,\n]/g, "_") : "root");
  const kept = history.names().indexOf(name) >= 0;
  if (!root || !words.known(root.used)) {
    const without = S.mounts.length || (asked.host && S.now) ? "no root file system is told" : waiting;
    card("system-disk-now", null, root ? root.reason : without, view, kept ? trend(name, past, "text-2") : null,
      kept ? spanOf(name, past, (v) => words.words(words.size(v))) : notKnown(view));
    return;
  }
  card("system-disk-now", words.size(root.used), words.words(words.size(root.free)) + " " + piece("free for use"), view, kept ? trend(name, past, "text-2", root.total) : meter(root),
    kept ? spanOf(name, past, (v) => words.words(words.size(v)), root.used) : notKnown(view));
}

function load(view, waiting) {
  const found = S.now && S.now.load, kept = view.src.names().indexOf("load1") >= 0;
  const note = found ? piece("5 min " + found[1].toFixed(2)) + ", " + piece("15 min " + found[2].toFixed(2)) : unread(S.now && S.now.reasons.load) || waiting;
  card("system-load", found ? [found[0].toFixed(2), ""] : null, note, view, kept ? trend("load1", view, "text-2") : null,
    kept ? spanOf("load1", view, (v) => v.toFixed(2), found && found[0]) : notKnown(view));
}

export function meter(mount) {
  const box = make("div", "oc-meter ink"), bar = make("i");
  const whole = words.known(mount.free) ? mount.used + mount.free : mount.total;  // blocks kept back for the system are neither
  if (!words.known(mount.used) || !(whole > 0)) { box.classList.add("unknown"); return box; }  // no bar: one without a width is full
  bar.style.width = ((100 * mount.used) / whole).toFixed(1) + "%";
  box.append(bar);
  return box;
}

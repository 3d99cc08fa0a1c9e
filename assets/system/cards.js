// The strip of figures.
import { ageS, badge } from "./age.js";
import { el, fill, make } from "./dom.js";
import { asked, S } from "./state.js";
import { title } from "./view.js";
import * as plot from "./plot.js";
import * as words from "./words.js";

export function card(id, pair, note, view, drawing) {
  if (!el(id)) return;
  el(id).classList.toggle("sys-stale", view.old);
  if (pair) fill(id + "-value", [document.createTextNode(pair[0]), pair[1] ? make("span", "oc-unit", pair[1]) : null]);
  else {
    var chip = make("span", "oc-unknown"); chip.title = note;
    chip.append(make("span", "visually-hidden", "not known: " + note));
    fill(id + "-value", [chip]);
  }
  var old = view.old && ageS() !== null;
  fill(id + "-note", [old ? badge("warn", "clock", words.age(ageS()) + " old") : document.createTextNode(note)]);
  fill(id + "-spark", [drawing || null]);
}

export function cards(view) {
  var i = S.t.length - 1, now = S.now;
  var waiting = S.heardAt === null ? "no answer yet" : "measuring";
  var whyNot = function (kind) { return S.why[kind][i] || waiting; };
  function net(id, values, color) {
    var value = i < 0 ? null : values[i], pair = words.known(value) ? words.rate(value, asked.bits, view.network) : null;
    var note = pair ? title() + ", over the last " + now.interval_s.toFixed(1) + " s" + (now.imprecise ? ", imprecise" : "") : whyNot("network");
    card(id, pair, note, view, plot.spark(S.t, values, view.from, view.to, color));
  }
  net("system-received", S.recv, "var(--oc-s0)");
  net("system-sent", S.sent, "var(--oc-s2)");
  var cpu = i < 0 ? null : S.cpu[i];
  var cores = S.about && S.about.cores ? "of " + S.about.cores + (S.about.cores === 1 ? " core" : " cores") + (S.about.cpu_limit ? ", limit " + S.about.cpu_limit : "") : "";
  card("system-cpu-now", words.known(cpu) ? [cpu < 10 ? cpu.toFixed(1) : cpu.toFixed(0), "%"] : null, words.known(cpu) ? cores : whyNot("cpu"), view, plot.spark(S.t, S.cpu, view.from, view.to, "var(--oc-text-2)", 100));
  memoryCard(view); diskCard(view);
  var load = now && now.load;
  card("system-load", load ? [load[0].toFixed(2), ""] : null, load ? "5 min " + load[1].toFixed(2) + ", 15 min " + load[2].toFixed(2) : (now && now.reasons.load) || waiting, view);
}
export function memoryCard(view) {
  var memory = S.now && S.now.memory;
  if (!memory) { card("system-memory-now", null, (S.now && S.now.reasons.memory) || (S.heardAt === null ? "no answer yet" : "measuring"), view); return; }
  var limited = words.known(memory.limit), used = limited ? memory.limit_used : memory.used, whole = limited ? memory.limit : memory.total;
  card("system-memory-now", words.size(used), "of " + words.words(words.size(whole)) + (limited ? ", the container's limit" : ""), view,
    plot.spark(S.t, S.memory, view.from, view.to, "var(--oc-text-2)", memory.total, asked.periodMs));
}
export function diskCard(view) {
  var root = S.mounts[0];
  if (!root || !words.known(root.used)) { card("system-disk-now", null, root ? root.reason : S.heardAt === null ? "no answer yet" : "measuring", view); return; }
  card("system-disk-now", words.size(root.used), words.words(words.size(root.free)) + " free for use", view, meter(root));
}
export function meter(mount) {
  var box = make("div", "oc-meter ink"), bar = make("i");
  if (words.known(mount.used) && mount.total > 0) bar.style.width = ((100 * mount.used) / mount.total).toFixed(1) + "%";
  else box.classList.add("unknown");
  box.append(bar);
  return box;
}

// The list of processes: asked along with the tick, only while somebody looks at it, and then with every third. Until
// there are shares of the CPU it is asked for with each, from the moment at which the tab is opened, before its panel comes.
import { el, fill, make, message, set } from "./dom.js";
import { mayAsk, poll, ride } from "./feed.js";
import { asked } from "./state.js";
import * as words from "./words.js";

const EVERY_MS = 6000, SHOWN = 50, SKELETON = [96, 88, 92, 70, 84, 78, 90];
let askedAt = -EVERY_MS;

function opened() { return asked.tab === "processes"; }
function looks() { return opened() && !!el("system-processes-rows"); }
function listed() { const rows = el("system-processes-rows"); return !!rows && rows.childElementCount > 0; }

// Two readings are needed, also while the page is paused.
export function waitsForList() { return !asked.host && opened() && !listed(); }

ride({
  add(query) {
    if (asked.host || !opened() || !mayAsk()) return false;
    if (performance.now() - askedAt < (listed() ? EVERY_MS : asked.periodMs / 2)) return false;
    askedAt = performance.now();
    query.set("processes", SHOWN);
    return true;
  },
  heard(body) { if (body.processes.problem) failed(body.processes.problem.detail || body.processes.problem.title); else show(body.processes); },
  failed(error) { failed(error instanceof TypeError || error instanceof DOMException ? "The console did not answer." : error.message); },
  lost() { askedAt = -EVERY_MS; },
  hurry() { return !asked.host && opened() && mayAsk() && !listed() && performance.now() - askedAt >= asked.periodMs; },
});

export function renewProcesses() {
  if (!looks()) return;
  if (asked.host) say("empty", message("empty", "No processes of another host", "Prometheus tells of none. Those of this machine are shown when no other host is."));
  else if (!listed() && !el("system-processes-note").childNodes.length) waiting();
}

// The loading look until there are shares, which the list is in the order of: two readings are needed, about a second apart.
function waiting() {
  const box = make("div", "oc-sk-rows");
  SKELETON.forEach((width) => { const bar = make("i", "oc-sk"); bar.style.width = width + "%"; box.append(bar); });
  say("measuring", "measuring…", box);
}
// What stands instead of the list; what stands there already is left alone.
function say(what, ...nodes) {
  const note = el("system-processes-note");
  if (!note) return;
  fill("system-processes-rows", []);
  fill("system-processes-shown", []);
  el("system-processes-rows").closest(".oc-tablewrap").hidden = true;
  note.hidden = false;
  if (note.dataset.said === what) return;
  note.dataset.said = what;
  note.replaceChildren(...nodes);
}

function cell(value, className, pair) {
  if (words.known(value)) return make("td", className, pair ? words.words(pair(value)) : String(value));
  const td = make("td", className);
  td.append(make("span", "oc-muted", words.UNKNOWN), make("span", "visually-hidden", " not known"));
  return td;
}
function show(body) {
  const list = body.processes || [], note = el("system-processes-note");
  if (!note) return;
  if (body.reason === "measuring" || (!list.length && !body.reason)) { waiting(); return; }
  if (!list.length) { failed(body.reason); return; }
  note.replaceChildren(); note.hidden = true; note.dataset.said = "";
  el("system-processes-rows").closest(".oc-tablewrap").hidden = false;
  set("system-processes-sub", { children: "by CPU" + (body.reason ? ", " + body.reason : "") });
  fill("system-processes-rows", list.map((each) => {
    const tr = make("tr"), name = make("td", "text-truncate", each.name);
    name.title = each.name;
    tr.append(name, cell(each.pid, "oc-num"), cell(each.user, ""), cell(each.cpu_percent, "oc-num", (v) => [v.toFixed(1), "%"]),
      cell(each.rss_bytes, "oc-num", (v) => words.size(v)), cell(each.threads, "oc-num"), cell(each.state, ""));
    return tr;
  }));
  const foot = el("system-processes-shown");
  if (foot) foot.textContent = (words.known(body.total) ? "Showing " + list.length + " of " + body.total + ". " : "") + "Names only: command lines can hold secrets. 100 % is one core.";
}
function again() { askedAt = -EVERY_MS; poll(); }
// What cannot be read now is not shown as it was before.
function failed(why) { say(why, message("failed", "Processes could not be read", why, again)); }

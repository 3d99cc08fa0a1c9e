// The list of processes: asked only while somebody looks at it, every third tick.
import { el, fill, make, set } from "./dom.js";
import { get, mayAsk } from "./feed.js";
import { asked, URL_PROCESSES } from "./state.js";
import * as words from "./words.js";

const EVERY_MS = 6000, SHOWN = 50;
let busy = null, askedAt = 0;

export function looks() { return asked.tab === "processes" && !!el("system-processes-rows"); }

export function renewProcesses() {
  if (busy || !looks() || !mayAsk() || performance.now() - askedAt < EVERY_MS) return;
  askedAt = performance.now();
  if (asked.host) { failed("Prometheus tells of no processes. Those of this machine are shown when no other host is."); return; }
  busy = new AbortController();
  get(URL_PROCESSES + "?limit=" + SHOWN, busy, EVERY_MS)
    .then((answer) => answer.json().then((body) => {
      if (!answer.ok) throw new Error([body.title, body.detail].filter(Boolean).join(". "));
      return body;
    }))
    .then((body) => show(body))
    .catch((error) => failed(error instanceof TypeError || error instanceof DOMException ? "The console did not answer." : error.message))
    .finally(() => { busy = null; });
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
  if (!list.length) { failed(body.reason || "measuring"); return; }
  note.textContent = ""; note.hidden = true;
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
// What cannot be read now is not shown as it was before.
function failed(why) {
  const note = el("system-processes-note");
  if (!note) return;
  fill("system-processes-rows", []);
  note.hidden = false;
  note.textContent = why === "measuring" ? "Measuring. The share of a processor needs two readings." : "Processes could not be read. " + why + "";
}

// Charts with their legends, captions and numbers. What each shows stands on its holder, as `components/live_chart.py`
// wrote it; how it is drawn is the same for all.
import { el, fill, make, message, set } from "./dom.js";
import { also } from "./feed.js";
import { again, want } from "./past.js";
import { meet } from "./pointer.js";
import { history, peak } from "./source.js";
import { CARRIED } from "./series.js";
import { asked, H, S } from "./state.js";
import { factor, spanWords, stepFor, title, zone } from "./view.js";
import * as plot from "./plot.js";
import * as words from "./words.js";

const ROWS = 60;
const LATER_MS = 300;
const ELSEWHERE = "This host's Prometheus has none of it here, or too few scrapes for a step.";
const waiting = new Set(), named = new Set();
let lacking = false, quiet = false, timer = 0;
const drawn = new WeakMap();  // by holder: what was drawn last

// ---- units: how a value is scaled for the axis and written in words
function unitOf(spec, view, series) {
  const kind = spec.kind;
  if (kind === "rate") {
    const times = factor(spec.family), step = stepFor(spec.family, view), bits = times === 8;
    return { scale: times / step[0], text: (v) => words.words(words.rate(v, bits, step)), label: step[1] + (bits ? "bit/s" : "B/s") };
  }
  if (kind === "bytes") {
    const total = spec.whole && S.now && S.now.memory ? S.now.memory.total : null;
    const step = words.stepOf(total || Math.max(1, ...series.map((each) => peak(view.src, each[0], view)).filter(words.known)));
    const range = total ? { range: [0, (total / step[0]) * 1.02] } : {};
    return { scale: 1 / step[0], text: (v) => words.words(words.size(v)), label: step[1] + "B", yaxis: range };
  }
  if (kind === "percent") {
    const whole = { range: [0, 102], tickvals: [0, 50, 100], ticktext: ["0%", "50%", "100%"] };
    return { scale: 1, text: (v) => words.percent(v), label: "", yaxis: spec.whole ? whole : { ticksuffix: "%" } };
  }
  const unit = { events: "/s", celsius: "°C", watts: "W" }[kind] || "";
  return { scale: 1, text: (v) => words.words([words.digits(v), unit]), label: unit };
}

// The series that exist here: those named, and any whose name begins as `match` says.
function seriesOf(spec, src) {
  const names = src.names();
  const found = spec.series.filter((each) => names.indexOf(each[0]) >= 0 && !src.never(each[0]));
  if (!spec.match) return found;
  const rest = spec.numbered ? /^\d+$/ : /^/;
  const own = names.filter((name) => name.indexOf(spec.match) === 0 && rest.test(name.slice(spec.match.length)) && !spec.series.some((each) => each[0] === name));
  own.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  return own.slice(0, spec.most).map((name, n) => {
    const label = (spec.word ? spec.word + " " : "") + name.slice(spec.match.length).replace(/_/g, " ");
    return [name, label, spec.color || "s" + (n % 8), n >= 8];
  }).concat(found);
}

// What stands in the legend beside a numbered series, such as a GPU's memory: the newest value that is known.
function beside(spec, view, series) {
  return (spec.beside || []).map(([begin, kind]) => {
    const name = begin + series[0].slice(spec.match.length), value = view.src.mid(name).filter(words.known).pop();
    return words.known(value) ? ", " + unitOf({ kind }, view, [[name]]).text(value) : "";
  }).join("");
}

function legend(id, entries) {
  fill(id + "-legend", entries.map((entry) => {
    const item = make("li"), mark = make("span", "oc-sw " + (entry.band ? "band" : entry.color ? "line" : "hatch") + (entry.dashed ? " dashed" : ""));
    if (entry.color) mark.style.setProperty("--c", "var(--oc-" + entry.color + ")");
    mark.setAttribute("aria-hidden", "true");
    item.append(mark, make("span", "", entry.name));
    if (entry.text) item.append(make("b", "", entry.text));
    return item;
  }));
}

function numbers(id, view, series, unit) {
  const box = el(id + "-numbers");
  if (!box || !box.parentElement.open) return;
  const table = make("table", "oc-table"), head = make("tr"), body = make("tbody"), src = view.src;
  ["Time, " + zone()].concat(series.map((each) => each[1] + (src.past ? ", mean (max)" : ""))).forEach((text, i) => {
    const th = make("th", i ? "oc-num" : "", text); th.scope = "col"; head.append(th);
  });
  for (let i = src.at.length - 1, rows = 0; i >= 0 && rows < ROWS; i -= 1) {
    if (src.at[i] < view.from || src.at[i] > view.to) continue;
    const tr = make("tr");
    tr.append(make("td", "", view.when(src.at[i])));
    series.forEach((each) => {
      const value = src.mid(each[0])[i], most = src.most(each[0]);
      const text = words.known(value) ? unit.text(value) + (most ? " (" + unit.text(most[i]) + ")" : "") : words.UNKNOWN + " (" + (src.why(each[0])[i] || "not known") + ")";
      tr.append(make("td", "oc-num", text));
    });
    body.append(tr); rows += 1;
  }
  const thead = make("thead"); thead.append(head); table.append(thead, body); box.replaceChildren(table);
}

function traces(spec, view, series, unit) {
  const src = view.src, out = [], lines = [], lone = [], x = src.at.map((at) => words.local(at, view.offset));
  const draw = (line, ...dots) => { lines.push(line); lone.push(...dots); };
  series.forEach((each, n) => {
    const name = each[0], color = each[2] === "text-2" ? "oc:text2" : "oc:" + each[2], values = src.mid(name), most = src.most(name);
    const scaled = (column) => column.map((value) => (words.known(value) ? value * unit.scale : null));
    const text = values.map((value, i) => (words.known(value) ? unit.text(value) + (most && words.known(most[i]) ? ", max " + unit.text(most[i]) : "") : ""));
    const line = { color, width: each[2] === "other" ? 1 : 1.75 };
    if (each[3]) line.dash = "4px,3px";
    if (n && view.old && series.length === 2) line.dash = "6px 4px";  // what is old is nearly grey: dashes keep the two apart
    if (each[2] !== "other" && src.coarse) out.push(plot.band(src.at, scaled(src.least(name)), scaled(most), src.periodMs, view.offset, color, each[1]));
    if (src.past) {
      draw(...plot.line(x, scaled(values), color, each[1], "%{text}", { line, text }));
    } else {
      const whole = plot.broken(x, scaled(values), src.at, src.breakMs || src.periodMs, text);
      draw(...plot.line(whole.x, whole.y, color, each[1], "%{text}", { line, text: whole.text }));
    }
  });
  return out.concat(lines, lone);
}

// ---- what stands instead of a chart
function say(id, kind, head, text, retry) {
  const box = el(id + "-instead");
  if (!box) return;
  const words = kind ? kind + head + text : "";
  if (box.dataset.said === words) return;
  box.dataset.said = words;
  box.hidden = !kind;
  box.replaceChildren(...(kind ? [message(kind, head, text, retry && again)] : []));
}

// What a chart shows beside what every live answer carries. Levels (mounts, sensors) have a slower clock of their own: they
// are the history's. Devices are known by name once the history has told of them.
function liveNames(spec) {
  if (spec.slow) return [];
  const own = spec.match ? history.names().filter((name) => name.indexOf(spec.match) === 0) : [];
  return spec.series.map((each) => each[0]).concat(own).filter((name) => CARRIED.indexOf(name) < 0 && name.indexOf("cpu_core_") !== 0);
}

// What the live answers do not carry is the history's, in short windows too.
function sourceOf(spec, view) {
  if (view.src.past || seriesOf(spec, view.src).length || !view.src.at.length) return view;
  lacking = true;
  return Object.assign({}, view, { src: history });
}

function near(node) {
  const box = node.getBoundingClientRect();
  return box.bottom > -200 && box.top < innerHeight + 200;
}

// A chart is drawn when something of it changed, and its new points only while it is in sight. One that was never drawn
// waits for a quiet moment where it is out of sight, so that what is looked at comes first.
function wanted(holder, view, id) {
  const plot = el(id + "-graph").querySelector(".js-plotly-plot");
  if (plot && plot._dragging) return false;  // whoever draws a zoom keeps the chart still until the mouse is let go
  const open = el(id + "-numbers").parentElement.open, theme = document.documentElement.dataset.bsTheme;
  const what = [view.revision, (view.src.past || view.src.coarse) && H.answers, asked.bits, view.old, theme, open].join("|"), points = [S.seq, view.from, view.to].join("|");
  const last = drawn.get(holder), seen = near(holder);
  if (last && last.what === what && (last.points === points || !seen)) return false;
  if (!seen && !quiet) { waiting.add(holder); return false; }
  drawn.set(holder, { what, points });
  return true;
}
export function forget(ids) {
  ids.forEach((id) => document.querySelectorAll("#" + id + " [data-chart]").forEach((holder) => drawn.delete(holder)));
}
function later(view) {
  if (!waiting.size) return;
  waiting.clear();
  clearTimeout(timer);
  timer = setTimeout(() => { quiet = true; charts(view); quiet = false; }, LATER_MS);
}

// React holds on to what it drew the time before, and to what stood before that until a part of the page is drawn anew: of
// a page that is left open the figures of several drawings would be kept. The last but one is needed by nobody.
const given = new WeakMap();  // by holder: the last two figures
function give(holder, id, figure) {
  const [last, former] = given.get(holder) || [];
  if (former) former.data.forEach((trace) => Object.assign(trace, { x: [], y: [], text: [] }));
  given.set(holder, [figure, last]);
  set(id + "-graph", { figure });
}

const begun = new WeakSet();

function chart(holder, page) {
  const id = holder.dataset.chart, spec = (holder.spec = holder.spec || JSON.parse(holder.dataset.spec));
  if (holder.closest("[hidden]") || !el(id + "-graph")) return;
  liveNames(spec).forEach((name) => named.add(name));
  const view = sourceOf(spec, page);
  if (!wanted(holder, view, id)) return;
  const graph = el(id + "-graph"), series = seriesOf(spec, view.src), failed = view.src.past && !view.src.at.length && H.problem;
  const absent = !series.length && !failed && view.src.at.length > 1;
  if (failed) say(id, "failed", H.problem.title, H.problem.detail, true);
  else if (absent) say(id, "empty", spec.absent || (asked.host ? "Nothing in this window" : "Not measured here"), (asked.host ? spec.elsewhere || ELSEWHERE : spec.why) || "This system does not offer it.");
  else say(id, "");
  graph.hidden = absent || !!failed;
  el(id + "-numbers").parentElement.hidden = graph.hidden;
  fill(id + "-legend", []);
  if (graph.hidden) { set(id + "-sub", { children: "" }); el(id + "-caption").textContent = absent ? spec.absent || "Not measured here." : "Not known."; return; }
  const unit = unitOf(spec, view, series), first = series.length ? series[series.length - 1][0] : spec.series.length ? spec.series[0][0] : "net_in";
  const found = view.src.gaps(spec.of || first, view);
  give(holder, id, plot.figure(traces(spec, view, series, unit), found, Object.assign({}, view, { height: spec.height, yaxis: unit.yaxis, host: asked.host })));
  meet(graph, view);
  const tops = series.map((each) => peak(view.src, each[0], view));
  const text = tops.map((top, n) => (words.known(top) ? "peak " + unit.text(top) + beside(spec, view, series[n]) : "not known"));
  const banded = view.src.coarse && series.length > 0;
  const grouped = spec.match && spec.color;  // many of one colour are one entry
  const entries = series.map((each, n) => ({ color: each[2], name: each[1], text: spec.peaks === false ? "" : text[n], dashed: each[3] || (n && view.old && series.length === 2) }))
    .filter((_, n) => !grouped || series[n][0].indexOf(spec.match) !== 0);
  const many = grouped ? series.filter((each) => each[0].indexOf(spec.match) === 0) : [];
  if (many.length) entries.push({ color: spec.color, name: many.length === 1 ? many[0][1] : spec.word + "s " + many[0][1].slice(spec.word.length + 1) + " to " + many[many.length - 1][1].slice(spec.word.length + 1), text: "" });
  if (banded) entries.push({ color: entries.length === 1 ? entries[0].color : "text-2", name: "least to most in " + words.age(view.src.periodMs / 1000), band: true });
  if (found.some((gap) => !gap.small)) entries.push({ name: "no sample" });
  legend(id, entries);
  set(id + "-sub", { children: [spec.family === "network" || spec.named ? title() : spec.sub, unit.label, spec.family === "network" ? (asked.bits ? "1 Mbit = 1,000,000 bit" : "1 MB = 1,000,000 B") : ""].filter(Boolean).join(", ") });
  el(id + "-caption").textContent = series.map((each, n) => each[1] + ": " + text[n]).join("; ") + " " + spanWords(view) + ". " + found.length + (found.length === 1 ? " gap." : " gaps.");
  numbers(id, view, series, unit);
}

export function charts(view) {
  lacking = false; named.clear();
  const shown = Array.from(document.querySelectorAll("[data-chart]")).filter((holder) => !holder.closest("[hidden]")), page = el("system-page");
  if (shown.length > 1 && !begun.has(page)) {  // the first chart is seen before the others are made: each takes its time
    begun.add(page);
    chart(shown[0], view);
    setTimeout(() => charts(view), 0);
    return;
  }
  shown.forEach((holder) => chart(holder, view));
  want(lacking);
  // Every interface's errors and drops come with the ticks alone, however long the window.
  also(Array.from(named).filter((name) => !view.src.past || name.indexOf("net_err") === 0));
  later(view);
}

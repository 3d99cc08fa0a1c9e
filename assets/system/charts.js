// Charts with their legends, captions and numbers.
import { el, fill, make, set } from "./dom.js";
import { asked, S } from "./state.js";
import { factor, gapsOf, newestFirst, peak, title, zone } from "./view.js";
import * as gaps from "./gaps.js";
import * as plot from "./plot.js";
import * as words from "./words.js";

export function legend(id, entries) {
  fill(id + "-legend", entries.map(function (entry) {
    var item = make("li"), mark = make("span", entry[0] === "" ? "" : "oc-sw " + (entry[0] ? "line" : "hatch") + (entry[3] ? " dashed" : ""));
    if (entry[0]) mark.style.setProperty("--c", entry[0]);
    mark.setAttribute("aria-hidden", "true");
    item.append(mark, make("span", "", entry[1]));
    if (entry[2]) item.append(make("b", "", entry[2]));
    return item;
  }));
}
export function numbers(id, head, table) {
  var box = el(id + "-numbers");
  if (!box || !box.parentElement.open) return;
  var drawn = make("table", "oc-table"), top = make("tr"), body = make("tbody");
  head.forEach(function (text, i) { var th = make("th", i ? "oc-num" : "", text); th.scope = "col"; top.append(th); });
  table().forEach(function (row) {
    var tr = make("tr");
    row.forEach(function (text, i) { tr.append(make("td", i ? "oc-num" : "", text)); });
    body.append(tr);
  });
  var thead = make("thead"); thead.append(top); drawn.append(thead, body); box.replaceChildren(drawn);
}
export function twoRates(id, kind, names, values, view, height, colors) {
  if (!el(id + "-graph")) return null;
  var times = factor(kind), bits = times === 8, step = view[kind];
  function rate(value) { return words.words(words.rate(value, bits, step)); }
  var peaks = values.map(function (each) { return peak(each, view); });
  var x = S.t.map(function (at) { return words.local(at, view.offset); });
  var found = gapsOf(kind, values[0], view);
  var traces = values.map(function (each, n) {
    var scaled = each.map(function (value) { return words.known(value) ? (value * times) / step[0] : null; });
    var line = { color: "oc:s" + colors[n], width: 1.75 };
    if (n && view.old) line.dash = "6px 4px";  // what is old is nearly grey: dashes keep the two apart
    return plot.line(x, scaled, "oc:s" + colors[n], names[n], "%{text}", { line: line, text: each.map(rate) });
  });
  set(id + "-graph", { figure: plot.figure(traces, found, Object.assign({ height: height, yaxis: {} }, view)) });
  var text = peaks.map(function (value) { return words.known(value) ? "peak " + rate(value) : "not known"; });
  legend(id, names.map(function (name, n) { return ["var(--oc-s" + colors[n] + ")", name, text[n], n && view.old]; }).concat(found.length ? [[null, "no sample", ""]] : []));
  el(id + "-caption").textContent = names.map(function (name, n) { return name + ": " + text[n]; }).join("; ") + ". " + found.length + (found.length === 1 ? " gap." : " gaps.");
  numbers(id, ["Time, " + zone()].concat(names), function () {
    return newestFirst(function (i) {
      return [words.clock(S.t[i], view.offset)].concat(values.map(function (each) {
        return words.known(each[i]) ? rate(each[i]) : words.UNKNOWN + " (" + (S.why[kind][i] || "not known") + ")";
      }));
    });
  });
  return { unit: step[1] + (bits ? "bit/s" : "B/s"), gaps: found };
}

export function network(view) {
  var drawn = twoRates("system-network", "network", ["received", "sent"], [S.recv, S.sent], view, 300, [0, 2]);
  if (!drawn) return;
  var base = asked.bits ? "1 Mbit = 1,000,000 bit" : "1 MB = 1,000,000 B";
  set("system-network-sub", { children: title() + ", " + drawn.unit + ", " + base });
  if (!drawn.gaps.length) { fill("system-gaps", [make("li", "", "None: every sample came in time.")]); return; }
  fill("system-gaps", drawn.gaps.slice(-20).reverse().map(function (gap) {
    var item = make("li"), text = make("div"), mark = make("span", "oc-sw hatch");
    text.append(make("b", "", words.clock(gap.from, view.offset) + " to " + words.clock(gap.to, view.offset)), gaps.why(gap, title()));
    item.append(mark, text);
    return item;
  }));
}
export function cpu(view) {
  if (!el("system-cpu-graph")) return;
  var x = S.t.map(function (at) { return words.local(at, view.offset); }), found = gapsOf("cpu", S.cpu, view);
  var count = S.cores.reduce(function (most, each) { return Math.max(most, each.length); }, 0), traces = [], entries = [];
  for (var core = 0; core < count; core += 1) {
    traces.push(plot.line(x, S.cores.map(function (each) { return words.known(each[core]) ? each[core] : null; }), "oc:other", "core " + core, "%{y:.0f}%", { line: { color: "oc:other", width: 1 } }));
  }
  traces.push(plot.line(x, S.cpu, "oc:text", "all cores", "%{y:.1f}%"));
  set("system-cpu-graph", { figure: plot.figure(traces, found, Object.assign({ height: 220, yaxis: { range: [0, 102], tickvals: [0, 50, 100], ticktext: ["0%", "50%", "100%"] } }, view)) });
  var top = peak(S.cpu, view), last = S.cpu[S.cpu.length - 1];
  entries.push(["var(--oc-text)", "all cores", words.known(last) ? last.toFixed(1) + "%" : ""]);
  if (count) entries.push(["var(--oc-other)", count === 1 ? "core 0" : "cores 0 to " + (count - 1), ""]);
  if (found.length) entries.push([null, "no sample", ""]);
  legend("system-cpu", entries);
  set("system-cpu-sub", { children: "busy, all and per core" + (S.about && S.about.cores > count && count ? ", the first " + count + " of " + S.about.cores : "") });
  el("system-cpu-caption").textContent = words.known(top) ? "Busy share of all cores, peak " + top.toFixed(1) + "%." : "Not known yet.";
  numbers("system-cpu", ["Time, " + zone(), "all cores"], function () {
    return newestFirst(function (i) { return [words.clock(S.t[i], view.offset), words.known(S.cpu[i]) ? S.cpu[i].toFixed(1) + "%" : words.UNKNOWN + " (" + (S.why.cpu[i] || "not known") + ")"]; });
  });
}
export function memory(view) {
  if (!el("system-memory-graph")) return;
  var x = S.t.map(function (at) { return words.local(at, view.offset); }), found = gapsOf("memory", S.memory, view);
  var now = S.now && S.now.memory, inGb = S.memory.map(function (value) { return words.known(value) ? value / 1e9 : null; });
  var whole = plot.broken(x, inGb, S.t, asked.periodMs);
  var yaxis = now ? { range: [0, (now.total / 1e9) * 1.02] } : {};
  set("system-memory-graph", { figure: plot.figure([plot.line(whole.x, whole.y, "oc:text2", "in use", "%{y:.3~r} GB")], found, Object.assign({ height: 220, yaxis: yaxis }, view)) });
  var swap = !now ? "" : now.swap_total > 0 ? words.words(words.size(now.swap_used)) + " of " + words.words(words.size(now.swap_total)) : "none";
  legend("system-memory", [["var(--oc-text-2)", "in use", now ? words.words(words.size(now.used)) : ""], ["", "swap", swap]].concat(found.length ? [[null, "no sample", ""]] : []));
  set("system-memory-sub", { children: "GB in use" + (now ? ", of " + words.words(words.size(now.total)) : "") });
  el("system-memory-caption").textContent = now ? words.words(words.size(now.used)) + " in use of " + words.words(words.size(now.total)) + ". Swap: " + swap + "." : "Not known yet.";
  numbers("system-memory", ["Time, " + zone(), "in use"], function () {
    return newestFirst(function (i) { return [words.clock(S.t[i], view.offset), words.known(S.memory[i]) ? words.words(words.size(S.memory[i])) : words.UNKNOWN]; });
  });
}

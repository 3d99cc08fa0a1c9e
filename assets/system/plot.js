// Plotly figures and sparklines from columns of points. null breaks the line and is hatched; nothing is bridged.
import { short, stalled } from "./gaps.js";
import { known, local } from "./words.js";

export function broken(x, values, times, periodMs, text) {
  const out = { x: [], y: [], text: [] };
  x.forEach(function (at, i) {
    if (stalled(times, i, periodMs)) { out.x.push(at); out.y.push(null); out.text.push(""); }
    out.x.push(at); out.y.push(values[i]); out.text.push(text[i]);
  });
  return out;
}
// A line, and where there are any, the lone points: one between two gaps has no line, so it gets a dot. Only those are
// markers: Plotly makes a node of each, and as many as there are points cost more than all else on the page.
export function line(x, values, color, name, hover, extra) {
  const drawn = Object.assign({
    type: "scatter", mode: "lines", x: x, y: values, name: name, connectgaps: false, line: { color: color, width: 1.75 },
    hovertemplate: "<b>" + hover + "</b>  " + name + "<extra></extra>",
  }, extra || {});
  const lone = values.map((value, i) => i).filter((i) => known(values[i]) && !known(values[i - 1]) && !known(values[i + 1]));
  if (!lone.length) return [drawn];
  return [drawn, {
    type: "scatter", mode: "markers", x: lone.map((i) => x[i]), y: lone.map((i) => values[i]), name: name + ", lone points",
    marker: { color: color, size: 5 }, hoverinfo: "skip",
  }];
}
const CLEAR = "rgba(0,0,0,0)";
function hatch(found, offset) {
  var x = [], y = [];
  found.forEach(function (gap) {
    var blank = gap.blank || gap, a = local(blank.from, offset), b = local(blank.to, offset);
    x.push(a, a, b, b, null); y.push(0, 1, 1, 0, null);
  });
  return {
    type: "scatter", mode: "none", x: x, y: y, yaxis: "y2", fill: "toself", hoverinfo: "skip", name: "no sample",
    // It lies above the lines: without a ground of its own it hides none where a step holds a gap and figures.
    fillpattern: { shape: "/", fgcolor: "oc:hatch_ink", bgcolor: CLEAR, size: 5, solidity: 0.16 }, fillcolor: CLEAR,
  };
}
// Between the least and the greatest single value of each step: one closed shape a run without a gap, never over a gap.
// A run of one step is as wide as its step, so that a lone spike is seen.
export function band(times, least, most, stepMs, offset, color, name) {
  var x = [], y = [], run = [];
  function flush() {
    if (!run.length) return;
    var edge = run.length === 1 ? stepMs / 2 : 0;
    var points = edge ? [[times[run[0]] - edge, run[0]], [times[run[0]] + edge, run[0]]] : run.map(function (i) { return [times[i], i]; });
    if (x.length) { x.push(null); y.push(null); }
    points.forEach(function (at) { x.push(local(at[0], offset)); y.push(most[at[1]]); });
    points.reverse().forEach(function (at) { x.push(local(at[0], offset)); y.push(least[at[1]]); });
    run = [];
  }
  times.forEach(function (_, i) { if (known(most[i]) && known(least[i])) run.push(i); else flush(); });
  flush();
  return { type: "scatter", mode: "none", x: x, y: y, fill: "toself", fillcolor: color, opacity: 0.22, hoverinfo: "skip", name: name + ", least to most" };
}
function labels(found, from, to, offset, host) {
  return found.filter(function (gap) { return Math.min(gap.to, to) - Math.max(gap.from, from) > 0.14 * (to - from); }).map(function (gap) {
    const last = gap.to >= to && gap.from > from;  // words wider than their gap would be cut off at the chart's end
    return { x: local(last ? to : (Math.max(gap.from, from) + Math.min(gap.to, to)) / 2, offset), xanchor: last ? "right" : "center", y: 1, xref: "x", yref: "paper", yanchor: "bottom", text: short(gap, host), bgcolor: "rgba(0,0,0,0)", showarrow: false, borderpad: 1 };
  });
}
function axisFormat(options) {
  const days = (options.to - options.from) / 86400000;
  const clock = options.to - options.from < 240000 ? "%H:%M:%S" : "%H:%M";  // below that ticks stand half a minute apart
  return days > 2 ? "%-d %b" : options.long ? clock + "\n%-d %b" : clock;
}
// The label of a moment at the very end is centred there: half of it, and some pixels more, stand in the margin and in the
// panel's own edge, which is narrower on a phone.
const HALF = { "%H:%M:%S": 26, "%-d %b": 20 }, NEXT_TO = 4, EDGE = 20, PHONE_EDGE = 16;
const phone = window.matchMedia("(max-width: 767.98px)");
function room(format) {
  const half = Math.max(...format.split("\n").map((line) => HALF[line] || 16));
  return Math.max(NEXT_TO, half + NEXT_TO - (phone.matches ? PHONE_EDGE : EDGE));
}
// A finger scrolls the page; only a mouse draws a zoom.
const finger = window.matchMedia("(pointer: coarse)");  // asked once: `matches` tells of now
function draggable() { return !finger.matches; }

export function figure(traces, found, options) {
  const yaxis = Object.assign({ rangemode: "tozero" }, options.yaxis || {});
  const hatched = found.filter((gap) => !gap.small), format = axisFormat(options), margin = { t: 20, r: room(format) };
  if (format.includes("\n")) margin.b = 42;  // a second line, with the day
  if (!traces.some((trace) => trace.y.some(known))) { yaxis.range = [0, 1]; yaxis.showticklabels = false; }
  else if (!yaxis.range && !traces.some((trace) => trace.y.some((v) => v > 0))) yaxis.range = [0, 1];
  // Said each time: from a chart with a range to one without, Plotly else keeps an axis that fits nothing, from -1 to 4.
  yaxis.autorange = !yaxis.range;
  return {
    data: traces.concat(hatched.length ? [hatch(hatched, options.offset)] : []),
    layout: {
      height: options.height, showlegend: false, margin: margin, dragmode: draggable() ? "zoom" : false,
      // The same while the same is looked at: what the reader did to the chart then holds while data flows.
      uirevision: options.revision,
      xaxis: {
        type: "date", range: [local(options.from, options.offset), local(options.to, options.offset)], fixedrange: !draggable(),
        // Else Plotly measures each label wherever it stands, and keeps every size by its place: a window that slides has
        // ever new places, thousands an hour (so the template gives the axis no distance of a title, either). A label at the
        // end reaches into the panel's edge instead of being hidden.
        ticklabeloverflow: "allow",
        hoverformat: (options.long ? "%-d %b " : "") + "%H:%M:%S " + options.zone, tickformat: format, tickangle: 0, nticks: options.height < 250 ? 4 : 7,
      },
      yaxis: yaxis,
      yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
      annotations: labels(hatched, options.from, options.to, options.offset, options.host),
    },
  };
}

// ---- sparkline: one polyline a piece, so that it breaks at gaps
export function spark(times, values, from, to, color, top, periodMs) {
  var NS = "http://www.w3.org/2000/svg";
  var svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "0 0 100 28"); svg.setAttribute("preserveAspectRatio", "none"); svg.setAttribute("aria-hidden", "true");
  var most = known(top) ? top : Math.max.apply(null, values.filter(known).concat([0]));
  var piece = [];
  function flush() {
    if (piece.length > 1) {
      var drawn = document.createElementNS(NS, "polyline");
      drawn.setAttribute("points", piece.join(" ")); drawn.style.setProperty("--c", color);
      svg.append(drawn);
    }
    piece = [];
  }
  values.forEach(function (value, i) {
    if (!known(value) || times[i] < from || times[i] > to) { flush(); return; }
    if (periodMs && stalled(times, i, periodMs)) flush();
    piece.push((((times[i] - from) / (to - from)) * 100).toFixed(2) + "," + (27 - (most > 0 ? value / most : 0) * 26).toFixed(2));
  });
  flush();
  return svg;
}

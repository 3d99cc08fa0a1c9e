// Plotly figures and sparklines from columns of points. null breaks the line and is hatched; nothing is bridged.
import { seconds, stalled } from "./gaps.js";
import { age, known, local } from "./words.js";

// A lone point between two gaps has no line: it gets a dot.
export function dots(values) {
  return values.map(function (value, i) {
    return known(value) && !known(values[i - 1]) && !known(values[i + 1]) ? 5 : 0;
  });
}
export function broken(x, values, times, periodMs) {
  var out = { x: [], y: [] };
  x.forEach(function (at, i) {
    if (stalled(times, i, periodMs)) { out.x.push(at); out.y.push(null); }
    out.x.push(at); out.y.push(values[i]);
  });
  return out;
}
export function line(x, values, color, name, hover, extra) {
  return Object.assign({
    type: "scatter", mode: "lines+markers", x: x, y: values, name: name, connectgaps: false, line: { color: color, width: 1.75 },
    marker: { color: color, size: dots(values) }, hovertemplate: "<b>" + hover + "</b>  " + name + "<extra></extra>",
  }, extra || {});
}
export function band(found, offset) {
  var x = [], y = [];
  found.forEach(function (gap) {
    var a = local(gap.from, offset), b = local(gap.to, offset);
    x.push(a, a, b, b, null); y.push(0, 1, 1, 0, null);
  });
  return {
    type: "scatter", mode: "none", x: x, y: y, yaxis: "y2", fill: "toself", hoverinfo: "skip", name: "no sample",
    fillpattern: { shape: "/", fgcolor: "oc:hatch_ink", bgcolor: "oc:hatch_bg", size: 5, solidity: 0.16 }, fillcolor: "oc:hatch_bg",
  };
}
export function labels(found, from, to, offset) {
  return found.filter(function (gap) { return gap.to - gap.from > 0.14 * (to - from); }).map(function (gap) {
    var text = gap.reason === "not started" ? "not measured" : gap.reason === "late sample" || gap.reason === "stale" ? age(seconds(gap)) + " without a sample" : gap.reason;
    return { x: local((gap.from + gap.to) / 2, offset), y: 1, xref: "x", yref: "paper", yanchor: "bottom", text: text, bgcolor: "rgba(0,0,0,0)", showarrow: false, borderpad: 1 };
  });
}
export function figure(traces, found, options) {
  var any = traces.some(function (trace) { return trace.y.some(known); });
  var yaxis = Object.assign({ rangemode: "tozero" }, options.yaxis || {});
  if (!any) { yaxis.range = [0, 1]; yaxis.showticklabels = false; }
  else if (!yaxis.range && !traces.some(function (trace) { return trace.y.some(function (v) { return v > 0; }); })) yaxis.range = [0, 1];
  return {
    data: traces.concat(found.length ? [band(found, options.offset)] : []),
    layout: {
      height: options.height, showlegend: false, uirevision: "live", margin: { t: 20 },
      xaxis: { type: "date", range: [local(options.from, options.offset), local(options.to, options.offset)], hoverformat: "%H:%M:%S " + options.zone, tickformat: "%H:%M", tickangle: 0, nticks: options.height < 250 ? 4 : 7 },
      yaxis: yaxis,
      yaxis2: { overlaying: "y", range: [0, 1], visible: false, fixedrange: true },
      annotations: labels(found, options.from, options.to, options.offset),
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
    if (!known(value) || times[i] < from) { flush(); return; }
    if (periodMs && stalled(times, i, periodMs)) flush();
    piece.push((((times[i] - from) / (to - from)) * 100).toFixed(2) + "," + (27 - (most > 0 ? value / most : 0) * 26).toFixed(2));
  });
  flush();
  return svg;
}

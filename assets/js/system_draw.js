// Drawing for the system page: from columns of points to words, sparklines and plotly figures. No request, no state.
// null is unknown and stays unknown: it breaks the line, it is hatched, it is "—" in words. Nothing here makes a 0 of it.
window.opsSystemDraw = (function () {
  "use strict";
  var NBSP = "\u00a0", UNKNOWN = "—";
  var STEPS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];

  function known(value) { return value !== null && value !== undefined; }

  function digits(value, small) {
    if (value === 0) return "0";
    var size = Math.abs(value);
    var after = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 || !small ? 2 : size >= 0.09995 ? 3 : 4;
    return size < 999.5 ? value.toFixed(after) : value.toLocaleString("en-US", digitsOf(after));
  }
  function digitsOf(n) { return { minimumFractionDigits: n, maximumFractionDigits: n }; }

  // The step a value is written in: k, M, G as in components/formats.py.
  function stepOf(value) {
    for (var i = 0; i < STEPS.length; i += 1) if (Math.abs(value) >= STEPS[i][0] * (STEPS[i][0] > 1 ? 0.9995 : 0)) return STEPS[i];
    return STEPS[STEPS.length - 1];
  }
  function written(value, unit, step) {
    if (!known(value)) return [UNKNOWN, ""];
    // One unit for a chart and all that stands beside it; a figure too small for it to tell from zero has its own.
    var used = step && (value === 0 || Math.abs(value) >= step[0] / 100) ? step : stepOf(value);
    return [digits(value / used[0], used[0] > 1), used[1] + unit];
  }
  function rate(bytes, bits, step) { return written(known(bytes) && bits ? bytes * 8 : bytes, bits ? "bit/s" : "B/s", step); }
  function size(bytes) { return written(bytes, "B"); }
  function words(pair) { return pair[1] ? pair[0] + NBSP + pair[1] : pair[0]; }

  function age(seconds) {
    if (seconds < 90) return Math.floor(seconds) + NBSP + "s";
    if (seconds < 5400) return Math.floor(seconds / 60) + NBSP + "min";
    return Math.floor(seconds / 3600) + NBSP + "h";
  }

  // ---- time: one offset for the whole window, so that the axis never runs backwards on a DST change
  function offsetMs(zone, at) {
    var parts = {};
    new Intl.DateTimeFormat("en-US", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
    }).formatToParts(new Date(at)).forEach(function (part) { parts[part.type] = Number(part.value); });
    return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) - Math.floor(at / 1000) * 1000;
  }
  function local(at, offset) { return new Date(at + offset).toISOString().replace("T", " ").slice(0, 23); }
  function clock(at, offset) { return new Date(at + offset).toISOString().slice(11, 19); }

  // ---- gaps: where nothing is known, from the last known moment on
  function gaps(times, isKnown, reasons, from, to, periodMs) {
    var found = [], i = 0;
    if (!times.length) return [{ from: from, to: to, reason: "not started" }];
    if (times[0] - from > 1.5 * periodMs) found.push({ from: from, to: times[0], reason: "not started" });
    while (i < times.length) {
      if (isKnown(i)) {
        // A level is known again at once after a stall: the time without a sample is a gap all the same.
        if (stalled(times, i, periodMs) && isKnown(i - 1)) found.push({ from: times[i - 1], to: times[i], reason: "late sample" });
        i += 1;
        continue;
      }
      var start = i;
      while (i + 1 < times.length && !isKnown(i + 1) && reasons[i + 1] === reasons[start]) i += 1;
      var begin = start > 0 ? times[start - 1] : Math.max(from, times[0] - periodMs);
      var merged = found.length && found[found.length - 1].reason === "not started" && reasons[start] === "measuring";
      if (merged) found[found.length - 1].to = times[i];
      else found.push({ from: begin, to: times[i], reason: reasons[start] || "unknown" });
      i += 1;
    }
    if (to - times[times.length - 1] > 3 * periodMs) found.push({ from: times[times.length - 1], to: to, reason: "stale" });
    return found.filter(function (gap) { return gap.to > from && gap.to > gap.from; })
      .map(function (gap) { return Object.assign(gap, { from: Math.max(gap.from, from) }); });
  }

  function seconds(gap) { return Math.round((gap.to - gap.from) / 1000); }
  function why(gap, name) {
    var step = seconds(gap);
    switch (gap.reason) {
      case "not started": return "Nothing was measured before the console's last start.";
      case "measuring": return "The first reading. A rate needs two.";
      case "late sample": return "No sample for " + age(step) + ". Rates over so long a step are not drawn.";
      case "counter reset": return "The counter was set back. What passed meanwhile is not known.";
      case "interface gone": return (name || "The interface") + " was not there.";
      case "route changed": return "The default route moved to another interface.";
      case "no interface": return "There is no interface but loopback.";
      case "read error": return "The counters could not be read.";
      case "not offered here": return "This system does not count it.";
      case "stale": return "No sample for " + age(step) + ".";
      default: return "Not known: " + gap.reason + ".";
    }
  }

  // ---- figures
  // A lone point between two gaps has no line: it gets a dot.
  function dots(values) {
    return values.map(function (value, i) {
      return known(value) && !known(values[i - 1]) && !known(values[i + 1]) ? 5 : 0;
    });
  }
  // A step so long that nobody looked in between: no line is drawn over it, even where both ends are known.
  function stalled(times, i, periodMs) { return i > 0 && times[i] - times[i - 1] > 1.5 * periodMs; }
  function broken(x, values, times, periodMs) {
    var out = { x: [], y: [] };
    x.forEach(function (at, i) {
      if (stalled(times, i, periodMs)) { out.x.push(at); out.y.push(null); }
      out.x.push(at); out.y.push(values[i]);
    });
    return out;
  }
  function line(x, values, color, name, hover, extra) {
    return Object.assign({
      type: "scatter", mode: "lines+markers", x: x, y: values, name: name, connectgaps: false, line: { color: color, width: 1.75 },
      marker: { color: color, size: dots(values) }, hovertemplate: "<b>" + hover + "</b>  " + name + "<extra></extra>",
    }, extra || {});
  }
  function band(found, offset) {
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
  function labels(found, from, to, offset) {
    return found.filter(function (gap) { return gap.to - gap.from > 0.14 * (to - from); }).map(function (gap) {
      var text = gap.reason === "not started" ? "not measured" : gap.reason === "late sample" || gap.reason === "stale" ? age(seconds(gap)) + " without a sample" : gap.reason;
      return { x: local((gap.from + gap.to) / 2, offset), y: 1, xref: "x", yref: "paper", yanchor: "bottom", text: text, bgcolor: "rgba(0,0,0,0)", showarrow: false, borderpad: 1 };
    });
  }
  function figure(traces, found, options) {
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
  function spark(times, values, from, to, color, top, periodMs) {
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

  return {
    known: known, stepOf: stepOf, rate: rate, size: size, words: words, age: age, digits: digits, offsetMs: offsetMs, local: local, clock: clock,
    gaps: gaps, seconds: seconds, why: why, line: line, broken: broken, figure: figure, spark: spark, UNKNOWN: UNKNOWN, NBSP: NBSP,
  };
})();

// Charts are sent without a theme: colours are role names ("oc:s3", "oc:text2"). They are resolved here, where the
// reader's theme is known, each time plotly draws, and again when the theme changes.
(function () {
  "use strict";
  var originals = new WeakMap();
  var drawn = new Set();

  function resolve(value, tokens) {
    if (typeof value === "string") {
      if (value.slice(0, 3) !== "oc:") return value;
      var name = value.slice(3);
      if (/^s\d$/.test(name)) return tokens.series[Number(name[1])];
      if (/^q\d$/.test(name)) return tokens.ordered[Number(name[1])];
      return tokens[name] || value;
    }
    if (Array.isArray(value)) {
      // Data are numbers, dates and names; only lists that hold role names or objects are walked.
      var first = value.find(function (v) { return v !== null && v !== undefined; });
      if (typeof first === "object" || (typeof first === "string" && first.slice(0, 3) === "oc:")) {
        return value.map(function (v) { return resolve(v, tokens); });
      }
      return value;
    }
    if (value && typeof value === "object" && value.constructor === Object) {
      var out = {};
      Object.keys(value).forEach(function (key) { out[key] = resolve(value[key], tokens); });
      return out;
    }
    return value;
  }

  function themed(figure) {
    var theme = window.opsTheme.now() === "dark" ? "dark" : "light";
    var tokens = window.opsCharts.tokens[theme];
    var layout = resolve(figure.layout || {}, tokens);
    layout.template = window.opsCharts.templates[theme];
    return { data: resolve(figure.data || [], tokens), layout: layout };
  }

  // Colours only, so that points added since the first drawing stay.
  function recolour(target, source, tokens) {
    if (!target || !source || typeof source !== "object") return;
    Object.keys(source).forEach(function (key) {
      var value = source[key];
      if (typeof value === "string" && value.slice(0, 3) === "oc:") target[key] = resolve(value, tokens);
      else if (Array.isArray(value)) {
        if (typeof value[0] === "string" && value[0].slice(0, 3) === "oc:") target[key] = resolve(value, tokens);
        else if (value[0] && typeof value[0] === "object" && Array.isArray(target[key])) {
          value.forEach(function (v, i) { recolour(target[key][i], v, tokens); });
        }
      } else if (value && typeof value === "object" && target[key] && typeof target[key] === "object") {
        recolour(target[key], value, tokens);
      }
    });
  }

  function wrap(plotly) {
    ["newPlot", "react"].forEach(function (name) {
      var draw = plotly[name].bind(plotly);
      plotly[name] = function (gd, data, layout, config) {
        var figure = Array.isArray(data) ? { data: data, layout: layout } : data || {};
        var node = typeof gd === "string" ? document.getElementById(gd) : gd;
        originals.set(node, { data: figure.data, layout: figure.layout });
        if (!drawn.has(node)) drawn.forEach(function (each) { if (!each.isConnected) drawn.delete(each); });  // of pages left
        drawn.add(node);
        var ready = themed(figure);
        if (Array.isArray(data)) return draw(gd, ready.data, ready.layout, config);
        return draw(gd, Object.assign({}, figure, ready));
      };
    });
    window.addEventListener("ops:theme", function () {
      var theme = window.opsTheme.now() === "dark" ? "dark" : "light";
      var tokens = window.opsCharts.tokens[theme];
      drawn.forEach(function (node) {
        if (!node.isConnected) { drawn.delete(node); return; }
        var source = originals.get(node);
        (source.data || []).forEach(function (trace, i) { recolour(node.data[i], trace, tokens); });
        recolour(node.layout, source.layout, tokens);
        plotly.relayout(node, { template: window.opsCharts.templates[theme] });
      });
    });
    return plotly;
  }

  // A page with charts asks for plotly itself and runs it while it waits for its first answers: that takes a third of a
  // second. A chart that comes sooner gets the promise of it, which Dash waits for. On other pages, and when the file
  // fails, nothing is promised and Dash loads it when the first chart comes.
  var held, arrived, coming;
  if (document.currentScript.dataset.coming !== undefined) {
    coming = new Promise(function (resolve) { arrived = resolve; });
    document.addEventListener("error", function (event) {
      if (event.target.dataset && event.target.dataset.plotly !== undefined) coming = undefined;
    }, true);
  }
  Object.defineProperty(window, "Plotly", {
    configurable: true,
    get: function () { return held || coming; },
    set: function (plotly) { held = wrap(plotly); if (arrived) arrived(held); },
  });
})();

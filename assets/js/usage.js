// The controls of the usage page and of the list of calls: range, zone and filters live in the address and apply to all
// panels; a cheap question every two seconds tells whether anything changed. Panels listen to one store, `usage-query`.
(function () {
  "use strict";
  var VERSION_URL = "/api/v1/llm/usage/version", EXPORT_URL = "/api/v1/llm/usage/export";
  var POLL_MS = 2000, ANSWER_MS = 8000, SLOT_MS = 900000;
  var WORDS = { power_level: "power level" };
  var CONTROLS = ["range", "tz", "start", "end", "after"];  // after: a place in the list of calls
  var OTHERS = /^(call|call_source|call_at|utm_\w*|[a-z]+clid|ref)$/;  // of the drawer, or put there by whoever linked here
  var strangers = [];  // what the address names and this page does not know: misspelt, it would look like a filter
  var asked = null, seen = null, polling = null, busy = false, more = 1;

  function el(id) { return document.getElementById(id); }
  // Only while the page is there; a store has no element of its own to look for.
  function set(id, props) { if (el("usage-page")) window.dash_clientside.set_props(id, props); }
  function none() { return window.dash_clientside.no_update; }
  function node(type, props) { return { namespace: "dash_html_components", type: type, props: props }; }

  function browserZone() { return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC"; }
  function defaultZone() { return el("usage-page").dataset.zone || browserZone(); }

  // What the server is asked: the address, with the reader's zone where it names none.
  function search() {
    var full = new URLSearchParams(asked);
    if (!full.has("tz")) full.set("tz", defaultZone());
    return full.toString();
  }
  function ask() { set("usage-query", { data: { search: search(), version: seen, more: more, at: Date.now() } }); }

  function dimensions() { return el("usage-filters").dataset.names.split(" "); }
  function fromAddress() {
    var params = new URLSearchParams(location.search);
    var known = new URLSearchParams(), names = CONTROLS.concat(dimensions());
    strangers = [];
    params.forEach(function (value, name) {
      if (names.indexOf(name) >= 0) known.append(name, value);
      else if (name && !OTHERS.test(name) && strangers.indexOf(name) < 0) strangers.push(name);
    });
    asked = known;
  }
  function strange() {
    var names = strangers.slice(0, 3).map(function (name) { return "“" + (name.length > 40 ? name.slice(0, 40) + "…" : name) + "”"; });
    var more = strangers.length - names.length, one = strangers.length === 1;
    if (more) names.push(more + " more");
    var list = names.length < 2 ? names.join("") : names.slice(0, -1).join(", ") + " and " + names[names.length - 1];
    var words = list + " in the address " + (one ? "is no filter" : "are no filters") + " of this page and " + (one ? "narrows" : "narrow") + " nothing.";
    set("usage-strangers", { hidden: !strangers.length, children: strangers.length ? words : null });
  }
  function change(edit) {
    asked.delete("after");  // another list has other places
    strangers = [];  // the new address has none
    edit(asked);
    more = 1;
    var text = asked.toString();
    history.pushState(history.state, "", location.pathname + (text ? "?" + text : ""));
    controls();
    window.opsChosen();
    ask();
  }

  // ---- the controls show what the address says
  function range() { return asked.get("range") || (asked.has("start") ? "custom" : "30d"); }
  // An address may give an instant with its offset; the fields show the page's zone.
  function local(name) {
    var text = asked.get(name).replace(" ", "+"), at = /(Z|[+-]\d\d(:?\d\d)?)$/i.test(text.slice(10)) ? new Date(text) : null;
    if (!at || isNaN(at)) return text.length === 10 ? text + "T00:00" : text.slice(0, 16);
    try {
      return Intl.DateTimeFormat("sv-SE", { timeZone: asked.get("tz") || defaultZone(), hourCycle: "h23",
        year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" }).format(at).replace(" ", "T");
    } catch (error) { return text.slice(0, 16); }  // no such zone: every panel says so
  }
  function controls() {
    var alias = { day: "today", week: "7d" };
    set("usage-range", { value: alias[range()] || range() });
    set("usage-tz", { value: asked.get("tz") || defaultZone() });
    set("usage-custom", { hidden: range() !== "custom" });
    ["start", "end"].forEach(function (name) { if (asked.has(name)) set("usage-" + name, { value: local(name) }); });
    var chips = [];
    dimensions().forEach(function (name) {
      asked.getAll(name).forEach(function (value) {
        var words = (WORDS[name] || name) + " is " + (value || "not set");
        chips.push(node("Span", { className: "oc-chip", children: [
          node("Span", { children: words }),
          node("Button", { type: "button", className: "oc-icon-btn sm", "aria-label": "Remove filter: " + words, "data-unfilter": name, "data-value": value,
            children: node("I", { className: "oc-i oc-i-close sm", "aria-hidden": "true" }) }),
        ] }));
      });
    });
    set("usage-chips", { children: chips });
    strange();
  }
  function zones() {
    var first = [browserZone(), el("usage-page").dataset.zone, "UTC", asked.get("tz")].filter(Boolean);
    var all = first.concat(Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : []);
    set("usage-tz", { options: Array.from(new Set(all)).map(function (zone) { return { label: zone.replace(/_/g, " "), value: zone }; }) });
  }

  // ---- has anything changed?
  function panelsBusy() { return document.querySelector("#main .oc-busy.on") !== null; }
  function poll() {
    if (!el("usage-page")) { clearInterval(polling); polling = null; return; }
    if (busy || document.hidden) return;
    busy = true;
    var stop = new AbortController(), timer = setTimeout(function () { stop.abort(); }, ANSWER_MS);
    fetch(VERSION_URL, { signal: stop.signal, credentials: "same-origin", headers: { Accept: "application/json" } })
      // a source that fails is news as well: each panel asks again and shows its stale or failed look
      .then(function (answer) { return answer.ok ? answer.json() : answer.status < 500 ? Promise.reject(new Error("HTTP " + answer.status)) : { version: "HTTP " + answer.status }; })
      .then(function (body) {
        first(body.ever_collected === false);
        // a bucket that was filling is complete when its quarter-hour is over, also when nothing came
        var now = body.version + ":" + Math.floor(Date.now() / SLOT_MS);
        if (now === seen) return;
        var news = seen !== null;
        if (news && panelsBusy()) return;
        seen = now;
        if (news) ask();
      })
      .catch(function () { /* the connection's own watch tells it, and each panel tells its own failure */ })
      .finally(function () { clearTimeout(timer); busy = false; });
  }
  function first(empty) {
    var page = el("usage-page");
    if (!page || !el("usage-first") || page.dataset.first === String(empty)) return;
    page.dataset.first = String(empty);
    set("usage-panels", { hidden: empty });
    set("usage-first", { hidden: !empty });
    if (empty) set("usage-first-ask", { data: Date.now() });
  }

  // ---- export: the file is saved only when it came whole; from the figures every attempt, so that its sums equal them
  function rows(got) {
    function count(text, word) { return Number(text).toLocaleString("en-US") + " " + word + (Number(text) === 1 ? "" : "s"); }
    if (got.grain === "calls") return count(got.total, "call");
    return count(got.total, "attempt") + (got.calls === null ? "" : " of " + count(got.calls, "call"));
  }
  function save(button) {
    var form = button.dataset.export, grain = button.dataset.grain, params = new URLSearchParams(search());
    params.delete("after");  // a file has the whole list
    button.disabled = true;
    fetch(EXPORT_URL + "?grain=" + grain + "&format=" + form + "&" + params, { credentials: "same-origin" })
      .then(function (answer) {
        var total = answer.headers.get("X-Total-Rows"), calls = answer.headers.get("X-Total-Calls"), disposition = answer.headers.get("Content-Disposition") || "";
        if (!answer.ok) return window.opsWhy(answer).then(function (why) { throw new Error(why); });
        if (!disposition) throw new Error("What came is no export.");  // a proxy's own page, say
        return answer.blob().then(function (file) { return { file: file, grain: grain, total: total, calls: calls, name: (/filename="([^"]+)"/.exec(disposition) || [])[1] }; });
      })
      .then(function (got) {
        var link = document.createElement("a");
        link.href = URL.createObjectURL(got.file); link.download = got.name || "llm-usage." + form;
        document.body.append(link); link.click(); link.remove();
        setTimeout(function () { URL.revokeObjectURL(link.href); }, 60000);
        window.opsToast({ title: "Export is ready", text: rows(got) + ", " + form.toUpperCase() + "." });
      })
      .catch(function (error) {
        var why = error instanceof TypeError ? "The transfer broke off." : error.message;
        window.opsToast({ kind: "danger", title: "The export failed", text: why + " No file was saved." });
      })
      .finally(function () { button.disabled = false; });
  }

  document.addEventListener("click", function (event) {
    if (!el("usage-page") || !asked) return;
    var button = event.target.closest("[data-filter], [data-unfilter], [data-export], [data-usage-more], [data-after]");
    if (!button) return;
    var value = button.dataset.value;
    if (button.dataset.filter) {
      change(function (params) { if (params.getAll(button.dataset.filter).indexOf(value) < 0) params.append(button.dataset.filter, value); });
    } else if (button.dataset.unfilter) {
      change(function (params) {
        var kept = params.getAll(button.dataset.unfilter).filter(function (each) { return each !== value; });
        params.delete(button.dataset.unfilter);
        kept.forEach(function (each) { params.append(button.dataset.unfilter, each); });
      });
    } else if (button.dataset.export) save(button);
    else if (button.dataset.after !== undefined) {
      change(function (params) { if (button.dataset.after) params.set("after", button.dataset.after); });
      button.closest("[data-panel]").scrollIntoView({ block: "nearest" });
    }
    else { more += 1; ask(); }
  });
  window.addEventListener("popstate", function () {
    if (!el("usage-page") || !asked) return;
    fromAddress(); controls(); ask();
  });
  document.addEventListener("visibilitychange", function () { if (!document.hidden && el("usage-page")) poll(); });

  // ---- clientside callbacks
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.ops_usage = {
    start: function () {
      seen = null; more = 1;
      fromAddress(); zones(); controls(); ask(); poll();
      if (!polling) polling = setInterval(poll, POLL_MS);
      return none();
    },
    range: function (value) {
      if (!asked || !value || value === range()) return none();
      if (value === "custom") { set("usage-custom", { hidden: false }); return none(); }
      change(function (params) { params.delete("start"); params.delete("end"); params.set("range", value); });
      return none();
    },
    zone: function (value) {
      if (!asked || !value || value === (asked.get("tz") || defaultZone())) return none();
      change(function (params) { params.set("tz", value); });
      return none();
    },
    custom: function (clicks, start, end) {
      if (!asked || !clicks || !start || !end) return none();
      change(function (params) {
        // what was not edited stays as it is: a local time may stand for two instants when clocks go back
        var kept = { start: start, end: end };
        Object.keys(kept).forEach(function (name) { if (!params.has(name) || local(name) !== kept[name]) params.set(name, kept[name]); });
        params.set("range", "custom");
      });
      return none();
    },
    add: function (clicks, dimension, value) {
      if (!asked || !clicks || !dimension || !value) return none();
      var kept = value === "n:" ? "" : value.slice(2);  // "v:openai", or "n:" for what is not set
      change(function (params) { if (params.getAll(dimension).indexOf(kept) < 0) params.append(dimension, kept); });
      return none();
    },
    way: function (value) {
      document.querySelectorAll("[data-way]").forEach(function (way) { way.hidden = way.dataset.way !== value; });
      return none();
    },
  };
})();

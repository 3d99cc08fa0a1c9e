// The live part of the system page: one request a tick for everything on it, and a watchdog of its own. Figures that are
// no longer new are marked by the third missed tick, whoever went silent: the network, the server or its sampler.
(function () {
  "use strict";
  var URL_LIVE = "/api/v1/system/live", PERIODS = 3, WATCH_MS = 500, KEEP_MS = 3600000;
  var TOTAL = "/total";  // no interface may have a slash in its name
  var SERIES = ["t", "recv", "sent", "cpu", "cores", "memory", "read", "written"], WHY = ["network", "cpu", "memory", "disk"];
  var S = fresh();

  function fresh() {
    var made = { seq: null, why: {}, now: null, mounts: [], about: null, heardAt: null, ageAt: null, lastHeard: null, misses: 0, held: {} };
    SERIES.forEach(function (name) { made[name] = []; });
    WHY.forEach(function (name) { made.why[name] = []; });
    return made;
  }
  var asked = { window: 300, name: "", bits: false, paused: false, periodMs: 2000 };
  var busy = null, watching = null, said = "";

  function D() { return window.opsSystemDraw; }
  function el(id) { return document.getElementById(id); }
  function set(id, props) { if (el(id)) window.dash_clientside.set_props(id, props); }
  function make(tag, className, text) {
    var node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }
  function fill(id, nodes) { var box = el(id); if (box) box.replaceChildren.apply(box, nodes.filter(Boolean)); }
  function zone() {
    var page = el("system-page");
    return (page && page.dataset.zone) || Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  }

  // ---- asking
  function poll() {
    if (busy || asked.paused || document.hidden || !el("system-page")) return;
    var mine = new AbortController(), query = "?window=" + asked.window;
    if (S.seq !== null) query += "&since=" + S.seq;
    if (asked.name) query += "&interface=" + encodeURIComponent(asked.name);
    busy = mine;
    var timer = setTimeout(function () { mine.abort(); }, PERIODS * asked.periodMs);
    fetch(URL_LIVE + query, { signal: mine.signal, credentials: "same-origin", headers: { Accept: "application/json" } })
      .then(function (answer) {
        // The sign-in changed under this page: the shell says so at once.
        if (answer.status === 401 || answer.status === 403) window.opsBeat();
        if (!answer.ok) throw new Error("HTTP " + answer.status);
        return answer.json();
      })
      .then(function (body) { if (busy === mine) heard(body); })
      .catch(function () { if (busy === mine) { S.misses += 1; watch(); } })
      .finally(function () { clearTimeout(timer); if (busy === mine) busy = null; });
  }

  function heard(body) {
    if (body.reset) {
      SERIES.forEach(function (name) { S[name] = []; });
      WHY.forEach(function (name) { S.why[name] = []; });
      S.now = null;
    }
    body.t.forEach(function (_, i) {
      SERIES.forEach(function (name) { S[name].push(body[name][i]); });
      WHY.forEach(function (name) { var reasons = body.gaps[name]; S.why[name].push(reasons ? reasons[String(i)] || null : null); });
    });
    var old = 0, newest = S.t[S.t.length - 1];
    while (old < S.t.length && newest - S.t[old] > KEEP_MS) old += 1;
    SERIES.forEach(function (name) { S[name].splice(0, old); });
    WHY.forEach(function (name) { S.why[name].splice(0, old); });
    if (body.now) S.now = body.now;
    if (body.mounts) S.mounts = body.mounts;
    if (body.about) { S.about = body.about; options(); }
    asked.periodMs = body.period_s * 1000;
    S.seq = body.seq; S.misses = 0; S.ageAt = body.age_s; S.heardAt = performance.now(); S.lastHeard = Date.now();
    draw();
  }

  function options() {
    var names = S.about.interfaces.map(function (each) { return each.name; });
    if (asked.name && names.indexOf(asked.name) < 0) names.push(asked.name);
    var first = { label: "Total of the default route", value: TOTAL };
    set("system-interface", { options: [first].concat(names.map(function (name) { return { label: name, value: name }; })) });
  }

  // ---- how new is what stands here
  function ageS() {
    if (S.ageAt === null || S.heardAt === null) return null;
    return S.ageAt + (performance.now() - S.heardAt) / 1000;
  }
  function state() {
    var limit = (PERIODS * asked.periodMs) / 1000;
    if (asked.paused) return "paused";
    if (S.heardAt === null) return S.misses >= PERIODS ? "silent" : "loading";
    if (S.misses > 0 && (S.misses >= PERIODS || (performance.now() - S.heardAt) / 1000 >= limit)) return "silent";
    if (ageS() !== null && ageS() > limit) return "stale";
    if (!S.now || S.now.reason === "measuring") return "measuring";
    return "live";
  }
  function isOld(now) { return now === "stale" || now === "silent"; }

  function badge(kind, shape, words) {
    var mark = shape === "clock" ? make("i", "oc-i oc-i-stale sm") : shape === "triangle" ? make("i", "oc-i oc-i-failed sm") : make("span", "oc-dot " + shape);
    mark.setAttribute("aria-hidden", "true");
    var pill = make("span", "oc-badge " + kind);
    pill.append(mark, words);
    return pill;
  }
  function liveBadge(now) {
    var draw = D(), offset = draw.offsetMs(zone(), Date.now());
    switch (now) {
      case "paused": return badge("", "none", "Paused");
      case "loading": return badge("", "none", "Connecting");
      case "measuring": return badge("", "none", "Measuring");
      case "stale": return badge("warn", "clock", "Stale: " + draw.age(ageS()) + " old");
      case "silent": return badge("danger", "triangle", S.lastHeard === null ? "No answer" : "No answer since " + draw.clock(S.lastHeard, offset));
      default: return badge("ok", "live", "Live, every " + asked.periodMs / 1000 + " s");
    }
  }

  // Runs without the server and without Dash: it must see them fall silent.
  function watch() {
    if (!el("system-page")) { clearInterval(watching); watching = null; said = ""; return; }
    var now = state(), words = now + (isOld(now) && ageS() !== null ? D().age(ageS()) : "");
    if (words === said && el("system-live").childElementCount) return;
    var changed = now !== said.slice(0, now.length) || said === "";
    said = words;
    fill("system-live", [liveBadge(now)]);
    el("system-page").dataset.state = now;
    if (changed || isOld(now)) draw();
  }

  // ---- drawing
  function windowOf() {
    var newest = S.t.length ? S.t[S.t.length - 1] : Date.now();
    var to = isOld(state()) && S.t.length && ageS() !== null ? newest + ageS() * 1000 : newest;
    return { from: to - asked.window * 1000, to: to };
  }
  function draw() {
    if (!el("system-page") || !window.opsSystemDraw) return;
    var view = windowOf(), now = state();
    view.network = axis("network", view); view.disk = axis("disk", view);
    view.offset = D().offsetMs(zone(), view.to); view.zone = zone() === "UTC" ? "UTC" : ""; view.old = isOld(now);
    cards(view);
    if (S.heardAt !== null) { subtitle(view); network(view); rows(view); cpu(view); memory(view); disk(view); asOf(view); }
    ["system-network", "system-interfaces", "system-cpu", "system-memory", "system-disk"].forEach(function (id) {
      var panel = el(id);
      if (!panel || (panel.dataset.look !== "ready" && panel.dataset.look !== "stale")) return;
      var look = view.old ? "stale" : "ready";
      if (panel.dataset.look !== look) panel.dataset.look = look;
      fill(id + "-badge", [view.old && ageS() !== null ? badge("warn", "clock", "Stale: " + D().age(ageS()) + " old") : null]);
    });
  }

  function title() { return asked.name || (S.about && S.about.total_of.length ? S.about.total_of.join(" + ") : "total"); }
  function subtitle(view) {
    if (!S.about) return;
    var whose = { host: "This host", container: "This container", unknown: "This system" }[S.about.scope];
    var last = S.t.length ? "last sample " + D().clock(S.t[S.t.length - 1], view.offset) + " " + zone() : "no sample yet";
    set("system-sub", { children: [whose, S.about.total_rule, last].filter(Boolean).join(" · ") });
  }
  function asOf(view) {
    var text = S.t.length ? D().clock(S.t[S.t.length - 1], view.offset) + " " + zone() : D().UNKNOWN;
    var step = S.now && D().known(S.now.interval_s) ? S.now.interval_s.toFixed(2) + " s measured, every " + asked.periodMs / 1000 + " s planned" : D().UNKNOWN;
    document.querySelectorAll(".sys-as-of").forEach(function (node) { node.textContent = text; });
    document.querySelectorAll(".sys-step").forEach(function (node) { node.textContent = step; });
  }

  // One unit for the network and one for the disks: that of their chart's axis, which every figure beside it takes. It
  // grows with the window's peak at once and shrinks only when the peak is a tenth of it, so that it does not flicker.
  function factor(kind) { return kind === "network" && asked.bits ? 8 : 1; }
  function axis(kind, view) {
    var columns = kind === "network" ? [S.recv, S.sent] : [S.read, S.written];
    var most = Math.max.apply(null, columns.map(function (each) { return peak(each, view); }).filter(D().known).concat([0])) * factor(kind);
    var wanted = D().stepOf(most), held = S.held[kind];
    if (!held || wanted[0] > held[0] || most < held[0] / 10) S.held[kind] = held = wanted;
    return held;
  }

  function card(id, pair, note, view, drawing) {
    if (!el(id)) return;
    el(id).classList.toggle("sys-stale", view.old);
    if (pair) fill(id + "-value", [document.createTextNode(pair[0]), pair[1] ? make("span", "oc-unit", pair[1]) : null]);
    else {
      var chip = make("span", "oc-unknown"); chip.title = note;
      chip.append(make("span", "visually-hidden", "not known: " + note));
      fill(id + "-value", [chip]);
    }
    var old = view.old && ageS() !== null;
    fill(id + "-note", [old ? badge("warn", "clock", D().age(ageS()) + " old") : document.createTextNode(note)]);
    fill(id + "-spark", [drawing || null]);
  }

  function cards(view) {
    var i = S.t.length - 1, now = S.now, draw = D();
    var waiting = S.heardAt === null ? "no answer yet" : "measuring";
    var whyNot = function (kind) { return S.why[kind][i] || waiting; };
    function net(id, values, color) {
      var value = i < 0 ? null : values[i], pair = draw.known(value) ? draw.rate(value, asked.bits, view.network) : null;
      var note = pair ? title() + ", over the last " + now.interval_s.toFixed(1) + " s" + (now.imprecise ? ", imprecise" : "") : whyNot("network");
      card(id, pair, note, view, draw.spark(S.t, values, view.from, view.to, color));
    }
    net("system-received", S.recv, "var(--oc-s0)");
    net("system-sent", S.sent, "var(--oc-s2)");
    var cpu = i < 0 ? null : S.cpu[i];
    var cores = S.about && S.about.cores ? "of " + S.about.cores + (S.about.cores === 1 ? " core" : " cores") + (S.about.cpu_limit ? ", limit " + S.about.cpu_limit : "") : "";
    card("system-cpu-now", draw.known(cpu) ? [cpu < 10 ? cpu.toFixed(1) : cpu.toFixed(0), "%"] : null, draw.known(cpu) ? cores : whyNot("cpu"), view, draw.spark(S.t, S.cpu, view.from, view.to, "var(--oc-text-2)", 100));
    memoryCard(view); diskCard(view);
    var load = now && now.load;
    card("system-load", load ? [load[0].toFixed(2), ""] : null, load ? "5 min " + load[1].toFixed(2) + ", 15 min " + load[2].toFixed(2) : (now && now.reasons.load) || waiting, view);
  }
  function memoryCard(view) {
    var memory = S.now && S.now.memory, draw = D();
    if (!memory) { card("system-memory-now", null, (S.now && S.now.reasons.memory) || (S.heardAt === null ? "no answer yet" : "measuring"), view); return; }
    var limited = draw.known(memory.limit), used = limited ? memory.limit_used : memory.used, whole = limited ? memory.limit : memory.total;
    card("system-memory-now", draw.size(used), "of " + draw.words(draw.size(whole)) + (limited ? ", the container's limit" : ""), view,
      draw.spark(S.t, S.memory, view.from, view.to, "var(--oc-text-2)", memory.total, asked.periodMs));
  }
  function diskCard(view) {
    var root = S.mounts[0], draw = D();
    if (!root || !draw.known(root.used)) { card("system-disk-now", null, root ? root.reason : S.heardAt === null ? "no answer yet" : "measuring", view); return; }
    card("system-disk-now", draw.size(root.used), draw.words(draw.size(root.free)) + " free for use", view, meter(root));
  }
  function meter(mount) {
    var box = make("div", "oc-meter ink"), bar = make("i");
    if (D().known(mount.used) && mount.total > 0) bar.style.width = ((100 * mount.used) / mount.total).toFixed(1) + "%";
    else box.classList.add("unknown");
    box.append(bar);
    return box;
  }

  function legend(id, entries) {
    fill(id + "-legend", entries.map(function (entry) {
      var item = make("li"), mark = make("span", entry[0] === "" ? "" : "oc-sw " + (entry[0] ? "line" : "hatch") + (entry[3] ? " dashed" : ""));
      if (entry[0]) mark.style.setProperty("--c", entry[0]);
      mark.setAttribute("aria-hidden", "true");
      item.append(mark, make("span", "", entry[1]));
      if (entry[2]) item.append(make("b", "", entry[2]));
      return item;
    }));
  }
  function numbers(id, head, table) {
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
  function peak(values, view) {
    var shown = values.filter(function (value, i) { return D().known(value) && S.t[i] >= view.from; });
    return shown.length ? Math.max.apply(null, shown) : null;
  }
  function gapsOf(kind, values, view) {
    return D().gaps(S.t, function (i) { return D().known(values[i]); }, S.why[kind], view.from, view.to, asked.periodMs);
  }
  function newestFirst(row) {
    var out = [];
    for (var i = S.t.length - 1; i >= 0 && out.length < 60; i -= 1) out.push(row(i));
    return out;
  }
  function twoRates(id, kind, names, values, view, height, colors) {
    if (!el(id + "-graph")) return null;
    var draw = D(), times = factor(kind), bits = times === 8, step = view[kind];
    function rate(value) { return draw.words(draw.rate(value, bits, step)); }
    var peaks = values.map(function (each) { return peak(each, view); });
    var x = S.t.map(function (at) { return draw.local(at, view.offset); });
    var found = gapsOf(kind, values[0], view);
    var traces = values.map(function (each, n) {
      var scaled = each.map(function (value) { return draw.known(value) ? (value * times) / step[0] : null; });
      var line = { color: "oc:s" + colors[n], width: 1.75 };
      if (n && view.old) line.dash = "6px 4px";  // what is old is nearly grey: dashes keep the two apart
      return draw.line(x, scaled, "oc:s" + colors[n], names[n], "%{text}", { line: line, text: each.map(rate) });
    });
    set(id + "-graph", { figure: draw.figure(traces, found, Object.assign({ height: height, yaxis: {} }, view)) });
    var text = peaks.map(function (value) { return draw.known(value) ? "peak " + rate(value) : "not known"; });
    legend(id, names.map(function (name, n) { return ["var(--oc-s" + colors[n] + ")", name, text[n], n && view.old]; }).concat(found.length ? [[null, "no sample", ""]] : []));
    el(id + "-caption").textContent = names.map(function (name, n) { return name + ": " + text[n]; }).join("; ") + ". " + found.length + (found.length === 1 ? " gap." : " gaps.");
    numbers(id, ["Time, " + zone()].concat(names), function () {
      return newestFirst(function (i) {
        return [draw.clock(S.t[i], view.offset)].concat(values.map(function (each) {
          return draw.known(each[i]) ? rate(each[i]) : draw.UNKNOWN + " (" + (S.why[kind][i] || "not known") + ")";
        }));
      });
    });
    return { unit: step[1] + (bits ? "bit/s" : "B/s"), gaps: found };
  }

  function network(view) {
    var drawn = twoRates("system-network", "network", ["received", "sent"], [S.recv, S.sent], view, 300, [0, 2]);
    if (!drawn) return;
    var base = asked.bits ? "1 Mbit = 1,000,000 bit" : "1 MB = 1,000,000 B";
    set("system-network-sub", { children: title() + ", " + drawn.unit + ", " + base });
    if (!drawn.gaps.length) { fill("system-gaps", [make("li", "", "None: every sample came in time.")]); return; }
    fill("system-gaps", drawn.gaps.slice(-20).reverse().map(function (gap) {
      var item = make("li"), text = make("div"), mark = make("span", "oc-sw hatch");
      text.append(make("b", "", D().clock(gap.from, view.offset) + " to " + D().clock(gap.to, view.offset)), D().why(gap, title()));
      item.append(mark, text);
      return item;
    }));
  }
  function rows(view) {
    if (!S.about || !el("system-interfaces-rows")) return;
    var chosen = S.about.total_of, rates = S.now ? S.now.rates : {};
    var order = S.about.interfaces.slice().sort(function (a, b) {
      return (chosen.indexOf(b.name) >= 0) - (chosen.indexOf(a.name) >= 0) || (a.kind === "loopback") - (b.kind === "loopback") || (a.name < b.name ? -1 : 1);
    });
    fill("system-interfaces-rows", order.map(function (each) {
      var tr = make("tr"), name = make("td"), rate = rates[each.name];
      var kind = chosen.indexOf(each.name) >= 0 ? "default route" : each.kind + (each.master ? " in " + each.master : "");
      name.append(make("b", "", each.name), " ", make("span", "oc-muted", kind));
      name.title = each.name + ", " + kind;
      tr.append(name);
      [0, 1].forEach(function (n) {
        var td = make("td", "oc-num"), value = rate ? rate[n] : null;
        if (D().known(value)) {
          var pair = D().rate(value, asked.bits, view.network);
          td.append(pair[0], make("span", "oc-unit", pair[1]));
        } else {
          var reason = (rate && rate[2]) || "measuring";
          td.title = reason; td.append(make("span", "oc-muted", D().UNKNOWN), make("span", "visually-hidden", " " + reason));
        }
        tr.append(td);
      });
      return tr;
    }));
  }
  function cpu(view) {
    if (!el("system-cpu-graph")) return;
    var draw = D(), x = S.t.map(function (at) { return draw.local(at, view.offset); }), found = gapsOf("cpu", S.cpu, view);
    var count = S.cores.reduce(function (most, each) { return Math.max(most, each.length); }, 0), traces = [], entries = [];
    for (var core = 0; core < count; core += 1) {
      traces.push(draw.line(x, S.cores.map(function (each) { return draw.known(each[core]) ? each[core] : null; }), "oc:other", "core " + core, "%{y:.0f}%", { line: { color: "oc:other", width: 1 } }));
    }
    traces.push(draw.line(x, S.cpu, "oc:text", "all cores", "%{y:.1f}%"));
    set("system-cpu-graph", { figure: draw.figure(traces, found, Object.assign({ height: 220, yaxis: { range: [0, 102], tickvals: [0, 50, 100], ticktext: ["0%", "50%", "100%"] } }, view)) });
    var top = peak(S.cpu, view), last = S.cpu[S.cpu.length - 1];
    entries.push(["var(--oc-text)", "all cores", draw.known(last) ? last.toFixed(1) + "%" : ""]);
    if (count) entries.push(["var(--oc-other)", count === 1 ? "core 0" : "cores 0 to " + (count - 1), ""]);
    if (found.length) entries.push([null, "no sample", ""]);
    legend("system-cpu", entries);
    set("system-cpu-sub", { children: "busy, all and per core" + (S.about && S.about.cores > count && count ? ", the first " + count + " of " + S.about.cores : "") });
    el("system-cpu-caption").textContent = draw.known(top) ? "Busy share of all cores, peak " + top.toFixed(1) + "%." : "Not known yet.";
    numbers("system-cpu", ["Time, " + zone(), "all cores"], function () {
      return newestFirst(function (i) { return [draw.clock(S.t[i], view.offset), draw.known(S.cpu[i]) ? S.cpu[i].toFixed(1) + "%" : draw.UNKNOWN + " (" + (S.why.cpu[i] || "not known") + ")"]; });
    });
  }
  function memory(view) {
    if (!el("system-memory-graph")) return;
    var draw = D(), x = S.t.map(function (at) { return draw.local(at, view.offset); }), found = gapsOf("memory", S.memory, view);
    var now = S.now && S.now.memory, inGb = S.memory.map(function (value) { return draw.known(value) ? value / 1e9 : null; });
    var whole = draw.broken(x, inGb, S.t, asked.periodMs);
    var yaxis = now ? { range: [0, (now.total / 1e9) * 1.02] } : {};
    set("system-memory-graph", { figure: draw.figure([draw.line(whole.x, whole.y, "oc:text2", "in use", "%{y:.3~r} GB")], found, Object.assign({ height: 220, yaxis: yaxis }, view)) });
    var swap = !now ? "" : now.swap_total > 0 ? draw.words(draw.size(now.swap_used)) + " of " + draw.words(draw.size(now.swap_total)) : "none";
    legend("system-memory", [["var(--oc-text-2)", "in use", now ? draw.words(draw.size(now.used)) : ""], ["", "swap", swap]].concat(found.length ? [[null, "no sample", ""]] : []));
    set("system-memory-sub", { children: "GB in use" + (now ? ", of " + draw.words(draw.size(now.total)) : "") });
    el("system-memory-caption").textContent = now ? draw.words(draw.size(now.used)) + " in use of " + draw.words(draw.size(now.total)) + ". Swap: " + swap + "." : "Not known yet.";
    numbers("system-memory", ["Time, " + zone(), "in use"], function () {
      return newestFirst(function (i) { return [draw.clock(S.t[i], view.offset), draw.known(S.memory[i]) ? draw.words(draw.size(S.memory[i])) : draw.UNKNOWN]; });
    });
  }
  function disk(view) {
    var drawn = twoRates("system-disk", "disk", ["read", "written"], [S.read, S.written], view, 136, [1, 3]);
    if (drawn) set("system-disk-sub", { children: "whole disks, " + drawn.unit });
    fill("system-mounts", S.mounts.map(function (mount) {
      var item = make("li"), name = make("span"), known = D().known(mount.used);
      name.append(make("b", "", mount.label), " ", make("span", "oc-muted", mount.path));
      name.className = "text-truncate"; name.title = mount.path;
      item.append(name, make("span", "", known ? D().words(D().size(mount.free)) + " free of " + D().words(D().size(mount.total)) : D().UNKNOWN + " " + mount.reason), meter(mount));
      return item;
    }));
  }

  // ---- what the page's controls do
  function address() {
    var query = new URLSearchParams(location.search);
    [["window", asked.window === 300 ? "" : String(asked.window)], ["interface", asked.name], ["unit", asked.bits ? "bits" : ""]].forEach(function (pair) {
      if (pair[1]) query.set(pair[0], pair[1]); else query.delete(pair[0]);
    });
    var text = query.toString();
    history.replaceState(history.state, "", location.pathname + (text ? "?" + text : ""));
  }
  function pause(on) {
    asked.paused = on;
    set("system-pause", {
      "aria-pressed": String(on),
      children: [
        { namespace: "dash_html_components", type: "I", props: { className: "oc-i sm " + (on ? "oc-i-play" : "oc-i-pause"), "aria-hidden": "true" } },
        { namespace: "dash_html_components", type: "Span", props: { children: on ? "Continue" : "Pause" } },
      ],
    });
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.ops_system = {
    tick: function (_n, seconds, name, unit, presses) {
      var by = window.dash_clientside.callback_context.triggered_id, bits = unit === "bits", wanted = !name || name === TOTAL ? "" : name;
      if (!watching) {  // the page has just come: nothing is paused on it
        asked.paused = false; said = "";
        watching = setInterval(watch, WATCH_MS);
      }
      if (by === "system-pause" && presses) pause(!asked.paused);
      if (seconds !== asked.window || wanted !== asked.name) {
        if (busy) { busy.abort(); busy = null; }
        S.seq = null;
      }
      var chosen = seconds !== asked.window || wanted !== asked.name || bits !== asked.bits;
      asked.window = seconds; asked.name = wanted; asked.bits = bits;
      if (chosen) { S.held = {}; address(); }
      watch();
      if (chosen && S.seq !== null) draw();
      poll();
      return window.dash_clientside.no_update;
    },
    draw: function () { draw(); return window.dash_clientside.no_update; },
  };

  document.addEventListener("visibilitychange", function () { if (!document.hidden) poll(); });
  window.addEventListener("ops:theme", function () { draw(); });
  document.addEventListener("toggle", function (event) { if (event.target.closest && event.target.closest(".oc-numbers")) draw(); }, true);
})();

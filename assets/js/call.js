// The drawer with all facts of one call: opened by a link of a list or by the address, which names the call while it is
// open. The browser's own modal dialog holds the focus; closing gives it back to the call's row.
(function () {
  "use strict";
  var NAMES = ["call", "call_source", "call_at"];
  var opener = null;

  function box() { return document.getElementById("call-drawer"); }
  function named(params) {
    var found = new URLSearchParams();
    NAMES.forEach(function (name) { if (params.get(name)) found.set(name, params.get(name)); });
    return found;
  }
  // The address without a call, or with another one; it stays one entry of the history.
  function address(call) {
    var params = new URLSearchParams(location.search);
    NAMES.forEach(function (name) { params.delete(name); });
    if (call) call.forEach(function (value, name) { params.append(name, value); });
    var text = params.toString();
    history.replaceState(history.state, "", location.pathname + (text ? "?" + text : ""));
  }
  function part(type, className, children, style) {
    return { namespace: "dash_html_components", type: type, props: { className: className, children: children, style: style } };
  }
  function skeleton() {
    var rows = [96, 88, 92, 70, 84].map(function (width) { return part("I", "oc-sk", null, { width: width + "%" }); });
    return part("Div", "oc-loading", [part("Span", "visually-hidden", "Loading"), part("Div", "oc-sk-rows", rows)]);
  }
  function open(call) {
    var drawer = box(), search = new URLSearchParams(call), zone = document.getElementById("usage-tz");
    var tz = new URLSearchParams(location.search).get("tz") || (zone && zone.value);
    if (tz) search.set("tz", tz);
    // another call's facts must not stand here while these are read
    window.dash_clientside.set_props("call", { "data-look": "loading" });
    window.dash_clientside.set_props("call-body", { children: skeleton() });
    ["call-badge", "call-foot"].forEach(function (id) { window.dash_clientside.set_props(id, { children: null }); });
    window.dash_clientside.set_props("call-ask", { data: { search: search.toString(), at: Date.now() } });
    if (!drawer.open) drawer.showModal();
    drawer.querySelector("[data-close-drawer]").focus();
  }

  document.addEventListener("click", function (event) {
    var drawer = box();
    if (!drawer) return;
    if (event.target === drawer || event.target.closest("[data-close-drawer]")) { drawer.close(); return; }
    var link = event.target.closest("a.oc-call");
    if (!link) {
      var row = event.target.closest("[data-call-row]");
      if (row && !event.target.closest("a, button") && window.getSelection().isCollapsed) link = row.querySelector("a.oc-call");
    }
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    var call = named(new URL(link.href).searchParams);
    if (!drawer.open) opener = link.getAttribute("href");
    address(call);
    open(call);
  });
  // Escape, the button and the space beside it all end here; the event does not bubble.
  document.addEventListener("close", function (event) {
    if (event.target !== box()) return;
    address(null);
    // a live page may have drawn its rows anew: the row of the same call takes the focus back
    var link = Array.from(document.querySelectorAll("a.oc-call")).find(function (each) { return each.getAttribute("href") === opener; });
    (link || document.getElementById("main")).focus();
  }, true);

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.ops_call = {
    start: function () {
      var call = named(new URLSearchParams(location.search));
      if (call.get("call")) { opener = null; open(call); }
      return window.dash_clientside.no_update;
    },
  };
})();

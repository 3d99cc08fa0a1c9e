// Makes the elements of `components.static`: one attribute holds a whole tree. Text stays text; no HTML is parsed.
(function () {
  "use strict";
  var LINK = /^(https?:|mailto:|\/|#|\?)/;

  function make(node) {
    if (typeof node === "string") return document.createTextNode(node);
    var element = document.createElement(node[0]);
    Object.keys(node[1]).forEach(function (name) {
      var value = node[1][name];
      if (name === "style") {
        Object.keys(value).forEach(function (prop) {
          element.style.setProperty(prop.replace(/[A-Z]/g, function (letter) { return "-" + letter.toLowerCase(); }), value[prop]);
        });
      } else if (name.slice(0, 2) !== "on" && (name !== "href" || LINK.test(value))) {
        element.setAttribute(name, value);
      }
    });
    node[2].forEach(function (child) { element.append(make(child)); });
    return element;
  }

  function fill(host) { host.replaceChildren(make(JSON.parse(host.dataset.static))); }

  // Dash knows its own links only: one made here changes the page like those, without loading everything anew.
  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[data-nav]");
    if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
    event.preventDefault();
    history.pushState({}, "", link.href);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  });

  new MutationObserver(function (changes) {
    changes.forEach(function (change) {
      if (change.type === "attributes") { fill(change.target); return; }
      change.addedNodes.forEach(function (node) {
        if (node.nodeType !== 1) return;
        if (node.dataset.static !== undefined) fill(node);
        else node.querySelectorAll("[data-static]").forEach(fill);
      });
    });
  }).observe(document.documentElement, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-static"] });
})();

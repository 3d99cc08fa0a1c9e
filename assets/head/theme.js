// Sets the theme before the first paint: what the reader chose, else what the system says.
(function () {
  "use strict";
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function chosen() {
    try { return localStorage.getItem("ops-theme"); } catch (e) { return null; }
  }
  function apply() {
    var theme = chosen() || (dark.matches ? "dark" : "light");
    if (document.documentElement.dataset.bsTheme === theme) return;
    document.documentElement.dataset.bsTheme = theme;
    window.dispatchEvent(new CustomEvent("ops:theme", { detail: theme }));
  }
  window.opsTheme = {
    now: function () { return document.documentElement.dataset.bsTheme; },
    toggle: function () {
      var next = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
      try {
        // Choosing what the system says anyway goes back to following the system.
        if (next === (dark.matches ? "dark" : "light")) localStorage.removeItem("ops-theme");
        else localStorage.setItem("ops-theme", next);
      } catch (e) { /* private mode: the choice lasts for this page */ }
      document.documentElement.dataset.bsTheme = next;
      window.dispatchEvent(new CustomEvent("ops:theme", { detail: next }));
    },
  };
  dark.addEventListener("change", apply);
  apply();
})();

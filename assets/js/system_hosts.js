// Panels of the system page that the server fills are asked again while somebody looks at them.
(function () {
  "use strict";
  var EVERY = { "system-hosts": 5, "system-console": 5 }; // ticks of two seconds
  function seen(panel) { return panel && panel.offsetParent !== null && !document.hidden; }
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.ops_hosts = {
    tick: function (n) {
      Object.keys(EVERY).forEach(function (id) {
        var panel = document.getElementById(id);
        // A reader who stands in the table, or reads a popover, is not pushed out of it.
        if (n && n % EVERY[id] === 0 && seen(panel) && !panel.contains(document.activeElement)) window.opsRetry(id);
      });
    }
  };
})();

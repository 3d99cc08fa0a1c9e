// The system page's scripts come with that page only: every other one loads these few lines of them.
(function () {
  "use strict";
  var scripts = null;

  function load() {
    if (!scripts) scripts = import(document.documentElement.dataset.system);
    return scripts;
  }
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.ops_system = {
    choose: function () {
      var given = Array.from(arguments), by = window.dash_clientside.callback_context.triggered_id;
      load().then(function (page) { page.choose.apply(null, [by].concat(given)); });
      return window.dash_clientside.no_update;
    },
    draw: function () {
      var filled = window.dash_clientside.callback_context.triggered.map(function (each) { return each.prop_id.split("-body.")[0]; });
      load().then(function (page) { page.filled(filled); });
      return window.dash_clientside.no_update;
    },
  };
})();

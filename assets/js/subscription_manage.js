// What a customer does with what it has: decisions asked first, plans ended and resumed, invoices, another card.
(function () {
  "use strict";
  var STEP_MS = 2000, RETRY_MS = 5000;
  // What was asked for may be done so long after its answer was given up.
  var LATE_MS = 10000;
  // What is held comes with the plans.
  var PANELS = ["subscription-plans", "subscription-usage", "subscription-credits", "subscription-card", "subscription-invoices"];
  var pending = null, running = false;

  function failed(title, text, code) { window.opsToast({ kind: "danger", title: title, text: text, code: code }); }
  function refresh() { PANELS.forEach(function (panel) { if (document.getElementById(panel)) window.opsRetry(panel); }); }

  window.opsSubscriptionAnew = refresh;

  // ---- a decision in words: opsAsk(offer, agreed) shows it, `agreed` does it and returns a promise, perhaps of a function
  // that brings the reader to what came of it; else the focus goes back to where it was
  function box() { return document.getElementById("subscription-ask"); }
  window.opsAsk = function (offer, agreed, opener) {
    var dialog = box();
    if (!dialog) return;
    pending = { agreed: agreed, opener: opener };
    dialog.querySelector("#subscription-ask-title").textContent = offer.title;
    var words = dialog.querySelector("#subscription-ask-words");
    words.textContent = "";
    offer.lines.forEach(function (line) { var p = document.createElement("p"); p.textContent = line; words.append(p); });
    var warning = dialog.querySelector("#subscription-ask-warning");
    warning.textContent = offer.warning || ""; warning.hidden = !offer.warning;
    var yes = dialog.querySelector("[data-ask-do]"), no = dialog.querySelector("[data-ask-keep]");
    yes.textContent = offer.verb; no.textContent = offer.keep;
    yes.disabled = no.disabled = false; yes.setAttribute("aria-busy", "false");
    dialog.showModal();
    no.focus();
  };
  function agree(yes) {
    if (!pending || yes.disabled) return;
    yes.disabled = box().querySelector("[data-ask-keep]").disabled = true;
    yes.setAttribute("aria-busy", "true"); yes.textContent = "One moment";
    pending.agreed().then(function (after) { if (pending) pending.after = after; box().close(); }, function () { box().close(); });
  }

  var ACTIONS = "[data-manage], [data-invoice-pdf], [data-invoice-pay], [data-portal], [data-card-update]";
  // While one action runs the others are seen to wait; those that are drawn meanwhile say so when they are clicked.
  function others(wait, button) {
    document.querySelectorAll(wait ? ACTIONS : "[data-waits]").forEach(function (each) {
      if (!wait) { each.disabled = false; delete each.dataset.waits; }
      else if (each !== button && !each.disabled) { each.disabled = true; each.dataset.waits = ""; }
    });
  }
  window.opsOneMoment = function () {
    window.opsToast({ title: "One moment", text: "Something else is being done. Click again when it is." });
  };

  // ---- one question at a time; the button says that it works and comes back. `lost`: what is said instead of `failure`
  // where something may be done though its answer never came
  function send(button, url, body, failure, lost) {
    if (running) return Promise.resolve(null);
    running = true;
    others(true, button);
    var label = button.textContent, was = button.disabled;
    button.disabled = true; button.setAttribute("aria-busy", "true"); button.textContent = "One moment";
    return window.opsPost(url, body).then(function (answer) {
      return answer.json().then(function (said) {
        if (answer.ok) return said;
        if (!said.title) throw new Error("not the console's answer");
        failed(said.title, said.detail || "", said.code || "HTTP " + answer.status);
        return { failed: said.code || "HTTP" };
      });
    }).catch(function () {
      if (lost) failed(lost, "The answer was lost. The page is read again and shows what is so.");
      else failed(failure, "The console did not answer. Try again in a moment.");
      return { failed: "connection" };
    }).then(function (said) {
      running = false;
      others(false);
      button.disabled = was; button.setAttribute("aria-busy", "false"); button.textContent = label;
      return said;
    });
  }

  function manage(button, token) {
    var body = { action: button.dataset.manage, subscription_id: button.dataset.subscription };
    if (token) body.confirm = token;
    return send(button, "/api/v1/billing/subscription/manage", body, "Nothing was changed", token || body.action !== "cancel" ? "Whether anything was changed is not known" : "").then(function (said) {
      if (!said) return;
      if (said.failed) {
        refresh();
        if (said.failed === "connection") setTimeout(refresh, LATE_MS);
        return;
      }
      if (said.status === "confirm") { window.opsAsk(said.offer, function () { return manage(button, said.offer.token); }, button); return; }
      window.opsToast({ title: said.title, text: said.message });
      refresh();
    });
  }

  // ---- addresses: opened in another tab, which the browser allows only at the click itself
  function open(button, url, body, failure) {
    var tab = window.open("", "_blank");
    if (tab) { tab.opener = null; tab.document.title = "One moment"; }
    send(button, url, body, failure).then(function (said) {
      if (said && said.url) {
        if (tab) tab.location.replace(said.url); else location.assign(said.url);
        window.opsToast({ title: said.title, text: said.message });
        return;
      }
      if (tab) tab.close();
      if (said && !said.failed) window.opsToast({ title: said.title, text: said.message });
    });
  }

  // Back from the tab in which something was paid: what is overdue may not be any more.
  var paying = false;
  document.addEventListener("visibilitychange", function () {
    if (paying && document.visibilityState === "visible") { paying = false; refresh(); }
  });

  // For whom the page was shown: another customer may have been chosen in another tab.
  function shown() {
    var cards = document.getElementById("subscription-cards");
    return cards && cards.dataset.customer ? { shown_customer: cards.dataset.customer } : {};
  }

  function updateCard(button) {
    send(button, "/api/v1/billing/card/update", shown(), "The card was not changed").then(function (said) {
      if (said && said.checkout_url) location.assign(said.checkout_url);
    });
  }

  // ---- back from Stripe with another card: the address keeps it until Lago has taken the card over
  window.opsWatchCard = function (draw, alive, session) {
    function step() {
      if (!alive()) return;
      window.opsPost("/api/v1/billing/card/progress", { session_id: session }).then(function (answer) {
        return answer.json().then(function (said) {
          if (!alive()) return;
          if (answer.status === 401) {
            draw("open", "You are signed out", "Whether Lago charges the new card is not known. Sign in again to see.");
            setTimeout(step, RETRY_MS);
            return;
          }
          if (!answer.ok) {
            var final = answer.status === 404 || said.code === "collector_mismatch";
            draw(final ? "none" : "open", said.title || "Your card could not be looked up", (said.detail || "") + (final ? "" : " Whether Lago charges the new card is not known yet."));
            if (final) forget(); else setTimeout(step, RETRY_MS);
            return;
          }
          draw(said.good === true ? "good" : said.done ? "none" : "open", said.title, said.message);
          if (said.done) { forget(); refresh(); window.opsPurchaseTold(said); } else setTimeout(step, STEP_MS);
        });
      }).catch(function () { setTimeout(step, RETRY_MS); });
    }
    function forget() {
      var query = new URLSearchParams(location.search);
      query.delete("card");
      history.replaceState(history.state, "", location.pathname + (query.size ? "?" + query : ""));
    }
    step();
  };

  document.addEventListener("click", function (event) {
    var button = event.target.closest(ACTIONS + ", [data-invoices-page], [data-ask-keep], [data-ask-do]");
    if (!button || button.disabled) return;
    if (running && button.matches(ACTIONS)) { window.opsOneMoment(); return; }
    var what = button.dataset;
    if (what.askKeep !== undefined) box().close();
    else if (what.askDo !== undefined) agree(button);
    else if (what.manage) manage(button);
    else if (what.invoicePdf) open(button, "/api/v1/billing/invoices/pdf", { invoice_id: what.invoicePdf }, "The PDF could not be read");
    else if (what.invoicePay) { paying = true; open(button, "/api/v1/billing/invoices/pay", { invoice_id: what.invoicePay }, "The payment page could not be opened"); }
    else if (what.invoicesPage) window.dash_clientside.set_props("subscription-invoices-page", { data: Number(what.invoicesPage) });
    else if (what.portal !== undefined) open(button, "/api/v1/billing/portal", shown(), "Lago's portal could not be opened");
    else updateCard(button);
  });
  document.addEventListener("close", function (event) {
    if (!box() || event.target !== box()) return;
    var opener = pending && pending.opener, after = pending && pending.after;
    pending = null;
    if (after) after();
    else if (opener && document.body.contains(opener)) opener.focus();
  }, true);
})();

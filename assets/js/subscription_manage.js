// What a customer does with what it has: decisions asked first, plans ended and resumed, invoices, another card.
(function () {
  "use strict";
  var STEP_MS = 2000, RETRY_MS = 5000;
  // What was asked for may be done so long after its answer was given up.
  var LATE_MS = 10000;
  // What is held comes with the plans.
  var PANELS = ["subscription-plans", "subscription-usage", "subscription-credits", "subscription-card", "subscription-invoices"];
  var pending = null, running = false;

  var ANOTHER = "customer_changed";  // the page is another's than is chosen: read again, it is loaded anew
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

  var ACTIONS = "[data-manage], [data-give-up], [data-invoice-pdf], [data-invoice-pay], [data-portal], [data-card-update], [data-has-read]";
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
      window.opsToast({ kind: said.good === null ? "info" : "ok", title: said.title, text: said.message });
      window.opsPurchaseSettled();
      refresh();
    });
  }
  // A purchase that Lago was not asked for yet.
  function giveUp(button) {
    send(button, "/api/v1/billing/checkout/give-up", { attempt_id: button.dataset.giveUp }, "Nothing was given up", "Whether it was given up is not known").then(function (said) {
      if (!said) return;
      if (!said.failed) {
        window.opsToast({ kind: "info", title: said.title, text: said.message });
        window.opsPurchaseSettled(said);
      } else if (said.failed === "too_late") window.opsFollowPurchase(button.dataset.giveUp);
      refresh();
    });
  }

  // How a purchase ended, told to a buyer who was not there.
  function hasRead(button) {
    send(button, "/api/v1/billing/checkout/read", { attempt_id: button.dataset.hasRead }, "It could not be noted that you have read it").then(function (said) {
      if (said && !said.failed) refresh();
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
      if (said && (said.failed === "not_payable" || said.failed === ANOTHER)) refresh();
      if (said && !said.failed) window.opsToast({ title: said.title, text: said.message });
    });
  }

  // Back from the tab in which something was paid: what is overdue may not be any more.
  var paying = false;
  document.addEventListener("visibilitychange", function () {
    if (!paying || document.visibilityState !== "visible") return;
    // Once more with each return, as long as there was something to pay: a first look may come before the payment.
    paying = document.querySelector("[data-invoice-pay], [data-stripe-pay]") !== null;
    refresh();
  });

  function shown() { return { shown_customer: window.opsMadeFor() }; }

  function updateCard(button) {
    send(button, "/api/v1/billing/card/update", shown(), "The card was not changed").then(function (said) {
      if (said && said.checkout_url) location.assign(said.checkout_url);
      if (said && said.failed === ANOTHER) refresh();
    });
  }

  // ---- back from Stripe with another card: the address keeps it until Lago has taken the card over
  window.opsWatchCard = function (draw, alive, session, then) {
    function step() {
      if (!alive()) return;
      window.opsPost("/api/v1/billing/card/progress", { session_id: session }).then(function (answer) {
        return answer.json().then(function (said) {
          if (!alive()) return;
          if (answer.status === 401) {
            draw("open", "You are signed out", "Whether the new card is charged is not known. Sign in again to see.");
            setTimeout(step, RETRY_MS);
            return;
          }
          if (!answer.ok) {
            var final = answer.status === 404 || said.code === "collector_mismatch";
            draw(final ? "none" : "open", said.title || "Your card could not be looked up", (said.detail || "") + (final ? "" : " Whether the new card is charged is not known yet."));
            if (final) forget(); else setTimeout(step, RETRY_MS);
            return;
          }
          draw(said.good === true ? "good" : said.done ? "none" : "open", said.title, said.message);
          if (said.done) { forget(); refresh(); window.opsPurchaseTold(said); then(); } else setTimeout(step, STEP_MS);
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
    if (event.target.closest("[data-stripe-pay]")) paying = true;
    var button = event.target.closest(ACTIONS + ", [data-invoices-page], [data-ask-keep], [data-ask-do]");
    if (!button || button.disabled) return;
    if (running && button.matches(ACTIONS)) { window.opsOneMoment(); return; }
    var what = button.dataset;
    if (what.askKeep !== undefined) box().close();
    else if (what.askDo !== undefined) agree(button);
    else if (what.manage) manage(button);
    else if (what.giveUp) giveUp(button);
    else if (what.hasRead) hasRead(button);
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
    else if (opener && last && last.element === opener) again();
  }, true);

  // ---- a button that is drawn anew takes the focus with it: its like gets it, or what stands in its place
  var KEPT = ["manage", "selectPlan", "giveUp", "retryPurchase", "retryEvent", "invoicePdf", "invoicePay", "cardUpdate"];
  var last = null;
  document.addEventListener("focusin", function (event) {
    if (box() && box().contains(event.target)) return;  // its opener is what counts
    var section = event.target.closest("section[data-panel]"), of = event.target.dataset;
    var about = event.target.closest("[data-subscription-row], [data-plan]");
    var known = section && KEPT.some(function (each) { return of[each] !== undefined; });
    last = known ? { element: event.target, panel: section.id, about: about ? { row: about.dataset.subscriptionRow, plan: about.dataset.plan } : {} } : null;
  });
  document.addEventListener("pointerdown", function (event) {
    if (!box() || !box().contains(event.target)) last = null;
  }, true);
  function again() {
    var section = document.getElementById(last.panel), of = last.element.dataset;
    var found = section && Array.from(section.querySelectorAll("button:not(:disabled)")).find(function (each) {
      return KEPT.some(function (key) { return of[key] !== undefined && each.dataset[key] === of[key]; }) && each.dataset.subscription === of.subscription;
    });
    if (section && !found && last.about.row) found = section.querySelector("[data-subscription-row='" + CSS.escape(last.about.row) + "'] button:not(:disabled)");
    if (section && !found && last.about.plan) found = section.querySelector("[data-plan='" + CSS.escape(last.about.plan) + "'] button:not(:disabled)");
    if (section && !found) {
      found = section.querySelector("h2");
      if (found) found.tabIndex = -1;
    }
    last = null;
    if (found) found.focus({ preventScroll: true });
  }
  new MutationObserver(function () {
    if (!last || last.element.isConnected || (box() && box().open)) return;
    if (document.activeElement === document.body) again(); else last = null;
  }).observe(document.documentElement, { childList: true, subtree: true });
})();

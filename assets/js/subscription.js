// The subscription page: "Select plan", and how a purchase stands after the way back from Stripe.
(function () {
  "use strict";
  var STEP_MS = 2000, RETRY_MS = 5000;
  // So often a purchase is looked for whose click was not answered: the console may still be at it.
  var LOOKS = 6;
  var busy = false, watching = null, seeking = null;

  // ---- Select plan: one question at a time, however often it is clicked
  function lockAll(on) {
    document.querySelectorAll("[data-select-plan]").forEach(function (each) {
      if (on) { if (!each.disabled) { each.disabled = true; each.dataset.locked = ""; } }
      else if (each.dataset.locked !== undefined) { each.disabled = false; delete each.dataset.locked; }
    });
  }
  function lock(on, button) {
    busy = on;
    lockAll(on || seeking !== null);
    button.setAttribute("aria-busy", on ? "true" : "false");
    if (on) button.dataset.label = button.textContent;
    button.textContent = on ? "One moment" : button.dataset.label;
  }
  function failed(title, text, code) {
    window.opsToast({ kind: "danger", title: title, text: text, code: code });
  }
  // The answer was lost, and what was asked for may be done all the same: nobody says that nothing was. The page is read
  // again, and a purchase that is under way is followed.
  function lost() {
    failed("Whether anything was bought is not known", "The answer was lost. The page looks up what is so; do not select a plan again before that.");
    var line = document.getElementById("subscription-purchase");
    if (!line) return;
    draw(line, "open", "Whether anything was bought is not known", "It is being looked up.");
    watch(line, null, LOOKS);
    refresh();
    return function () { bring(line); };
  }
  // Look at a purchase until it is settled: each look brings it on.
  function follow(attempt) {
    var line = document.getElementById("subscription-purchase");
    draw(line, "open", line.dataset.firstTitle, line.dataset.firstText);
    watch(line, attempt);
    return line;
  }
  window.opsFollowPurchase = follow;
  // For whom the page was made, from its frame: an admin may have chosen another customer in another tab since, and the
  // panels come for that one.
  function madeFor() {
    var frame = document.getElementById("subscription-purchase");
    return frame ? frame.dataset.customer || "" : "";
  }
  window.opsMadeFor = madeFor;
  // The second time with the token of the offer that was agreed to. Settles when the answer is dealt with, with what is
  // to be brought into view, if there is something.
  function select(button, token) {
    if (busy) return Promise.resolve();
    var body = { plan_code: button.dataset.selectPlan };
    if (button.dataset.amountCents !== "") body.shown_amount_cents = Number(button.dataset.amountCents);
    if (button.dataset.currency !== "") body.shown_currency = button.dataset.currency;
    body.shown_customer = madeFor();
    if (token) body.confirm = token;
    lock(true, button);
    return window.opsPost("/api/v1/billing/checkout/create", body).then(function (answer) {
      return answer.json().then(function (said) {
        if (!answer.ok) {
          if (!said.title) throw new Error("not the console's answer");
          failed(said.title, said.detail || "", said.code || "HTTP " + answer.status);
          lock(false, button);
          if (answer.status === 409) refresh();  // the page is older than what is so, and from then on it keeps up
          var own = document.querySelector("[data-give-up]");
          if (own && said.code === "already_open") follow(own.dataset.giveUp);  // it has gone on at Stripe
          return;
        }
        if (said.status === "confirm") {
          lock(false, button);
          window.opsAsk(said.offer, function () { return select(button, said.offer.token); }, button);
          return;
        }
        if (said.purchase) {
          lock(false, button);
          var line = follow(said.purchase);
          return function () { bring(line); };
        }
        if (said.status === "redirect" && said.checkout_url) { location.assign(said.checkout_url); return; }
        window.opsToast({ title: said.status === "scheduled" ? "Change planned" : "Plan started", text: said.message });
        lock(false, button);
        settled();
        refresh();
      });
    }).catch(function () {
      lock(false, button);
      return lost();
    });
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-select-plan]");
    if (button && (busy || seeking !== null)) window.opsOneMoment();
    else if (button) select(button).then(function (after) { if (after) after(); });
    var again = event.target.closest("[data-retry-purchase], [data-retry-event]");
    if (again) lookAgain(again);
    var customer = event.target.closest("[data-choose-customer]");
    if (customer) choose(customer);
  });

  function hold(button) { button.disabled = true; button.setAttribute("aria-busy", "true"); button.dataset.label = button.textContent; button.textContent = "One moment"; }
  function free(button) { button.disabled = false; button.setAttribute("aria-busy", "false"); button.textContent = button.dataset.label; }

  // ---- the admin's choice of a customer; everything on the page is another's then, so it is loaded anew
  function choose(button) {
    if (button.disabled) return;
    hold(button);
    window.opsPost("/api/v1/billing/customer", { customer_id: button.dataset.chooseCustomer || null }).then(function (answer) {
      if (answer.ok) { location.reload(); return; }
      return answer.json().then(function (said) {
        failed(said.title || "Nobody was chosen", said.detail || "", said.code || "HTTP " + answer.status);
        free(button);
      });
    }).catch(function () { failed("Nobody was chosen", "The console did not answer."); free(button); });
  }

  // ---- the admin's "Look again", at a purchase or a webhook
  function lookAgain(button) {
    if (button.disabled) return;
    hold(button);
    var purchase = button.dataset.retryPurchase;
    var body = purchase ? { attempt_id: purchase } : { event_id: Number(button.dataset.retryEvent) };
    window.opsPost("/api/v1/billing/retry", body).then(function (answer) {
      return answer.json().then(function (said) {
        if (answer.ok) told(said);
        else failed(said.title || "That did not work", said.detail || "", said.code || "HTTP " + answer.status);
      });
    }).catch(function () { failed("That did not work", "The console did not answer."); }).then(function () {
      free(button);
      attempts();
      if (!purchase) setTimeout(attempts, STEP_MS);  // a webhook is worked off behind the answer
    });
  }
  function attempts() {
    ["attempts-open", "attempts-inbox", "attempts-log"].forEach(function (panel) { if (document.getElementById(panel)) window.opsRetry(panel); });
  }
  // Back from Stripe by the browser's own button: the page comes from its memory, with the buttons still locked.
  window.addEventListener("pageshow", function (event) { if (event.persisted && document.querySelector("[data-locked]")) location.reload(); });

  function refresh() { window.opsSubscriptionAnew(); }

  // What is held and the cards are read again in one answer, told which purchase the page still waits for, so that they
  // say nothing of it before its line does. Settles when they stand: then the line changes with them.
  var LONGEST_MS = 8000, landed = null;
  function together(waited_for) {
    window.dash_clientside.set_props("subscription-awaited", { data: waited_for });
    refresh();
    return new Promise(function (resolve) {
      landed = resolve;
      setTimeout(resolve, LONGEST_MS);  // a Lago that hangs holds no truth back
    });
  }

  // ---- a purchase under way
  function icon(name) {
    var made = document.createElement("i");
    made.className = "oc-i oc-i-" + name; made.setAttribute("aria-hidden", "true");
    return made;
  }
  function draw(box, kind, title, text) {
    if (box.dataset.title === title && box.dataset.text === text) return;  // said once, not every two seconds
    box.dataset.title = title; box.dataset.text = text; box.dataset.kind = kind;
    box.textContent = "";
    var words = document.createElement("div");
    var head = document.createElement("b"); head.textContent = title;
    var line = document.createElement("p"); line.textContent = text;
    words.append(head, line);
    box.append(icon({ good: "ok", bad: "failed", open: "stale", none: "info" }[kind]), words);
  }
  // The line stands above the cards: on a phone the reader who clicked one does not see it.
  function bring(line) {
    var calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    line.focus({ preventScroll: true });
    line.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
  }
  // Everything else in the address stays.
  function name(attempt) {
    var query = new URLSearchParams(location.search);
    if (query.get("purchase") === attempt) return;
    query.delete("left");
    if (attempt === null) query.delete("purchase"); else query.set("purchase", attempt);
    history.replaceState(history.state, "", location.pathname + (query.size ? "?" + query : ""));
  }
  // What was clicked has come to its end: said where it is seen, wherever on the page its reader is by now.
  function told(said) {
    window.opsToast({ kind: said.good === true ? "ok" : said.good === false ? "danger" : "info", title: said.title, text: said.message });
  }
  window.opsPurchaseTold = told;
  // Something else was done since: a line that told an end tells it no longer.
  function settled(said) {
    var box = document.getElementById("subscription-purchase");
    if (!box) return;
    if (said) { watching = null; seek(null); name(null); draw(box, "none", said.title, said.message); return; }
    if (box.dataset.kind === "open") return;
    box.textContent = "";
    ["title", "text", "kind"].forEach(function (each) { delete box.dataset[each]; });
  }
  window.opsPurchaseSettled = settled;
  // As long as it is not known whether something was bought, nothing else is chosen.
  function seek(who) {
    seeking = who;
    if (!busy) lockAll(who !== null);
  }

  // ---- what the cards say of a purchase under way, whoever began it, is read again with each of its steps
  var keeping = false;
  function underWay() {
    var cards = document.getElementById("subscription-cards");
    return cards ? cards.dataset.underWay || "" : "";
  }
  function keepUp() {
    if (keeping || underWay() === "") return;
    keeping = true;
    setTimeout(function () {
      keeping = false;
      var shown = underWay();
      if (shown === "") return;
      if (document.visibilityState === "hidden" || busy) { keepUp(); return; }
      fetch("/api/v1/billing/checkout/under-way", { credentials: "same-origin", headers: { Accept: "application/json" } }).then(function (answer) {
        return answer.ok ? answer.json() : { mark: shown };
      }).then(function (said) {
        if ((said.mark || "") !== shown && underWay() === shown && !busy) refresh();
      }).catch(function () {}).then(keepUp);
    }, RETRY_MS);
  }
  // `looks`: how often to look for a purchase that perhaps was begun.
  function watch(box, attempt, looks) {
    var me = watching = {};
    var asked = attempt !== null, seeks = looks > 0;
    seek(seeks ? me : null);
    var waited = false, state = null;
    function again(ms) { setTimeout(step, ms); }
    function settle(waited_for, say) {
      if (waited_for === undefined) { say(); return; }
      return together(waited_for).then(function () { if (watching === me && document.body.contains(box)) say(); });
    }
    function step() {
      if (watching !== me || !document.body.contains(box)) return;
      window.opsPost("/api/v1/billing/checkout/progress", attempt === null ? {} : { attempt_id: attempt }).then(function (answer) {
        return answer.json().then(function (said) {
          if (watching !== me) return;
          if (answer.status === 401) {
            if (!asked && !waited && !seeks) return;
            draw(box, "open", "You are signed out", "How the purchase stands is not known. Sign in again to see; it goes on by itself.");
            again(RETRY_MS);
            return;
          }
          if (!answer.ok) {
            if (!asked && !waited && !seeks) return;  // nobody waits for anything
            if (answer.status === 404) return settle(null, function () { draw(box, "none", said.title, said.detail || ""); name(null); });
            draw(box, "open", said.title || "Waiting for Lago to confirm", (said.detail || "") + " Whether the plan has started is not known yet.");
            again(RETRY_MS);
            return;
          }
          if (said.state === null && seeks && !waited) {
            looks -= 1;
            if (looks > 0) { again(RETRY_MS); return; }
            seek(null);
            refresh();
            draw(box, "none", "No purchase is under way", "What runs and what is planned stands below.");
            return;
          }
          if (said.state === null) {
            if (asked) draw(box, "none", "This checkout is not known", "It is not one of yours, or it is too old.");
            name(null);
            return;
          }
          attempt = said.attempt_id;
          seek(null);
          // Nobody waits for a checkout that was left: the cards say that it is there. What this very look has ended
          // is told like any other end.
          var unasked = !asked && !waited && !seeks;
          if (said.done && said.good === null && unasked) return;
          if (!said.done) waited = true;
          var turned = said.state !== state;  // the panels may know more now
          state = said.state;
          // What came to nothing stays named to the panels, which would tell it, too.
          var told_here = !said.done || said.good === false;
          return settle(turned ? told_here ? attempt : null : undefined, function () {
            draw(box, said.good === true ? "good" : said.good === false ? "bad" : said.done ? "none" : "open", said.title, said.message);
            // Until it is settled the address names it, so that a page loaded again goes on; then it is told once.
            name(said.done ? null : attempt);
            if (said.done && !(unasked && said.state === "held")) told(said);
            if (!said.done) again(said.held_up ? RETRY_MS : STEP_MS);
          });
        });
      }).catch(function () { if (asked || waited || seeks) again(RETRY_MS); });
    }
    step();
  }

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.ops_subscription = {
    mounted: function () {
      var box = document.getElementById("subscription-purchase");
      var query = new URLSearchParams(location.search), card = query.get("card");
      if (!box) return window.dash_clientside.no_update;
      if (card) {
        var me = watching = {};
        window.opsWatchCard(function (kind, title, text) { draw(box, kind, title, text); },
          function () { return watching === me && document.body.contains(box); }, card,
          function () { watch(box, null); });  // a purchase may wait for that very card
      } else watch(box, query.get("purchase"));
        return window.dash_clientside.no_update;
    },
    // The plan that was chosen before signing in: brought into view, with the focus on its button. Nothing is bought by it.
    chosen: function () {
      var given = new URLSearchParams(location.search), code = given.get("plan");
      if (code === null) return window.dash_clientside.no_update;
      requestAnimationFrame(function () {
        var card = Array.from(document.querySelectorAll(".oc-plan[data-plan]")).find(function (each) { return each.dataset.plan === code; });
        if (!card && !document.getElementById("subscription-cards")) return;  // nothing to choose from yet
        given.delete("plan");  // once only, also when the page is loaded again
        history.replaceState(history.state, "", location.pathname + (given.size ? "?" + given : ""));
        if (!card) {
          window.opsToast({ kind: "info", title: "The plan that you chose is not on offer any more", text: "Select another one." });
          return;
        }
        if (card.dataset.only && card.dataset.only !== card.parentNode.dataset.shown) {
          var other = document.querySelector("#subscription-interval input[value='" + card.dataset.only + "']");
          if (other) other.click();
        }
        requestAnimationFrame(function () {
          card.scrollIntoView({ block: "center" });
          var button = card.querySelector("[data-select-plan]:not(:disabled)");
          if (button) button.focus({ preventScroll: true, focusVisible: true });
        });
      });
      return window.dash_clientside.no_update;
    },
    landed: function () {
      if (landed) landed();
      landed = null;
      requestAnimationFrame(function () {
        var cards = document.getElementById("subscription-cards");
        if (cards && (cards.dataset.customer || "") !== madeFor()) {
          window.opsToastLater({ kind: "info", title: "Another customer was chosen", text: "Meanwhile, in another tab perhaps. Nothing was done here; the page shows that customer now." });
          location.reload();
          return;
        }
        if (seeking !== null) lockAll(true);
        keepUp();
      });
      return window.dash_clientside.no_update;
    },
    // The reader's own choice is kept over each reading; what the cards come with is none.
    interval: function (value) {
      var cards = document.getElementById("subscription-cards"), none = window.dash_clientside.no_update;
      return value && cards && cards.dataset.shown !== value ? [value, value] : [none, none];
    },
  };
})();

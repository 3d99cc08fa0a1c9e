// No page goes on showing old figures as if they were new. Every answer of the server is watched: when it dies, fails
// or signs the reader out, a banner says so and since when, and the page is drawn as stale until it answers again.
(function () {
  "use strict";
  var BEAT_MS = 5000, ANSWER_MS = 8000, MISSES = 2;
  var who = null, soon = null, misses = 0, state = "ok", since = null, lastGood = new Date();
  var native = window.fetch.bind(window);

  function clock(date) { return date.toISOString().slice(11, 19) + " UTC"; }

  // A choice that nobody answered: the controls show it, the figures are still of the one before.
  var chosen = false;
  window.opsChosen = function () { chosen = true; if (state === "lost" || state === "failing") banner(state); };
  function seen() { return " What you see is from " + clock(lastGood) + (chosen ? ", before your last choice." : "."); }

  function banner(kind) {
    var old = document.getElementById("oc-connection");
    if (kind === "ok") {
      if (old) old.remove();
      document.documentElement.removeAttribute("data-connection");
      return;
    }
    document.documentElement.dataset.connection = kind;
    var box = old || document.createElement("div");
    box.id = "oc-connection";
    box.className = "oc-connection";
    box.setAttribute("role", "alert");
    box.textContent = "";
    var icon = document.createElement("i");
    icon.className = "oc-i oc-i-failed"; icon.setAttribute("aria-hidden", "true");
    var text = document.createElement("span");
    box.append(icon, text);
    if (kind === "signed-out") {
      text.textContent = "You are signed out. What you see is from " + clock(lastGood) + ".";
      var link = document.createElement("a");
      link.href = "/login?next=" + encodeURIComponent(location.pathname + location.search);
      link.textContent = "Sign in"; link.className = "btn btn-sm btn-secondary";
      box.append(link);
    } else if (kind === "changed") {
      text.textContent = "Somebody else has signed in in this browser. What you see is from " + clock(lastGood) + ".";
      var again = document.createElement("button");
      again.type = "button"; again.textContent = "Load again"; again.className = "btn btn-sm btn-secondary";
      again.addEventListener("click", function () { location.reload(); });
      box.append(again);
    } else if (kind === "failing") {
      text.textContent = "The console answers with errors since " + clock(since) + "." + seen();
    } else {
      text.textContent = "No answer from the console since " + clock(since) + "." + seen();
    }
    if (!old) document.body.prepend(box);
  }

  function set(next) {
    if (next === state) return;
    if (next !== "ok" && state === "ok") since = new Date();
    var back = next === "ok";
    state = next;
    banner(next);
    recovered();  // the banner says it all, and once it goes there is nothing left to say
    window.dispatchEvent(new CustomEvent(back ? "ops:connected" : "ops:disconnected", { detail: next }));
    if (back && pageLost) location.reload();
    else if (back) refetch();
  }

  // Each panel asks again once the server is back: its Retry store is what its callback listens to.
  function refetch() {
    document.querySelectorAll("section[data-panel]").forEach(function (panel) { retry(panel.id); });
  }
  function retry(id) {
    window.dash_clientside.set_props(id + "-retry", { data: Date.now() });
  }
  window.opsRetry = retry;

  // Callbacks that failed while the server itself goes on: told by one toast, and their panels ask again with the next
  // beats, ever more rarely while that does not help. A round without a failure ends it.
  var TOLD = "callbacks", MOST_BEATS = 6, failed = false, told = false, asked = false, every = 1, beats = 0;
  function recovered() { failed = told = asked = false; every = 1; beats = 0; window.opsToastGone(TOLD); }
  function answeredBadly(status) {
    failed = true;
    if (state !== "ok") return;
    told = true;
    window.opsToast({ kind: "danger", key: TOLD, title: "That did not work", text: "The console could not answer. Figures on this page may be old.", code: "HTTP " + status });
  }
  function again() {
    if (!told) return;
    if (asked && !failed) { recovered(); return; }
    asked = false;
    if ((beats += 1) < every) return;
    failed = false; asked = true; beats = 0; every = Math.min(2 * every, MOST_BEATS);
    refetch();
  }

  function saw(status) {
    if (state === "changed") return;  // only loading again helps
    if (status === 401) { misses = 0; set("signed-out"); return; }
    if (status >= 500) { misses += 1; if (misses >= MISSES) set("failing"); return; }
    misses = 0; lastGood = new Date(); set("ok");
  }
  function missed() { misses += 1; if (misses >= MISSES) set("lost"); }

  // What a callback is given in place of an answer that it cannot use: Dash takes 204 as "nothing changes", ends what
  // it marked as running and logs nothing. Any other status, an answer that is not JSON or one that breaks off midway
  // would leave it hanging, or throw where nobody catches it.
  function nothing() { return new Response(null, { status: 204 }); }

  // A page that was asked for and never came would leave the old one under the new address.
  var pageLost = false;
  function lost(init) { if (init && String(init.body).indexOf('"_pages_content') >= 0) pageLost = true; return nothing(); }

  window.fetch = function (input, init) {
    var url = typeof input === "string" ? input : input.url;
    if (url.indexOf("_dash-update-component") < 0) return native(input, init);
    return native(input, init).then(function (answer) {
      if (answer.status === 204) return answer;
      var data = (answer.headers.get("Content-Type") || "").indexOf("json") >= 0;
      if (answer.status === 401 || answer.redirected || (answer.ok && !data)) { set("signed-out"); return lost(init); }
      if (!answer.ok) {
        answeredBadly(answer.status);
        return lost(init);
      }
      return answer.arrayBuffer().then(function (whole) {
        chosen = false;
        // What a callback asked may have changed how a source is: tell soon, not at the next beat.
        clearTimeout(soon); soon = setTimeout(beat, 1000);
        return new Response(whole, { status: answer.status, headers: answer.headers });
      });
    }).catch(function () {
      misses = MISSES; set("lost");
      return lost(init);
    });
  };

  function dot(kind) {
    return { namespace: "dash_html_components", type: "Span", props: { className: "oc-dot " + kind, "aria-hidden": "true" } };
  }
  function span(text) { return { namespace: "dash_html_components", type: "Span", props: { children: text } }; }

  function beat() {
    if (document.hidden) return;
    window.opsForget();
    var stop = new AbortController();
    var timer = setTimeout(function () { stop.abort(); }, ANSWER_MS);
    native("/api/v1/session", { signal: stop.signal, credentials: "same-origin", headers: { Accept: "application/json" } })
      .then(function (answer) {
        saw(answer.status);
        if (!answer.ok) return null;
        again();
        return answer.json().then(function (body) {
          var now = body.role + " " + (body.organization_id || "");
          if (who !== null && who !== now) { set("changed"); return; }
          who = now;
          window.dash_clientside.set_props("oc-sources", {
            children: body.sources.map(function (source) {
              return {
                namespace: "dash_html_components", type: "Li",
                props: { className: "oc-source", title: source.detail, children: [dot(source.dot), span(source.name), span(source.word)] },
              };
            }),
          });
        });
      })
      .catch(missed)
      .finally(function () { clearTimeout(timer); });
  }
  window.opsBeat = beat;
  window.addEventListener("load", function () {
    var started = setInterval(function () {
      if (!document.getElementById("oc-sources")) return;
      clearInterval(started);
      beat();
      setInterval(beat, BEAT_MS);
    }, 100);
  });
  document.addEventListener("visibilitychange", function () { if (!document.hidden) beat(); });
})();

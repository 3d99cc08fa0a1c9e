// The shell's small behaviours: theme, popovers, copy, retry, toasts, focus on navigation.
(function () {
  "use strict";

  // ---- a badge that says how old an answer is counts on, as long as it stands; its words are those of formats.age
  var seen = new WeakMap();
  function age(seconds) {
    if (seconds < 90) return Math.floor(seconds) + "\u00a0s";
    if (seconds < 5400) return Math.floor(seconds / 60) + "\u00a0min";
    return seconds < 172800 ? Math.floor(seconds / 3600) + "\u00a0h" : Math.floor(seconds / 86400) + "\u00a0d";
  }
  function growOld() {
    document.querySelectorAll("[data-stale-s]").forEach(function (mark) {
      var known = seen.get(mark), given = mark.dataset.staleS, now = performance.now();
      if (!known || known.given !== given) { seen.set(mark, { given: given, at: now }); return; }
      // Its text stays the same node, which is React's.
      var said = "Stale: " + age(Number(given) + (now - known.at) / 1000) + " old";
      if (mark.lastChild.nodeValue !== said) mark.lastChild.nodeValue = said;
    });
  }
  setInterval(growOld, 1000);

  // ---- toasts: only for what the reader did; errors stay until closed, others 6 s. One fault is one toast however
  // often it is told, and no more than three stand at once: a pile would cover what the reader wants to press.
  var MOST_TOASTS = 3;
  function stack() {
    var box = document.getElementById("oc-toasts");
    if (!box) {
      box = document.createElement("div");
      box.id = "oc-toasts"; box.className = "oc-toasts"; box.setAttribute("aria-live", "polite"); box.setAttribute("role", "region");
      box.setAttribute("aria-label", "Notifications");
      document.body.append(box);
    }
    return box;
  }
  function find(key) { return Array.from(stack().children).find(function (each) { return each.dataset.key === key; }); }
  window.opsToastGone = function (key) { var toast = find(key); if (toast) toast.remove(); };
  // Said once the page is there that is being loaded.
  var LATER = "ops-toast";
  window.opsToastLater = function (what) { sessionStorage.setItem(LATER, JSON.stringify(what)); };
  window.opsToast = function (what) {
    var kind = what.kind || "ok", key = what.key || [kind, what.title, what.text].join("\n");
    var meta = document.createElement("span"); meta.className = "oc-muted oc-meta";
    meta.textContent = [what.code, new Date().toISOString().slice(11, 19) + " UTC"].filter(Boolean).join(" · ");
    var told = find(key);
    if (told && kind === "danger") { told.querySelector(".oc-meta").replaceWith(meta); return; }  // not read out again
    if (told) told.remove();
    var toast = document.createElement("div");
    toast.className = "oc-toast"; toast.setAttribute("role", kind === "danger" ? "alert" : "status");
    var icon = document.createElement("i");
    icon.className = "oc-i oc-i-" + ({ danger: "failed", info: "info" }[kind] || "ok"); icon.setAttribute("aria-hidden", "true");
    var body = document.createElement("div"); body.className = "oc-toast-body";
    var title = document.createElement("b"); title.textContent = what.title; body.append(title);
    if (what.text) { var p = document.createElement("p"); p.textContent = what.text; body.append(p); }
    body.append(meta);
    var close = document.createElement("button");
    close.type = "button"; close.className = "oc-icon-btn sm"; close.setAttribute("aria-label", "Close");
    var x = document.createElement("i"); x.className = "oc-i oc-i-close sm"; x.setAttribute("aria-hidden", "true"); close.append(x);
    close.addEventListener("click", function () { toast.remove(); });
    toast.append(icon, body, close);
    toast.dataset.key = key;
    stack().append(toast);
    while (stack().children.length > MOST_TOASTS) {  // what is only a confirmation goes before an error does
      var older = Array.from(stack().children).slice(0, -1);
      (older.find(function (each) { return each.getAttribute("role") === "status"; }) || older[0]).remove();
    }
    if (kind !== "danger") setTimeout(function () { toast.remove(); }, 6000);
  };
  var later = sessionStorage.getItem(LATER);
  sessionStorage.removeItem(LATER);
  if (later) window.addEventListener("load", function () { window.opsToast(JSON.parse(later)); });

  // ---- popovers: a button with data-pop names the box it opens
  var open = null;
  function hide(focus) {
    if (!open) return;
    open.box.classList.remove("show");
    open.button.setAttribute("aria-expanded", "false");
    if (focus) open.button.focus();
    open = null;
  }
  function show(button) {
    var box = document.getElementById(button.dataset.pop);
    if (!box) return;
    box.classList.add("show");
    var at = button.getBoundingClientRect(), width = Math.min(box.offsetWidth, window.innerWidth - 16);
    var left = Math.max(8, Math.min(at.right - width, window.innerWidth - width - 8));
    box.style.left = left + "px";
    var below = at.bottom + 6;
    box.style.top = (below + box.offsetHeight > window.innerHeight - 8 ? Math.max(8, at.top - box.offsetHeight - 6) : below) + "px";
    button.setAttribute("aria-expanded", "true");
    open = { box: box, button: button };
  }

  function copy(button) {
    var source = document.getElementById(button.dataset.copy);
    if (!source) return;
    var done = function () { window.opsToast({ title: "Copied" }); };
    if (navigator.clipboard && window.isSecureContext) { navigator.clipboard.writeText(source.textContent).then(done); return; }
    var range = document.createRange(); range.selectNodeContents(source);
    var selection = window.getSelection(); selection.removeAllRanges(); selection.addRange(range);
    window.opsToast({ title: "Selected", text: "Press Ctrl+C to copy." });
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-pop], [data-copy], [data-retry], [data-theme-toggle], [data-sign-out]");
    if (open && !event.target.closest(".oc-pop") && !(button && button === open.button)) hide(false);
    if (!button) return;
    if (button.dataset.pop !== undefined) { if (open && open.button === button) hide(false); else { hide(false); show(button); } }
    else if (button.dataset.copy !== undefined) copy(button);
    else if (button.dataset.retry !== undefined) window.opsRetry(button.dataset.retry || button.closest("[data-panel]").id);
    else if (button.dataset.themeToggle !== undefined) window.opsTheme.toggle();
    else if (button.dataset.signOut !== undefined) signOut();
  });
  document.addEventListener("keydown", function (event) { if (event.key === "Escape") hide(true); });
  window.addEventListener("scroll", function () { hide(false); }, { passive: true });
  window.addEventListener("resize", function () { hide(false); });

  function csrf() {
    var found = document.cookie.split("; ").find(function (part) { return part.indexOf("ops_csrf=") === 0; });
    return found ? decodeURIComponent(found.slice(9)) : "";
  }
  // One way to send something: JSON in, JSON or problem+json out, with the session's CSRF token.
  window.opsPost = function (url, body) {
    return fetch(url, {
      method: "POST", credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrf(), Accept: "application/json" },
      body: JSON.stringify(body || {}),
    });
  };
  // Why an answer is a failure, as a promise of words: its problem+json says it; what stands between may say nothing.
  window.opsWhy = function (answer) {
    return answer.json().catch(function () { return null; }).then(function (problem) {
      return (problem && (problem.detail || problem.title)) || "The answer was HTTP " + answer.status + " without a reason.";
    });
  };
  function signOut() {
    window.opsPost("/logout").then(function (answer) {
      if (answer.ok || answer.status === 401) location.assign("/login");
      else window.opsToast({ kind: "danger", title: "You are still signed in", text: "The console did not take the sign-out.", code: "HTTP " + answer.status });
    }, function () {
      window.opsToast({ kind: "danger", title: "You are still signed in", text: "The console did not answer." });
    });
  }

  // ---- clientside callbacks of the shell
  var visited = false;
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.ops_shell = {
    toast: function (what) { if (what) window.opsToast(what); return window.dash_clientside.no_update; },
    navigated: function () {
      var pathname = location.pathname;
      document.querySelectorAll(".oc-nav-link").forEach(function (link) {
        var here = pathname === link.getAttribute("href") || pathname.indexOf(link.getAttribute("href") + "/") === 0;
        link.classList.toggle("active", here);
        if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
      });
      hide(false);
      if (visited) {
        // Dash moves no focus and announces nothing: the new page's heading takes it.
        requestAnimationFrame(function () {
          var heading = document.querySelector("#main h1");
          if (heading) { heading.setAttribute("tabindex", "-1"); heading.focus({ preventScroll: true }); window.scrollTo(0, 0); }
        });
      }
      visited = true;
      return window.dash_clientside.no_update;
    },
  };
})();

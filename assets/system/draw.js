// Everything on the page, drawn from what is known.
import { ageS, badge, state } from "./age.js";
import { cards } from "./cards.js";
import { charts } from "./charts.js";
import { el, fill } from "./dom.js";
import { gapList, interfaces, mounts } from "./lists.js";
import { isPast } from "./past.js";
import { asked, H, S } from "./state.js";
import { asOf, subtitle, viewOf } from "./view.js";
import * as words from "./words.js";

export function revision() { return [asked.tab, asked.window, asked.name, asked.host, asked.zoom ? asked.zoom.from + "-" + asked.zoom.to : ""].join("|"); }

let drawn = false, again = false;

// Once a frame at most: what is asked for before the browser has shown the last drawing is drawn together, after it.
export function draw() {
  if (drawn) { again = true; return; }
  drawn = true;
  requestAnimationFrame(() => setTimeout(() => {
    drawn = false;
    if (again) { again = false; draw(); }
  }, 0));
  drawAll();
}

function drawAll() {
  if (!el("system-page")) return;
  const view = viewOf();
  view.revision = revision();
  cards(view);
  if (S.heardAt !== null || (isPast() && (H.body || H.problem))) {
    subtitle(view); charts(view); interfaces(view); gapList(view); mounts(); asOf(view);
  }
  looks(view);
  past();
}

// What is old looks old, panel by panel; what could not be drawn at all keeps its own look.
function looks(view) {
  document.querySelectorAll("[data-live]").forEach((inner) => {
    const panel = inner.closest("[data-panel]");
    if (!panel || (panel.dataset.look !== "ready" && panel.dataset.look !== "stale")) return;
    const look = view.old ? "stale" : "ready";
    if (panel.dataset.look !== look) panel.dataset.look = look;
    fill(panel.id + "-badge", [view.old && ageS() !== null ? badge("warn", "clock", "Stale: " + words.age(ageS()) + " old") : null]);
  });
}

// What is wrong with the source of old figures. A history that could not be renewed: its lines stay, and say how old they
// are. One that is short says why. And what Prometheus says of its answers, such as that one is partial.
function past() {
  const box = el("system-past");
  if (!box) return;
  let text = "";
  if (S.trouble && (S.empty || state() === "stale")) text = S.trouble.title + ". " + S.trouble.detail;
  else if (isPast() && H.problem && H.body) text = H.problem.title + " since " + words.clock(Date.parse(H.body.window.end), words.offsetMs("UTC", Date.now())) + " UTC. " + H.problem.detail;
  else if (isPast() && H.body && H.body.reason) text = H.body.reason;
  const said = asked.host && S.about && S.about.notes ? S.about.notes.filter((note) => !text.includes(note)) : [];
  if (said.length) text = [text, "Prometheus says: " + said.join(" ")].filter(Boolean).join(" ");
  if (box.textContent !== text) box.textContent = text;
  box.hidden = !text;
}

// Everything on the page, drawn from what is known.
import { ageS, badge, isOld, state } from "./age.js";
import { cards } from "./cards.js";
import { cpu, memory, network } from "./charts.js";
import { el, fill } from "./dom.js";
import { S } from "./state.js";
import { disk, rows } from "./tables.js";
import { asOf, axis, subtitle, windowOf, zone } from "./view.js";
import * as words from "./words.js";

export function draw() {
  if (!el("system-page")) return;
  var view = windowOf(), now = state();
  view.network = axis("network", view); view.disk = axis("disk", view);
  view.offset = words.offsetMs(zone(), view.to); view.zone = zone() === "UTC" ? "UTC" : ""; view.old = isOld(now);
  cards(view);
  if (S.heardAt !== null) { subtitle(view); network(view); rows(view); cpu(view); memory(view); disk(view); asOf(view); }
  ["system-network", "system-interfaces", "system-cpu", "system-memory", "system-disk"].forEach(function (id) {
    var panel = el(id);
    if (!panel || (panel.dataset.look !== "ready" && panel.dataset.look !== "stale")) return;
    var look = view.old ? "stale" : "ready";
    if (panel.dataset.look !== look) panel.dataset.look = look;
    fill(id + "-badge", [view.old && ageS() !== null ? badge("warn", "clock", "Stale: " + words.age(ageS()) + " old") : null]);
  });
}

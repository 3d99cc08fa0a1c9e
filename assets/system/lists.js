// Interfaces, file systems and gaps, in words.
import { meter } from "./cards.js";
import { el, fill, make } from "./dom.js";
import { asked, S } from "./state.js";
import { stepFor } from "./view.js";
import * as gaps from "./gaps.js";
import * as words from "./words.js";

const GAPS_SHOWN = 20;

function figure(value, reason, pairOf) {
  const td = make("td", "oc-num");
  if (words.known(value)) { const pair = pairOf(value); td.append(pair[0], make("span", "oc-unit", pair[1])); return td; }
  td.title = reason;
  td.append(make("span", "oc-muted", words.UNKNOWN), make("span", "visually-hidden", " " + reason));
  return td;
}
function kindOf(each) { return each.kind + (each.master ? ", port of " + each.master : ""); }

function ordered() {
  const chosen = S.about.total_of;
  return S.about.interfaces.slice().sort((a, b) =>
    (chosen.indexOf(b.name) >= 0) - (chosen.indexOf(a.name) >= 0) || (a.kind === "loopback") - (b.kind === "loopback") || (a.name < b.name ? -1 : 1));
}

export function interfaces(view) {
  if (!S.about) return;
  const rates = S.now ? S.now.rates : {}, step = stepFor("network", view), pairOf = (value) => words.rate(value, asked.bits, step);
  function row(each, wide) {
    const tr = make("tr"), name = make("td"), rate = rates[each.name], inTotal = S.about.total_of.indexOf(each.name) >= 0, reason = (rate && rate[2]) || "measuring";
    if (wide) {
      const button = make("button", "sys-pick", each.name);
      button.type = "button"; button.dataset.interface = each.name;
      button.setAttribute("aria-pressed", String(asked.name === each.name));
      name.append(button);
      tr.append(name, make("td", "", kindOf(each)), make("td", "", inTotal ? "yes" : "no"));
    } else {
      name.append(make("b", "", each.name), " ", make("span", "oc-muted", inTotal ? (S.about.total_routed ? "default route" : "the busiest") : each.kind + (each.master ? " in " + each.master : "")));
      name.title = each.name + ", " + kindOf(each);
      tr.append(name);
    }
    tr.append(figure(rate ? rate[0] : null, reason, pairOf), figure(rate ? rate[1] : null, reason, pairOf));
    if (wide) faults(each.name).forEach((value) => tr.append(figure(value, (rate && rate[2]) || "not counted here", (v) => [words.digits(v), "/s"])));
    return tr;
  }
  fill("system-interfaces-rows", ordered().map((each) => row(each, false)));
  fill("system-network-rows", ordered().map((each) => row(each, true)));
  const rule = el("system-network-rule");
  if (rule) rule.textContent = ["The total is of " + (S.about.total_of.join(" + ") || "no interface") + (S.about.total_rule ? ": " + S.about.total_rule : ""), { host: "This is the host's network", container: "This is the container's network, not the host's", unknown: asked.host ? "" : "Whose network this is could not be found out" }[S.about.scope] + (asked.host ? S.about.scope_rule : S.about.scope_rule ? ": " + S.about.scope_rule : ""), "Ports of a bridge or bond are counted there again, so nothing is added up over them"].join(". ") + ".";
}

// Errors and drops a second, both directions together: known only where the system counts them.
function faults(name) {
  const found = S.now && S.now.faults && S.now.faults[name];
  return found || [null, null];
}

export function gapList(view) {
  const found = view.src.gaps("net_in", view);
  if (!el("system-gaps")) return;
  if (!found.length) { fill("system-gaps", [make("li", "", "None: every sample came in time.")]); return; }
  fill("system-gaps", found.slice(-GAPS_SHOWN).reverse().map((gap) => {
    const item = make("li"), text = make("div");
    text.append(make("b", "", view.when(gap.since || gap.from) + " to " + view.when(gap.to)), gaps.why(gap, asked.name, asked.host));
    item.append(make("span", "oc-sw hatch"), text);
    return item;
  }));
}

export function mounts() {
  const items = () => S.mounts.map((mount) => {
    const item = make("li"), name = make("span", "text-truncate"), known = words.known(mount.used);
    name.append(make("b", "", mount.label));
    if (mount.label !== mount.path) name.append(" ", make("span", "oc-muted", mount.path));
    name.title = mount.path;
    const back = known ? mount.total - mount.used - mount.free : 0;  // what only the system's own user may fill
    const right = known ? words.words(words.size(mount.free)) + " free of " + words.words(words.size(mount.total)) : words.UNKNOWN + " " + mount.reason;
    item.append(name, make("span", "", right), meter(mount));
    if (back > 0.01 * mount.total) item.append(make("span", "oc-muted sys-kept", words.words(words.size(back)) + " are kept back for the system"));
    return item;
  });
  fill("system-mounts", items());
  fill("system-usage-mounts", items());
}

// Interfaces and file systems.
import { meter } from "./cards.js";
import { twoRates } from "./charts.js";
import { el, fill, make, set } from "./dom.js";
import { asked, S } from "./state.js";
import * as words from "./words.js";

export function rows(view) {
  if (!S.about || !el("system-interfaces-rows")) return;
  var chosen = S.about.total_of, rates = S.now ? S.now.rates : {};
  var order = S.about.interfaces.slice().sort(function (a, b) {
    return (chosen.indexOf(b.name) >= 0) - (chosen.indexOf(a.name) >= 0) || (a.kind === "loopback") - (b.kind === "loopback") || (a.name < b.name ? -1 : 1);
  });
  fill("system-interfaces-rows", order.map(function (each) {
    var tr = make("tr"), name = make("td"), rate = rates[each.name];
    var kind = chosen.indexOf(each.name) >= 0 ? "default route" : each.kind + (each.master ? " in " + each.master : "");
    name.append(make("b", "", each.name), " ", make("span", "oc-muted", kind));
    name.title = each.name + ", " + kind;
    tr.append(name);
    [0, 1].forEach(function (n) {
      var td = make("td", "oc-num"), value = rate ? rate[n] : null;
      if (words.known(value)) {
        var pair = words.rate(value, asked.bits, view.network);
        td.append(pair[0], make("span", "oc-unit", pair[1]));
      } else {
        var reason = (rate && rate[2]) || "measuring";
        td.title = reason; td.append(make("span", "oc-muted", words.UNKNOWN), make("span", "visually-hidden", " " + reason));
      }
      tr.append(td);
    });
    return tr;
  }));
}
export function disk(view) {
  var drawn = twoRates("system-disk", "disk", ["read", "written"], [S.read, S.written], view, 136, [1, 3]);
  if (drawn) set("system-disk-sub", { children: "whole disks, " + drawn.unit });
  fill("system-mounts", S.mounts.map(function (mount) {
    var item = make("li"), name = make("span"), known = words.known(mount.used);
    name.append(make("b", "", mount.label), " ", make("span", "oc-muted", mount.path));
    name.className = "text-truncate"; name.title = mount.path;
    item.append(name, make("span", "", known ? words.words(words.size(mount.free)) + " free of " + words.words(words.size(mount.total)) : words.UNKNOWN + " " + mount.reason), meter(mount));
    return item;
  }));
}

// The mouse on a chart: every chart shows the same moment, and a drag along one zooms all of them.
import { asked } from "./state.js";
import { parse } from "./words.js";

let over = null, zoomed = () => {};
const met = new WeakMap();  // by plot: the view it was drawn for last

export function onZoom(then) { zoomed = then; }

function others(plot) {
  return Array.from(document.querySelectorAll("[data-chart] .js-plotly-plot")).filter((each) => each !== plot && each.offsetParent && each.data && each.data.length);
}
function spread(plot, at) {
  others(plot).forEach((each) => window.Plotly.Fx.hover(each, { xval: at }, "xy"));
}

// The first figure is drawn some time after it was set: until then there is nobody to listen to.
export function meet(graph, view, tries) {
  const plot = graph.querySelector(".js-plotly-plot");
  if (!plot || !plot.on) {
    if (graph.isConnected && (tries || 0) < 100) setTimeout(() => meet(graph, view, (tries || 0) + 1), 100);
    return;
  }
  const known = met.has(plot);
  met.set(plot, view);
  if (known) { if (over && over.plot === plot) spread(plot, over.at); return; }
  plot.on("plotly_hover", (event) => {
    // What we show elsewhere comes back as a hover of its own, some time later: only the chart under the mouse leads.
    if (!plot.matches(":hover") || !event.xvals) return;
    over = { plot, at: parse(event.xvals[0], 0) };  // given as text, taken as a number
    spread(plot, over.at);
  });
  plot.on("plotly_unhover", () => {
    if (!over || over.plot !== plot) return;
    over = null;
    others(plot).forEach((each) => window.Plotly.Fx.unhover(each));
  });
  plot.on("plotly_relayout", (change) => {
    const from = change["xaxis.range[0]"], to = change["xaxis.range[1]"], offset = met.get(plot).offset;
    if (from === undefined || to === undefined) return;
    const ends = [parse(from, offset), parse(to, offset)].sort((a, b) => a - b);
    if (ends[1] - ends[0] >= 2 * asked.periodMs) zoomed({ from: Math.round(ends[0]), to: Math.round(ends[1]) });
    else zoomed(asked.zoom);  // shorter than a step: as it was
  });
  plot.on("plotly_doubleclick", () => zoomed(null));
}

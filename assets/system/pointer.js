// The mouse on a chart: every chart shows the same moment, and a drag along one zooms all of them.
import { asked } from "./state.js";
import { parse } from "./words.js";

let over = null, zoomed = () => {};
const met = new WeakMap();  // by plot: the view it was drawn for last

export function onZoom(then) { zoomed = then; }

function others(plot) {
  return Array.from(document.querySelectorAll("[data-chart] .js-plotly-plot")).filter((each) => each !== plot && each.offsetParent && each.data && each.data.length);
}
function show(plot) { window.Plotly.Fx.hover(plot, { xval: over.at }, "xy"); }
// What we show elsewhere comes back as a hover of its own, some time later: only the chart under the mouse leads.
function lead(plot, x, mouse) {
  if (!plot.matches(":hover")) return;
  over = { plot, at: parse(x, 0), mouseX: mouse ? mouse.clientX : null };  // given as text, taken as a number
  others(plot).forEach(show);
}
// The window slides under a mouse that stands still: Plotly tells of no hover while the place of the point stays the same.
function slid(plot) {
  const axis = plot._fullLayout && plot._fullLayout.xaxis, area = plot.querySelector(".nsewdrag");
  if (over.mouseX === null || !axis || !area) return;
  const at = axis.p2l(over.mouseX - area.getBoundingClientRect().left);
  if (!Number.isFinite(at)) return;
  over.at = at;
  others(plot).forEach(show);
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
  if (known) return;
  plot.on("plotly_hover", (event) => { if (event.xvals) lead(plot, event.xvals[0], event.event); });
  // A drawing wipes what was shown, and ends after whoever had it drawn has gone on.
  const again = () => {
    if (!over || !over.plot.isConnected || !plot.offsetParent) return;
    if (over.plot === plot) slid(plot);
    else show(plot);
  };
  plot.on("plotly_afterplot", again);
  if (plot._hoverdata && plot._hoverdata.length) lead(plot, plot._hoverdata[0].x);  // the mouse was there before we were
  again();  // or on another chart before this one was drawn
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

// Panels that the server fills are asked again while somebody looks at them.
const EVERY = { "system-hosts": 5, "system-console": 5 };  // ticks

function seen(panel) { return panel && panel.offsetParent !== null && !document.hidden; }

export function renewServed(ticks) {
  Object.keys(EVERY).forEach((id) => {
    const panel = document.getElementById(id);
    // A reader who stands in the table, or reads a popover, is not pushed out of it.
    if (ticks % EVERY[id] === 0 && seen(panel) && !panel.contains(document.activeElement)) window.opsRetry(id);
  });
}

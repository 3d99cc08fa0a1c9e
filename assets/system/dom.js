// Putting things into the page.
export function el(id) { return document.getElementById(id); }
export function set(id, props) { if (el(id)) window.dash_clientside.set_props(id, props); }
export function make(tag, className, text) {
  var node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}
export function fill(id, nodes) { var box = el(id); if (box) box.replaceChildren.apply(box, nodes.filter(Boolean)); }


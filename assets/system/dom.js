// Putting things into the page.
export function el(id) { return document.getElementById(id); }
// Through Dash, which then knows of it. Words that stand there already are not set again: each setting goes to every part
// of the page.
export function set(id, props) {
  const node = el(id);
  if (!node || (typeof props.children === "string" && node.textContent === props.children)) return;
  window.dash_clientside.set_props(id, props);
}
export function make(tag, className, text) {
  var node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}
export function fill(id, nodes) { var box = el(id); if (box) box.replaceChildren.apply(box, nodes.filter(Boolean)); }


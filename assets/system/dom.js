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
// A message in a panel's body: `kind` is its icon's name, "failed" its look too; `retry` is what the button does.
export function message(kind, head, text, retry) {
  const block = make("div", "oc-say " + (kind === "failed" ? "failed" : "")), title = make("div", "t"), icon = make("i", "oc-i oc-i-" + kind);
  icon.setAttribute("aria-hidden", "true");
  title.append(icon, head); block.append(title, make("p", "", text));
  if (retry) {
    const row = make("div", "a"), button = make("button", "btn btn-sm btn-secondary", "Retry");
    button.type = "button"; button.addEventListener("click", retry); row.append(button); block.append(row);
  }
  return block;
}
export function fill(id, nodes) { var box = el(id); if (box) box.replaceChildren.apply(box, nodes.filter(Boolean)); }


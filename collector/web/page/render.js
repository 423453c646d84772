// Draws trees of plain objects into the document, and changes only what differs, so that focus, scrolling,
// selected text and opened details survive an update each second. Text always becomes a text node and
// attributes are set one by one: data can never become markup.

const SVG = "http://www.w3.org/2000/svg";

/** A tree's node: h("div.card", { title: "…", onclick: f, key: "…" }, child, [children], "text"). */
export function h(name, props, ...children) {
  const [tag, ...classes] = name.split(".");
  const own = props ?? {};
  const all = [...classes, own.class].filter(Boolean).join(" ");
  return { tag, props: all ? { ...own, class: all } : own, key: own.key, children: flatten(children, []) };
}

/** Makes `root` show `children`, reusing what an earlier call drew there. */
export function draw(root, ...children) {
  const fresh = flatten(children, []);
  reconcile(root, root.drawn ?? [], fresh, false);
  root.drawn = fresh;
}

function flatten(children, into) {
  for (const child of children) {
    if (Array.isArray(child)) flatten(child, into);
    else if (child === null || child === undefined || child === false || child === "") continue;
    else into.push(typeof child === "object" ? child : { text: String(child) });
  }
  return into;
}

function reconcile(parent, olds, news, svg) {
  const keyed = new Map();
  const loose = [];
  const kept = new Set();
  for (const old of olds) {
    if (old.key === undefined) loose.push(old);
    else keyed.set(old.key, old);
  }
  let next = 0;
  let place = parent.firstChild;
  for (const fresh of news) {
    let old;
    if (fresh.key !== undefined) {
      old = keyed.get(fresh.key);
    } else if (next < loose.length) {
      old = loose[next];
      next += 1;
    }
    if (old && old.tag === fresh.tag) {
      if (old.key !== undefined) keyed.delete(old.key);
      else kept.add(old);
      update(old, fresh, svg);
    } else {
      fresh.element = create(fresh, svg);
    }
    if (fresh.element === place) place = place.nextSibling;
    else parent.insertBefore(fresh.element, place);
  }
  for (const old of keyed.values()) old.element.remove();
  for (const old of loose) if (!kept.has(old)) old.element.remove();
}

function create(fresh, svg) {
  if (fresh.tag === undefined) return document.createTextNode(fresh.text);
  const inside = svg || fresh.tag === "svg";
  const element = inside ? document.createElementNS(SVG, fresh.tag) : document.createElement(fresh.tag);
  setProps(element, {}, fresh.props);
  for (const child of fresh.children) {
    child.element = create(child, inside);
    element.append(child.element);
  }
  return element;
}

function update(old, fresh, svg) {
  if (fresh === old) return; // a part that gave back the tree it made before
  fresh.element = old.element;
  if (fresh.tag === undefined) {
    if (old.text !== fresh.text) fresh.element.data = fresh.text;
    return;
  }
  setProps(fresh.element, old.props, fresh.props);
  reconcile(fresh.element, old.children, fresh.children, svg || fresh.tag === "svg");
}

function setProps(element, before, after) {
  for (const name of Object.keys(before)) if (!(name in after)) setProp(element, name, before[name], null);
  for (const [name, value] of Object.entries(after)) {
    if (before[name] !== value) setProp(element, name, before[name], value);
  }
}

function setProp(element, name, before, value) {
  if (name === "key") return;
  // Whether details are open is the reader's choice once they are drawn.
  if (name === "open" && element.parentNode) return;
  if (name.startsWith("on")) {
    if (before) element.removeEventListener(name.slice(2), before);
    if (value) element.addEventListener(name.slice(2), value);
  } else if (name === "style") {
    for (const property of Object.keys(before ?? {})) if (!(property in (value ?? {}))) element.style.removeProperty(property);
    for (const [property, text] of Object.entries(value ?? {})) {
      if (!before || before[property] !== text) element.style.setProperty(property, text);
    }
  } else if (value === null || value === undefined || value === false) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

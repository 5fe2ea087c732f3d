// Elements without markup. Text is only ever text, so that nothing that is shown can become part of the page.

const SVG = "http://www.w3.org/2000/svg";
const handlers = new WeakMap();
const islands = new WeakMap();

export const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

/** Where a node that outlives every drawing of the page is put. */
export function island(key, node) {
  const place = h("div", { "data-island": key });
  islands.set(place, node);
  return place;
}

export const handlersOf = (node) => handlers.get(node);
export const islandOf = (node) => islands.get(node);

export function setIsland(place, node) {
  islands.set(place, node);
}

/** Has a node do what another one would. */
export function setHandlers(node, wanted) {
  const known = handlers.get(node) ?? {};
  for (const event of Object.keys(wanted ?? {})) {
    if (!(event in known)) node.addEventListener(event, dispatch);
  }
  if (wanted) handlers.set(node, { ...Object.fromEntries(Object.keys(known).map((event) => [event, null])), ...wanted });
  else if (handlers.has(node)) handlers.set(node, Object.fromEntries(Object.keys(known).map((event) => [event, null])));
}

function dispatch(event) {
  return handlers.get(event.currentTarget)?.[event.type]?.(event);
}

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") setHandlers(node, value);
    else if (name === "key") node.setAttribute("data-key", value);
    else set(node, name, value === true ? "" : String(value));
  }
  add(node, children);
  return node;
}

function set(node, name, value) {
  if (/^on/i.test(name) || name === "style") throw new Error(`${name} is no attribute of this page`);
  if (name === "href" && !value.startsWith("#")) throw new Error("links lead to pages of the dashboard only");
  node.setAttribute(name, value);
}

function add(node, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(node, child);
    else if (child instanceof Node) node.append(child);
    else if (child !== null && child !== undefined && child !== false) node.append(String(child));
  }
}

// Makes what is on the page like what was drawn anew, and leaves alone what is the same: focus, selection and what was
// opened or typed stay.

import { handlersOf, islandOf, setHandlers, setIsland } from "./h.js";

// What people change themselves.
const THEIRS = new Set(["open", "value", "checked"]);

export function morph(node, next) {
  const result = one(node, next);
  fill(result);
  return result;
}

function one(node, next) {
  if (!alike(node, next)) {
    node.replaceWith(next);
    return next;
  }
  if (node.nodeType === Node.TEXT_NODE) {
    if (node.data !== next.data) node.data = next.data;
    return node;
  }
  attributes(node, next);
  setHandlers(node, handlersOf(next));
  if (islandOf(next)) setIsland(node, islandOf(next));
  else children(node, next);
  return node;
}

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.getAttribute("data-key") : null);

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.namespaceURI === b.namespaceURI
    && keyOf(a) === keyOf(b) && Boolean(islandOf(a)) === Boolean(islandOf(b));
}

function attributes(node, next) {
  for (const { name } of [...node.attributes]) {
    if (!next.hasAttribute(name) && !THEIRS.has(name)) node.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (!THEIRS.has(name) && node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
}

function children(node, next) {
  const keyed = new Map();
  for (const child of node.childNodes) {
    const key = keyOf(child);
    if (key !== null) keyed.set(key, child);
  }
  let here = node.firstChild;
  for (const wanted of [...next.childNodes]) {
    const key = keyOf(wanted);
    let match = key === null ? here : keyed.get(key);
    // One that has a key waits for its turn.
    if (key === null && match && keyOf(match) !== null) match = null;
    if (!match || !alike(match, wanted)) {
      node.insertBefore(wanted, here);
      continue;
    }
    if (match === here) here = here.nextSibling;
    else node.insertBefore(match, here);
    one(match, wanted);
  }
  while (here) {
    const after = here.nextSibling;
    here.remove();
    here = after;
  }
}

function fill(root) {
  if (root.nodeType !== Node.ELEMENT_NODE) return;
  for (const place of root.querySelectorAll("[data-island]")) {
    const wanted = islandOf(place);
    if (wanted && place.firstChild !== wanted) place.replaceChildren(wanted);
  }
}

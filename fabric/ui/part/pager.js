// From page to page of a long list; the browser's own way back leads back.

import { h } from "../dom/h.js";

/** `link` makes the address of a page by its cursor. */
export function pager(told, { cursor, next, link }) {
  if (!cursor && !next) return told ? h("div", { class: "pager" }, h("span", { class: "told" }, told)) : null;
  return h("nav", { class: "pager", "aria-label": "Pages of the list" },
    h("span", { class: "told" }, told),
    cursor && h("a", { class: "button is-small", href: link(undefined) }, "First page"),
    next && h("a", { class: "button is-small", href: link(next) }, "Next page"));
}

// The pieces that pages are laid out of.

import { h } from "../dom/h.js";

/** The head of a page. */
export function head(title, { crumb, badges, lead, actions } = {}) {
  return h("div", { class: "page-head" },
    h("div", { class: "lead" },
      crumb && h("p", { class: "crumb" }, h("a", { href: crumb[0] }, crumb[1])),
      h("div", { class: "row" }, h("h1", { tabindex: "-1" }, title), badges),
      lead && h("p", { class: "muted" }, lead)),
    actions && h("div", { class: "actions" }, actions));
}

/** `bare` is for what the head of the page names already. */
export function card(title, { key, actions, tight, bare }, ...body) {
  return h("section", { class: "card", key, "aria-label": title },
    !bare && h("header", null, h("h2", null, title), actions),
    tight === "none" ? body : h("div", { class: tight ? "body tight" : "body" }, body));
}

/** A number that matters; a link if there is more to see. */
export function figure(name, value, { unit, below, href, graph, tone = "" } = {}) {
  return h(href ? "a" : "div", { class: "card figure", href },
    h("span", { class: "name" }, name),
    h("span", { class: `value ${tone}`.trim() }, value, unit && h("span", { class: "unit" }, unit)),
    graph, below && h("span", { class: "below" }, below));
}

/** Names and values. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  return h("dl", { class: "facts" }, known.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
}

export const button = (text, click, { tone = "", ...more } = {}) =>
  h("button", { type: "button", class: tone, ...more, on: { click } }, text);

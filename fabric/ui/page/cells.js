// Cells that several pages have.

import { h } from "../dom/h.js";
import { toCall, toFunction } from "../data/place.js";
import { spark } from "../part/spark.js";
import { rate, split } from "../text/format.js";

/** A function, its namespace in grey. */
export function nameOf(name) {
  const [own, namespace] = split(name);
  return h("a", { href: toFunction(name) }, own, namespace && h("span", { class: "muted" }, `.${namespace}`));
}

export const callOf = (id) => (id ? h("a", { href: toCall(id), class: "mono" }, id) : "");

/** A number and the line that led to it. */
export function sparkOf(series, value, label, { tone = "", say = rate } = {}) {
  return h("span", { class: "spark-cell" }, spark(series, { tone, label, say }), h("span", { class: "now" }, say(value)));
}

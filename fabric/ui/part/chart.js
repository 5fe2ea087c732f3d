// Several lines over the last five minutes on one scale.

import { h, svg } from "../dom/h.js";
import { samples, span } from "../data/series.js";
import { rate, seconds } from "../text/format.js";
import { paths } from "./spark.js";

const SIZE = [600, 140];

/** `lines` are `{ name, label, tone }`; the first one is filled. */
export function chart(title, lines, { say = rate, now = Date.now() } = {}) {
  const all = lines.map((line) => ({ ...line, seen: samples(line.name, now) }));
  const length = Math.max(...all.map(({ seen }) => span(seen, now)));
  const top = nice(Math.max(...all.flatMap(({ seen }) => seen.map(({ value }) => value)), 0));
  const told = all.map(({ label, seen }) => `${label} ${say(seen.at(-1)?.value ?? 0)}`).join(", ");
  const drawn = all.map(({ tone, seen }, index) => {
    const { line, area } = paths(seen, top, [now, length], SIZE);
    return svg("g", { class: tone }, index === 0 && svg("path", { class: "area", d: area }), svg("path", { class: "line", d: line }));
  });
  const grid = [0.25, 0.5, 0.75].map((part) => svg("path", { class: "grid", d: `M0 ${SIZE[1] * part}H${SIZE[0]}` }));
  return h("figure", { class: "chart" },
    h("span", { class: "top" }, say(top)),
    svg("svg", { viewBox: `0 0 ${SIZE.join(" ")}`, preserveAspectRatio: "none", role: "img", "aria-label": `${title}: ${told}` },
      grid, svg("path", { class: "grid", d: `M0 ${SIZE[1]}H${SIZE[0]}` }), drawn.reverse()),
    h("div", { class: "scale", "aria-hidden": "true" }, h("span", null, `${seconds(Math.round(length / 1000))} ago`), h("span", null, "now")),
    h("figcaption", { class: "legend" }, all.map(({ label, tone, seen }) => h("span", { class: tone }, `${label} ${say(seen.at(-1)?.value ?? 0)}`))));
}

/** The next round number: 1, 2 or 5 and noughts. */
export function nice(value) {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

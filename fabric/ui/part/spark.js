// A line over the last five minutes, without axes: it shows the shape, the number beside it says how much.

import { svg } from "../dom/h.js";
import { samples, span } from "../data/series.js";
import { rate } from "../text/format.js";

const [WIDTH, HEIGHT] = [100, 24];

export function spark(name, { tone = "", label = "", say = rate, now = Date.now() } = {}) {
  const seen = samples(name, now);
  const top = Math.max(...seen.map(({ value }) => value), 1e-9);
  const last = seen.at(-1)?.value ?? 0;
  const told = seen.length < 2 ? `${label}: ${say(last)}` : `${label}: ${say(last)} now, at most ${say(top)} in the last minutes`;
  const { line, area } = paths(seen, top, [now, span(seen, now)]);
  return svg("svg", { class: `spark ${tone}`.trim(), viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": told },
    svg("path", { class: "area", d: area }), svg("path", { class: "line", d: line }));
}

/** The path of a line, and of what is below it. */
export function paths(seen, top, [now, length], [width, height] = [WIDTH, HEIGHT]) {
  if (seen.length === 0) return { line: `M0 ${height - 1}H${width}`, area: "" };
  const x = (at) => (width * (1 - Math.min(1, (now - at) / length))).toFixed(2);
  const y = (value) => (height - 1 - (height - 2) * Math.min(1, value / top)).toFixed(2);
  const points = seen.map(({ at, value }) => `${x(at)} ${y(value)}`);
  const line = `M${points.join("L")}L${width} ${y(seen.at(-1).value)}`;
  return { line, area: `${line}V${height}H${x(seen[0].at)}Z` };
}

// Small pictures, drawn in the colour of the text around them.

import { svg } from "../dom/h.js";

const PATHS = {
  overview: "M3 3h6v8H3zM11 3h6v4h-6zM11 9h6v8h-6zM3 13h6v4H3z",
  functions: "M13.500 3.500c-2.500-.6-3.500.8-3.900 3L7.700 15c-.4 1.800-1.500 2.400-3.200 2M6 8.500h7",
  queues: "M10 3l7 3.500-7 3.500-7-3.500zM3 10l7 3.500 7-3.500M3 13.500L10 17l7-3.500",
  dead: "M3 5h14v10.500H3zM3 5.500l7 5.500 7-5.500",
  workers: "M3 4h14v5H3zM3 11h14v5H3zM6 6.500h.01M6 13.500h.01",
  tree: "M8 3h4v4H8zM3 13h4v4H3zM13 13h4v4h-4zM10 7v3M5 13v-3h10v3",
  search: "M9 3a6 6 0 1 0 0 12A6 6 0 0 0 9 3zM13.500 13.500L17 17",
  sun: "M10 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7zM10 2v1.500M10 16.500V18M2 10h1.500M16.500 10H18M4.300 4.300l1.100 1.100M14.600 14.600l1.100 1.100M15.700 4.300l-1.100 1.100M5.400 14.600l-1.100 1.100",
  moon: "M16.500 12A7 7 0 0 1 8 3.500a7 7 0 1 0 8.500 8.500z",
  pause: "M7 4v12M13 4v12",
  play: "M6 4l10 6-10 6z",
  check: "M4 10.500l4 4 8-9",
  away: "M3 3l14 14M10 16h.01M6.500 12.500a5 5 0 0 1 3-1.400M3.500 9.300A9.500 9.500 0 0 1 7 7.100M10.500 6.500a9.500 9.500 0 0 1 6 2.800M13.500 12.500l-1-.7",
};

export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 20 20", "aria-hidden": "true" }, svg("path", { d: PATHS[name] }));
}

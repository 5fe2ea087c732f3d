// How much of something is used.

import { svg } from "../dom/h.js";

export function meter(label, used, of) {
  const share = of > 0 ? Math.min(1, used / of) : 0;
  return svg("svg", { class: share >= 1 ? "meter is-full" : "meter", viewBox: "0 0 100 1", preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${used} of ${of}` },
    svg("rect", { width: (100 * share).toFixed(2), height: "1" }));
}

// A word in a colour; the word says it all without the colour.

import { h } from "../dom/h.js";
import { STATES } from "../text/words.js";

export const badge = (text, tone = "") => h("span", { class: `badge ${tone}`.trim() }, text);

export function stateBadge(state) {
  const [tone, text] = STATES[state] ?? ["", state];
  return badge(text, tone);
}

// A sentence about what was just done.

import { h } from "../dom/h.js";

const SHOWN_FOR = 6_000;

export function toast(text, tone = "") {
  const it = h("p", { class: `toast ${tone}`.trim() }, text);
  document.getElementById("toasts").append(it);
  setTimeout(() => it.remove(), SHOWN_FOR);
}

/** Does something, and says how it went; whether it went well. */
export async function told(work, done) {
  try {
    const answer = await work();
    toast(typeof done === "function" ? done(answer) : done);
    return true;
  } catch (error) {
    toast(error.message, "is-bad");
    return false;
  }
}

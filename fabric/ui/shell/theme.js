// Light, dark, or as the system is. Kept in this browser only.

import { h } from "../dom/h.js";
import { icon } from "../part/icon.js";

const KEY = "fabric.theme";

export function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (stored() ?? (dark.matches ? "dark" : "light")) === "dark";
  const button = h("button", { type: "button", class: "is-plain", id: "theme", on: { click: () => choose(isDark() ? "light" : "dark") } });
  const draw = () => {
    if (stored()) document.documentElement.dataset.theme = stored();
    button.replaceChildren(icon(isDark() ? "sun" : "moon"));
    button.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
    button.title = button.getAttribute("aria-label");
  };
  const choose = (name) => {
    // Who chooses what the system has follows it again.
    const system = dark.matches ? "dark" : "light";
    if (name === system) forget();
    else keep(name);
    draw();
  };
  dark.addEventListener("change", draw);
  draw();
  return button;
}

// A browser may keep nothing at all; then the choice lasts as long as the page.
let chosen = null;

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return chosen;
  }
}

function keep(name) {
  chosen = name;
  try {
    localStorage.setItem(KEY, name);
  } catch { /* it is kept above */ }
}

function forget() {
  chosen = null;
  delete document.documentElement.dataset.theme;
  try {
    localStorage.removeItem(KEY);
  } catch { /* there is nothing to forget */ }
}

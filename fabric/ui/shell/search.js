// To a call by its id.

import { h } from "../dom/h.js";
import { go, toCall } from "../data/place.js";
import { icon } from "../part/icon.js";

export function search() {
  const field = h("input", { type: "search", id: "search", placeholder: "Find a call by its id", "aria-label": "Find a call by its id", "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false" });
  const submit = (event) => {
    event.preventDefault();
    const id = field.value.trim();
    if (!id) return;
    field.value = "";
    go(toCall(id));
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, dialog");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    field.focus();
  });
  return h("form", { class: "search", role: "search", on: { submit } }, icon("search"), field);
}

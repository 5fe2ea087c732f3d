// Asks before something is done; before what cannot be undone, the name must be typed.

import { h } from "../dom/h.js";

/** Whether it is to be done. */
export function confirm({ title, text, action, danger = false, type = null }) {
  const field = type && h("input", { id: "confirm-name", autocomplete: "off", spellcheck: "false", required: true });
  const yes = h("button", { type: "submit", value: "yes", class: danger ? "is-danger is-main" : "is-main", disabled: Boolean(type) }, action);
  field?.addEventListener("input", () => { yes.disabled = field.value !== type; });
  const no = h("button", { type: "button", on: { click: () => dialog.close("no") } }, "Cancel");
  const form = h("form", { method: "dialog" },
    h("h2", { id: "confirm-title" }, title),
    [text].flat().map((line) => h("p", { class: "muted" }, line)),
    field && h("div", { class: "field" }, h("label", { for: "confirm-name" }, "Type ", h("code", null, type), " to go on"), field),
    h("div", { class: "row" }, no, yes));
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "confirm-title" }, form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    dialog.showModal();
    (field ?? (danger ? no : yes)).focus();
  });
}

// Asks for a key when the process wants to know who asks. The key stays in this tab, and is gone with it.

import { hasKey, onStranger, useKey } from "../data/api.js";
import { h } from "../dom/h.js";

let open = false;

export function door() {
  onStranger((why) => {
    if (open) return;
    open = true;
    ask(hasKey() ? why : null);
  });
}

function ask(why) {
  const field = h("input", { id: "door-key", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  const form = h("form", { method: "dialog", on: { submit: () => useKey(field.value.trim()) } },
    h("h2", { id: "door-title" }, "Who asks?"),
    h("p", { class: "muted" }, "This fabric is shown to whoever has a key with scope read. It is kept until this tab is closed."),
    why && h("p", { class: "notice is-bad", role: "alert" }, why),
    h("div", { class: "field" }, h("label", { for: "door-key" }, "Key"), field),
    h("div", { class: "row" }, h("button", { type: "submit", class: "is-main" }, "Show")));
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": "door-title" }, form);
  // There is nothing to go back to.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", () => location.reload());
  document.body.append(dialog);
  dialog.showModal();
  field.focus();
}

// A body as it was kept: text as text, anything else as its Base64.

import { h } from "../dom/h.js";
import { bytes } from "../text/format.js";

// A page is no place to read megabytes.
const SHOWN = 20_000;

export function body(it) {
  if (it.omitted_bytes !== undefined) return h("p", { class: "muted" }, `It had ${bytes(it.omitted_bytes)}, which was too much to be kept.`);
  const text = it.text ?? it.base64 ?? "";
  if (text === "") return h("p", { class: "muted" }, "It is empty.");
  return h("div", { class: "stack" },
    h("p", { class: "muted small" }, [it.content_type, it.base64 !== undefined && "as Base64"].filter(Boolean).join(", ")),
    h("pre", { class: "block", tabindex: "0", "aria-label": "Body" }, text.slice(0, SHOWN)),
    text.length > SHOWN && h("p", { class: "muted small" }, `The first ${SHOWN} characters of ${text.length}.`));
}

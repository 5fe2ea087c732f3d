// What a page shows when it has nothing to show: not yet, not at all, or because something is wrong.

import { h } from "../dom/h.js";
import { button } from "./card.js";
import { icon } from "./icon.js";

export const loading = () => h("section", { class: "card", "aria-busy": "true" },
  h("p", { class: "unseen" }, "Loading"), h("div", { class: "skeleton", "aria-hidden": "true" }, [1, 2, 3, 4].map(() => h("i"))));

export const empty = (title, text, picture = "check") =>
  h("div", { class: "state" }, icon(picture), h("h2", null, title), text && h("p", null, text));

export const failed = (title, text, again) => h("section", { class: "card state", role: "alert" },
  icon("away"), h("h2", null, title), h("p", null, text), again && button("Try again", again));

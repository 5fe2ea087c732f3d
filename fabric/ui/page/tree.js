// The supervision tree of every process as it is now, with the names of `fabric tree`.

import { h } from "../dom/h.js";
import { get } from "../data/api.js";
import { card, button, head } from "../part/card.js";
import { empty } from "../part/state.js";
import { process } from "../part/branch.js";
import { plural } from "../text/format.js";

export function open({ draw }) {
  // What people asked for, kept from drawing to drawing.
  const wish = { part: "", troubled: false, shown: new Map() };
  const more = (key, count) => {
    wish.shown.set(key, count);
    draw();
  };
  const seek = (event) => {
    wish.part = event.currentTarget.value.trim().toLowerCase();
    draw();
  };
  const trouble = (event) => {
    wish.troubled = event.currentTarget.checked;
    draw();
  };
  return {
    title: "Supervision tree",
    load: (signal) => get("/processes", null, signal),
    view: ({ alive, processes }) => [
      head("Supervision tree", {
        lead: `${plural(processes.length, "process", "processes")}${alive > processes.length ? ` of ${alive}` : ""}; of very many subscribers each process tells of those with the most to do.`,
        actions: [
          h("label", { class: "check" }, h("input", { type: "checkbox", id: "troubled", on: { change: trouble } }), "Only what is in trouble"),
          h("input", { type: "search", id: "seek", placeholder: "Filter by function", "aria-label": "Filter by function", autocomplete: "off", spellcheck: "false", on: { input: seek } }),
          button("Collapse all", fold, { tone: "is-small", id: "fold" }),
        ],
      }),
      processes.length === 0
        ? card("Tree", { key: "none", tight: "none" }, empty("No process answered", "They have a second to; this page asks again.", "tree"))
        : processes.map((it) => card(`Process ${it.id}`, { key: it.id, tight: true }, h("div", { class: "tree" }, process(it, wish, more)))),
    ],
  };
}

function fold() {
  for (const node of document.querySelectorAll(".tree details[open] details[open]")) node.open = false;
}

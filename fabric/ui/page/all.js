// Which page an address names.

import { h } from "../dom/h.js";
import { failed } from "../part/state.js";
import { open as call } from "./call.js";
import { open as dead } from "./dead.js";
import { open as func } from "./function.js";
import { open as functions } from "./functions.js";
import { open as letter } from "./letter.js";
import { open as overview } from "./overview.js";
import { open as queue } from "./queue.js";
import { open as queues } from "./queues.js";
import { open as tree } from "./tree.js";
import { open as workers } from "./workers.js";

const LISTS = { overview, functions, queues, dead, workers, tree };
const ONES = { functions: func, queues: queue, dead: letter, calls: call };

export function named(page, name) {
  return (name ? ONES[page] : LISTS[page]) ?? nowhere;
}

const nowhere = () => ({
  title: "Not found",
  load: async () => true,
  view: () => [h("h1", { class: "unseen", tabindex: "-1" }, "Not found"), failed("There is no such page", "The address names none of this dashboard.")],
});

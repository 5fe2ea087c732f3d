// One call: where it is, why it waits, and all that happened to it.

import { h } from "../dom/h.js";
import { ask, get, part } from "../data/api.js";
import { stateBadge } from "../part/badge.js";
import { body } from "../part/body.js";
import { button, card, facts, head } from "../part/card.js";
import { confirm } from "../part/confirm.js";
import { time } from "../part/time.js";
import { strip, turns } from "../part/timeline.js";
import { told } from "../part/toast.js";
import { count, seconds } from "../text/format.js";
import { FINAL } from "../text/words.js";
import { nameOf } from "./cells.js";
import { explained } from "./function.js";
import { toQueue } from "../data/place.js";

export function open({ name: id, again }) {
  const path = `/calls/${part(id)}`;
  const load = async (signal) => {
    const it = await get(path, null, signal);
    return { it, why: FINAL.has(it.state) ? null : await get(`${path}/explain`, null, signal) };
  };
  const cancel = async () => {
    const sure = await confirm({ title: "Cancel this call?", text: "If it runs, its request is aborted; its caller is told.", action: "Cancel the call", danger: true });
    if (!sure) return;
    await told(() => ask("DELETE", path), "Cancelled.");
    again();
  };
  return { title: `Call ${id}`, load, view: (data) => page(data, cancel) };
}

function page({ it, why }, cancel) {
  const isOver = FINAL.has(it.state);
  return [
    head(h("span", { class: "mono" }, it.id), {
      crumb: [`#/functions/${encodeURIComponent(it.function)}`, it.function],
      badges: stateBadge(it.state),
      actions: !isOver && button("Cancel…", cancel, { id: "cancel", tone: "is-danger" }),
    }),
    h("div", { class: "columns", key: "facts" },
      card(isOver ? "How it ended" : "Where it is", {}, facts([
        ["Function", nameOf(it.function)],
        ["Queue", h("a", { href: toQueue(it.queue) }, it.queue)],
        ["Accepted", time(it.accepted_at)],
        [isOver ? "Ended" : "So since", time(it.since)],
        ["Due", it.due && time(it.due)],
        ["Expires", it.expires_at && time(it.expires_at)],
        ["Took", it.seconds !== undefined && seconds(it.seconds)],
        ["Status", it.status],
        ["Detail", it.detail],
      ])),
      why
        ? card("Why it waits", {}, explained(why))
        : card("Its numbers", {}, numbers(it))),
    card("Timeline", { key: "timeline" }, h("div", { class: "stack" }, strip(it), turns(it))),
    why && card("Its numbers", { key: "numbers" }, numbers(it)),
    it.result && card("Result", { key: "result" }, body(it.result)),
  ];
}

/** Four numbers that are never mixed. */
const numbers = (it) => facts([
  ["Attempts", `${count(it.attempts)} – the function ran and answered`],
  ["Throttles", `${count(it.throttles)} – it was busy`],
  ["Crashes", `${count(it.crashes)} – whoever ran it was gone`],
  ["Deliveries", `${count(it.deliveries)} – it was taken from its queue`],
  it.redriven > 0 ? ["Redriven", count(it.redriven)] : ["", ""],
]);

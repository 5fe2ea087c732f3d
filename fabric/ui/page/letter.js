// One dead letter, whole.

import { h } from "../dom/h.js";
import { ask, get, part } from "../data/api.js";
import { go, toCall, toQueue } from "../data/place.js";
import { body } from "../part/body.js";
import { button, card, facts, head } from "../part/card.js";
import { confirm } from "../part/confirm.js";
import { table } from "../part/table.js";
import { time } from "../part/time.js";
import { turns } from "../part/timeline.js";
import { toast } from "../part/toast.js";
import { bytes, discreet } from "../text/format.js";
import { REASONS } from "../text/words.js";
import { nameOf } from "./cells.js";

// What these say is who somebody is: it goes with the call, and is not for a screen.
const SECRET = new Set(["authorization", "proxy-authorization", "cookie", "x-api-key"]);

export function open({ name: number }) {
  return {
    title: `Letter ${number}`,
    load: (signal) => get(`/dead-letters/${part(number)}`, null, signal),
    view,
  };
}

/** Sends its call back to its queue; whether it went. */
export async function redrive(number) {
  try {
    const { data } = await ask("POST", `/dead-letters/${part(number)}/redrive`);
    toast(data.done ? `Letter ${number} was redriven: its call runs again.` : `Letter ${number} was left: ${data.why_left[0]?.why ?? "it is gone"}.`);
    return data.done > 0;
  } catch (error) {
    toast(error.message, "is-bad");
    return false;
  }
}

export async function remove(number) {
  const sure = await confirm({ title: `Remove letter ${number} for good?`, text: "The call in it is lost. This cannot be undone.", action: "Remove it", danger: true });
  if (!sure) return false;
  try {
    await ask("DELETE", `/dead-letters/${part(number)}`);
    toast(`Letter ${number} was removed.`);
    return true;
  } catch (error) {
    toast(error.message, "is-bad");
    return false;
  }
}

function view(it) {
  const { number, request } = it;
  const away = (went) => went && go("#/dead");
  return [
    head(`Letter ${number}`, {
      crumb: ["#/dead", "Dead letters"],
      lead: `Dead because ${REASONS[it.reason] ?? it.reason}.`,
      actions: [
        button("Redrive", () => redrive(number).then(away), { id: "redrive", tone: "is-main" }),
        button("Remove…", () => remove(number).then(away), { id: "remove", tone: "is-danger" }),
      ],
    }),
    h("div", { class: "columns", key: "facts" },
      card("The letter", {}, facts([
        ["Function", it.queue === "callbacks" ? it.function : nameOf(it.function)],
        ["Queue", h("a", { href: toQueue(it.queue) }, it.queue)],
        ["Call", it.call && h("a", { href: toCall(it.call), class: "mono" }, it.call)],
        ["Dead since", time(it.at)],
        ["Detail", it.detail],
        ["Size", bytes(it.bytes)],
      ])),
      request && card("The request", {}, facts([
        ["Method", request.method],
        ["Path", h("code", null, request.path + (request.query ? `?${request.query}` : ""))],
        ["Accepted", time(request.accepted_at)],
        ["Attempts", request.attempts],
        ["Throttles", request.throttles],
        ["Crashes", request.crashes],
        ["Deliveries", request.deliveries],
        ["Redriven", request.redriven],
      ]))),
    request && card("Timeline", { key: "timeline" }, turns({ ...request, state: "dead", since: it.at, detail: it.detail })),
    request?.headers.length > 0 && card("Headers", { key: "headers", tight: "none" }, table("Headers", [
      { head: "Name", cell: ([name]) => h("code", null, name) },
      { head: "Value", wide: true, cell: ([name, value]) => (SECRET.has(name) ? h("span", { class: "muted" }, "not shown here") : h("code", null, discreet(value))) },
    ], request.headers.map(([name, value], n) => [name, value, n]), ([name, , n]) => `${name} ${n}`)),
    card("Body", { key: "body" }, body(request?.body ?? it.message ?? {})),
  ];
}

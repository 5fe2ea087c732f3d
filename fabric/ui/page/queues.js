// The queues, and what goes on in each.

import { h } from "../dom/h.js";
import { get } from "../data/api.js";
import { now } from "../data/live.js";
import { to, toQueue } from "../data/place.js";
import { badge } from "../part/badge.js";
import { card, head } from "../part/card.js";
import { pager } from "../part/pager.js";
import { table } from "../part/table.js";
import { count, plural, rate } from "../text/format.js";
import { isPaused } from "../text/words.js";
import { sparkOf } from "./cells.js";

const LIMIT = 100;

export function open({ query: { cursor } }) {
  return {
    title: "Queues",
    load: (signal) => get("/queues", { cursor, limit: LIMIT }, signal),
    view: ({ items, next }) => [
      head("Queues"),
      card("Queues", { key: "list", tight: "none", bare: true },
        table("Queues", COLUMNS, items, ({ name }) => name),
        pager(plural(items.length, "queue"), { cursor, next, link: (after) => to("queues", { cursor: after }) })),
    ],
  };
}

const IDLE = { in_flight: 0, backlog: 0, functions: 0, per_second: { answered: 0, failed: 0 } };
export const doing = (name) => now()?.queues.find((it) => it.name === name) ?? IDLE;

const COLUMNS = [
  { head: "Queue", cell: ({ name }) => h("a", { href: toQueue(name) }, name) },
  { head: "State", cell: ({ name, annotations }) => (isPaused(annotations) ? badge("paused", "is-warn") : doing(name).functions > 0 ? badge("active", "is-good") : badge("idle")) },
  { head: "Waiting", number: true, cell: ({ name }) => sparkOf(`queue/${name}/backlog`, doing(name).backlog, `Waiting in ${name}`, { tone: "is-warn", say: count }) },
  { head: "Answered /s", number: true, cell: ({ name }) => sparkOf(`queue/${name}/answered`, doing(name).per_second.answered, `Answered in ${name}`) },
  { head: "Failed /s", number: true, cell: ({ name }) => h("span", { class: doing(name).per_second.failed > 0 ? "bad" : "muted" }, rate(doing(name).per_second.failed)) },
  { head: "In flight", number: true, cell: ({ name }) => count(doing(name).in_flight) },
  { head: "Functions", number: true, cell: ({ name }) => count(doing(name).functions) },
];

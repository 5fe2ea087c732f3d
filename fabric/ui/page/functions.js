// All functions, a page at a time, as the server cuts them.

import { h } from "../dom/h.js";
import { get } from "../data/api.js";
import { activityOf } from "../data/live.js";
import { go, to } from "../data/place.js";
import { badge } from "../part/badge.js";
import { card, head } from "../part/card.js";
import { pager } from "../part/pager.js";
import { empty } from "../part/state.js";
import { table } from "../part/table.js";
import { count, plural, rate, seconds } from "../text/format.js";
import { isPaused } from "../text/words.js";
import { nameOf, sparkOf } from "./cells.js";

const LIMIT = 50;
const AFTER_TYPING = 250;

export function open({ query: { contains, cursor } }) {
  return {
    title: "Functions",
    load: (signal) => get("/functions", { contains, cursor, limit: LIMIT }, signal),
    view: ({ items, next }) => [
      head("Functions", { actions: filter(contains) }),
      card("Functions", { key: "list", tight: "none", bare: true },
        items.length === 0 ? none(contains) : table("Functions", COLUMNS, items, ({ name }) => name),
        pager(plural(items.length, "function") + (next || cursor ? " on this page" : ""), { cursor, next, link: (after) => to("functions", { contains, cursor: after }) })),
    ],
  };
}

let typing = null;

function filter(contains) {
  const search = (event) => {
    const field = event.currentTarget;
    clearTimeout(typing);
    typing = setTimeout(() => go(to("functions", { contains: field.value.trim() })), AFTER_TYPING);
  };
  const submit = (event) => event.preventDefault();
  return h("form", { role: "search", "aria-label": "Functions", on: { submit } },
    h("input", { type: "search", id: "contains", placeholder: "Filter by name", "aria-label": "Filter by name", value: contains ?? "", autocomplete: "off", spellcheck: "false", on: { input: search } }));
}

const none = (contains) => (contains
  ? empty("No function has that in its name", "Names are compared as they are written, with their namespaces.", "functions")
  : empty("No function is registered yet", "Register one with PUT /admin/v1/functions/NAME, fabric function set, fabric apply or faas-cli deploy.", "functions"));

const doing = (name) => activityOf(name) ?? { in_flight: 0, backlog: 0, per_second: { answered: 0, failed: 0, turned_away: 0 } };

const COLUMNS = [
  { head: "Function", cell: ({ name }) => nameOf(name) },
  { head: "State", cell: state },
  { head: "Answered /s", number: true, cell: ({ name }) => sparkOf(`function/${name}/answered`, doing(name).per_second.answered, `Answered by ${name}`) },
  { head: "Failed /s", number: true, cell: ({ name }) => h("span", { class: doing(name).per_second.failed > 0 ? "bad" : "muted" }, rate(doing(name).per_second.failed)) },
  { head: "In flight", number: true, cell: ({ name }) => count(doing(name).in_flight) },
  { head: "Waiting", number: true, cell: ({ name }) => count(doing(name).backlog) },
  { head: "Typical", number: true, cell: ({ name }) => seconds(doing(name).typical_seconds) },
  { head: "Limits", wide: true, cell: limits },
];

function state({ name, annotations, deleting }) {
  if (deleting) return badge("being deleted", "is-warn");
  if (isPaused(annotations)) return badge("paused", "is-warn");
  const { per_second: { answered, failed, turned_away: away }, in_flight: running, backlog } = doing(name);
  if (failed > 0 && failed >= answered) return badge("failing", "is-bad");
  if (away > 0 && answered === 0) return badge("no room", "is-bad");
  return running || backlog || answered ? badge("active", "is-good") : badge("idle");
}

const SHOWN = [
  ["fabric.concurrency", (value) => `${value} at once`],
  ["fabric.rate", (value) => value],
  ["fabric.timeout", (value) => `timeout ${value}`],
  ["fabric.weight", (value) => `weight ${value}`],
];

function limits({ annotations }) {
  const chips = SHOWN.filter(([name]) => annotations?.[name]).map(([name, say]) => h("span", { class: "chip" }, say(annotations[name])));
  return chips.length > 0 ? h("span", { class: "chips" }, chips) : "";
}

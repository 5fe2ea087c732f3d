// One function: what it does, why its calls wait, its limits, and its calls that have not ended.

import { h, island } from "../dom/h.js";
import { ask, get, part } from "../data/api.js";
import { to } from "../data/place.js";
import { badge, stateBadge } from "../part/badge.js";
import { button, card, facts, figure, head } from "../part/card.js";
import { chart } from "../part/chart.js";
import { OF_FUNCTIONS } from "../part/fields.js";
import { editor, limits } from "../part/limits.js";
import { pager } from "../part/pager.js";
import { spark } from "../part/spark.js";
import { empty } from "../part/state.js";
import { table } from "../part/table.js";
import { time } from "../part/time.js";
import { told } from "../part/toast.js";
import { count, discreet, rate, seconds } from "../text/format.js";
import { WAITS, isPaused } from "../text/words.js";
import { callOf } from "./cells.js";

const CALLS = 25;

export function open({ name, query: { cursor }, draw, again }) {
  const path = `/functions/${part(name)}`;
  let editing = null;
  const load = async (signal) => {
    const [it, activity, why, calls] = await Promise.all([
      ask("GET", path, { signal }),
      get("/activity", { function: name }, signal),
      get(`${path}/explain`, null, signal),
      get("/calls", { function: name, limit: CALLS, cursor }, signal),
    ]);
    return { it: it.data, activity, why, calls };
  };
  const read = async () => {
    const { data, tag } = await ask("GET", path);
    return { annotations: data.annotations ?? {}, tag };
  };
  const write = (changes, { tag }) => {
    const annotations = Object.fromEntries(Object.entries(changes).map(([key, value]) => [key, value || null]));
    return ask("PATCH", path, { body: { annotations }, headers: { "if-match": tag } });
  };
  const edit = () => {
    const done = () => {
      editing = null;
      again();
      draw();
    };
    editing = editor(OF_FUNCTIONS, { read, write, done });
    draw();
  };
  const pause = async (paused) => {
    const body = { annotations: { "fabric.paused": paused ? "true" : null } };
    await told(() => ask("PATCH", path, { body }), paused ? "Paused: its calls wait." : "Resumed: its calls start again step by step.");
    again();
  };
  const view = (data) => page(name, data, { cursor, editing, edit, pause });
  return { title: name, load, view };
}

function page(name, { it, activity, why, calls }, { cursor, editing, edit, pause }) {
  const paused = isPaused(it.annotations);
  const { answered, failed } = activity.per_second;
  const one = activity.functions[0];
  const badges = h("span", { class: "badges" }, paused && badge("paused", "is-warn"), it.deleting && badge("being deleted", "is-warn"));
  return [
    head(name, {
      crumb: ["#/functions", "Functions"],
      badges,
      actions: button(paused ? "Resume" : "Pause", () => pause(!paused), { id: "pause", tone: paused ? "is-main" : "" }),
    }),
    h("div", { class: "figures", key: "figures" },
      figure("Answered", rate(answered), { unit: "/s", graph: spark(`function/${name}/answered`, { tone: "is-good", label: "Answered each second" }) }),
      figure("Failed", rate(failed), { unit: "/s", tone: failed > 0 ? "bad" : "", graph: spark(`function/${name}/failed`, { tone: "is-bad", label: "Failed each second" }) }),
      figure("In flight", count(activity.in_flight), { unit: it.annotations?.["fabric.concurrency"] && `of ${it.annotations["fabric.concurrency"]}`, graph: spark(`function/${name}/in_flight`, { label: "In flight", say: count }) }),
      figure("Waiting", count(activity.backlog), { graph: spark(`function/${name}/backlog`, { tone: "is-warn", label: "Waiting", say: count }) }),
      figure("A call takes", seconds(one?.typical_seconds) || "–", { below: "usually, lately" })),
    h("div", { class: "columns even", key: "why" },
      card("Why its calls wait", {}, explained({ ...why, backlog: activity.backlog })),
      card("Attempts each second", { tight: true }, chart("Attempts each second", [
        { name: `function/${name}/answered`, label: "answered", tone: "is-good" },
        { name: `function/${name}/failed`, label: "failed", tone: "is-bad" },
        { name: `function/${name}/turned_away`, label: "turned away", tone: "is-warn" },
      ]))),
    h("div", { class: "columns", key: "set" },
      card("Limits", { actions: !editing && button("Edit", edit, { id: "edit", tone: "is-small" }) },
        editing ? island("limits", editing) : limits(OF_FUNCTIONS, it.annotations)),
      card("Registered", {}, registered(it))),
    card("Calls that have not ended", { key: "calls", tight: "none" },
      calls.items.length === 0 ? empty("No call waits or runs") : table("Calls that have not ended", COLUMNS, calls.items, ({ id }) => id),
      pager("", { cursor, next: calls.next, link: (after) => to(`functions/${name}`, { cursor: after }) })),
  ];
}

const COLUMNS = [
  { head: "Call", cell: ({ id }) => callOf(id) },
  { head: "State", cell: ({ state }) => stateBadge(state) },
  { head: "Accepted", cell: ({ accepted_at: at }) => time(at) },
  { head: "Due", cell: ({ due }) => (due ? time(due) : "") },
  { head: "Attempts", number: true, cell: ({ attempts }) => count(attempts) },
];

/** Why nothing starts, in a sentence, and how each worker sees it. */
export function explained(why) {
  const sentence = why.summary.charAt(0).toUpperCase() + why.summary.slice(1);
  return h("div", { class: "stack" },
    h("p", { class: "sentence" }, `${sentence}.`),
    h("p", { class: "muted" }, `${count(why.in_flight)} in flight, ${count(why.backlog)} waiting, ${count(why.serving)} serving its queue`),
    why.workers.length > 0 && h("ul", { class: "attention" }, why.workers.map((it) => h("li", { key: it.id },
      h("span", { class: "what" }, h("code", null, it.id), h("span", { class: "muted" }, ` runs ${count(it.in_flight)}`)),
      it.waiting && h("span", { class: "muted small" }, WAITS[it.waiting.reason] ?? it.waiting.reason,
        it.waiting.seconds !== undefined && `, ${seconds(it.waiting.seconds)} more`)))));
}

/** Everything as it is set, word for word but for passwords. */
function registered(it) {
  const named = (pairs) => Object.entries(pairs ?? {}).map(([key, value]) => h("div", null, h("code", null, key), h("span", { class: "muted" }, " = "), h("code", null, discreet(value))));
  return facts([
    ["Revision", it.revision],
    ["Image", it.image],
    ["Created", it.createdAt && time(it.createdAt)],
    ["Annotations", Object.keys(it.annotations ?? {}).length > 0 && h("div", { class: "words small" }, named(it.annotations))],
    ["Labels", Object.keys(it.labels ?? {}).length > 0 && h("div", { class: "words small" }, named(it.labels))],
  ]);
}

// What goes on, and what needs somebody.

import { h } from "../dom/h.js";
import { get } from "../data/api.js";
import { activityOf, now } from "../data/live.js";
import { toFunction, toQueue } from "../data/place.js";
import { card, figure, head } from "../part/card.js";
import { chart } from "../part/chart.js";
import { icon } from "../part/icon.js";
import { meter } from "../part/meter.js";
import { spark } from "../part/spark.js";
import { empty } from "../part/state.js";
import { table } from "../part/table.js";
import { count, plural, rate } from "../text/format.js";
import { isPaused } from "../text/words.js";
import { nameOf, sparkOf } from "./cells.js";

const BUSIEST = 8;

export const open = () => ({
  title: "Overview",
  load: async (signal) => ({
    activity: await get("/activity", { limit: 100 }, signal),
    queues: (await get("/queues", null, signal)).items,
  }),
  view,
});

function view({ activity: asked, queues }) {
  const it = now() ?? asked;
  const { answered, failed, turned_away: away } = it.per_second;
  const share = answered + failed > 0 ? `${Number(((100 * failed) / (answered + failed)).toFixed(1))} % of attempts` : "no attempts";
  return [
    head("Overview", { lead: `${plural(it.answered, "process", "processes")} ${it.answered === 1 ? "answers" : "answer"}${it.alive > it.answered ? ` of ${it.alive}` : ""}` }),
    h("div", { class: "figures", key: "figures" },
      it.accepted_per_second !== undefined && figure("Accepted", rate(it.accepted_per_second), { unit: "/s", graph: spark("all/accepted", { label: "Accepted each second" }) }),
      figure("Answered", rate(answered), { unit: "/s", graph: spark("all/answered", { tone: "is-good", label: "Answered each second" }) }),
      figure("Failed", rate(failed), { unit: "/s", tone: failed > 0 ? "bad" : "", below: share, graph: spark("all/failed", { tone: "is-bad", label: "Failed each second" }) }),
      figure("In flight", count(it.in_flight), { unit: `of ${count(it.permits)}`, below: meter("Permits in use", it.in_flight, it.permits), graph: spark("all/in_flight", { label: "In flight", say: count }) }),
      figure("Waiting", count(it.backlog), { graph: spark("all/backlog", { tone: "is-warn", label: "Waiting", say: count }), below: "ready to start" }),
      it.dead_letters !== undefined && figure("Dead letters", count(it.dead_letters), { href: "#/dead", tone: it.dead_letters > 0 ? "bad" : "", below: "Show them" })),
    h("div", { class: "columns even", key: "charts" },
      card("Attempts each second", { tight: true }, chart("Attempts each second", [
        { name: "all/answered", label: "answered", tone: "is-good" },
        { name: "all/failed", label: "failed", tone: "is-bad" },
        { name: "all/turned_away", label: "turned away", tone: "is-warn" },
      ])),
      card("Calls", { tight: true }, chart("Calls", [
        { name: "all/backlog", label: "waiting", tone: "is-warn" },
        { name: "all/in_flight", label: "in flight", tone: "" },
      ], { say: count }))),
    h("div", { class: "columns even", key: "lists" },
      card("Needs attention", { tight: true }, attention(it, queues)),
      card("Queues", { tight: "none" }, table("Queues", QUEUES, it.queues, ({ name }) => name))),
    card("Busiest functions", { key: "busiest", tight: "none", actions: h("a", { href: "#/functions", class: "small" }, "All functions") }, busiest(it)),
  ];
}

const QUEUES = [
  { head: "Queue", cell: ({ name }) => h("a", { href: toQueue(name) }, name) },
  { head: "Waiting", number: true, cell: (it) => count(it.backlog) },
  { head: "In flight", number: true, cell: (it) => count(it.in_flight) },
  { head: "Answered /s", number: true, cell: ({ name, per_second: it }) => sparkOf(`queue/${name}/answered`, it.answered, `Answered in ${name}`) },
];

function busiest({ functions }) {
  const rows = functions.filter((it) => it.queue !== "callbacks" && (it.in_flight || it.backlog || it.per_second.answered || it.per_second.failed)).slice(0, BUSIEST);
  if (rows.length === 0) return empty("Nothing runs", "As soon as a function is called, it is listed here.");
  return table("Busiest functions", [
    { head: "Function", cell: ({ function: name }) => nameOf(name) },
    { head: "Answered /s", number: true, cell: (it) => sparkOf(`function/${it.function}/answered`, it.per_second.answered, `Answered by ${it.function}`) },
    { head: "Failed /s", number: true, cell: (it) => h("span", { class: it.per_second.failed > 0 ? "bad" : "muted" }, rate(it.per_second.failed)) },
    { head: "In flight", number: true, cell: (it) => count(it.in_flight) },
    { head: "Waiting", number: true, cell: (it) => count(it.backlog) },
    { head: "Waits because", wide: true, cell: (it) => (it.backlog > 0 && it.waiting ? h("span", { class: "muted small" }, it.waiting) : "") },
  ], rows, (it) => `${it.queue}/${it.function}`);
}

/** What somebody should look at, the worst first. */
function attention(it, queues) {
  const items = [];
  const say = (tone, text, href, action) => items.push(h("li", { key: text }, h("span", { class: `badge ${tone}` }, tone === "is-bad" ? "fault" : "note"), h("span", { class: "what" }, text), href && h("a", { href, class: "nowrap" }, action)));
  const silent = it.alive - it.answered;
  if (silent > 0) say("is-bad", `${plural(silent, "process", "processes")} did not answer in time`, "#/workers", "Workers");
  for (const one of it.functions) {
    const { answered, failed, turned_away: away } = one.per_second;
    if (one.queue === "callbacks" || activityOf(one.function) === undefined) continue;
    if (failed > 0 && failed >= answered) say("is-bad", `${one.function} fails ${answered > 0 ? "half of its calls or more" : "all its calls"}`, toFunction(one.function), "Look");
    if (away > 0 && answered === 0) say("is-bad", `${one.function} has no room, or nobody listens there`, toFunction(one.function), "Look");
    if (one.failures > 0) say("is-warn", `the subscriber of ${one.function} failed ${plural(one.failures, "time")} lately`, toFunction(one.function), "Look");
  }
  for (const queue of queues) if (isPaused(queue.annotations)) say("is-warn", `queue ${queue.name} is paused`, toQueue(queue.name), "Look");
  if (it.dead_letters > 0) say("is-warn", `${plural(it.dead_letters, "dead letter")} ${it.dead_letters === 1 ? "waits" : "wait"} for somebody`, "#/dead", "Show");
  if (items.length === 0) return h("p", { class: "row good" }, icon("check"), "Nothing needs you.");
  return h("ul", { class: "attention" }, items.slice(0, 8), items.length > 8 && h("li", { class: "muted" }, `and ${items.length - 8} more`));
}

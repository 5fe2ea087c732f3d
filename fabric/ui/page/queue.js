// One queue: what goes on in it, how its calls are retried, its pause and its purge.

import { h, island } from "../dom/h.js";
import { ask, part } from "../data/api.js";
import { now } from "../data/live.js";
import { badge } from "../part/badge.js";
import { button, card, figure, head } from "../part/card.js";
import { chart } from "../part/chart.js";
import { confirm } from "../part/confirm.js";
import { OF_QUEUES } from "../part/fields.js";
import { editor, limits } from "../part/limits.js";
import { spark } from "../part/spark.js";
import { empty } from "../part/state.js";
import { table } from "../part/table.js";
import { toast, told } from "../part/toast.js";
import { count, plural, rate } from "../text/format.js";
import { isPaused } from "../text/words.js";
import { nameOf, sparkOf } from "./cells.js";
import { doing } from "./queues.js";

const FUNCTIONS = 50;

export function open({ name, draw, again }) {
  const path = `/queues/${part(name)}`;
  let editing = null;
  const read = async () => {
    const { data, tag } = await ask("GET", path);
    return { annotations: data.annotations ?? {}, tag };
  };
  const write = (changes, { annotations, tag }) => {
    const all = Object.entries({ ...annotations, ...changes }).filter(([, value]) => value);
    // A queue that nobody has set anything for has no revision yet.
    const headers = tag ? { "if-match": tag } : { "if-none-match": "*" };
    return ask("PUT", path, { body: { annotations: Object.fromEntries(all) }, headers });
  };
  const edit = () => {
    const done = () => {
      editing = null;
      again();
      draw();
    };
    editing = editor(OF_QUEUES, { read, write, done });
    draw();
  };
  const pause = async (paused) => {
    await told(() => ask("POST", `${path}/${paused ? "pause" : "resume"}`), paused ? "Paused: its calls wait." : "Resumed: its calls start again step by step.");
    again();
  };
  const view = (it) => page(it, { editing, edit, pause, purge: () => purge(name, path).then(again) });
  return { title: `Queue ${name}`, load: async (signal) => (await ask("GET", path, { signal })).data, view };
}

async function purge(name, path) {
  try {
    const { data: would } = await ask("POST", `${path}/purge`, { query: { dry_run: true } });
    if (would.done === 0) return toast("Nothing waits in it.");
    const sure = await confirm({
      title: `Purge queue ${name}?`,
      text: [`${plural(would.done, "call")}${would.more ? " or more" : ""} that ${would.done === 1 ? "waits" : "wait"} in it, retries and delayed calls included, will be cancelled; their callers are told.`, "Calls that run go on. This cannot be undone."],
      action: "Purge it",
      danger: true,
      type: name,
    });
    if (!sure) return null;
    const { data } = await ask("POST", `${path}/purge`, { query: { confirm: name } });
    return toast(`${plural(data.done, "call")} cancelled${data.left ? `, ${count(data.left)} left because somebody has them` : ""}.`);
  } catch (error) {
    return toast(error.message, "is-bad");
  }
}

function page(it, { editing, edit, pause, purge: purged }) {
  const { name } = it;
  const paused = isPaused(it.annotations);
  const sum = doing(name);
  return [
    head(name, {
      crumb: ["#/queues", "Queues"],
      badges: paused && badge("paused", "is-warn"),
      lead: name === "callbacks" && "What tells callers how their calls ended: its functions are hosts.",
      actions: [
        button(paused ? "Resume" : "Pause", () => pause(!paused), { id: "pause", tone: paused ? "is-main" : "" }),
        name !== "callbacks" && button("Purge…", purged, { id: "purge", tone: "is-danger" }),
      ],
    }),
    h("div", { class: "figures", key: "figures" },
      figure("Waiting or running", count(it.calls), { below: "as stored" }),
      figure("In flight", count(sum.in_flight), { graph: spark(`queue/${name}/in_flight`, { label: "In flight", say: count }) }),
      figure("Answered", rate(sum.per_second.answered), { unit: "/s", graph: spark(`queue/${name}/answered`, { tone: "is-good", label: "Answered each second" }) }),
      figure("Failed", rate(sum.per_second.failed), { unit: "/s", tone: sum.per_second.failed > 0 ? "bad" : "", graph: spark(`queue/${name}/failed`, { tone: "is-bad", label: "Failed each second" }) })),
    h("div", { class: "columns", key: "set" },
      card("Calls", { tight: true }, chart("Calls", [
        { name: `queue/${name}/backlog`, label: "waiting", tone: "is-warn" },
        { name: `queue/${name}/in_flight`, label: "in flight", tone: "" },
      ], { say: count })),
      card("Retries", { actions: !editing && button("Edit", edit, { id: "edit", tone: "is-small" }) },
        editing ? island("limits", editing) : limits(OF_QUEUES, it.annotations))),
    card(name === "callbacks" ? "Hosts with work" : "Functions with work", { key: "functions", tight: "none" }, functions(name)),
  ];
}

function functions(name) {
  const all = (now()?.functions ?? []).filter((it) => it.queue === name);
  if (all.length === 0) return empty("Nothing waits or runs in it");
  const rows = all.slice(0, FUNCTIONS);
  const isHosts = name === "callbacks";
  return [table("Functions with work", [
    { head: isHosts ? "Host" : "Function", cell: (it) => (isHosts ? it.function : nameOf(it.function)) },
    { head: "Waiting", number: true, cell: (it) => count(it.backlog) },
    { head: "In flight", number: true, cell: (it) => count(it.in_flight) },
    { head: "Answered /s", number: true, cell: (it) => (isHosts ? rate(it.per_second.answered) : sparkOf(`function/${it.function}/answered`, it.per_second.answered, `Answered by ${it.function}`)) },
    { head: "Waits because", wide: true, cell: (it) => (it.backlog > 0 && it.waiting ? h("span", { class: "muted small" }, it.waiting) : "") },
  ], rows, (it) => it.function), all.length > rows.length && h("div", { class: "pager" }, h("span", { class: "told" }, `the busiest ${count(rows.length)} of ${count(all.length)}`))];
}

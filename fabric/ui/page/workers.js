// The processes that are alive, and how full each is.

import { h } from "../dom/h.js";
import { get } from "../data/api.js";
import { badge } from "../part/badge.js";
import { card, figure, head } from "../part/card.js";
import { meter } from "../part/meter.js";
import { spark } from "../part/spark.js";
import { table } from "../part/table.js";
import { count, plural } from "../text/format.js";
import { role, served } from "../text/words.js";

export const open = () => ({
  title: "Workers",
  load: async (signal) => {
    const [members, trees] = await Promise.all([get("/workers", { limit: 1000 }, signal), get("/processes", null, signal)]);
    return rows(members.items, trees.processes);
  },
  view: (all) => {
    const answering = all.filter((it) => it.tree);
    const [permits, used] = [sum(answering, ({ tree }) => tree.permits), sum(answering, ({ tree }) => tree.permits - tree.permits_free)];
    return [
      head("Workers", { lead: "Every process whose signs of life are heard, gateways included." }),
      h("div", { class: "figures", key: "figures" },
        figure("Processes", count(all.length), { below: answering.length < all.length ? h("span", { class: "bad" }, `${all.length - answering.length} did not answer`) : "all answer" }),
        figure("Permits in use", count(used), { unit: `of ${count(permits)}`, below: meter("Permits in use", used, permits), graph: spark("all/in_flight", { label: "In flight", say: count }) }),
        figure("Subscribers", count(sum(answering, subscribers)), { below: "functions being served" })),
      card("Processes", { key: "list", tight: "none", bare: true }, table("Processes", COLUMNS, all, ({ id }) => id)),
    ];
  },
});

/** Those that are known to be alive, with what they tell of themselves. */
function rows(members, trees) {
  const told = new Map(trees.map((tree) => [tree.id, tree]));
  const known = new Set(members.map(({ id }) => id));
  const others = trees.filter(({ id }) => !known.has(id)).map((tree) => ({ id: tree.id, ...(tree.members[tree.id] ?? { gateway: false, serves: "nothing" }), tree }));
  return [...members.map((member) => ({ ...member, tree: told.get(member.id) })), ...others];
}

const sum = (all, of) => all.reduce((total, it) => total + of(it), 0);
const subscribers = ({ tree }) => sum(tree.queues, (queue) => queue.subscribers.length + (queue.rest?.subscribers ?? 0));
const inFlight = ({ tree }) => sum(tree.queues, (queue) => sum(queue.subscribers, (it) => it.in_flight) + (queue.rest?.in_flight ?? 0));
const failures = ({ tree }) => sum(tree.children, (child) => child.failures) + sum(tree.queues, (queue) => sum(queue.children, (child) => child.failures));

const COLUMNS = [
  { head: "Process", cell: ({ id }) => h("code", null, id) },
  { head: "State", cell: ({ tree }) => (!tree ? badge("no answer", "is-bad") : tree.phase === "running" ? badge("running", "is-good") : badge(`draining: ${tree.phase}`, "is-warn")) },
  { head: "Role", cell: (it) => role(it) },
  { head: "Serves", cell: ({ serves }) => served(serves) },
  { head: "Permits", cell: ({ tree }) => (tree && tree.permits > 0 ? h("span", { class: "stack" }, h("span", null, `${count(tree.permits - tree.permits_free)} of ${count(tree.permits)}`), meter("Permits in use", tree.permits - tree.permits_free, tree.permits)) : "") },
  { head: "In flight", number: true, cell: (it) => (it.tree ? count(inFlight(it)) : "") },
  { head: "Subscribers", number: true, cell: (it) => (it.tree ? count(subscribers(it)) : "") },
  { head: "Lately", cell: (it) => (it.tree && failures(it) > 0 ? h("span", { class: "warn" }, plural(failures(it), "failure")) : "") },
];

// What goes on in the whole fabric, asked for every two seconds whatever page is shown, so that lines have a past.

import { get } from "./api.js";
import { repeat } from "./clock.js";
import { record } from "./series.js";

const EVERY = 2_000;
// As many functions as a line is kept for.
const FUNCTIONS = 500;
const listeners = new Set();
let activity = null;
let known = new Map();
let seen = new Set();

export const now = () => activity;

/** What a function does; nothing if nobody has to do with it. */
export const activityOf = (name) => known.get(name);

export function onLive(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function start() {
  return repeat(look, EVERY);
}

async function look() {
  try {
    activity = await get("/activity", { limit: FUNCTIONS });
    keep(activity, Date.now());
  } catch {
    // Who is away is told of where that is shown; here there is one look less.
  }
  for (const listener of listeners) listener();
}

function keep(it, at) {
  sample("all", it, at);
  // Whoever is limited to namespaces is not told what is everybody's.
  if (it.accepted_per_second !== undefined) record("all/accepted", at, it.accepted_per_second);
  if (it.dead_letters !== undefined) record("all/dead", at, it.dead_letters);
  for (const queue of it.queues) sample(`queue/${queue.name}`, queue, at);
  known = new Map(it.functions.filter((one) => one.queue !== "callbacks").map((one) => [one.function, one]));
  const told = new Set(known.keys());
  for (const [name, one] of known) sample(`function/${name}`, one, at);
  // One that is not told of any more does nothing.
  if (it.more === 0) for (const name of seen) if (!told.has(name)) sample(`function/${name}`, NOTHING, at);
  seen = new Set([...told, ...(it.more ? seen : [])]);
}

const NOTHING = { in_flight: 0, backlog: 0, per_second: { answered: 0, failed: 0, turned_away: 0 } };

function sample(name, it, at) {
  record(`${name}/answered`, at, it.per_second.answered);
  record(`${name}/failed`, at, it.per_second.failed);
  record(`${name}/turned_away`, at, it.per_second.turned_away);
  record(`${name}/in_flight`, at, it.in_flight);
  record(`${name}/backlog`, at, it.backlog);
}

// The words of the system, as the dashboard says them.

export const STATES = {
  ready: ["is-accent", "ready"],
  running: ["is-accent", "running"],
  waiting: ["is-warn", "waiting"],
  succeeded: ["is-good", "succeeded"],
  failed: ["is-bad", "failed"],
  dead: ["is-bad", "dead"],
  cancelled: ["", "cancelled"],
  expired: ["is-warn", "expired"],
};

export const FINAL = new Set(["succeeded", "failed", "dead", "cancelled", "expired"]);

export const TURNS = {
  succeeded: ["is-good", "Succeeded"],
  failed: ["is-bad", "Failed for good"],
  retried: ["is-warn", "Failed; to be tried again"],
  busy: ["", "Turned away: the function had no room"],
  crashed: ["is-bad", "Whoever ran it was gone"],
  redriven: ["is-accent", "Redriven by an operator"],
};

export const REASONS = {
  exhausted: "its attempts are used up",
  too_old: "it got too old",
  undecodable: "it is no call",
  lost: "its bytes are lost",
  poison: "it may be what ends its workers",
  deleted: "its function was deleted",
};

/** Whether something is paused, by what is set for it. */
export const isPaused = (annotations) => annotations?.["fabric.paused"] === "true";

/** The queues that a process serves. */
export function served(serves) {
  if (serves === "everything") return "every queue";
  if (serves === "nothing") return "no queue";
  return serves.queues.join(", ") || "callbacks only";
}

export function role({ gateway, serves }) {
  const works = serves !== "nothing";
  if (gateway && works) return "gateway and worker";
  return gateway ? "gateway" : "worker";
}

/** What the head of a lane waits for, in few words; whoever explains a call says it in a sentence. */
export const WAITS = {
  cluster_limit: "its concurrency is used up",
  adaptive_limit: "it bears no more at once",
  rate: "its rate is used up",
  paused: "it is paused, or asked to be left alone",
  ramping_up: "it starts step by step after a pause",
  circuit_open: "it failed everything lately; it is probed",
  endpoints_busy: "its endpoints are busy",
  namespace_limit: "its namespace's limit is reached",
  queue_share: "its queue's share is used up",
  worker_capacity: "the workers are full",
  due_later: "the next retry is due later",
};

// A call's life: from acceptance through each attempt, and the waits between them.

import { h, svg } from "../dom/h.js";
import { ago, moment, seconds } from "../text/format.js";
import { FINAL, STATES, TURNS } from "../text/words.js";
import { time } from "./time.js";

/** The spans of a call, to scale: `{ from, to, tone, text }` in milliseconds. */
export function spans(call, now = Date.now()) {
  const begin = Date.parse(call.accepted_at);
  const all = [];
  let at = begin;
  const wait = (until) => {
    if (until > at) all.push({ from: at, to: until, tone: "", text: `waited ${seconds((until - at) / 1000)}` });
  };
  for (const turn of call.history) {
    const to = Date.parse(turn.at);
    const from = Math.max(at, to - turn.seconds * 1000);
    wait(from);
    const [tone, text] = TURNS[turn.what] ?? ["", turn.what];
    if (turn.what !== "redriven") all.push({ from, to, tone, text: `${text} after ${seconds((to - from) / 1000)}` });
    at = Math.max(at, to);
  }
  if (call.state === "running") {
    const since = Math.max(at, Date.parse(call.since));
    wait(since);
    if (now > since) all.push({ from: since, to: now, tone: "is-accent", text: `runs for ${seconds((now - since) / 1000)}` });
  } else if (!FINAL.has(call.state)) wait(now);
  else wait(Date.parse(call.since));
  return all;
}

/** All of it in one strip. */
export function strip(call, now = Date.now()) {
  const all = spans(call, now);
  if (all.length === 0) return null;
  const [begin, end] = [all[0].from, all.at(-1).to];
  const scale = 1000 / Math.max(1, end - begin);
  const label = all.map(({ text }) => text).join("; ");
  return h("figure", null,
    svg("svg", { class: "strip", viewBox: "0 0 1000 10", preserveAspectRatio: "none", role: "img", "aria-label": `To scale: ${label}` },
      all.map(({ from, to, tone }) => svg("rect", {
        class: tone || null, x: ((from - begin) * scale).toFixed(2), width: Math.max(2, (to - from) * scale).toFixed(2),
        y: tone ? 0 : 4, height: tone ? 10 : 2,
      }))),
    h("figcaption", { class: "muted small" }, `${seconds((end - begin) / 1000)} from its acceptance to ${FINAL.has(call.state) ? "its end" : "now"}`));
}

/** One after the other. */
export function turns(call, now = Date.now()) {
  const begin = Date.parse(call.accepted_at);
  const after = (at) => `+${seconds(Math.max(0, Date.parse(at) - begin) / 1000) || "0 s"}`;
  let attempt = 0;
  const items = [item("is-accent", "Accepted", [time(call.accepted_at)], moment(call.accepted_at))];
  call.history.forEach((turn, index) => {
    const isLast = index === call.history.length - 1 && call.state === "dead";
    const [tone, text] = isLast && turn.what === "retried" ? ["is-bad", "Failed"] : TURNS[turn.what] ?? ["", turn.what];
    const counts = ["succeeded", "failed", "retried"].includes(turn.what);
    attempt += counts ? 1 : 0;
    const facts = [after(turn.at), turn.seconds > 0 && `took ${seconds(turn.seconds)}`, turn.status && !turn.detail?.startsWith("status") && `status ${turn.status}`];
    items.push(item(tone, counts ? `Attempt ${attempt}: ${text.toLowerCase()}` : text, facts, turn.detail));
  });
  const last = call.history.at(-1)?.what;
  if (call.state === "waiting" && call.due) items.push(item("is-warn", call.history.length ? "Waits to be tried again" : "Waits for its time", [`due ${ago(call.due, now)}`], moment(call.due)));
  else if (call.state === "running") items.push(item("is-accent", `Attempt ${attempt + 1}: runs`, [`since ${ago(call.since, now)}`]));
  else if (call.state === "ready") items.push(item("", "Waits in its queue", [`since ${ago(call.since, now)}`]));
  else if (FINAL.has(call.state) && call.state !== last) items.push(item(STATES[call.state][0], end(call.state), [after(call.since)], call.detail));
  return h("ol", { class: "turns" }, items);
}

const end = (state) => ({ dead: "Dead: it is among the dead letters", cancelled: "Cancelled", expired: "Expired: it was not started in time" })[state] ?? state;

function item(tone, title, facts, detail) {
  return h("li", { class: tone || null },
    h("div", { class: "head" }, h("b", null, title), facts.filter(Boolean).map((fact) => h("span", { class: "muted small" }, fact))),
    detail && h("p", { class: "muted small mono" }, detail));
}

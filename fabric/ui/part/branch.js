// The nodes of a supervision tree. A queue with many subscribers begins collapsed, and shows so many at a time.

import { h } from "../dom/h.js";
import { toFunction, toQueue } from "../data/place.js";
import { count, plural, seconds } from "../text/format.js";
import { WAITS } from "../text/words.js";
import { button } from "./card.js";

const OPEN_MAX = 25;
const SHOWN = 50;

const TONES = { up: "", restarting: "is-warn", parked: "is-bad" };
const tone = (child) => (child?.state && child.state !== "up" ? TONES[child.state] : child?.failures > 0 ? "is-warn" : "");
const isTroubled = (child) => tone(child) !== "";

/** `wish` is what is to be seen of it; `more(key, count)` asks for more nodes of one. */
export function process(it, wish, more) {
  const queues = new Map(it.queues.map((one) => [`queue ${one.name}`, one]));
  const others = it.children.filter((child) => !queues.has(child.name) && seen(child, wish, child.name));
  const used = it.permits - it.permits_free;
  return h("details", { open: true },
    h("summary", null, dot(it.phase === "running" ? "" : "is-warn"), h("span", { class: "name" }, "fabric"), h("span", { class: "told" }, `${it.phase}, ${count(used)} of ${count(it.permits)} permits are used`)),
    h("ul", null,
      others.map((child) => h("li", { key: child.name }, h("div", { class: "node" }, said(child)))),
      it.queues.map((one) => h("li", { key: one.name }, queue(one, it, wish, more)))));
}

function queue(it, { id, children }, wish, more) {
  const own = children.find(({ name }) => name === `queue ${it.name}`);
  const subscribers = new Map(it.subscribers.map((one) => [one.function, one]));
  const supervised = new Map(it.children.map((child) => [child.name, child]));
  const names = [...subscribers.keys(), ...it.children.map(({ name }) => name).filter((name) => !subscribers.has(name))];
  const wanted = names.filter((name) => seen(supervised.get(name), wish, name));
  const key = `${id}/${it.name}`;
  const limit = wish.shown.get(key) ?? SHOWN;
  const running = it.subscribers.reduce((sum, one) => sum + one.in_flight, 0);
  const waiting = it.permits_waiting > 0 ? `, ${plural(it.permits_waiting, "function")} wait for some` : "";
  const filtered = wanted.length < names.length ? `, ${count(wanted.length)} of them shown` : "";
  return h("details", { open: names.length > 0 && names.length <= OPEN_MAX },
    h("summary", null, dot(tone(own)), h("span", { class: "kind" }, "queue "), h("a", { href: toQueue(it.name), class: "name" }, it.name),
      h("span", { class: "told" }, `${own?.state ?? "up"}, ${count(running)} in flight, ${plural(it.permits, "permit")}${waiting}, ${plural(names.length, "subscriber")}${filtered}${lately(own)}`)),
    h("ul", null,
      wanted.slice(0, limit).map((name) => h("li", { key: name }, h("div", { class: "node" },
        subscribers.has(name) ? subscriber(subscribers.get(name), supervised.get(name), it.name) : said(supervised.get(name))))),
      wanted.length > limit && h("li", { key: "\u0000more" }, button(`Show ${count(Math.min(SHOWN, wanted.length - limit))} more of ${count(wanted.length - limit)}`, () => more(key, limit + SHOWN), { tone: "is-small" }))));
}

function seen(child, { part, troubled }, name) {
  return (!part || name.toLowerCase().includes(part)) && (!troubled || (child && isTroubled(child)));
}

const dot = (kind) => h("span", { class: `dot ${kind}`.trim(), "aria-hidden": "true" });
const lately = (child) => (child?.failures > 0 ? `, ${plural(child.failures, "failure")} lately` : "");

/** A child as its supervisor sees it. */
const said = (child) => [dot(tone(child)), h("span", { class: "name" }, child.name), h("span", { class: "told" }, `${child.state}${lately(child)}${child.cause ? `: ${child.cause}` : ""}`)];

function subscriber(it, child, queueName) {
  const name = queueName === "callbacks" ? h("span", { class: "name" }, it.function) : h("a", { href: toFunction(it.function), class: "name" }, it.function);
  const limit = it.concurrency === null ? "" : ` of ${count(it.concurrency)} in all workers`;
  const backlog = it.backlog > 0 ? `, ${count(it.backlog)} wait` : "";
  const why = it.waiting ? `: ${WAITS[it.waiting.reason] ?? it.waiting.reason}${it.waiting.seconds === undefined ? "" : ` (${seconds(it.waiting.seconds)} more)`}` : "";
  const phase = it.phase === "running" ? "" : `, ${it.phase}`;
  return [dot(tone(child) || (it.in_flight === 0 && it.backlog === 0 ? "is-idle" : "")), name,
    h("span", { class: "told" }, `${child?.state ?? "up"}${phase}, ${count(it.in_flight)} in flight${limit}${backlog}${why}${lately(child)}`)];
}

// The dead letters that match, and what is done with all of them.

import { h } from "../dom/h.js";
import { ask, get } from "../data/api.js";
import { go, to, toLetter } from "../data/place.js";
import { button, card, head } from "../part/card.js";
import { confirm } from "../part/confirm.js";
import { pager } from "../part/pager.js";
import { empty } from "../part/state.js";
import { table } from "../part/table.js";
import { time } from "../part/time.js";
import { toast } from "../part/toast.js";
import { count, plural } from "../text/format.js";
import { REASONS } from "../text/words.js";
import { nameOf } from "./cells.js";
import { redrive, remove } from "./letter.js";

const LIMIT = 50;

export function open({ query: { function: of, reason, cursor }, again }) {
  const filter = { function: of, reason };
  return {
    title: "Dead letters",
    load: (signal) => get("/dead-letters", { ...filter, cursor, limit: LIMIT }, signal),
    view: ({ items, next: after, count: all }) => view(items, items.length === LIMIT ? after : null, all),
  };
  function view(items, next, all) {
    return [
      head("Dead letters", {
        lead: `${plural(all, "letter")} in all: calls that nobody tries again by himself.`,
        actions: items.length > 0 && [
          button("Redrive all…", () => everything("redrive", filter).then(again), { id: "redrive-all" }),
          button("Remove all…", () => everything("remove", filter).then(again), { id: "remove-all", tone: "is-danger" }),
        ],
      }),
      filters(filter),
      card("Letters", { key: "list", tight: "none", bare: true },
        items.length === 0 ? none(all > 0) : table("Dead letters", columns(again), items, ({ number }) => String(number)),
        pager(items.length ? plural(items.length, "letter") + (next || cursor ? " on this page" : "") : "", { cursor, next, link: (after) => to("dead", { ...filter, cursor: after }) })),
    ];
  }
}

const none = (others) => (others
  ? empty("No letter matches", "Ask for less, or go back to the first page.", "dead")
  : empty("No dead letters", "Calls whose attempts are used up come here, whole."));

const columns = (again) => [
  { head: "Letter", cell: ({ number }) => h("a", { href: toLetter(number) }, `#${number}`) },
  { head: "Function", cell: (it) => (it.queue === "callbacks" ? it.function : nameOf(it.function)) },
  { head: "Why", wide: true, cell: ({ reason, detail }) => h("span", null, REASONS[reason] ?? reason, detail && h("span", { class: "muted small" }, ` – ${detail}`)) },
  { head: "Since", cell: ({ at }) => time(at) },
  { head: "", wide: true, cell: ({ number }) => h("span", { class: "row" },
    button("Redrive", () => redrive(number).then(again), { tone: "is-small", "aria-label": `Redrive letter ${number}` }),
    button("Remove…", () => remove(number).then(again), { tone: "is-small is-danger", "aria-label": `Remove letter ${number}` })) },
];

function filters({ function: of, reason }) {
  const submit = (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    go(to("dead", { function: form.elements.namedItem("function").value.trim(), reason: form.elements.namedItem("reason").value }));
  };
  const choose = (event) => event.currentTarget.form.requestSubmit();
  return h("form", { class: "filters", key: "filters", "aria-label": "Filter", on: { submit } },
    h("div", { class: "field" }, h("label", { for: "of" }, "Function"), h("input", { id: "of", name: "function", value: of ?? "", placeholder: "any", autocomplete: "off", spellcheck: "false" })),
    h("div", { class: "field" }, h("label", { for: "reason" }, "Why"),
      h("select", { id: "reason", name: "reason", on: { change: choose } }, h("option", { value: "" }, "any reason"),
        Object.entries(REASONS).map(([value, text]) => h("option", { value, selected: value === reason }, text)))),
    h("button", { type: "submit" }, "Filter"));
}

/** Counts first what it would be done to, asks, does it, and says what was left. */
async function everything(what, filter) {
  const does = what === "redrive"
    ? (query) => ask("POST", "/dead-letters/redrive", { query: { ...filter, ...query } })
    : (query) => ask("DELETE", "/dead-letters", { query: { ...filter, ...query } });
  try {
    const { data: would } = await does({ dry_run: true });
    if (would.done === 0) return toast(`Nothing to ${what}: ${would.why_left[0]?.why ?? "none matches"}.`);
    const number = `${plural(would.done, "letter")}${would.more ? " or more" : ""}`;
    const sure = await confirm(what === "redrive"
      ? { title: `Redrive ${number}?`, text: "Their calls go back to their queues and run again, with their attempts counted anew.", action: "Redrive them" }
      : { title: `Remove ${number} for good?`, text: "The calls in them are lost. This cannot be undone.", action: "Remove them", danger: true, type: "remove" });
    if (!sure) return null;
    const { data } = await does({});
    return toast(`${count(data.done)} ${what === "redrive" ? "redriven" : "removed"}${data.left ? `, ${count(data.left)} left: ${data.why_left[0]?.why ?? ""}` : ""}.`);
  } catch (error) {
    return toast(error.message, "is-bad");
  }
}

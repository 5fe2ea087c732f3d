// What is set for a function or a queue, and its editor. Who saves says which writing he has read: of two who edit, the
// second is told what the first one set, and chooses.

import { h } from "../dom/h.js";
import { Problem } from "../data/api.js";
import { button } from "./card.js";
import { toast } from "./toast.js";

/** The values as they are, those that nobody set in grey. */
export function limits(fields, annotations) {
  return h("dl", { class: "settings" }, fields.map(({ name, label, unset }) => h("div", null,
    h("dt", null, label),
    annotations?.[name] ? h("dd", null, annotations[name]) : h("dd", { class: "is-default" }, unset))));
}

/**
 * An editor: `read()` gives `{ annotations, tag, revision }` as they are now, `write(changes, tag)` saves, `done()` is
 * called at the end. Its element outlives the drawings of the page.
 */
export function editor(fields, { read, write, done }) {
  const element = h("form", { class: "stack", novalidate: true });
  let base = null;

  const begin = async () => {
    try {
      base = await read();
      draw(base.annotations);
      element.querySelector("input")?.focus();
    } catch (error) {
      toast(error.message, "is-bad");
      done();
    }
  };
  const draw = (values, conflict) => {
    element.replaceChildren(...(conflict ? [conflict] : []), h("div", { class: "fields" }, fields.map((field) => input(field, values))),
      h("div", { class: "row" }, h("button", { type: "submit", class: "is-main", id: "save" }, "Save"), button("Cancel", done)));
  };
  const typed = () => Object.fromEntries(fields.map(({ name }) => [name, element.elements.namedItem(name).value.trim()]));
  const save = async () => {
    const values = typed();
    const changes = Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== (base.annotations[name] ?? "")));
    if (Object.keys(changes).length === 0) return done();
    element.querySelector("#save").disabled = true;
    try {
      await write(changes, base);
      toast("Saved. Every process follows within a second.");
      done();
    } catch (error) {
      if (error instanceof Problem && error.status === 412) await collide(values);
      else if (error instanceof Problem) refuse(error);
      else toast(error.message, "is-bad");
      const again = element.querySelector("#save");
      if (again) again.disabled = false;
    }
  };
  const refuse = (problem) => {
    const left = [];
    let first = null;
    for (const { name } of fields) clear(element, name);
    for (const { field, reason } of problem.errors) {
      const name = fields.map((it) => it.name).find((it) => field.endsWith(`/${it}`));
      if (!name) left.push(reason);
      else first ??= fault(element, name, reason);
    }
    if (left.length > 0 || problem.errors.length === 0) toast(left.join("; ") || problem.message, "is-bad");
    first?.focus();
  };
  const collide = async (mine) => {
    const before = base;
    base = await read();
    const theirs = fields.filter(({ name }) => (base.annotations[name] ?? "") !== (before.annotations[name] ?? ""));
    const said = theirs.map(({ name, label }) => `${label}: ${base.annotations[name] ?? "not set"}`).join(", ");
    draw(mine, h("div", { class: "notice is-warn", role: "alert", id: "conflict", tabindex: "-1" },
      h("b", null, "Somebody else changed this meanwhile."),
      h("span", null, said ? `They set ${said}.` : "They changed something that is not shown here.", " Nothing of yours was saved yet: save again to overrule them, or take theirs."),
      button("Take theirs", () => draw(base.annotations), { tone: "is-small" })));
    element.querySelector("#conflict").focus();
  };
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  begin();
  return element;
}

const idOf = (name) => `set-${name.replaceAll(/[^a-z]/g, "-")}`;

function input({ name, label, hint }, values) {
  const id = idOf(name);
  return h("div", { class: "field" },
    h("label", { for: id }, label),
    h("input", { id, name, value: values[name] ?? "", autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-hint ${id}-fault` }),
    h("span", { class: "hint", id: `${id}-hint` }, hint),
    h("span", { class: "fault", id: `${id}-fault` }));
}

function fault(element, name, reason) {
  const field = element.elements.namedItem(name);
  field.setAttribute("aria-invalid", "true");
  element.querySelector(`#${idOf(name)}-fault`).textContent = reason;
  return field;
}

function clear(element, name) {
  element.elements.namedItem(name).removeAttribute("aria-invalid");
  element.querySelector(`#${idOf(name)}-fault`).textContent = "";
}

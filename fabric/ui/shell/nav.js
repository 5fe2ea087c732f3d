// The pages there are.

import { h } from "../dom/h.js";
import { morph } from "../dom/morph.js";
import { here } from "../data/place.js";
import { now, onLive } from "../data/live.js";
import { icon } from "../part/icon.js";
import { count } from "../text/format.js";

const PAGES = [
  ["overview", "Overview"],
  ["functions", "Functions"],
  ["queues", "Queues"],
  ["dead", "Dead letters", "Dead"],
  ["workers", "Workers"],
  ["tree", "Tree"],
];

export function nav(place) {
  let drawn = place;
  const draw = () => { drawn = morph(drawn, view()); };
  onLive(draw);
  window.addEventListener("hashchange", draw);
  draw();
}

function view() {
  const { page } = here();
  const dead = now()?.dead_letters ?? 0;
  const item = ([name, title, short = title]) => h("li", null,
    h("a", { href: `#/${name}`, "aria-current": page === name ? "page" : null, "aria-label": title },
      icon(name), h("span", { "aria-hidden": "true" }, matchMedia("(max-width: 52rem)").matches ? short : title),
      name === "dead" && dead > 0 && h("span", { class: "count" }, count(dead))));
  return h("nav", { class: "nav", id: "nav", "aria-label": "Pages" },
    h("a", { class: "brand", href: "#/overview" }, h("img", { src: "icon.svg", alt: "" }), "Fabric"),
    h("ul", null, PAGES.map(item)));
}

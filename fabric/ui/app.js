// Begins: the frame, what is asked all the time, and the page that the address names.

import { here } from "./data/place.js";
import { start } from "./data/live.js";
import { bar } from "./shell/bar.js";
import { door } from "./shell/door.js";
import { nav } from "./shell/nav.js";
import { screen } from "./shell/screen.js";
import * as pages from "./page/all.js";

const main = document.getElementById("main");
let leave = null;

function show() {
  const place = here();
  const open = pages.named(place.page, place.name);
  const isFirst = leave === null;
  leave?.();
  leave = screen(main, open, place);
  window.scrollTo(0, 0);
  // Who listens is told of the new page; who has just come has the whole document before him.
  if (!isFirst) main.querySelector("h1")?.focus({ preventScroll: true });
}

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
bar(document.getElementById("bar"));
nav(document.getElementById("nav"));
door();
start();
window.addEventListener("hashchange", show);
show();

// Whether what is shown is live; a press holds it.

import { h } from "../dom/h.js";
import { isAway, onReach } from "../data/api.js";
import { isPaused, onPause, setPaused } from "../data/clock.js";
import { icon } from "../part/icon.js";

export function pulse() {
  const words = h("span", { class: "words", role: "status", "aria-live": "polite" });
  const state = h("span", { class: "pulse" }, words);
  const hold = h("button", { type: "button", class: "is-plain", id: "hold", on: { click: () => setPaused(!isPaused()) } });
  const draw = () => {
    const [name, text] = isAway() ? ["away", "No answer"] : isPaused() ? ["held", "Held"] : ["live", "Live"];
    state.dataset.state = name;
    if (words.textContent !== text) words.textContent = text;
    hold.replaceChildren(icon(isPaused() ? "play" : "pause"));
    const action = isPaused() ? "Go on with live updates" : "Hold live updates";
    hold.setAttribute("aria-label", action);
    hold.title = action;
  };
  onReach(draw);
  onPause(draw);
  draw();
  const both = document.createDocumentFragment();
  both.append(state, hold);
  return both;
}

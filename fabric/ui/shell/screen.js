// Shows one page: asks for what it needs again and again, and says so while there is nothing, or when nobody answers.
//
// A page is `{ title, load, view }`: `load(signal)` asks, `view(data)` draws. What was drawn before stays where it is the
// same, and is kept, marked as old, while nobody answers.

import { Away, isAway, onReach } from "../data/api.js";
import { repeat } from "../data/clock.js";
import { onLive } from "../data/live.js";
import { h } from "../dom/h.js";
import { morph } from "../dom/morph.js";
import { failed, loading } from "../part/state.js";

const EVERY = 2_000;

export function screen(outlet, open, place) {
  const aborter = new AbortController();
  let state = { data: null, error: null, at: 0 };
  let drawn = outlet.appendChild(h("div", { class: "screen" }));
  let loop = null;

  const draw = () => {
    if (aborter.signal.aborted) return;
    document.title = `${page.title} · Fabric`;
    const isOnHead = drawn.contains(document.activeElement) && document.activeElement.tagName === "H1";
    drawn = morph(drawn, h("div", { class: "screen" }, notice(), content()));
    // Who was led to the head of the page before there was anything below it stays there.
    if (isOnHead && !drawn.contains(document.activeElement)) drawn.querySelector("h1")?.focus({ preventScroll: true });
  };
  const notice = () => state.error && state.data && h("p", { class: "notice is-bad", role: "alert", key: "notice" },
    h("b", null, state.error instanceof Away ? "This process does not answer." : "This cannot be brought up to date."),
    h("span", null, state.error instanceof Away ? "What is shown is as it was last seen; it goes on by itself when the process is back." : state.error.message));
  const content = () => {
    if (state.data !== null) return page.view(state.data);
    if (!state.error) return [h("h1", { class: "unseen", tabindex: "-1" }, page.title), loading()];
    const title = state.error instanceof Away ? "This process does not answer" : state.error.status === 404 ? "There is no such thing" : "This cannot be shown";
    const text = state.error instanceof Away ? "It may be starting again. This page asks again by itself." : state.error.message;
    return [h("h1", { class: "unseen", tabindex: "-1" }, page.title), failed(title, text, () => loop.again())];
  };
  const work = async () => {
    try {
      state = { data: await page.load(aborter.signal), error: null, at: Date.now() };
    } catch (error) {
      if (aborter.signal.aborted) return;
      // What is not there any more is not shown as if it were.
      state = { data: error.status === 404 ? null : state.data, error, at: state.at };
    }
    draw();
  };

  const page = open({ ...place, draw, again: () => loop.again() });
  draw();
  loop = repeat(work, EVERY);
  const quit = [onLive(draw), onReach(() => (isAway() ? draw() : loop.again()))];
  return () => {
    aborter.abort();
    loop.stop();
    for (const leave of quit) leave();
    drawn.remove();
  };
}

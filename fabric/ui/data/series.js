// What was seen over the last minutes, by name. Bounded: the samples of a name, and the names.

const WINDOW = 5 * 60_000;
const WINDOW_MIN = 60_000;
const SAMPLES = 160;
const NAMES = 4_000;
const all = new Map();

export function record(name, at, value) {
  const samples = all.get(name) ?? [];
  // The least recently written name is the first.
  all.delete(name);
  samples.push({ at, value });
  if (samples.length > SAMPLES) samples.shift();
  all.set(name, samples);
  if (all.size > NAMES) all.delete(all.keys().next().value);
}

/** The samples of the window, the oldest first. */
export function samples(name, now = Date.now()) {
  return (all.get(name) ?? []).filter(({ at }) => now - at <= WINDOW);
}

/** How far back a picture of these samples goes: all of the window once there is something to show for it. */
export function span(seen, now = Date.now()) {
  return Math.min(WINDOW, Math.max(WINDOW_MIN, now - (seen[0]?.at ?? now)));
}

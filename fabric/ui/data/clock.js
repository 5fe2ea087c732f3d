// Does something again and again while somebody looks: not in a hidden tab, and not while it is paused.

const listeners = new Set();
let paused = false;

export const isPaused = () => paused;

export function setPaused(value) {
  paused = value;
  for (const listener of listeners) listener();
}

export function onPause(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Runs `work` now, and so long after each end of it. `again()` has it run at once; `stop()` ends it. */
export function repeat(work, every) {
  let timer = null;
  let running = null;
  let stopped = false;
  const idle = () => stopped || document.hidden || paused;
  const again = async () => {
    clearTimeout(timer);
    if (stopped || running) return running;
    running = work();
    await running;
    running = null;
    clearTimeout(timer);
    if (!idle() && every) timer = setTimeout(again, every);
  };
  const look = () => (idle() ? clearTimeout(timer) : again());
  document.addEventListener("visibilitychange", look);
  listeners.add(look);
  again();
  const stop = () => {
    stopped = true;
    clearTimeout(timer);
    listeners.delete(look);
    document.removeEventListener("visibilitychange", look);
  };
  return { again, stop };
}

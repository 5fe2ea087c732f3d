// Numbers, lengths of time and moments as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => (value < 100_000 ? whole.format(value) : short.format(value));

/** How many in a second. */
export function rate(value) {
  if (!value) return "0";
  if (value < 0.095) return "<0.1";
  return value < 100 ? String(Number(value.toFixed(1))) : count(value);
}

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 0.001) return "<1 ms";
  if (value < 1) return `${Number((value * 1000).toPrecision(value < 0.01 ? 2 : 3))} ms`;
  if (value < 60) return `${Number(value.toFixed(value < 10 ? 1 : 0))} s`;
  const [minutes, rest] = [Math.floor(value / 60), Math.round(value % 60)];
  if (minutes < 60) return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${Number(value.toFixed(1))} ${units[unit]}`;
}

/** How long ago something was, or how long it is until then. */
export function ago(at, now = Date.now()) {
  const distance = (now - Date.parse(at)) / 1000;
  if (Math.abs(distance) < 1) return "now";
  return distance > 0 ? `${seconds(Math.floor(distance))} ago` : `in ${seconds(Math.ceil(-distance))}`;
}

export const clockTime = (at) => new Date(at).toLocaleTimeString("en-GB", { hour12: false });
export const moment = (at) => `${new Date(at).toISOString().replace("T", " ").replace("Z", "")} UTC`;

/** A text without the name and the password that a URL in it may have: a screen is seen by more than who sits there. */
export const discreet = (text) => String(text).replace(/(:\/\/)[^/?#@\s]*@/g, "$1…@");

/** `resize.acme` as its name and its namespace. */
export function split(name) {
  const at = name.indexOf(".");
  return at < 0 ? [name, ""] : [name.slice(0, at), name.slice(at + 1)];
}

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

// The admin API of the process that served this page, and whether it answers at all.

const BASE = "../admin/v1";
const WITHIN = 10_000;
// Kept for as long as the tab is open, and sent by this program only: no other site can have a browser send it.
const KEY = "fabric.key";
const listeners = new Set();
const guards = new Set();
let away = false;

/** The process said no; `detail` says why, as it was told (RFC 9457). */
export class Problem extends Error {
  constructor(status, details) {
    super(details.detail ?? `the process answered ${status}`);
    this.status = status;
    this.code = String(details.type ?? "").split(":").pop();
    this.errors = details.errors ?? [];
    this.revision = details.revision;
  }
}

/** Nobody answered. */
export class Away extends Error {}

export const isAway = () => away;

/** Calls `listener` whenever the process goes away or is back. */
export function onReach(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Calls `guard` whenever the process wants to know who asks. */
export function onStranger(guard) {
  guards.add(guard);
}

/** Sends this key from now on; none if it is empty. */
export function useKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;

const credentials = () => (hasKey() ? { authorization: `Bearer ${sessionStorage.getItem(KEY)}` } : {});

/** Asks, and gives what was answered and its tag. */
export async function ask(method, path, { query, body, headers, signal } = {}) {
  const signals = [AbortSignal.timeout(WITHIN), ...(signal ? [signal] : [])];
  let answer;
  let text;
  try {
    answer = await fetch(url(path, query), {
      method,
      headers: { ...credentials(), accept: "application/json", ...(body ? { "content-type": "application/json" } : {}), ...headers },
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.any(signals),
      cache: "no-store",
    });
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    reach(true);
    throw new Away("This process does not answer.");
  }
  reach(false);
  const data = read(text, answer.status);
  if (answer.status === 401) for (const guard of guards) guard(data?.detail);
  if (!answer.ok) throw new Problem(answer.status, data ?? {});
  return { data, tag: answer.headers.get("etag") };
}

export const get = async (path, query, signal) => (await ask("GET", path, { query, signal })).data;

/** A name or an id as a part of a path. */
export const part = (name) => encodeURIComponent(name);

function url(path, query) {
  const known = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return `${BASE}${path}${known.length ? `?${new URLSearchParams(known)}` : ""}`;
}

function read(text, status) {
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem(status, { detail: `the answer (${status}) is no JSON: is something else in between?` });
  }
}

function reach(isGone) {
  if (away === isGone) return;
  away = isGone;
  for (const listener of listeners) listener(away);
}

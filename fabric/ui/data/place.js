// Where in the dashboard one is: `#/functions/resize.acme?cursor=x`.

/** A link to a page. */
export function to(path, query) {
  const known = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const parts = path.split("/").map(encodeURIComponent).join("/");
  return `#/${parts}${known.length ? `?${new URLSearchParams(known)}` : ""}`;
}

/** Links to what has a name of its own. */
export const toFunction = (name) => `#/functions/${encodeURIComponent(name)}`;
export const toQueue = (name) => `#/queues/${encodeURIComponent(name)}`;
export const toCall = (id) => `#/calls/${encodeURIComponent(id)}`;
export const toLetter = (number) => `#/dead/${encodeURIComponent(number)}`;

export function go(link) {
  location.hash = link;
}

/** What the address says: the page's name, what of it is meant, and the query. */
export function here() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/").map(decoded);
  return { page: page || "overview", name: rest.join("/"), query: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

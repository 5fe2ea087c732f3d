// What stands above every page: search, whether what is shown is live, and the colours.

import { pulse } from "./pulse.js";
import { search } from "./search.js";
import { theme } from "./theme.js";

export function bar(place) {
  place.append(search(), pulse(), theme());
  return place;
}

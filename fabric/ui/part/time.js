// A moment: how long ago for the eye, exactly for who asks.

import { h } from "../dom/h.js";
import { ago, moment } from "../text/format.js";

export const time = (at) => h("time", { datetime: at, title: moment(at), class: "nowrap" }, ago(at));

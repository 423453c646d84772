// Signs: a shape and a colour for each state, so that neither alone carries the meaning.

import { h } from "../render.js";

const SHAPES = {
  up: [["circle", { cx: 8, cy: 8, r: 6.5 }], ["path", { class: "ink", d: "M5 8.3l2.1 2.1L11.2 6" }]],
  degraded: [["path", { d: "M8 1.5 15 14H1z" }], ["path", { class: "ink", d: "M8 6v4M8 11.6v.6" }]],
  down: [["rect", { x: 1.5, y: 1.5, width: 13, height: 13, rx: 2 }], ["path", { class: "ink", d: "M5.2 5.2l5.6 5.6M10.8 5.2l-5.6 5.6" }]],
  "no-data": [["circle", { class: "hollow", cx: 8, cy: 8, r: 5.8 }]],
  paused: [["circle", { cx: 8, cy: 8, r: 6.5 }], ["path", { class: "ink", d: "M6.3 5.4v5.2M9.7 5.4v5.2" }]],
  start: [["circle", { class: "hollow", cx: 8, cy: 8, r: 5.8 }], ["path", { class: "line", d: "M8 5v6M5 8h6" }]],
};

/** States that share a shape. */
const DRAWN = { partial: "degraded", "nobody-may-judge": "no-data", maintenance: "paused" };

export const WORD = {
  up: "up",
  degraded: "degraded",
  down: "down",
  "no-data": "no data",
  "not-asked": "–",
  paused: "paused",
  partial: "partial",
  "nobody-may-judge": "measured, but nobody may judge",
  maintenance: "maintenance",
  "no-asset": "no asset",
  "status-only": "status fails",
};

/** The shape alone; the words stand beside it. */
export function sign(state, size = "") {
  const drawn = DRAWN[state] ?? state;
  const shapes = (SHAPES[drawn] ?? SHAPES["no-data"]).map(([tag, props]) => h(tag, props));
  return h(`svg.sign.${drawn}`, { class: size, viewBox: "0 0 16 16", "aria-hidden": "true" }, shapes);
}

/** Shape and word. */
export function label(state, text) {
  return h(`span.label.${DRAWN[state] ?? state}`, {}, sign(state), h("span", {}, text ?? WORD[state] ?? state));
}

/** A word that a reader may not know, with its meaning on hover and focus. */
export function term(word, meaning) {
  return h("abbr", { title: meaning, tabindex: "-1" }, word);
}

// What the reader chose, which no update may undo; and the way to ask for a redraw.

export const ui = {
  /** Draws the page again with the newest view; app.js sets it. */
  redraw() {},
  /** Family of the mesh matrix, or null for the first that has data. */
  family: null,
  /** Matrix cell under the pointer or the keyboard: { from, to } by name, or null. */
  pair: null,
  /** Matrix cell that the Tab key reaches: { from, to } by name, or null for the first. */
  anchor: null,
  /** Width of the map in pixels, which decides what labels fit. */
  mapWidth: 0,
  /** Nodes report of the node pages: { data, days, asking, at, reason }. */
  history: null,
};

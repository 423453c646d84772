// The mesh matrix alone.

import { matrix } from "../parts/matrix.js";
import { h } from "../render.js";

export function mesh(view) {
  return h("section.card.mesh-card", {}, h("h2", {}, "Mesh", h("small", {}, "Probes measuring each other")), matrix(view));
}

// The probes in full.

import { firstSteps } from "../parts/notes.js";
import { planLine, probeSummary, probeTable } from "../parts/probes.js";
import { h } from "../render.js";

export function probes(view) {
  if (view.probes.length === 0) return firstSteps(view);
  return h("section.card", {}, h("h2", {}, "Probes"), probeSummary(view), h("p.small", {}, planLine(view)), probeTable(view, true));
}

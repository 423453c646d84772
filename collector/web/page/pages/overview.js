// The overview: what is wrong first, then where, then everything else on one page.

import { incidentCard, isFailing, ordered, outbox } from "../parts/incident.js";
import { ledger } from "../parts/ledger.js";
import { map } from "../parts/map.js";
import { matrix } from "../parts/matrix.js";
import { nodeTable } from "../parts/nodes.js";
import { firstSteps } from "../parts/notes.js";
import { planLine, probeSummary, probeTable } from "../parts/probes.js";
import { h } from "../render.js";
import { plural, span } from "../words.js";

const RULE = "An incident opens when two thirds of those who may judge a node fail at once, in two networks at least (from two vantages, where the mesh has one network), or when a probe falls silent. One vantage alone pages nobody.";
const SHOWN = 3;
/** Of those that fail now; the headline names all. */
const FAILING_SHOWN = 4;
const MANY = 12;

export function overview(view) {
  const open = view.incidents.filter(isFailing);
  const start = view.probes.length === 0 || view.nodes.length === 0;
  return [
    start ? firstSteps(view) : null,
    view.probes.length + view.nodes.length === 0 ? null : h("div.top", {},
      h("section.card", { key: "world" }, h("h2", {}, "Where"), map(view)),
      h("section.card.incidents", { key: "incidents", class: open.length ? "hot" : null }, h("h2", {}, "Incidents"), incidents(view, open))),
    view.nodes.length === 0 ? null : h("section.card", { key: "nodes" },
      heading("Nodes", `Figures over the last ${span(view.window_s)}; times are UTC`), nodeTable(view)),
    view.probes.length === 0 ? null : h("div.pair", { key: "pair", class: view.mesh.length === 0 ? "bare" : view.probes.length > MANY ? "tall" : null },
      h("section.card.mesh-card", {}, heading("Mesh", "Probes measuring each other"), matrix(view)),
      h("div.side", {},
        h("section.card", {}, h("h2", {}, "Ledger"), ledger(view)),
        h("section.card", {}, h("h2", {}, "Plan"), h("p", {}, planLine(view))))),
    view.probes.length === 0 ? null : h("section.card", { key: "probes" }, h("h2", {}, "Probes"), probes(view)),
  ];
}

function heading(title, note) {
  return h("h2", {}, title, h("small", {}, note));
}

/** All of a small mesh; of a large one the probes that are missing. */
function probes(view) {
  const missing = view.probes.filter((probe) => probe.state === "away" || probe.state === "silent");
  const shown = view.probes.length <= MANY ? view.probes : missing;
  return [
    probeSummary(view),
    shown.length ? probeTable(view, false, shown) : null,
    h("p", {}, h("a", { href: "#/probes" }, "All probes, with echo port, plan and version")),
  ];
}

function incidents(view, open) {
  const all = ordered(view.incidents);
  if (all.length === 0) return [h("p.none", {}, "None is on record."), outbox(view), view.nodes.length ? h("p.small", {}, RULE) : null];
  const shown = all.slice(0, Math.max(SHOWN, Math.min(open.length, FAILING_SHOWN)));
  return [
    open.length === 0 ? h("p.calm", {}, "Nothing fails at the moment. The latest:") : null,
    shown.map((incident) => incidentCard(incident, view, isFailing(incident) && open.length <= 2, true)),
    all.length > shown.length ? h("p", {}, h("a", { href: "#/incidents" }, plural(all.length - shown.length, "more incident"))) : null,
  ];
}

// All incidents that the collector sends, with their evidence.

import { incidentCard, ordered, outbox } from "../parts/incident.js";
import { h } from "../render.js";

export function incidents(view) {
  const all = ordered(view.incidents);
  return h("section.card.incidents", {},
    h("h2", {}, "Incidents"),
    outbox(view),
    all.length === 0 ? h("p.none", {}, "None is on record.") : all.map((incident) => incidentCard(incident, view, incident.state === "open")));
}

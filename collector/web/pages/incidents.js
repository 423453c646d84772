// All incidents that the collector sends, with their evidence.

import { incidentCard, ordered } from "../parts/incident.js";
import { label } from "../parts/sign.js";
import { h } from "../render.js";
import { clock, plural } from "../words.js";

export function incidents(view) {
  const all = ordered(view.incidents);
  return h("section.card.incidents", {},
    h("h2", {}, "Incidents"),
    outbox(view),
    all.length === 0 ? h("p.none", {}, "None in the last days.") : all.map((incident) => incidentCard(incident, view, incident.state === "open")));
}

function outbox(view) {
  const { receivers, pending, oldest } = view.alerts;
  if (receivers === 0) return h("p", {}, label("degraded", "No receiver of alerts is configured: nobody is told while nobody looks."));
  if (pending === 0) return h("p", {}, label("up", `Every alert was delivered; ${plural(receivers, "receiver")} configured.`));
  const since = oldest ? ` since ${clock(oldest, view.generated_at)} UTC` : "";
  return h("p", {}, label("degraded", `${plural(pending, "alert waits", "alerts wait")} for a receiver${since}. None is lost; the collector tries again.`));
}

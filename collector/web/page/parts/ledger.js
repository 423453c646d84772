// The ledger: every planned check is accounted for, or the page says that it is not.

import { h } from "../render.js";
import { clock, count, percent, plural } from "../words.js";
import { label, term } from "./sign.js";

const PARTS = [
  ["stored", "stored", "Measured, and durably in the store."],
  ["spooled", "on the way", "Measured, and kept on the probe's disk until the collector has it."],
  ["skipped", "skipped", "Not measured, for a cause that the probe noted: it was late, busy, or shutting down."],
  ["absent", "absent", "Planned, and nothing was heard: the probe was stopped, its machine is off, or its results are still on their way."],
  ["dropped", "dropped", "Measured, and lost: a probe's disk space for waiting results was full, or a row of the store was damaged."],
  ["refused", "refused", "Results that contradicted the plan. Kept apart, and not counted as measured."],
  ["forked", "forked", "Results of a copied or restored probe. Kept apart, and not counted twice."],
];

export function ledger(view) {
  const totals = view.ledger;
  if (totals.planned === 0) return h("p.none", {}, "No check was planned so far. As soon as two probes are connected, they measure each other.");
  const present = PARTS.filter(([key]) => totals[key] > 0);
  return h("div.ledger", {},
    h("p", {}, sentence(totals)),
    h("div.bar", { role: "img", "aria-label": present.map(([key, name]) => `${name} ${percent(totals[key] / totals.planned)}`).join(", ") },
      present.map(([key]) => h(`i.${key}`, { key, style: { "flex-grow": String(totals[key]) } }))),
    h("dl.parts", {}, PARTS.map(([key, name, meaning]) => h("div", { key, class: totals[key] ? null : "zero" },
      h("dt", {}, h(`i.${key}`, {}), term(name, meaning)),
      h("dd", {}, count(totals[key]), h("small", {}, percent(totals[key] / totals.planned)))))),
    h("p.small", {}, lost(totals)),
    h("p.small", {}, period(totals, view)));
}

/** What of these parts never comes back, in words. */
function lost(totals) {
  const damaged = totals.damaged ? `${count(totals.damaged)} of those dropped were lost with damaged rows of the store. ` : "";
  const revoked = totals.revoked ? `${count(totals.revoked)} of those on the way or absent never come: their probe was revoked.` : "";
  return `${damaged}${revoked}`;
}

function sentence(totals) {
  const sum = `${plural(totals.planned, "check was planned", "checks were planned")}, ${count(totals.run)} ran.`;
  if (totals.balanced) return [label("up", "Every planned check is accounted for."), ` ${sum}`];
  const apart = Math.abs(totals.planned - totals.run - totals.skipped - totals.absent);
  const gap = apart ? ` ${plural(apart, "check is", "checks are")} not explained yet.` : "";
  return [label("degraded", "The account does not balance."), ` ${sum}${gap} `, h("code", {}, "isochrone-collector ledger"), " shows for which probe and hour."];
}

function period(totals, view) {
  if (!totals.from || !totals.to) return "";
  const now = view.generated_at;
  return `Counted from ${clock(totals.from, now)} to ${clock(totals.to, now)} UTC, over all probes.`;
}

// An incident with what proves it: who saw it, from which network, in which phase, and the error verbatim.

import { h } from "../render.js";
import { clock, full, network, plural, span } from "../words.js";
import { label, sign } from "./sign.js";

const CHECK = {
  connect: (name) => `${name} cannot be reached`,
  name: (name) => `The name of ${name} gives no address`,
  status: (name) => `${name} does not answer its status`,
  asset: (name) => `${name} delivers no asset`,
  probe: (name) => `The probe ${name} is silent`,
};
const PAST = {
  connect: (name) => `${name} could not be reached`,
  name: (name) => `The name of ${name} gave no address`,
  status: (name) => `${name} did not answer its status`,
  asset: (name) => `${name} delivered no asset`,
  probe: (name) => `The probe ${name} was silent`,
};
const CAUSE = {
  node: "the fault seems to be at the node",
  source: "by the node's own word the fault is a storage source's",
  shared: "half of all nodes or more failed at once: look for what they share",
  path: "the fault seems to be on the path: some networks reach it",
  probe: "the fault seems to be at the probe; no node is blamed",
  unknown: "where the fault is, is not known",
};

/** Up to so long, in seconds, an incident's times show their seconds. */
const SHORT_S = 600;

/** Open ones first, then the newest. */
export function ordered(incidents) {
  return [...incidents].sort((a, b) => (b.state === "open") - (a.state === "open") || Date.parse(b.start) - Date.parse(a.start));
}

/** One incident; `open` unfolds its evidence at first. */
export function incidentCard(incident, view, open) {
  const isOpen = incident.state === "open";
  const seconds = isOpen ? Math.max(incident.duration_s, (Date.parse(view.generated_at) - Date.parse(incident.start)) / 1000) : incident.duration_s;
  const title = (isOpen ? CHECK : PAST)[incident.check](incident.target);
  const short = seconds < SHORT_S;
  const start = clock(incident.start, view.generated_at, short);
  const when = isOpen ? `since ${start} UTC, for ${span(seconds)}` : `${start} to ${clock(incident.end, view.generated_at, short)} UTC, ${span(seconds)}`;
  const vantages = new Set(incident.evidence.map((cell) => cell.vantage)).size;
  return h(`article.incident.${incident.state}`, { key: incident.id },
    h("h3", {}, sign(isOpen ? "down" : "up"), h("span", {}, title)),
    h("p.when", { title: full(incident.start) }, when),
    h("p", {}, `${CAUSE[incident.cause][0].toUpperCase()}${CAUSE[incident.cause].slice(1)}.`, marks(incident), incident.caveat ? ` ${incident.caveat}` : ""),
    h("p.alerts", {}, alerts(incident)),
    incident.evidence.length === 0 ? null : h("details", { open },
      h("summary", {}, incident.check === "probe" ? "Evidence" : `Evidence: ${plural(vantages, "vantage")}`),
      evidenceTable(incident, view)));
}

/** What is special about it, in sentences. */
function marks(incident) {
  const others = incident.checks.filter((check) => check !== incident.check);
  const too = others.length ? ` Failing in it as well: ${others.join(", ")}.` : "";
  const flaps = incident.flapping ? ` It comes and goes: down ${incident.flapping} times so far.` : "";
  const late = incident.late ? " It was found in results that came late: nobody was woken." : "";
  return `${too}${flaps}${late}`;
}

function evidenceTable(incident, view) {
  return h("div.scroll", {}, h("table.list.evidence", {},
    h("thead", {}, h("tr", {}, ["When (UTC)", "Vantage", "Failed at", "Error"].map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, incident.evidence.map((cell, index) => h("tr", { key: `${cell.vantage} ${cell.at} ${index}` },
      h("td", { title: full(cell.at) }, clock(cell.at, view.generated_at, true)),
      h("td", {}, h("b", {}, cell.vantage), h("small", {}, network(cell.network))),
      h("td", {}, cell.phase || "–"),
      h("td.error", {}, h("code", {}, cell.error)))))));
}

/** Whether anybody would be told, and whether everybody was. */
export function outbox(view) {
  const { receivers, pending, oldest } = view.alerts;
  if (receivers === 0) return h("p", {}, label("degraded", "No receiver of alerts is configured: nobody is told while nobody looks."));
  if (pending === 0) return h("p", {}, label("up", `${view.incidents.length ? "Every alert was delivered" : "No alert waits"}; ${plural(receivers, "receiver")} configured.`));
  const since = oldest ? ` since ${clock(oldest, view.generated_at)} UTC` : "";
  return h("p", {}, label("degraded", `${plural(pending, "alert waits", "alerts wait")} for a receiver${since}. None is lost; the collector tries again.`));
}

function alerts(incident) {
  const parts = [];
  if (incident.alerts_delivered) parts.push(`${plural(incident.alerts_delivered, "alert")} delivered`);
  if (incident.alerts_pending) parts.push(`${plural(incident.alerts_pending, "alert")} waiting for a receiver`);
  if (parts.length === 0) return "No alert was sent.";
  return label(incident.alerts_pending ? "degraded" : "up", parts.join(", "));
}

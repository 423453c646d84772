// An incident with what proves it: who saw it, from which network, in which phase, and the error verbatim.

import { h } from "../render.js";
import { clock, full, network, plural, span } from "../words.js";
import { label, sign } from "./sign.js";

const CHECK = {
  connect: (name) => `${name} cannot be reached`,
  name: (name) => `The name of ${name} gives no address`,
  status: (name) => `${name} does not answer its status`,
  asset: (name) => `${name} delivers no asset`,
  http: (name) => `The page of ${name} does not answer`,
  probe: (name) => `The probe ${name} is silent`,
  data: (name) => `How ${name} is, nobody can say`,
};
const PAST = {
  connect: (name) => `${name} could not be reached`,
  name: (name) => `The name of ${name} gave no address`,
  status: (name) => `${name} did not answer its status`,
  asset: (name) => `${name} delivered no asset`,
  http: (name) => `The page of ${name} did not answer`,
  probe: (name) => `The probe ${name} was silent`,
  data: (name) => `How ${name} was, nobody could say`,
};
/** What failed, in a word. */
const WORDS = { http: "page" };
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

/** Those that fail first, then those that come and go, then the newest. */
export function ordered(incidents) {
  const rank = (incident) => (incident.state === "open") + isFailing(incident);
  return [...incidents].sort((a, b) => rank(b) - rank(a) || Date.parse(b.start) - Date.parse(a.start));
}

/** One incident; `open` unfolds its evidence at first, `brief` makes one entry of equal errors. */
export function incidentCard(incident, view, open, brief = false) {
  const isOpen = incident.state === "open";
  if (incident.up_since) return flappingCard(incident, view, brief);
  const seconds = isOpen ? Math.max(incident.duration_s, (Date.parse(view.generated_at) - Date.parse(incident.start)) / 1000) : incident.duration_s;
  const title = (isOpen ? CHECK : PAST)[incident.check](incident.target);
  const short = seconds < SHORT_S;
  const start = clock(incident.start, view.generated_at, short);
  const when = isOpen ? `since ${start} UTC, for ${span(seconds)}` : `${start} to ${clock(incident.end, view.generated_at, short)} UTC, ${span(seconds)}`;
  return h(`article.incident.${incident.state}`, { key: incident.id },
    h("h3", {}, sign(isOpen ? (incident.check === "data" ? "no-data" : "down") : "up"), h("span", {}, title)),
    h("p.when", { title: full(incident.start) }, when),
    proof(incident, view, open, brief));
}

/** One that comes and goes and answers at the moment: neither down nor over. */
function flappingCard(incident, view, brief) {
  return h("article.incident.flapping", { key: incident.id },
    h("h3", {}, sign("degraded"), h("span", {}, `${incident.target} comes and goes`)),
    h("p.when", { title: full(incident.start) }, `up since ${clock(incident.up_since, view.generated_at, true)} UTC. It is over once it has been up for 10 min.`),
    proof(incident, view, false, brief));
}

/** Why, who was told, and who saw it. */
function proof(incident, view, open, brief) {
  return [
    h("p", {}, incident.check === "data" ? "" : `${CAUSE[incident.cause][0].toUpperCase()}${CAUSE[incident.cause].slice(1)}.`, marks(incident), incident.caveat ? ` ${incident.caveat}` : ""),
    h("p.alerts", {}, alerts(incident)),
    incident.evidence.length === 0 ? counted(incident) : h("details", { open },
      h("summary", {}, incident.check === "probe" ? "Evidence" : `Evidence: ${plural(incident.vantages, "vantage")}`),
      brief ? evidenceGroups(incident, view) : evidenceTable(incident, view)),
  ];
}

/** Of so many incidents that their evidence is not sent: how many saw it, and where it stands. */
function counted(incident) {
  if (incident.vantages === 0) return null;
  return h("p", {}, `Seen from ${plural(incident.vantages, "vantage")}; `, h("code", {}, `isochrone-collector show ${incident.target}`), " lists them.");
}

/** Whether it fails at this moment. */
export function isFailing(incident) {
  return incident.state === "open" && !incident.up_since;
}

/** What is special about it, in sentences. */
function marks(incident) {
  const others = incident.checks.filter((check) => check !== incident.check).map((check) => WORDS[check] ?? check);
  const too = others.length ? ` Failing in it as well: ${others.join(", ")}.` : "";
  const rate = incident.openings_per_hour;
  const often = rate ? `, ${rate.toFixed(rate < 9.5 ? 1 : 0)} an hour` : "";
  const times = incident.flapping > 1 ? `down ${incident.flapping} times since then` : "it was down shortly before this as well";
  const flaps = incident.flapping ? ` It comes and goes: ${times}${often}.` : "";
  const late = incident.late ? " It was found in results that came late: nobody was woken." : "";
  return `${too}${flaps}${late}`;
}

/** What failed in the same way is one entry, with all who saw it. */
function evidenceGroups(incident, view) {
  const groups = new Map();
  for (const cell of incident.evidence) {
    const key = `${cell.phase} ${cell.error}`;
    groups.set(key, [...(groups.get(key) ?? []), cell]);
  }
  return h("ul.groups", {}, [...groups].map(([key, cells]) => {
    const newest = cells.reduce((a, b) => (Date.parse(a.at) > Date.parse(b.at) ? a : b));
    const names = [...new Set(cells.map((cell) => cell.vantage))];
    return h("li", { key },
      h("p", {}, h("b", {}, plural(names.length, "vantage")), ` by ${clock(newest.at, view.generated_at, true)}`, newest.phase ? `, at ${newest.phase}` : "", ":"),
      h("code", {}, newest.error || "no error text"),
      h("small", {}, names.join(", ")));
  }));
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
  if (parts.length === 0) return incident.state === "open" ? "No alert so far." : "No alert was sent.";
  return label(incident.alerts_pending ? "degraded" : "up", parts.join(", "));
}

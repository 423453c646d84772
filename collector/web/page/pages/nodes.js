// All nodes, or one of them with what every vantage says and its last days.

import { nodeState, signOf } from "../headline.js";
import { incidentCard, ordered } from "../parts/incident.js";
import { figure, idle, nodeTable, statusName, verdictCell } from "../parts/nodes.js";
import { firstSteps } from "../parts/notes.js";
import { label, sign } from "../parts/sign.js";
import { h } from "../render.js";
import { ui } from "../ui.js";
import { age, clock, count, day, full, milliseconds, network, NOTHING, plural, span } from "../words.js";

const DAYS = 15;
/** The history is read again after so long. */
const FRESH_MS = 60_000;
const OUTCOME = { ok: "up", failed: "down", "no-data": "no-data" };
const OUTCOME_WORD = { ok: "ok", failed: "failed", "no-data": "no data" };

export function nodes(view, name) {
  if (name) return one(view, name);
  if (view.nodes.length === 0) return firstSteps(view);
  return h("section.card", {},
    h("h2", {}, "Nodes", h("small", {}, `Figures over the last ${span(view.window_s)}; times are UTC`)),
    nodeTable(view),
    h("p", {}, h("a", { href: "report/nodes" }, "Every node by day: checks, times and outages")),
    h("p", {}, h("a", { href: "report/audit" }, "Does the chain represent reality? Families, buckets and operators")));
}

function one(view, name) {
  const node = view.nodes.find((candidate) => candidate.name === name);
  if (!node) return h("section.card", {}, h("h2", {}, `No node is called ${name}`), h("p", {}, h("a", { href: "#/nodes" }, "All nodes")));
  const incidents = ordered(view.incidents.filter((incident) => incident.target === name && incident.check !== "probe"));
  return [
    h("section.card", { key: "facts" },
      h("h2.big", {}, sign(signOf(nodeState(node))), node.name, h("small", {}, `${node.place} · ${node.worker} · ${network(node.network)}`)),
      h("p.url", {}, h("code", {}, node.url)),
      h("dl.facts", {},
        fact("Reached", verdictCell(node.connect, view)),
        fact(statusName(node), verdictCell(node.status, view)),
        fact("Asset", verdictCell(node.asset, view)),
        fact("Connect, median", figure(node.connect_p50_ms, node.connect_samples)),
        fact("First byte, median, cached", figure(node.ttfb_p50_ms, node.ttfb_samples)),
        fact("Checks", h("span.figure", {}, count(node.samples), h("small", {}, `in the last ${span(view.window_s)}`))),
        fact("Certificate", node.cert_expires ? h("span", { title: full(node.cert_expires) }, `until ${day(node.cert_expires)}`) : NOTHING))),
    h("section.card", { key: "vantages" }, h("h2", {}, "Newest result from each vantage"), vantages(node, view)),
    h("section.card", { key: "history" }, h("h2", {}, `The last ${DAYS} days`), history(node.name)),
    incidents.length ? h("section.card.incidents", { key: "incidents" }, h("h2", {}, "Incidents"),
      incidents.map((incident) => incidentCard(incident, view, incident.state === "open"))) : null,
  ];
}

function fact(name, content) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, content));
}

function vantages(node, view) {
  if (node.cells.length === 0) return h("p.none", {}, "No vantage checked this node so far.");
  const cells = [...node.cells].sort((a, b) => a.own - b.own || a.vantage.localeCompare(b.vantage) || a.family.localeCompare(b.family));
  return h("div.scroll", {}, h("table.list.vantages", {},
    h("thead", {}, h("tr", {}, ["Vantage", "Reached", statusName(node), "Asset", "Connect", "When", "Why, if it fails now"].map((head) => h("th", { scope: "col", class: head === "Connect" ? "number" : null }, head)))),
    h("tbody", {}, cells.map((cell) => h("tr", { key: `${cell.vantage} ${cell.family}`, class: cell.own ? "own" : null },
      h("th.name", { scope: "row" }, h("b", {}, cell.vantage), h("small", {}, [`${network(cell.network)} · IP${cell.family}`, idle(cell)].filter(Boolean).join(" · "))),
      h("td", {}, outcome(cell.connect)),
      h("td", {}, outcome(cell.status)),
      h("td", {}, outcome(cell.asset)),
      h("td.number", {}, milliseconds(cell.connect_ms)),
      h("td", { title: cell.at ? full(cell.at) : null }, cell.at ? `${span(age(cell.at, view.generated_at))} ago` : NOTHING),
      h("td.error", {}, cell.error ? [cell.phase ? `${cell.phase}: ` : "", h("code", {}, cell.error)] : NOTHING))))));
}

/** What became of one check; a dash for one that it is not to ask. */
function outcome(of) {
  return of === "not-asked" ? h("span.none", { title: "not asked: it has none" }, NOTHING) : label(OUTCOME[of], OUTCOME_WORD[of]);
}

/** Days and outages from the nodes report: the last day at once, the others once they are read, then once a minute. */
function history(name) {
  const held = ui.history;
  if (!held || (!held.asking && performance.now() - held.at > FRESH_MS)) ask(held);
  const { data, reason, asking } = ui.history;
  if (!data) return h("p.none", {}, asking ? "Reading the report …" : reason);
  const mine = data.nodes.find((entry) => entry.node === name);
  const reading = ui.history.days < DAYS ? h("p.none", {}, asking ? `Reading the other ${DAYS - 1} days …` : reason) : null;
  if (!mine || mine.days.length === 0) return [reading, h("p.none", {}, "No day is on record yet.")];
  return [reading, days(mine), outages(mine), h("p.none", {}, source(data))];
}

const TIER = { raw: "single measurements", hour: "sums of hours", day: "sums of days" };

/** What the report was read from, and since when anything is kept if that is less than was asked for. */
export function source({ tiers, before_kept: before }) {
  const minute = (instant) => `${day(instant)} ${clock(instant, instant)}`;
  const spans = tiers.map((one) => `${TIER[one.tier]} from ${minute(one.from)} to ${minute(one.to)}`);
  const read = spans.length ? `Read from ${spans.join(", ")} (UTC).` : "";
  if (!before?.kept_from) return read;
  const kept = minute(before.kept_from);
  return `${before.removed ? `Nothing before ${kept} is kept: retention removed it` : `Nothing was stored before ${kept}`}. ${read}`;
}

/** One report holds all nodes: what one node's page read, the next one shows. */
async function ask(held) {
  ui.history = { ...held, asking: true };
  if (!held?.data) await read(1);
  await read(DAYS);
  ui.history = { ...ui.history, asking: false, at: performance.now() };
  ui.redraw();
}

async function read(since) {
  try {
    const answer = await fetch(`api/report/nodes?since=${since}d`, { cache: "no-store" });
    if (answer.ok) ui.history = { ...ui.history, data: await answer.json(), days: since, reason: "" };
    else ui.history = { ...ui.history, reason: (await answer.text()).trim() };
  } catch {
    ui.history = { ...ui.history, reason: "The collector does not answer; the report is asked for again in a minute." };
  }
  ui.redraw();
}

function days(entry) {
  const plain = entry.days.some((one) => one.http_checks > 0);
  return h("div.scroll", {}, h("table.list", {},
    h("thead", {}, h("tr", {}, ["Day", "Checks", plain ? "Page ok" : "Status ok", "Asset ok", "First byte p50", "First byte p90"].map((head, index) => h("th", { scope: "col", class: index ? "number" : null }, head)))),
    h("tbody", {}, [...entry.days].reverse().map((one) => h("tr", { key: one.day },
      h("th", { scope: "row" }, one.day),
      h("td.number", {}, count(one.checks)),
      h("td.number", {}, share(plain ? one.http_ok : one.status_ok)),
      h("td.number", {}, share(one.asset_ok)),
      h("td.number", {}, milliseconds(one.ttfb_p50_ms)),
      h("td.number", {}, milliseconds(one.ttfb_p90_ms)))))));
}

/** The report gives a share (0 to 1) or null. */
function share(value) {
  if (value === null || value === undefined) return NOTHING;
  return `${(100 * value).toFixed(2)} %`;
}

function outages(entry) {
  if (entry.outages.length === 0) return h("p.calm", {}, ui.history.days < DAYS ? "No outage in the last day." : "No outage on record.");
  const newest = [...entry.outages].reverse();
  return h("ul.outages", {}, newest.map((outage) => h("li", { key: outage.start },
    h("b", { title: full(outage.start) }, `${day(outage.start)} ${clock(outage.start, outage.start)} UTC`),
    outage.end ? `, for ${span(age(outage.start, outage.end))}` : outage.up_since ? `, last up since ${clock(outage.up_since, outage.start, true)} UTC and watched` : ", still open",
    `: ${outage.cause}; seen from ${plural(outage.vantages.length, "vantage")} (${outage.vantages.join(", ")})`)));
}

// The table of nodes: status and asset apart, and one small mark for each vantage.

import { h } from "../render.js";
import { nodeState, RANK, signOf } from "../headline.js";
import { age, byName, clock, count, full, listed, milliseconds, network, NOTHING, plural } from "../words.js";
import { label, sign, term, WORD } from "./sign.js";

/** Nodes, the ones that need a look first. */
export function sorted(nodes) {
  return [...nodes].sort((a, b) => RANK.indexOf(nodeState(a)) - RANK.indexOf(nodeState(b)) || byName(a, b));
}

export function nodeTable(view) {
  const heads = [
    ["Node"],
    ["Reached"],
    ["Status"],
    ["Asset"],
    ["Vantages"],
    ["Connect", "number"],
    ["First byte", "number"],
    ["Certificate", "number"],
  ];
  const titles = {
    Reached: "Can the node be reached at all?",
    Status: "Does the node answer its status request, or a plain HTTP endpoint with its page?",
    Asset: "Does the node deliver a real file?",
    Vantages: "One mark for each vantage: upper half reached and status, lower half asset. A round mark is the worker's own probe, a pale one fails for a fault of its own: neither judges.",
    Connect: "Median time to open a connection, from all vantages but the worker's own",
    "First byte": "Median time to the first byte, answers from the node's cache only",
    Certificate: "Time until the TLS certificate ends",
  };
  return h("div.scroll", {},
    h("table.list.nodes", { role: "table" },
      h("caption.unseen", {}, "Nodes"),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map(([name, kind]) =>
        h("th", { role: "columnheader", scope: "col", class: kind }, titles[name] ? term(name, titles[name]) : name)))),
      h("tbody", { role: "rowgroup" }, sorted(view.nodes).map((node) => row(node, view)))));
}

function row(node, view) {
  const state = nodeState(node);
  return h(`tr.is-${signOf(state)}`, { key: node.name, role: "row" },
    h("th.name", { scope: "row", role: "rowheader" },
      h("a", { href: `#/nodes/${encodeURIComponent(node.name)}` }, sign(signOf(state)), h("b", {}, node.name)),
      h("small", {}, `${node.place} · ${node.worker}`)),
    field("Reached", verdictCell(node.connect, view)),
    field(statusName(node), [verdictCell(node.status, view), node.plain ? h("small", {}, "page") : null]),
    field("Asset", verdictCell(node.asset, view)),
    field("Vantages", strip(node)),
    field("Connect", figure(node.connect_p50_ms, node.connect_samples), "number"),
    field("First byte", figure(node.ttfb_p50_ms, node.ttfb_samples), "number"),
    field("Certificate", certificate(node, view), "number"));
}

function field(name, content, kind) {
  return h("td", { role: "cell", "data-label": name, class: kind }, content);
}

/** What the status of a node is called: a plain HTTP endpoint has a page instead. */
export function statusName(node) {
  return node.plain ? "Page" : "Status";
}

/** "up", "down since 03:02" and who says so. */
export function verdictCell(verdict, view) {
  if (verdict.state === "not-asked") return h("span.none", { title: "not asked: it has none" }, NOTHING);
  const failing = verdict.vantages_total - verdict.vantages_ok;
  const seen = verdict.vantages_total === 0 ? (verdict.state === "nobody-may-judge" ? "no vantage may judge" : "no vantage with fresh data")
    : failing === 0 ? `${verdict.vantages_ok} of ${plural(verdict.vantages_total, "vantage")}`
    : `fails from ${failing} of ${plural(verdict.vantages_total, "vantage")}`;
  const networks = verdict.vantages_total ? `, ${plural(verdict.networks, "network")}` : "";
  const since = verdict.since && verdict.state !== "up" ? ` since ${clock(verdict.since, view.generated_at)}` : "";
  return h("div.verdict", { title: verdict.since ? `since ${full(verdict.since)}` : null },
    label(verdict.state, `${WORD[verdict.state]}${since}`),
    verdict.state === "paused" || verdict.state === "maintenance" ? null : h("small", {}, seen + networks));
}

/** A median with its count; without samples, a dash. */
export function figure(value, samples) {
  if (value === null || samples === 0) return h("span.none", {}, NOTHING);
  return h("span.figure", {}, milliseconds(value), h("small", {}, `n = ${count(samples)}`));
}

function certificate(node, view) {
  if (!node.cert_expires) return h("span.none", {}, node.url.startsWith("https") || !reached(node) ? NOTHING : "no TLS");
  const days = Math.floor(-age(node.cert_expires, view.generated_at) / 86_400);
  const text = days < 0 ? "ended" : days > 36_500 ? "no end" : plural(days, "day");
  return h("span", { title: full(node.cert_expires), class: days < 0 ? "bad" : days < 14 ? "warn" : null }, text);
}

function reached(node) {
  return node.cells.some((cell) => cell.connect_ms !== null || cell.connect === "ok" || cell.status === "ok" || cell.asset === "ok");
}

/** One mark a vantage, ordered by name, the worker's own last. */
function strip(node) {
  if (node.cells.length === 0) return h("span.none", {}, "none yet");
  const cells = [...node.cells].sort((a, b) => a.own - b.own || a.vantage.localeCompare(b.vantage) || a.family.localeCompare(b.family));
  const failing = cells.filter((cell) => judges(cell) && [cell.connect, cell.status, cell.asset].includes("failed"));
  const summary = failing.length ? `fails from ${listed(failing.map((cell) => cell.vantage))}` : "no vantage that judges fails";
  return h("span.strip", { class: cells.length > 20 ? "many" : null, role: "img", "aria-label": summary }, cells.map((cell) =>
    h("i", { class: `${MARK[cell.verdict]}s-${upper(cell)} a-${cell.asset === "not-asked" ? upper(cell) : cell.asset}`, title: cellTitle(cell, statusName(node).toLowerCase()) })));
}

/** How the mark of a vantage that judges nothing now is drawn. */
const MARK = { green: "", red: "", unproven: "idle ", sick: "idle ", own: "own ", silent: "" };

/** Why a vantage judges nothing now, by the collector's verdict. */
const IDLE = {
  unproven: "nothing proves that its own line works: not counted",
  sick: "it fails alone too often: judges nothing for now",
  own: "the worker's own, or on the node's server: judges nothing",
  silent: "nothing fresh of it: judges nothing now",
};

/** Whether a vantage judges the node now. */
function judges(cell) {
  return IDLE[cell.verdict] === undefined;
}

/** Why not, in words; nothing for one that judges. */
export function idle(cell) {
  return IDLE[cell.verdict] ?? "";
}

/** The upper half of a mark: reached, and its status answered. */
function upper(cell) {
  if (cell.connect === "failed" || cell.status === "failed") return "failed";
  if (cell.connect === "not-asked") return cell.status;
  return ["no-data", "not-asked"].includes(cell.status) ? cell.connect : cell.status;
}

function cellTitle(cell, status) {
  const words = { ok: "ok", failed: "failed", "no-data": "no data" };
  const checks = [["reached", cell.connect], [status, cell.status], ["asset", cell.asset]].filter(([, outcome]) => outcome !== "not-asked");
  const lines = [`${cell.vantage} (${network(cell.network)}, IP${cell.family})`, checks.map(([name, outcome]) => `${name} ${words[outcome]}`).join(", ")];
  if (cell.error) lines.push(`${cell.phase ?? ""}: ${cell.error}`);
  if (!judges(cell)) lines.push(idle(cell));
  return lines.join("\n");
}

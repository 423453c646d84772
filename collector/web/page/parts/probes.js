// The probes: who is there, since when, and what still waits on them.

import { h } from "../render.js";
import { age, byName, clock, count, full, milliseconds, network, NOTHING, span } from "../words.js";
import { label, term } from "./sign.js";

const SIGN = { connected: "up", away: "degraded", silent: "down", revoked: "paused" };
const RANK = ["silent", "away", "connected", "revoked"];

export function sortedProbes(probes) {
  return [...probes].sort((a, b) => RANK.indexOf(a.state) - RANK.indexOf(b.state) || byName(a, b));
}

/** The table; `wide` adds what only someone who mends a probe wants to know. */
export function probeTable(view, wide, shown = view.probes) {
  const heads = ["Probe", "State", "Network", "To collector", "Waiting", "Last result"];
  if (wide) heads.push("Echo port", "Plan", "Version", "Epoch");
  const titles = {
    "To collector": "Round trip between probe and collector",
    Waiting: "Results on the probe's disk that are not stored here yet. None is lost while it is cut off.",
    "Last result": "How old the newest stored result is",
    "Echo port": "Whether other probes can measure towards it: its UDP port (7472, unless its probe.toml says another) has to be open",
    Epoch: "Random number of the probe's current run",
  };
  return h("div.scroll", {},
    h("table.list.probes", { role: "table", class: wide ? null : "compact" },
      h("caption.unseen", {}, "Probes"),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((head) =>
        h("th", { role: "columnheader", scope: "col", class: isNumber(head) ? "number" : null }, titles[head] ? term(head, titles[head]) : head)))),
      h("tbody", { role: "rowgroup" }, sortedProbes(shown).map((probe) => row(probe, view, wide)))));
}

function isNumber(head) {
  return head === "To collector" || head === "Waiting" || head === "Last result";
}

function row(probe, view, wide) {
  const now = view.generated_at;
  return h(`tr.is-${SIGN[probe.state]}`, { key: probe.name, role: "row" },
    h("th.name", { scope: "row", role: "rowheader" }, h("b", {}, probe.name), h("small", {}, `${probe.site} · ${probe.worker}`)),
    field("State", [label(SIGN[probe.state], probe.state), h("small", { title: full(probe.since) }, `for ${span(age(probe.since, now))}`)]),
    field("Network", probe.network === null ? h("span.none", {}, "unknown") : network(probe.network)),
    field("To collector", milliseconds(probe.state === "connected" ? probe.rtt_ms : null), "number"),
    field("Waiting", waiting(probe), "number"),
    field("Last result", last(probe, now), "number"),
    wide ? [
      field("Echo port", h("span.ports", {}, port("v4", probe.echo_port.v4), port("v6", probe.echo_port.v6))),
      field("Plan", plan(probe, view)),
      field("Version", probe.version ?? NOTHING),
      field("Epoch", probe.epoch ? h("code", { title: probe.epoch }, probe.epoch.slice(0, 8)) : NOTHING),
    ] : null);
}

function field(name, content, kind) {
  return h("td", { role: "cell", "data-label": name, class: kind }, content);
}

function waiting(probe) {
  if (probe.backlog === null) return NOTHING;
  const known = probe.state === "connected" ? "" : "at least ";
  return h("span", { class: probe.backlog > 1000 ? "warn" : null }, `${known}${count(probe.backlog)}`);
}

function last(probe, now) {
  if (!probe.last_measurement) return h("span.none", {}, "none yet");
  return h("span", { title: full(probe.last_measurement) }, `${span(age(probe.last_measurement, now))} ago`);
}

function port(family, state) {
  const words = {
    verified: `IP${family}: answers`,
    closed: `IP${family}: never answered. Open its UDP port (7472, unless its probe.toml says another) in the server's firewall`,
    unknown: `IP${family}: no address, or not tried yet`,
  };
  return h(`span.port.${state}`, { title: words[state] }, `${family} ${{ verified: "open", closed: "closed", unknown: NOTHING }[state]}`);
}

/** A plan of less than so many seconds ago may be on its way. */
const PLAN_ON_ITS_WAY_S = 60;

function plan(probe, view) {
  if (probe.plan_version === null) return NOTHING;
  const settled = (at) => age(at, view.generated_at) > PLAN_ON_ITS_WAY_S;
  const behind = view.plan && probe.plan_version < view.plan.version && settled(view.plan.issued) && settled(probe.since);
  return h("span", { class: behind ? "warn" : null, title: behind ? `The newest plan is ${view.plan.version}` : null }, `${probe.plan_version}${behind ? " (older)" : ""}`);
}

/** One line for the overview. */
export function probeSummary(view) {
  const counts = RANK.map((state) => [state, view.probes.filter((probe) => probe.state === state).length]).filter(([, number]) => number);
  return h("p.summary", {}, counts.map(([state, number]) => h("span", { key: state }, label(SIGN[state], `${number} ${state}`))));
}

export function planLine(view) {
  if (!view.plan) return "No plan was made yet.";
  const now = view.generated_at;
  return `Plan ${view.plan.version}, made ${clock(view.plan.issued, now)} UTC; probes follow it until ${clock(view.plan.expires, now)} UTC even without the collector.`;
}

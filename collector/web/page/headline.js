// The first sentence: which node is down, since when, and seen from where. Pure: a view in, words out.

import { clock, count, listed, plural } from "./words.js";

/** The states of a node as a whole, worst first. */
export const RANK = ["down", "no-asset", "status-only", "partial", "degraded", "nobody-may-judge", "no-data", "maintenance", "paused", "up"];

/** What a node's verdicts come to. Silence is never "up". */
export function nodeState(node) {
  const { connect, status, asset } = node;
  const any = (state) => [connect, status, asset].some((verdict) => verdict.state === state);
  if (any("paused")) return "paused";
  if (any("maintenance")) return "maintenance";
  if (connect.state === "down") return "down";
  if (asset.state === "down") return status.state === "up" ? "no-asset" : "down";
  if (status.state === "down") return asset.state === "up" ? "status-only" : "down";
  if (any("partial")) return "partial";
  if (any("degraded")) return "degraded";
  if (connect.state === "nobody-may-judge") return "nobody-may-judge";
  if (connect.state === "no-data") return "no-data";
  if (any("up")) return "up";
  return "no-data";
}

/** How a state is drawn: one of the five signs. */
export function signOf(state) {
  const drawn = { "no-asset": "down", "status-only": "degraded", partial: "degraded", "nobody-may-judge": "no-data", maintenance: "paused" };
  return drawn[state] ?? state;
}

/** Vantages that judge one of the nodes now, by the collector's own verdict on each, and their networks. */
export function witnesses(nodes) {
  const judges = nodes.flatMap((node) => node.cells.filter((cell) => cell.verdict === "green" || cell.verdict === "red"));
  const distinct = (of) => new Set(judges.map(of)).size;
  return { vantages: distinct((cell) => cell.vantage), networks: distinct((cell) => cell.network ?? "unknown") };
}

/** The collector's judgement, which `status` says as well, as a sign. */
const TONE = { well: "up", wrong: "degraded", "cannot-tell": "no-data" };

/** What is wrong beside the nodes, and is not said elsewhere in the head. */
function beyondNodes(view) {
  const said = new Set([...view.notices.map((notice) => notice.text)]);
  return view.head.findings.filter((finding) => finding.weight !== "note" && finding.subject === null && !said.has(finding.says)).map((finding) => finding.says);
}

/** { tone, title, more: [sentences] }; tone is a sign, or "start" while something is still to be set up. */
export function headline(view) {
  if (view.probes.length === 0) return noProbes();
  const watched = view.nodes.filter((node) => !["paused", "maintenance"].includes(nodeState(node)));
  if (watched.length === 0) return noNodes(view);
  const groups = new Map(RANK.map((state) => [state, []]));
  for (const node of watched) groups.get(nodeState(node)).push(node);
  const bad = ["down", "no-asset", "status-only"].flatMap((state) => groups.get(state));
  const noNews = bad.length === 0 && !view.probes.some((probe) => probe.state === "connected");
  if (noNews) return { tone: TONE[view.head.verdict], title: "No probe is connected: nothing new is known about any node.", more: ["What stands below is the last that was known."] };
  const first = bad.length === 1 ? one(bad[0], view) : bad.length > 1 ? several(groups, bad, watched) : noneBad(view, groups, watched);
  const tone = bad.length ? first.tone : TONE[view.head.verdict];
  return { ...first, tone, more: [...(first.more ?? []), ...others(groups, bad), ...beyondNodes(view), ...flapping(view), ...probes(view), ...idle(watched), ...unalertable(view, watched)] };
}

function noProbes() {
  return {
    tone: "start",
    title: "No probe has joined yet, so nothing is known about any node.",
    more: [],
  };
}

function noNodes(view) {
  const connected = view.probes.filter((probe) => probe.state === "connected").length;
  return {
    tone: "start",
    title: `${plural(connected, "probe is", "probes are")} connected; no node is watched yet.`,
    more: [],
  };
}

function one(node, view) {
  const state = nodeState(node);
  const failing = node.connect.state === "down" ? node.connect : node.asset.state === "down" ? node.asset : node.status;
  const verdict = state === "status-only" ? node.status : failing;
  const since = verdict.since ? ` since ${clock(verdict.since, view.generated_at)} UTC` : "";
  const seen = seenFrom(node, verdict, view);
  if (state === "no-asset") {
    return { tone: "down", title: `${node.name} delivers no asset${since}${seen}.`, more: ["Its status still answers."] };
  }
  if (state === "status-only") {
    return {
      tone: "degraded",
      title: `${node.name} does not answer its status${since}${seen}.`,
      more: ["It still delivers assets, so users notice little."],
    };
  }
  if (failing === node.status && node.plain) return { tone: "down", title: `${node.name}: its page does not answer${since}${seen}.` };
  return { tone: "down", title: `${node.name} is down${since}${seen}.` };
}

/** Who sees it: also where nobody can see it any more, and where it answers again and is held down. `status` says the same. */
function seenFrom(node, verdict, view) {
  const { vantages_ok: ok, vantages_total: total, networks } = verdict;
  if (total === 0) {
    const incident = view.incidents.find((one) => one.target === node.name && one.state === "open" && !["probe", "data"].includes(one.check) && !one.up_since);
    const then = incident?.vantages ?? 0;
    return then ? `, seen from ${plural(then, "vantage")} then; nobody may judge it now` : "";
  }
  if ((total - ok) * 3 <= total) {
    return `; it answers again from ${ok} of ${plural(total, "vantage")}, held down until two answers in a row come${networks > 1 ? " from two networks" : ""}`;
  }
  return `, seen from ${total - ok} of ${plural(total, "vantage")}`;
}

function several(groups, bad, watched) {
  const names = (state) => groups.get(state).map((node) => node.name);
  const verb = (state) => (groups.get(state).length === 1 ? "is" : "are");
  const parts = [];
  if (names("down").length) parts.push(`${listed(names("down"))} ${verb("down")} down`);
  if (names("no-asset").length) parts.push(`${listed(names("no-asset"))} ${names("no-asset").length === 1 ? "delivers" : "deliver"} no asset`);
  if (names("status-only").length) parts.push(`${listed(names("status-only"))} ${names("status-only").length === 1 ? "does" : "do"} not answer status`);
  const tone = groups.get("down").length || groups.get("no-asset").length ? "down" : "degraded";
  return { tone, title: `${bad.length} of ${watched.length} nodes fail: ${parts.join("; ")}.` };
}

function noneBad(view, groups, watched) {
  const silent = groups.get("no-data");
  const { vantages, networks } = witnesses(watched);
  const few = networks < 2;
  const seen = `seen from ${few ? "only " : ""}${plural(vantages, "vantage")} in ${plural(networks, "network")}`;
  const isSaid = view.head.findings.some((finding) => finding.says.startsWith("Fewer than two networks"));
  const doubt = few && !isSaid ? { more: ["Fewer than two networks judge now: a fault on the way there and a fault of the node look the same."] } : {};
  if (silent.length === watched.length) {
    return { tone: "no-data", title: "No fresh data about any node: nobody knows whether they are up." };
  }
  const partial = groups.get("partial");
  if (partial.length) {
    const names = listed(partial.map((node) => node.name));
    return { tone: "degraded", title: `${names} ${partial.length === 1 ? "has" : "have"} failed from some vantages for minutes, too few for an outage; no node is down.` };
  }
  const degraded = groups.get("degraded");
  if (degraded.length) {
    const names = listed(degraded.map((node) => node.name));
    const { state, vantages_ok: ok, vantages_total: total } = degraded[0].connect;
    const title = degraded.length === 1 && state === "degraded" && ok < total
      ? `${names} cannot be reached from ${total - ok} of ${plural(total, "vantage")}; not confirmed as down.`
      : `${names} ${degraded.length === 1 ? "fails" : "fail"} from some vantages; no node is down.`;
    return { tone: "degraded", title };
  }
  const unjudged = groups.get("nobody-may-judge");
  if (unjudged.length) {
    const names = listed(unjudged.map((node) => node.name));
    const why = unjudged.length === 1 ? view.head.findings.find((finding) => finding.subject === names && finding.weight === "cannot-tell") : null;
    if (why) return { tone: "no-data", title: why.says };
    return { tone: "no-data", title: `${names}: measured, but nobody may judge ${unjudged.length === 1 ? "it" : "them"}.` };
  }
  if (silent.length) {
    return {
      tone: "no-data",
      title: `No fresh data about ${listed(silent.map((node) => node.name))}. ${rest(watched.length - silent.length)} up, ${seen}.`,
      ...doubt,
    };
  }
  const title = watched.length === 1 ? `${watched[0].name} is up, ${seen}.` : `All ${watched.length} nodes are up, ${seen}.`;
  return { tone: "up", title, ...doubt };
}

function rest(number) {
  return number === 1 ? "The other node is" : `The other ${count(number)} nodes are`;
}

/** What the title left out about nodes. */
function others(groups, bad) {
  const sentences = [];
  const degraded = [...groups.get("partial"), ...groups.get("degraded")];
  const silent = groups.get("no-data");
  const unjudged = groups.get("nobody-may-judge");
  const up = groups.get("up");
  if (bad.length && degraded.length) sentences.push(`${listed(degraded.map((node) => node.name))} ${degraded.length === 1 ? "fails" : "fail"} from some vantages.`);
  if ((bad.length || degraded.length) && silent.length) sentences.push(`No fresh data about ${listed(silent.map((node) => node.name))}.`);
  if ((bad.length || degraded.length) && unjudged.length) sentences.push(`${listed(unjudged.map((node) => node.name))}: measured, but nobody may judge ${unjudged.length === 1 ? "it" : "them"}.`);
  if (bad.length && up.length) sentences.push(`${rest(up.length)} up.`);
  const noAsset = up.filter((node) => node.asset.state === "no-data");
  if (noAsset.length) sentences.push(`No fresh asset check for ${listed(noAsset.map((node) => node.name))}.`);
  return sentences;
}

/** Nodes that were down a moment ago and are up: well, and watched. */
function flapping(view) {
  const since = (incident) => clock(incident.up_since, view.generated_at, true);
  return view.incidents.filter((incident) => incident.up_since).map((incident) =>
    `${incident.target} comes and goes: up since ${since(incident)} UTC; it is over once that has lasted for 10 minutes.`);
}

/** Probes that are missing, and that this is no verdict on any node. */
function probes(view) {
  const missing = view.probes.filter((probe) => probe.state === "away" || probe.state === "silent");
  const members = view.probes.filter((probe) => probe.state !== "revoked").length;
  if (missing.length === 0) return [`${members === 1 ? "The probe is" : `All ${members} probes are`} connected.`];
  if (missing.length === members) return [members === 1 ? "The probe is silent or not connected." : "All probes are silent or not connected."];
  const part = (state, word) => {
    const some = missing.filter((probe) => probe.state === state);
    if (some.length === 0) return [];
    const names = some.length <= 3 ? `: ${listed(some.map((probe) => probe.name))}` : "";
    return [`${some.length} of ${plural(members, "probe")} ${some.length === 1 ? "is" : "are"} ${word}${names}.`];
  };
  return [...part("away", "not connected"), ...part("silent", "silent"), "No node is judged by a probe that is cut off."];
}

/** Probes that judge no node now, by the collector's verdict on each. */
function idle(nodes) {
  const cells = nodes.flatMap((node) => node.cells);
  const names = (verdicts) => new Set(cells.filter((cell) => verdicts.includes(cell.verdict)).map((cell) => cell.vantage));
  const judging = names(["green", "red"]);
  const doubtful = [...names(["unproven", "sick"])].filter((name) => !judging.has(name)).sort();
  if (doubtful.length === 0) return [];
  return [`${listed(doubtful)} ${doubtful.length === 1 ? "judges no node now: it fails" : "judge no node now: they fail"} where others get through, or nothing proves that the line works.`];
}

/** Nodes that nobody would be told about: one vantage never pages anyone, and a worker's own judges nothing. */
export function unalertable(view, watched) {
  const judges = (node) => view.probes.filter((probe) => probe.state !== "revoked" && probe.worker !== node.worker).length;
  const alone = watched.filter((node) => judges(node) < 2);
  if (alone.length === 0) return [];
  const whom = alone.length === watched.length ? "any node" : listed(alone.map((node) => node.name));
  return [`No alert about ${whom} can be sent yet: that takes two probes of workers other than the node's own, best in two networks.`];
}

// Words explained, and what to do first.

import { h } from "../render.js";

const WORDS = [
  ["Node", "A distributor server with a public address: what users download from, and what is watched here."],
  ["Probe", "Our small program on a worker's server. Probes measure each other and the nodes."],
  ["Vantage", "A probe seen as a witness of a node. The probe of the node's own worker is no witness."],
  ["Network", "The internet provider's network (AS number) of a vantage or node. A node is called down only when vantages in at least two networks fail, where the mesh has two."],
  ["Status and asset", "Two checks of a node: does it answer about itself, and does it deliver a real file. Each can fail alone."],
  ["Median (p50)", "Half of the measured times are below it. Failed checks have no time, and are not in it."],
  ["Loss", "Share of echoes between two probes that got no reply."],
  ["No data", "Nothing fresh is known. It is not \"up\", and not \"down\" either."],
  ["Ledger", "The account of every check that a plan asked for: measured, on the way, or why not."],
  ["Plan", "What the collector tells every probe to measure. Probes keep following the last one while the collector is away, until it expires."],
];

export function glossary() {
  return h("details.glossary", {},
    h("summary", {}, "What the words mean"),
    h("dl", {}, WORDS.map(([word, meaning]) => h("div", {}, h("dt", {}, word), h("dd", {}, meaning)))));
}

/** What to do while there is no probe or no node. */
export function firstSteps(view) {
  if (view.probes.length === 0) {
    return h("section.card.steps", {},
      h("h2", {}, "What to do next"),
      h("ol", {},
        h("li", {}, "On this machine, invite a worker's server:", command('isochrone-collector probe invite --worker ada --site "Berlin, DE"')),
        h("li", {}, "Send the printed script to the worker, to be pasted on that server. The probe joins by itself and appears here."),
        h("li", {}, "List your nodes in ", h("code", {}, "targets.toml"), ", beside the collector's config file.")));
  }
  return h("section.card.steps", {},
    h("h2", {}, "What to do next"),
    h("p", {}, "List your nodes in ", h("code", {}, "targets.toml"), ", beside the collector's config file, and reload it:"),
    command('[[node]]\nnode = "berlin"\nkind = "argus"\nurl = "https://node.example.org/distributor/"\nworker = "ada"\nplace = "Berlin, DE"'),
    h("p", {}, "Or see ", h("code", {}, "isochrone-collector target add --help"), "."));
}

function command(text) {
  return h("pre", { tabindex: "0" }, h("code", {}, text));
}

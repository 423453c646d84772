// The mesh matrix: a row for each probe that measures, a column for each that answers, both from west to
// east, so that neighbours stand together. Colour is the median round trip; loss is a shape and a word.

import { h } from "../render.js";
import { ui } from "../ui.js";
import { age, count, full, milliseconds, percent, plural, span } from "../words.js";

/** Upper edges of the colours, in milliseconds; the last colour is above them all. */
const STEPS = [20, 50, 100, 150, 200, 300];

/** From so many probes on, cells are small and hold no figures. */
const DENSE = 17;

let last = { view: null, pair: null, family: null, anchor: null, tree: null };

export function matrix(view) {
  const families = ["v4", "v6"].filter((family) => view.mesh.some((cell) => cell.family === family));
  const family = families.includes(ui.family) ? ui.family : families[0];
  if (!family) return h("p.none", {}, "No echo between probes so far. It takes two connected probes with an open echo port.");
  const same = last.view === view && last.pair === ui.pair && last.family === family && last.anchor === ui.anchor;
  if (!same) last = { view, pair: ui.pair, family, anchor: ui.anchor, tree: table(view, family) };
  return h("div.mesh", {},
    families.length > 1 ? h("div.choice", { role: "group", "aria-label": "Address family" }, families.map((name) =>
      h("button", { key: name, type: "button", "aria-pressed": String(name === family), onclick: choose(name) }, `IP${name}`))) : null,
    h("div.scroll", {}, last.tree),
    h("p.sideways", { "aria-hidden": "true" }, "More columns: scroll sideways →"),
    h("p.detail", { "aria-live": "polite" }, detail(view, family)),
    legend());
}

const choices = {
  v4: () => { ui.family = "v4"; ui.redraw(); },
  v6: () => { ui.family = "v6"; ui.redraw(); },
};

function choose(name) {
  return choices[name];
}

/** Names of all probes that a cell speaks of, from west to east. */
function order(view, family) {
  const named = new Set(view.mesh.filter((cell) => cell.family === family).flatMap((cell) => [cell.from, cell.to]));
  const where = new Map(view.probes.map((probe) => [probe.name, probe.longitude]));
  return [...named].sort((a, b) => (where.get(a) ?? 999) - (where.get(b) ?? 999) || a.localeCompare(b));
}

function table(view, family) {
  const names = order(view, family);
  const cells = new Map(view.mesh.filter((cell) => cell.family === family).map((cell) => [`${cell.from}\n${cell.to}`, cell]));
  const anchor = ui.anchor && names.includes(ui.anchor.from) && names.includes(ui.anchor.to) ? ui.anchor : { from: names[0], to: names[1] };
  const dense = names.length >= DENSE;
  return h("table.matrix", {
    class: dense ? "dense" : null,
    style: { "--columns": String(names.length) },
    role: "grid",
    "aria-label": "Round trips between probes: rows measure, columns answer",
    onkeydown: (event) => move(event, names),
    onmouseover: point,
    onmouseleave: () => show(null),
    onfocusin: focus,
    onfocusout: () => show(null),
  },
  h("thead", {}, h("tr", { role: "row" },
    h("td.corner", {}, h("span", {}, "from ↓ to →")),
    names.map((to) => h("th", { key: to, scope: "col", role: "columnheader", class: ui.pair?.to === to ? "hot" : null }, h("span", {}, to))))),
  h("tbody", {}, names.map((from) => h("tr", { key: from, role: "row" },
    h("th", { scope: "row", role: "rowheader", class: ui.pair?.from === from ? "hot" : null }, from),
    names.map((to) => cellOf(from, to, cells.get(`${from}\n${to}`), anchor, dense))))));
}

function cellOf(from, to, cell, anchor, dense) {
  const reach = from === anchor.from && to === anchor.to ? "0" : "-1";
  const base = { key: to, role: "gridcell", tabindex: reach, "data-from": from, "data-to": to };
  if (from === to) return h("td.self", { ...base, "aria-label": `${from} itself` });
  if (!cell) return h("td.unplanned", { ...base, "aria-label": `${from} to ${to}: not measured` });
  const speed = cell.p50_ms === null || cell.state === "lost" || cell.state === "no-data" || cell.state === "echo-port-closed" ? "" : `r${STEPS.filter((edge) => cell.p50_ms > edge).length}`;
  return h("td", { ...base, class: `${cell.state} ${speed}`, "aria-label": describe(cell) }, inner(cell, dense));
}

function inner(cell, dense) {
  if (cell.state === "lost") return "×";
  if (cell.state === "no-data") return "·";
  if (cell.state === "echo-port-closed") return dense ? "" : "shut";
  if (dense) return cell.state === "degraded" ? "▲" : "";
  const figure = cell.p50_ms === null ? "" : cell.p50_ms < 9.95 ? cell.p50_ms.toFixed(1) : count(Math.round(cell.p50_ms));
  return cell.state === "degraded" ? [figure, h("small", {}, `▲ ${percent(cell.loss)}`)] : figure;
}

function describe(cell) {
  const pair = `${cell.from} to ${cell.to}`;
  if (cell.state === "echo-port-closed") return `${pair}: no one ever reached ${cell.to}'s echo port. The notice on this page has the firewall command; this is not loss`;
  if (cell.samples === 0) return `${pair}: no data in this window`;
  const echoes = plural(cell.samples, "echo", "echoes");
  if (cell.state === "lost") return `${pair}: no reply lately. Of ${echoes} in this window, ${percent(cell.loss)} were lost`;
  const times = cell.p50_ms === null ? "no reply" : `median ${milliseconds(cell.p50_ms)}, 90 % below ${milliseconds(cell.p90_ms)}`;
  const stale = cell.state === "no-data" ? "no fresh data; in this window: " : "";
  return `${pair}: ${stale}${times}, loss ${percent(cell.loss)} of ${echoes}`;
}

function detail(view, family) {
  const cell = ui.pair && view.mesh.find((one) => one.family === family && one.from === ui.pair.from && one.to === ui.pair.to);
  if (cell) return [h("b", {}, describe(cell)), cell.last ? h("span", { title: full(cell.last) }, `, newest ${span(age(cell.last, view.generated_at))} before this view.`) : "."];
  if (ui.pair && ui.pair.from !== ui.pair.to) return `${ui.pair.from} to ${ui.pair.to}: the plan does not measure this pair.`;
  return `Figures are medians in ms over the last ${span(view.window_s)}. Point at a cell, or reach it with Tab and the arrow keys, for its details.`;
}

function legend() {
  const names = [`≤ ${STEPS[0]}`, ...STEPS.slice(1).map((edge) => `≤ ${edge}`), `> ${STEPS.at(-1)} ms`];
  return h("p.legend", {},
    h("span.ramp", {}, names.map((name, index) => h(`i.r${index}`, {}, name))),
    h("span", {}, h("i.degraded.r1", {}, "▲"), "unusual loss"),
    h("span", {}, h("i.lost", {}, "×"), "no reply"),
    h("span", {}, h("i.echo-port-closed", {}, "shut"), "echo port closed"),
    h("span", {}, h("i.no-data", {}, "·"), "no data"));
}

function pairAt(event) {
  const cell = event.target.closest?.("td[data-from]");
  return cell ? { from: cell.dataset.from, to: cell.dataset.to } : null;
}

function point(event) {
  show(pairAt(event));
}

function focus(event) {
  const pair = pairAt(event);
  if (pair) ui.anchor = pair;
  show(pair);
}

function show(pair) {
  if (pair?.from === ui.pair?.from && pair?.to === ui.pair?.to) return;
  ui.pair = pair;
  ui.redraw();
}

function move(event, names) {
  const pair = pairAt(event);
  if (!pair) return;
  const end = names.length - 1;
  let row = names.indexOf(pair.from);
  let column = names.indexOf(pair.to);
  if (event.key === "ArrowRight") column = Math.min(end, column + 1);
  else if (event.key === "ArrowLeft") column = Math.max(0, column - 1);
  else if (event.key === "ArrowDown") row = Math.min(end, row + 1);
  else if (event.key === "ArrowUp") row = Math.max(0, row - 1);
  else if (event.key === "Home") column = 0;
  else if (event.key === "End") column = end;
  else return;
  event.preventDefault();
  const rows = event.currentTarget.tBodies[0].rows;
  rows[row].cells[column + 1].focus();
}

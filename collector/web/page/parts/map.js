// The world: nodes by state, and the probes that see them. Markers are page elements above the outline, so
// they keep their size on a narrow screen and can be reached with the keyboard.

import { HEIGHT, LAND, position, WIDTH } from "../land.js";
import { nodeState, RANK, signOf } from "../headline.js";
import { h } from "../render.js";
import { ui } from "../ui.js";
import { sign, WORD } from "./sign.js";

const PROBE = { connected: "up", away: "degraded", silent: "down", revoked: "paused" };
const PROBE_WORD = { connected: "probe connected", away: "probe not connected", silent: "probe silent" };
const LABEL_HEIGHT = 16;
const LETTER = 7.4;

export function map(view) {
  const width = ui.mapWidth || 900;
  const scale = { width, height: (width * HEIGHT) / WIDTH };
  const taken = [];
  const nodes = place(nodeMarks(view), scale, taken, 17);
  const probes = place(probeMarks(view), scale, taken, 11);
  const boxes = taken.map(({ x, y, r }) => ({ left: x - r, right: x + r, top: y - r, bottom: y + r }));
  const missing = missingPlaces(view);
  return h("figure.world", {},
    h("div.map", {},
      h("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, h("path.land", { d: LAND })),
      probes.map((mark) => probeMark(mark, scale)),
      nodes.map((mark) => nodeMark(mark, scale)),
      nodes.map((mark) => nameTag(mark, scale, boxes))),
    h("figcaption", {},
      legend(nodes, RANK, (state) => [sign(signOf(state)), `node: ${WORD[state]}`]),
      legend(probes, Object.keys(PROBE), (state) => [h(`i.dot.${PROBE[state]}`), PROBE_WORD[state]]),
      missing ? h("span.none", {}, missing) : null));
}

/** One entry for each state that is on the map. */
function legend(marks, states, entry) {
  const there = new Set(marks.map((mark) => mark.state));
  return states.filter((state) => there.has(state)).map((state) => h("span", {}, entry(state)));
}

function nodeMarks(view) {
  return view.nodes
    .filter((node) => node.latitude !== null && node.longitude !== null)
    .map((node) => ({ name: node.name, text: node.place, state: nodeState(node), at: position(node.latitude, node.longitude) }))
    .sort((a, b) => RANK.indexOf(a.state) - RANK.indexOf(b.state) || a.name.localeCompare(b.name));
}

function probeMarks(view) {
  return view.probes
    .filter((probe) => probe.state !== "revoked" && probe.latitude !== null && probe.longitude !== null)
    .map((probe) => ({ name: probe.name, text: probe.site, state: probe.state, at: position(probe.latitude, probe.longitude) }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** Gives each mark a free spot: its own place, or the nearest one on small circles around it. */
function place(marks, scale, taken, size) {
  const r = size / 2;
  return marks.map((mark) => {
    const home = { x: (mark.at.left / 100) * scale.width, y: (mark.at.top / 100) * scale.height };
    const spot = spots(home, size).find(({ x, y }) => taken.every((other) => Math.hypot(other.x - x, other.y - y) >= (other.r + r) * 0.94)) ?? home;
    taken.push({ ...spot, r });
    return { ...mark, ...spot };
  });
}

function spots(home, size) {
  const all = [home];
  for (let ring = 1; ring <= 4; ring += 1) {
    for (let step = 0; step < 8; step += 1) {
      const angle = (step * Math.PI) / 4 + ring * 0.3;
      all.push({ x: home.x + Math.cos(angle) * ring * size * 0.8, y: home.y + Math.sin(angle) * ring * size * 0.8 });
    }
  }
  return all;
}

function nodeMark(mark, scale) {
  return h("a.node-mark", {
    key: `node ${mark.name}`,
    href: `#/nodes/${encodeURIComponent(mark.name)}`,
    title: `${mark.name}, ${mark.text}: ${WORD[mark.state]}`,
    "aria-label": `Node ${mark.name}: ${WORD[mark.state]}`,
    class: isLoud(mark) ? "loud" : null,
    style: spot(mark.x, mark.y, scale),
  }, sign(signOf(mark.state)));
}

/** Users cannot download from it. */
function isLoud(mark) {
  return mark.state === "down" || mark.state === "no-asset";
}

function probeMark(mark, scale) {
  return h(`i.dot.${PROBE[mark.state]}`, { key: `probe ${mark.name}`, title: `Probe ${mark.name}, ${mark.text}: ${mark.state}`, style: spot(mark.x, mark.y, scale) });
}

/** In shares of the map: right at any width, before it was measured, too. */
function spot(x, y, scale) {
  return { left: `${((100 * x) / scale.width).toFixed(2)}%`, top: `${((100 * y) / scale.height).toFixed(2)}%` };
}

/** A name beside its mark where there is room; troubled nodes come first, and always get theirs. */
function nameTag(mark, scale, boxes) {
  const width = mark.name.length * LETTER + 6;
  const sides = [
    { left: mark.x + 10, top: mark.y - 8 },
    { left: mark.x - 10 - width, top: mark.y - 8 },
    { left: mark.x - width / 2, top: mark.y - 26 },
    { left: mark.x - width / 2, top: mark.y + 10 },
  ].map((box) => ({ ...box, right: box.left + width, bottom: box.top + LABEL_HEIGHT }));
  const inside = sides.filter((box) => box.left >= 0 && box.right <= scale.width && box.top >= 0 && box.bottom <= scale.height);
  const free = inside.find((box) => boxes.every((other) => apart(box, other)));
  const must = isLoud(mark);
  const box = free ?? (must ? inside[0] : undefined);
  if (!box) return null;
  boxes.push(box);
  return h("span.tag", { key: `tag ${mark.name}`, class: must ? "loud" : null, "aria-hidden": "true", style: spot(box.left, box.top, scale) }, mark.name);
}

function apart(a, b) {
  return a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
}

function missingPlaces(view) {
  const without = [...view.nodes, ...view.probes].filter((item) => item.state !== "revoked" && (item.latitude === null || item.longitude === null));
  const outside = [...view.nodes, ...view.probes].filter((item) => !without.includes(item) && item.state !== "revoked" && position(item.latitude, item.longitude).outside);
  const said = [
    without.length ? `Not on the map, because their coordinates are not known: ${names(without)}` : "",
    outside.length ? `At the edge of the map, beyond which they stand: ${names(outside)}` : "",
  ];
  return said.filter((part) => part).join(". ");
}

function names(items) {
  return items.map((item) => item.name).join(", ");
}

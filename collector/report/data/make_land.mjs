#!/usr/bin/env node
// Makes land.txt: outlines of the world's land, coarse enough for a map the width of a page.
//
//     node make_land.mjs            (needs npm, to fetch one package)
//
// Source: Natural Earth 1:50m land (public domain), from the npm package world-atlas (TopoJSON).
// Output: one ring a line; coordinates in 1/20 degree, longitude then latitude, the first pair
// absolute and each later pair relative to the one before it. Rings are closed by the reader.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE = "world-atlas@2.0.2";
const UNITS = 20; // a degree
const TOLERANCE = 0.12; // degrees: detail below this is dropped
const LEAST_AREA = 0.25; // square degrees: smaller islands are dropped
const SOUTH_END = -58; // Antarctica is left out: nobody is counted there

function topology() {
  const folder = mkdtempSync(join(tmpdir(), "land-"));
  try {
    execFileSync("npm", ["pack", "--silent", PACKAGE], { cwd: folder });
    execFileSync("sh", ["-c", "tar xzf *.tgz"], { cwd: folder });
    return JSON.parse(readFileSync(join(folder, "package/land-50m.json"), "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function decode({ arcs, transform: { scale, translate } }) {
  return arcs.map((arc) => {
    let [x, y] = [0, 0];
    return arc.map(([dx, dy]) => [(x += dx) * scale[0] + translate[0], (y += dy) * scale[1] + translate[1]]);
  });
}

const ring = (arcs, refs) =>
  refs.flatMap((ref, i) => {
    const points = ref < 0 ? [...arcs[~ref]].reverse() : arcs[ref];
    return i ? points.slice(1) : points;
  });

const area = (points) =>
  Math.abs(points.reduce((sum, [x, y], i) => {
    const [u, v] = points[(i + 1) % points.length];
    return sum + x * v - u * y;
  }, 0)) / 2;

// A ring that crosses the antimeridian is unrolled and cut there, so that no line runs across the map.
function cut(points) {
  const unrolled = points.map(([x, y]) => [x, y]);
  for (let i = 1; i < unrolled.length; i++) {
    while (unrolled[i][0] - unrolled[i - 1][0] > 180) unrolled[i][0] -= 360;
    while (unrolled[i][0] - unrolled[i - 1][0] < -180) unrolled[i][0] += 360;
  }
  return [-360, 0, 360]
    .map((shift) => unrolled.map(([x, y]) => [x + shift, y]))
    .map((part) => clip(clip(part, -180, 1), 180, -1))
    .filter((part) => part.length >= 3);
}

// Keeps what lies east (side 1) or west (side -1) of a meridian.
function clip(points, meridian, side) {
  const kept = (p) => (p[0] - meridian) * side >= 0;
  return points.flatMap((p, i) => {
    const q = points[(i + 1) % points.length];
    const crossing = [meridian, p[1] + ((q[1] - p[1]) * (meridian - p[0])) / (q[0] - p[0])];
    return [...(kept(p) ? [p] : []), ...(kept(p) !== kept(q) ? [crossing] : [])];
  });
}

// Douglas-Peucker: keeps a point that lies further than the tolerance from the chord.
function simplify(points) {
  if (points.length < 3) return points;
  const [[ax, ay], [bx, by]] = [points[0], points[points.length - 1]];
  const length = Math.hypot(bx - ax, by - ay);
  let [worst, at] = [0, 0];
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i];
    const off = length ? Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length : Math.hypot(x - ax, y - ay);
    if (off > worst) [worst, at] = [off, i];
  }
  if (worst <= TOLERANCE) return [points[0], points[points.length - 1]];
  return [...simplify(points.slice(0, at + 1)).slice(0, -1), ...simplify(points.slice(at))];
}

const data = topology();
const arcs = decode(data);
const polygons = data.objects.land.geometries.flatMap((g) => (g.type === "Polygon" ? [g.arcs] : g.arcs));
const lines = polygons
  .flat()
  .map((refs) => ring(arcs, refs).slice(0, -1))
  .flatMap(cut)
  .filter((points) => area(points) >= LEAST_AREA && points.some(([, y]) => y > SOUTH_END))
  .map((points) => simplify([...points, points[0]]).slice(0, -1))
  .map((points) => points.map(([x, y]) => [Math.round(x * UNITS), Math.round(y * UNITS)]))
  .map((points) => points.filter(([x, y], i) => !i || x !== points[i - 1][0] || y !== points[i - 1][1]))
  .filter((points) => points.length >= 3)
  .map((points) => points.flatMap(([x, y], i) => (i ? [x - points[i - 1][0], y - points[i - 1][1]] : [x, y])).join(" "));

const target = join(dirname(fileURLToPath(import.meta.url)), "land.txt");
writeFileSync(target, lines.join("\n") + "\n");
console.log(`${lines.length} rings, ${statSync(target).size} bytes`);

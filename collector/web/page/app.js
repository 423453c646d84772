// Puts the page together: header, banners, headline, and the page that the address names.

import { headline } from "./headline.js";
import { incidents } from "./pages/incidents.js";
import { mesh } from "./pages/mesh.js";
import { nodes } from "./pages/nodes.js";
import { overview } from "./pages/overview.js";
import { probes } from "./pages/probes.js";
import { glossary } from "./parts/notes.js";
import { sign } from "./parts/sign.js";
import { draw, h } from "./render.js";
import { follow, silence, store } from "./store.js";
import { ui } from "./ui.js";
import { bytes, clock, count, full, span } from "./words.js";

/** Each page is a module: a name in the address, a title, and a function from a view to a tree. */
const PAGES = [
  { path: "", title: "Overview", page: overview },
  { path: "nodes", title: "Nodes", page: nodes },
  { path: "mesh", title: "Mesh", page: mesh },
  { path: "incidents", title: "Incidents", page: incidents },
  { path: "probes", title: "Probes", page: probes },
];

/** Data older than this is not called current, in milliseconds. */
const STALE_MS = 20_000;
/** Between this computer's clock and the collector's. */
const CLOCKS_APART_S = 90;

const root = document.getElementById("page");
let asked = false;

ui.redraw = () => {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    show();
  });
};

function show() {
  const { view } = store;
  const [path, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  const current = PAGES.find((page) => page.path === path);
  draw(root,
    h("a.skip", { href: "#main", onclick: skip }, "To the content"),
    header(view, current),
    h("div.banners", { key: "banners", role: "status" }, banners(view)),
    view ? h("main", { key: "main", id: "main", tabindex: "-1" },
      first(view),
      notices(view),
      current ? current.page(view, rest.join("/")) : h("section.card", {}, h("h2", {}, "There is no such page"), h("p", {}, h("a", { href: "#/" }, "To the overview")))) : waiting(),
    view ? footer(view) : null);
  announce(view);
  measure();
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function header(view, current) {
  return h("header", { key: "header" },
    h("a.brand", { href: "#/" }, h("img", { src: "static/icon.svg", alt: "", width: "22", height: "22" }), "Isochrone"),
    h("nav", { "aria-label": "Pages" },
      PAGES.map((page) => h("a", { key: page.path, href: `#/${page.path}`, "aria-current": page === current ? "page" : null }, page.title)),
      h("a", { key: "report", href: "report/coverage" }, "Coverage")),
    h("p.asof", { title: view ? full(view.generated_at) : null }, h(`i.link.${store.link}`, {}), view ? `${clock(view.generated_at, view.generated_at, true)} UTC` : "connecting"));
}

function banners(view) {
  const all = [];
  if (view?.source === "demo") all.push(["demo", h("b", {}, "DEMO"), " A made-up mesh: distances, nodes and failures are simulated. Nothing here is about real servers."]);
  const quiet = silence();
  if (store.link === "locked") all.push(["lost", h("b", {}, "Logged out."), " ", h("a", { href: "/" }, "Open the page again"), " with its token."]);
  else if (view && (store.link === "lost" || quiet > STALE_MS)) {
    all.push(["lost", h("b", {}, "Connection to the collector lost."), ` What you see is from ${clock(view.generated_at, view.generated_at, true)} UTC, ${span(quiet / 1000)} ago. Trying again; probes go on measuring meanwhile.`]);
  } else if (!view && store.link === "lost") all.push(["lost", h("b", {}, "The collector does not answer."), " Is it running on the machine that this page came from? Trying again."]);
  else if (view && apart(view)) all.push(["lost", `This view was made ${span(Math.abs(clocksApart(view)))} ${clocksApart(view) > 0 ? "ago" : "ahead"}, by this computer's clock. The collector is stuck, or one of the two clocks is wrong.`]);
  return all.map(([kind, ...content]) => h(`p.banner.${kind}`, { key: kind }, content));
}

function clocksApart(view) {
  return (Date.now() - Date.parse(view.generated_at) - silence()) / 1000;
}

function apart(view) {
  return Math.abs(clocksApart(view)) > CLOCKS_APART_S;
}

function isOld() {
  return store.link === "lost" || store.link === "locked" || silence() > STALE_MS;
}

function first(view) {
  const { tone, title, more } = headline(view);
  return h(`section.headline.${tone}`, { key: "headline", class: isOld() ? "old" : null },
    sign(tone, "large"),
    h("div", {},
      h("h1", {}, isOld() ? h("small", {}, `Last known, at ${clock(view.generated_at, view.generated_at)} UTC`) : null, title),
      more.length ? h("p", {}, more.join(" ")) : null));
}

function notices(view) {
  const tone = { info: "start", warning: "degraded", error: "down" };
  if (view.notices.length === 0) return null;
  return h("ul.notices", { key: "notices" }, view.notices.map((notice, index) =>
    h("li", { key: `${index} ${notice.text}`, class: notice.level }, sign(tone[notice.level]), h("span", {}, notice.text, h("small", { title: full(notice.at) }, ` ${clock(notice.at, view.generated_at)} UTC`)))));
}

function waiting() {
  return h("main", { key: "main", id: "main", tabindex: "-1" }, h("section.headline.no-data", {}, sign("no-data", "large"), h("div", {}, h("h1", {}, "Waiting for the collector …"))));
}

function footer(view) {
  const { collector } = view;
  return h("footer", { key: "footer" },
    glossary(),
    h("p", {},
      `Probes connect to ${collector.name}. Isochrone ${collector.version}, running for ${span((Date.parse(view.generated_at) - Date.parse(collector.started)) / 1000)}. `,
      view.plan ? `Plan ${view.plan.version}. ` : "",
      `Store: ${bytes(collector.store_bytes)}, ${count(collector.commit_number)} batches, ${count(Math.round(collector.records_per_second))} measurements a second. `,
      h("a", { href: "api/state" }, "This view as JSON")));
}

/** The tab's title tells from afar. */
function announce(view) {
  const tone = view ? headline(view).tone : "no-data";
  const mark = !view || isOld() ? "(?) " : { down: "(down) ", degraded: "(!) ", "no-data": "(?) " }[tone] ?? "";
  const title = `${mark}Isochrone${view?.source === "demo" ? " DEMO" : ""}`;
  if (document.title !== title) document.title = title;
}

/** The map's labels depend on its width. It is known once the map was drawn: then at once again, before anything is shown. */
function measure() {
  const width = document.querySelector(".map")?.clientWidth ?? 0;
  if (width !== 0 && width !== ui.mapWidth) {
    const isFirst = ui.mapWidth === 0;
    ui.mapWidth = width;
    if (isFirst) show();
    else ui.redraw();
  }
  document.querySelectorAll(".scroll").forEach(fade);
}

/** A table that goes on beyond its right edge fades out there. */
function fade(element) {
  element.toggleAttribute("data-cut", element.scrollWidth - element.clientWidth - element.scrollLeft > 2);
}

addEventListener("hashchange", () => {
  ui.redraw();
  scrollTo(0, 0);
});
addEventListener("resize", ui.redraw);
addEventListener("scroll", (event) => event.target.classList?.contains("scroll") && fade(event.target), { capture: true, passive: true });
follow(ui.redraw);
show();

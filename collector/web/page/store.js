// Owns the connection to the collector and the newest view. Everything else reads from here.

/** The connection is quiet for so long: it is probably dead, whatever the browser thinks. */
const QUIET_MS = 30_000;
const RETRY_MS = 3_000;

export const store = {
  /** The newest view, or null before the first one. */
  view: null,
  /** "connecting", "open", "polling" (no free stream: one look every few seconds), "lost" or "locked". */
  link: "connecting",
  /** performance.now() when something was last heard from the collector. */
  heard: 0,
};

let source = null;
let notify = () => {};

/** Connects, and calls `listener` whenever the view or the link changed. */
export function follow(listener) {
  notify = listener;
  open();
  first();
  setInterval(watch, 1_000);
}

/** How long ago the collector was last heard, in milliseconds. */
export function silence() {
  return store.view ? performance.now() - store.heard : 0;
}

function open() {
  source?.close();
  source = new EventSource("api/live");
  source.addEventListener("view", (event) => take(JSON.parse(event.data), "open"));
  source.addEventListener("change", (event) => take({ ...store.view, ...JSON.parse(event.data) }, "open"));
  source.onerror = () => lose();
}

/** A plain request brings the first view, so that the page does not wait for its stream to get through. */
async function first() {
  try {
    const answer = await fetch("api/state", { cache: "no-store" });
    const view = answer.ok ? await answer.json() : null;
    if (view && !store.view) take(view, store.link);
  } catch {
    // the stream says what is wrong
  }
}

function take(view, link) {
  store.view = view;
  store.link = link;
  store.heard = performance.now();
  notify();
}

function lose() {
  const closed = source.readyState === EventSource.CLOSED;
  if (store.link !== "polling") store.link = "lost";
  notify();
  if (!closed) return; // the browser tries again by itself
  source.close();
  setTimeout(ask, RETRY_MS);
}

/** The stream was refused: a plain request says why, and brings the view if it can. */
async function ask() {
  try {
    const answer = await fetch("api/state", { cache: "no-store" });
    if (answer.status === 401) {
      store.link = "locked";
      notify();
      return;
    }
    if (answer.ok) take(await answer.json(), "polling");
    else store.link = "lost";
  } catch {
    store.link = "lost";
  }
  open();
}

function watch() {
  if (store.link === "open" && silence() > QUIET_MS) {
    store.link = "lost";
    open();
  }
  notify();
}

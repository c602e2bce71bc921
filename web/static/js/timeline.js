// The timeline: what cameras have of a span, to scale, from a month down to a second.
//
// Contract (slice B keeps it; the player puts one under its pictures):
//
//   import { Timeline } from "./timeline.js";
//   const line = new Timeline(root);
//
//   root        an element of any kind: <div data-timeline data-cameras="gate,yard" data-us="…">
//               data-cameras  slugs, comma separated (at most 20); may be changed, then call
//                             line.look()
//               data-us       the cursor, UTC microseconds; without it the cursor is at its middle
//               data-start, data-end  the view, UTC microseconds; without them an hour around data-us
//               data-tz       zone of the ruler; without it that of the first camera
//               It is filled from /timeline/rows; who may not SEE a camera is told so there. Needs
//               css/timeline.css. Reserve its height: 37 px a camera and 22 for the ruler
//               (on a narrow screen 65 a camera).
//   line.show(us)       moves the cursor, without an event; the view follows when it leaves it.
//                       Cheap: may be called with every picture.
//   line.mark(in, out)  the marked span (UTC microseconds), or mark() for none.
//   line.look(start, end)  another view; without arguments the same again, from the server.
//   line.view           [start, end]
//   line.marked         [in, out], or undefined
//   line.us             the cursor
//   root fires (they bubble):
//     "instant" {us, camera}  clicked (once), or Enter: `camera` is the slug of the row, or the
//                             first one's
//     "open" {us, camera}     double click, or Enter: to play from there
//     "span" {from_us, to_us} dragged over, or marked by I and O; null, null when it is taken away
//     "view" {start, end, us} the view or the cursor came to rest
//
//   Keys, while it has the focus: + and − zoom about the cursor, ← → pan, Shift with them moves the
//   cursor alone, Home and End go to the first and the newest footage, I and O mark, Escape unmarks.
//   The wheel zooms about the pointer; Shift or a sideways wheel pans. Two fingers pinch.

import { ask } from "./asking.js";
import { local, utc } from "./instant.js";
import { say } from "./words.js";

const SHORTEST = 1e6;
const LONGEST = (31 * 24 + 1) * 3600e6; // as search.track
const EARLIEST = Date.UTC(1971, 0, 1) * 1000;
const AROUND = 1800e6; // to either side of the cursor, when nobody says what to show
const CLICK_PX = 4; // a pointer that moved less has clicked
const WAIT_MS = 120; // after the last move, before the server is asked
const PAN = 0.15; // of the view, by a key
const NUDGE = 0.01; // the cursor alone

export class Timeline {
  #moved = []; // [element, x or null, width or null] in per cent of the view that was drawn
  #drawn = null; // that view
  #fingers = new Map();

  constructor(root) {
    this.root = root;
    root.setAttribute("data-timeline", ""); // as css/timeline.css knows it
    this.us = root.dataset.us ? Number(root.dataset.us) : undefined;
    this.over = element("div", "tl-over");
    this.cursor = element("div", "tl-cursor");
    this.band = element("div", "tl-mark");
    this.note = element("p", "tl-note");
    this.note.setAttribute("role", "status");
    this.over.append(this.band, this.cursor);
    this.over.tabIndex = 0;
    this.over.setAttribute("role", "slider");
    this.over.setAttribute("aria-label", say("timeline"));
    this.over.setAttribute("aria-valuemin", 0);
    root.append(this.over, this.note);
    this.#listen();
    const given = root.querySelector("[data-part=drawn]");
    if (given) {
      this.#take(given);
      this.view = [...this.#drawn];
      this.#draw();
      return;
    }
    const { start, end } = root.dataset;
    const about = this.us ?? Date.now() * 1000;
    this.view = start && end ? [Number(start), Number(end)] : [about - AROUND, about + AROUND];
    this.#load();
  }

  get tz() {
    return this.root.dataset.tz || this.root.querySelector("[data-part=drawn]")?.dataset.tz || "UTC";
  }

  // The cursor of a view without one is at its middle.
  get at() {
    return Math.round(this.us ?? (this.view[0] + this.view[1]) / 2);
  }

  // Rows are cameras; the chosen one is what Enter speaks of.
  get rows() {
    return [...this.root.querySelectorAll(".tl-row[data-camera]")];
  }

  get row() {
    return this.rows.find((row) => row.dataset.camera === this.camera) ?? this.rows[0];
  }

  show(us) {
    this.us = us;
    const [start, end] = this.view;
    if (us < start || us >= end) {
      const from = us - (end - start) * 0.1;
      this.#to(from, from + end - start);
    } else this.#place();
  }

  mark(from, to) {
    this.marked = from === undefined || to === undefined ? undefined : [Math.min(from, to), Math.max(from, to)];
    this.#place();
  }

  look(start, end) {
    if (start === undefined) this.#load();
    else this.#to(start, end);
  }

  zoom(factor, about = this.at) {
    const [start, end] = this.view;
    const inside = about >= start && about <= end ? about : (start + end) / 2;
    const span = Math.min(LONGEST, Math.max(SHORTEST, (end - start) * factor));
    const from = inside - ((inside - start) / (end - start)) * span;
    this.#to(from, from + span);
  }

  pan(share) {
    const by = (this.view[1] - this.view[0]) * share;
    if (this.us !== undefined) this.us = Math.round(this.us + by);
    this.#to(this.view[0] + by, this.view[1] + by);
  }

  now() {
    const drawn = this.root.querySelector("[data-part=drawn]");
    const span = this.view[1] - this.view[0];
    const end = Number(drawn?.dataset.now ?? Date.now() * 1000) + span * 0.01;
    this.us = undefined;
    this.#to(end - span, end);
  }

  #to(start, end) {
    const from = Math.max(EARLIEST, Math.round(start));
    this.view = [from, Math.round(from + end - start)];
    this.#draw();
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.#load(), WAIT_MS);
    this.#rest();
  }

  // What was drawn for another view, at its places in this one, until the server has drawn it.
  #draw() {
    const [start, end] = this.view;
    const [from, to] = this.#drawn ?? this.view;
    const scale = (to - from) / (end - start);
    const shift = ((from - start) / (end - start)) * 100;
    for (const [one, x, width, names] of this.#moved) {
      for (const name of names) one.setAttribute(name, `${(shift + x * scale).toFixed(4)}%`);
      if (width !== null) one.setAttribute("width", `${(width * scale).toFixed(4)}%`);
    }
    this.#place();
  }

  #place() {
    const [start, end] = this.view;
    const share = (us) => Math.min(200, Math.max(-100, ((us - start) / (end - start)) * 100));
    this.cursor.style.left = `${share(this.at)}%`;
    this.band.hidden = !this.marked;
    if (this.marked) {
      this.band.style.left = `${share(this.marked[0])}%`;
      this.band.style.width = `${share(this.marked[1]) - share(this.marked[0])}%`;
    }
    const seconds = (end - start) / 1e6;
    this.over.setAttribute("aria-valuemax", seconds);
    this.over.setAttribute("aria-valuenow", Math.min(seconds, Math.max(0, (this.at - start) / 1e6)));
    const name = this.row?.dataset.name ?? "";
    this.over.setAttribute("aria-valuetext", say("timeline_at", { time: complete(this.at, this.tz), camera: name }));
    for (const row of this.rows) row.toggleAttribute("data-current", row === this.row && this.rows.length > 1);
  }

  #take(drawn) {
    this.#drawn = [Number(drawn.dataset.start), Number(drawn.dataset.end)];
    this.#moved = [...drawn.querySelectorAll(".tl-row > svg [x$='%'], .tl-row > svg [x1$='%']")].map((one) => {
      const names = one.hasAttribute("x1") ? ["x1", "x2"] : ["x"];
      const width = one.getAttribute("width")?.endsWith("%") ? parseFloat(one.getAttribute("width")) : null;
      return [one, parseFloat(one.getAttribute(names[0])), width, names];
    });
  }

  async #load() {
    clearTimeout(this.waiting);
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    const query = new URLSearchParams();
    for (const slug of (this.root.dataset.cameras ?? "").split(",").filter(Boolean)) query.append("camera", slug);
    query.set("from", utc(this.view[0]));
    query.set("to", utc(this.view[1]));
    if (this.root.dataset.tz) query.set("tz", this.root.dataset.tz);
    if (this.root.dataset.lists) query.set("lists", "1");
    let text;
    try {
      const response = await ask(`/timeline/rows?${query}`, {
        signal: asking.signal, headers: { Accept: "text/html" }, refused: true,
      });
      if (!response) return; // the bar at the foot has said why
      text = await response.text();
      if (!response.ok) {
        this.note.textContent = page(text).querySelector("[role=alert]")?.textContent ?? `HTTP ${response.status}`;
        return;
      }
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      return;
    }
    const fresh = page(text);
    const drawn = fresh.querySelector("[data-part=drawn]");
    this.note.textContent = "";
    const before = this.root.querySelector("[data-part=drawn]");
    if (before) before.replaceWith(drawn);
    else this.root.prepend(drawn);
    this.#take(drawn);
    this.#draw();
    this.#fire("drawn", { fresh });
  }

  #rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.#fire("view", { start: this.view[0], end: this.view[1], us: this.us });
    }, WAIT_MS);
  }

  #fire(name, detail) {
    this.root.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }

  #chosen(from, to) {
    this.mark(from, to);
    const [from_us, to_us] = this.marked ?? [null, null];
    this.#fire("span", { from_us, to_us });
  }

  #said(name) {
    this.#fire(name, { us: this.at, camera: this.row?.dataset.camera });
  }

  #usAt(clientX) {
    const place = this.over.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (clientX - place.left) / place.width));
    return Math.round(this.view[0] + share * (this.view[1] - this.view[0]));
  }

  #listen() {
    const { root } = this;
    root.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    // The browser would take the focus away again, and begin to select text.
    root.addEventListener("mousedown", (event) => onStrip(event) && event.preventDefault());
    root.addEventListener("pointerdown", (event) => this.#down(event));
    root.addEventListener("pointermove", (event) => this.#move(event));
    root.addEventListener("pointerup", (event) => this.#up(event));
    root.addEventListener("pointercancel", (event) => {
      this.#fingers.delete(event.pointerId);
      [this.pinch, this.from] = [null, null]; // the page scrolls instead
    });
    root.addEventListener("dblclick", (event) => onStrip(event) && this.#said("open"));
    this.over.addEventListener("keydown", (event) => this.#key(event));
  }

  #wheel(event) {
    if (!onStrip(event) || event.ctrlKey) return;
    event.preventDefault();
    const unit = [1, 20, 400][event.deltaMode];
    const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.deltaY) || event.shiftKey) this.pan((sideways * unit) / 1000);
    else this.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY * unit * 0.0025))), this.#usAt(event.clientX));
  }

  #down(event) {
    if (!onStrip(event) || event.button) return;
    this.camera = event.target.closest(".tl-row").dataset.camera ?? this.camera;
    this.#fingers.set(event.pointerId, event.clientX);
    this.from = { x: event.clientX, us: this.#usAt(event.clientX), view: [...this.view], touch: event.pointerType === "touch" };
    if (this.#fingers.size === 2) this.pinch = { xs: [...this.#fingers.values()], view: [...this.view] };
    this.over.focus({ preventScroll: true, focusVisible: false });
  }

  #move(event) {
    if (!this.#fingers.has(event.pointerId) || !this.from) return;
    this.#fingers.set(event.pointerId, event.clientX);
    if (this.pinch) return this.#spread();
    if (Math.abs(event.clientX - this.from.x) < CLICK_PX && !this.from.dragged) return;
    // Held on to from here only: a click must stay the strip's.
    if (!this.from.dragged) this.root.setPointerCapture(event.pointerId);
    this.from.dragged = true;
    if (!this.from.touch) return this.mark(this.from.us, this.#usAt(event.clientX));
    const [start, end] = this.from.view;
    const by = ((this.from.x - event.clientX) / this.over.clientWidth) * (end - start);
    this.#to(start + by, end + by);
  }

  #spread() {
    const [a, b] = [...this.#fingers.values()];
    const { xs, view } = this.pinch;
    const factor = Math.max(8, Math.abs(xs[0] - xs[1])) / Math.max(8, Math.abs(a - b));
    const span = Math.min(LONGEST, Math.max(SHORTEST, (view[1] - view[0]) * factor));
    const place = this.over.getBoundingClientRect();
    const was = view[0] + (((xs[0] + xs[1]) / 2 - place.left) / place.width) * (view[1] - view[0]);
    const from = was - (((a + b) / 2 - place.left) / place.width) * span;
    this.#to(from, from + span);
  }

  #up(event) {
    if (!this.#fingers.delete(event.pointerId) || !this.from) return;
    if (this.pinch) {
      if (!this.#fingers.size) [this.pinch, this.from] = [null, null];
      return;
    }
    const { dragged, touch, us } = this.from;
    this.from = null;
    if (dragged && !touch) this.#chosen(us, this.#usAt(event.clientX));
    if (dragged) return;
    this.us = us;
    this.#place();
    this.#said("instant");
    this.#rest();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const nudge = (by) => {
      this.show(Math.round(this.at + by * (this.view[1] - this.view[0])));
      this.#rest();
    };
    const deeds = {
      "+": () => this.zoom(0.5), "=": () => this.zoom(0.5),
      "-": () => this.zoom(2), "_": () => this.zoom(2),
      ArrowLeft: () => (event.shiftKey ? nudge(-NUDGE) : this.pan(-PAN)),
      ArrowRight: () => (event.shiftKey ? nudge(NUDGE) : this.pan(PAN)),
      ArrowUp: () => this.#step(-1), ArrowDown: () => this.#step(1),
      PageUp: () => this.pan(-1), PageDown: () => this.pan(1),
      Home: () => this.#oldest(), End: () => this.now(),
      i: () => this.#chosen(this.at, Math.max(this.at + 1, this.marked?.[1] ?? this.view[1])),
      o: () => this.#chosen(Math.min(this.at - 1, this.marked?.[0] ?? this.view[0]), this.at),
      Escape: () => this.#chosen(),
      Enter: () => ["instant", "open"].forEach((name) => this.#said(name)),
    };
    const deed = deeds[event.key] ?? deeds[event.key.toLowerCase()];
    if (!deed) return;
    event.preventDefault();
    event.stopPropagation();
    deed();
  }

  #step(by) {
    const rows = this.rows;
    const next = rows[Math.min(rows.length - 1, Math.max(0, rows.indexOf(this.row) + by))];
    this.camera = next?.dataset.camera;
    this.#place();
  }

  #oldest() {
    const drawn = this.root.querySelector("[data-part=drawn]");
    const first = Number(drawn?.dataset.oldest);
    if (!first) return;
    const span = this.view[1] - this.view[0];
    this.us = undefined;
    this.#to(first - span * 0.01, first + span * 0.99);
  }
}

function element(name, className) {
  return Object.assign(document.createElement(name), { className });
}

function onStrip(event) {
  return Boolean(event.target.closest?.(".tl-row > svg"));
}

function page(text) {
  return new DOMParser().parseFromString(text, "text/html");
}

export function complete(us, tz) {
  const { day, clock, offset } = local(us, tz);
  return `${day} ${clock} ${offset}`;
}

// The density strip above an answer: drag over it, or mark a span by keys, to search that alone.
// Contract: templates/macros/density.html.
import { local } from "./instant.js";
import { say } from "./words.js";

const HEIGHT = 40;
const CLICK_PX = 4;
const SVG = "http://www.w3.org/2000/svg";
const taken = new WeakMap();

class Density {
  constructor(root) {
    this.root = root;
    [this.start, this.end] = [Number(root.dataset.start), Number(root.dataset.end)];
    this.columns = Number(root.dataset.columns);
    this.strip = root.querySelector("[data-part=strip]");
    this.said = root.querySelector("[data-part=said]");
    this.column = null;
    Object.assign(this.strip, { tabIndex: 0 });
    this.strip.setAttribute("role", "slider");
    this.strip.setAttribute("aria-label", say("density"));
    this.strip.setAttribute("aria-valuemin", 0);
    this.strip.setAttribute("aria-valuemax", this.columns - 1);
    this.#tell(0, 1);
    this.strip.addEventListener("pointerdown", (event) => this.#down(event));
    this.strip.addEventListener("pointermove", (event) => this.#move(event));
    this.strip.addEventListener("pointerup", (event) => this.#up(event));
    this.strip.addEventListener("pointercancel", () => this.#choose(null));
    this.strip.addEventListener("keydown", (event) => this.#key(event));
    this.strip.addEventListener("blur", () => this.#caret(null));
  }

  get tz() {
    return this.root.dataset.tz || "UTC";
  }

  us(column) {
    return Math.round(this.start + (column / this.columns) * (this.end - this.start));
  }

  // Hits in a stretch of columns.
  #count(from, to) {
    let count = 0;
    for (const us of this.hits ?? []) if (us >= this.us(from) && us < this.us(to)) count += 1;
    return count;
  }

  show(hits) {
    this.hits = hits;
    const counts = new Array(this.columns).fill(0);
    for (const us of hits) {
      const column = Math.floor(((us - this.start) / (this.end - this.start)) * this.columns);
      if (column >= 0 && column < this.columns) counts[column] += 1;
    }
    const most = Math.max(1, ...counts);
    const bars = [];
    counts.forEach((count, column) => {
      if (!count) return;
      const bar = document.createElementNS(SVG, "rect");
      const height = (0.35 + (0.65 * count) / most) * HEIGHT;
      const facts = { class: "hit", x: `${(column / this.columns) * 100}%`, width: `${100 / this.columns}%`, y: HEIGHT - height, height };
      for (const [name, value] of Object.entries(facts)) bar.setAttribute(name, value);
      const title = document.createElementNS(SVG, "title");
      title.textContent = say("density_at", { from: this.#time(column), to: this.#time(column + 1), n: count });
      bar.append(title);
      bars.push(bar);
    });
    this.root.querySelector("[data-part=hits]").replaceChildren(...bars);
  }

  #time(column) {
    const { day, clock, offset } = local(this.us(column), this.tz);
    return `${day} ${clock.slice(0, 8)} ${offset}`;
  }

  #tell(from, to) {
    const fields = { from: this.#time(from), to: this.#time(to), n: this.#count(from, to) };
    this.strip.setAttribute("aria-valuenow", Math.floor(from));
    this.strip.setAttribute("aria-valuetext", say(this.hits ? "density_at" : "density_chosen", fields));
    return fields;
  }

  #rect(part, from, to) {
    const rect = this.root.querySelector(`[data-part=${part}]`);
    rect.setAttribute("x", from === null ? "-10%" : `${(from / this.columns) * 100}%`);
    if (to !== undefined) rect.setAttribute("width", from === null ? 0 : `${((to - from) / this.columns) * 100}%`);
  }

  #caret(column) {
    this.#rect("caret", column);
  }

  #choose(from, to) {
    this.chosen = from === null ? null : [Math.min(from, to), Math.max(from, to)];
    this.#rect("chosen", this.chosen?.[0] ?? null, this.chosen?.[1] ?? 0);
    this.said.textContent = this.chosen ? say("density_chosen", this.#tell(...this.chosen)) : "";
  }

  #columnAt(event) {
    const place = this.strip.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - place.left) / place.width)) * this.columns;
  }

  #down(event) {
    if (event.button) return;
    this.from = { x: event.clientX, column: this.#columnAt(event) };
    this.strip.setPointerCapture(event.pointerId);
  }

  #move(event) {
    if (!this.from) return;
    if (Math.abs(event.clientX - this.from.x) >= CLICK_PX) this.#choose(this.from.column, this.#columnAt(event));
  }

  #up() {
    this.from = null;
    if (this.chosen) this.#narrow();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -this.columns, End: this.columns }[event.key];
    if (by) {
      const before = this.column ?? (by > 0 ? -1 : this.columns);
      this.column = Math.min(this.columns - 1, Math.max(0, before + by));
      if (event.shiftKey) this.anchor ??= Math.max(0, before);
      else this.anchor = null;
      this.#caret(this.column);
      if (this.anchor === null) this.#choose(null);
      else this.#choose(Math.min(this.anchor, this.column), Math.max(this.anchor, this.column) + 1);
      if (!this.chosen) this.#tell(this.column, this.column + 1);
    } else if (event.key === "Enter" && this.column !== null) {
      if (!this.chosen) this.#choose(this.column, this.column + 1);
      this.#narrow();
    } else if (event.key === "Escape" && this.chosen) {
      [this.anchor, this.from] = [null, null];
      this.#choose(null);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // To the second, outwards: what is seen to be in the span is in it.
  #narrow() {
    const from_us = Math.floor(this.us(this.chosen[0]) / 1e6) * 1e6;
    const to_us = Math.max(from_us + 1e6, Math.ceil(this.us(this.chosen[1]) / 1e6) * 1e6);
    const event = new CustomEvent("narrow", { bubbles: true, cancelable: true, detail: { from_us, to_us } });
    if (!this.root.dispatchEvent(event)) return;
    const form = document.getElementById(this.root.dataset.form);
    if (!form) return;
    const typed = (us) => {
      const { day, clock } = local(us, this.tz);
      return `${day} ${clock.slice(0, 8)}`;
    };
    form.elements.from.value = typed(from_us);
    form.elements.to.value = typed(to_us);
    if (form.elements.tz) form.elements.tz.value = this.tz;
    form.requestSubmit();
  }
}

function of(root) {
  if (!taken.has(root)) taken.set(root, new Density(root));
  return taken.get(root);
}

export function showHits(root, hits) {
  of(root).show(hits);
}

for (const root of document.querySelectorAll("[data-density]")) of(root);

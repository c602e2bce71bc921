// "Search this": the whole picture on screen, or a box in it, drawn or moved by keys, as a question.
import { utc } from "./instant.js";
import { say } from "./words.js";

const NS = "http://www.w3.org/2000/svg";
const MOVE = 0.02; // of the picture, by a key
const LEAST = 0.02; // a smaller box was a click

export class BoxSearch {
  // pane: what the player hands over: {stage, bar, search (its link), shown() → {camera, us, width, height, case, reason}}
  constructor({ stage, bar, address, shown }) {
    Object.assign(this, { stage, bar, address, shown });
    bar.addEventListener("click", (event) => {
      const what = event.target.closest("[data-cut]")?.dataset.cut;
      if (what === "whole") this.#go(null);
      else if (what === "search") this.#go(this.box);
      else if (what === "leave") this.close();
    });
  }

  get isOpen() {
    return Boolean(this.layer);
  }

  open() {
    if (this.layer || !this.shown()?.width) return;
    this.box = [0.3, 0.25, 0.4, 0.5];
    this.layer = document.createElementNS(NS, "svg");
    this.layer.setAttribute("class", "cut");
    this.layer.setAttribute("tabindex", "0");
    this.layer.setAttribute("role", "group");
    this.layer.setAttribute("aria-label", `${say("cut_box")}. ${say("cut_help")}`);
    const { width, height } = this.shown();
    this.layer.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.rect = document.createElementNS(NS, "rect");
    this.layer.append(this.rect);
    this.layer.addEventListener("pointerdown", (event) => this.#draw(event));
    this.layer.addEventListener("keydown", (event) => this.#key(event));
    this.stage.append(this.layer);
    this.bar.hidden = false;
    this.#paint();
    this.layer.focus();
  }

  close() {
    if (!this.layer) return;
    this.layer.remove();
    this.layer = null;
    this.bar.hidden = true;
    document.querySelector("[data-do=cut]")?.focus();
  }

  #at(event) {
    const { a, d, e, f } = this.layer.getScreenCTM();
    const { width, height } = this.shown();
    return [(event.clientX - e) / a / width, (event.clientY - f) / d / height]
      .map((one) => Math.min(1, Math.max(0, one)));
  }

  #draw(event) {
    event.preventDefault();
    const before = this.box;
    const from = this.#at(event);
    this.layer.setPointerCapture(event.pointerId);
    const move = (each) => {
      const to = this.#at(each);
      this.box = [0, 1].map((i) => Math.min(from[i], to[i])).concat([0, 1].map((i) => Math.abs(from[i] - to[i])));
      this.#paint();
    };
    const end = () => {
      this.layer?.removeEventListener("pointermove", move);
      if (this.box[2] < LEAST || this.box[3] < LEAST) this.box = before;
      this.#paint();
      this.layer?.focus();
    };
    this.layer.addEventListener("pointermove", move);
    this.layer.addEventListener("pointerup", end, { once: true });
    this.layer.addEventListener("pointercancel", end, { once: true });
  }

  #key(event) {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
    if (event.key === "Enter") this.#go(this.box);
    else if (event.key === "Escape") this.close();
    else if (x !== undefined) {
      const at = event.shiftKey ? 2 : 0;
      this.box[at] += x * MOVE;
      this.box[at + 1] += y * MOVE;
      for (const i of [0, 1]) {
        this.box[i + 2] = Math.min(1, Math.max(LEAST, this.box[i + 2]));
        this.box[i] = Math.min(1 - this.box[i + 2], Math.max(0, this.box[i]));
      }
      this.#paint();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #pixels(box) {
    const { width, height } = this.shown();
    const [x, y, w, h] = [box[0] * width, box[1] * height, box[2] * width, box[3] * height].map(Math.round);
    return [Math.min(x, width - 1), Math.min(y, height - 1), Math.max(1, Math.min(w, width - x)), Math.max(1, Math.min(h, height - y))];
  }

  #paint() {
    if (!this.layer) return;
    const sides = this.#pixels(this.box);
    ["x", "y", "width", "height"].forEach((name, i) => this.rect.setAttribute(name, sides[i]));
    this.bar.querySelector("output").textContent = `${sides[2]} × ${sides[3]}`;
  }

  #go(box) {
    const { camera, us, case: number, reason } = this.shown();
    const part = box ? `@${this.#pixels(box).join(",")}` : "";
    const query = new URLSearchParams({ like: `${camera}@${utc(us)}${part}` });
    if (number) query.set("case", number);
    if (reason) query.set("reason", reason);
    location.assign(`${this.address}?${query}`);
  }
}

// The marked span: shown under the player, on the strips, and in what exports, holds or collects it.
import { local, utc } from "./instant.js";
import { say } from "./words.js";

export class Marks {
  // parts: by name, of the pane; strips: where the span is drawn
  constructor(root, parts, strips) {
    Object.assign(this, { root, parts, strips });
    this.span = {};
  }

  set(which, us, source) {
    this.span[which] = us;
    const { in: start, out: end } = this.span;
    if (start !== undefined && end !== undefined && end <= start) {
      delete this.span[which === "in" ? "out" : "in"];
    }
    this.show(source);
  }

  // A whole span, as a timeline marks it.
  take(from, to, source) {
    this.span = { in: from, out: to };
    this.show(source);
  }

  show(source) {
    this.parts.marks.hidden = false;
    for (const name of ["in", "out"]) {
      const us = this.span[name];
      const text = us === undefined ? "—" : local(us, source.tz).clock;
      this.parts[`mark-${name}`].textContent = say(name, { time: text });
    }
    this.strips.mark(this.span.in, this.span.out);
    this.root.dataset.span = `${this.span.in ?? ""}-${this.span.out ?? ""}`; // for exhibits.js
    const whole = this.span.in !== undefined && this.span.out !== undefined;
    this.#export(source, whole);
    this.#hold(source, whole);
    this.root.dispatchEvent(new CustomEvent("marked", { detail: this.span }));
  }

  clear() {
    this.span = {};
    this.parts.marks.hidden = true;
    delete this.root.dataset.span;
    this.strips.mark();
    this.root.dispatchEvent(new CustomEvent("marked", { detail: this.span }));
  }

  #export(source, whole) {
    const link = this.parts.export;
    if (!link) return;
    link.classList.toggle("primary", whole);
    const query = new URLSearchParams({ camera: source.camera });
    if (this.span.in !== undefined) query.set("from", utc(this.span.in));
    if (this.span.out !== undefined) query.set("to", utc(this.span.out));
    if (source.case) query.set("case", source.case);
    if (source.reason) query.set("reason", source.reason);
    const found = document.querySelector("[data-found-by]")?.dataset.foundBy;
    if (found) query.set("search", found); // the bundle will say which search found it
    link.href = `${link.href.split("?")[0]}?${query}`;
  }

  // Holds the span: a small form, since why is demanded.
  #hold(source, whole) {
    const form = this.parts.hold;
    if (!form) return;
    form.querySelector("button").disabled = !whole;
    form.elements.camera.value = source.camera;
    form.elements.case.value = source.case ?? "";
    form.elements.from.value = this.span.in === undefined ? "" : utc(this.span.in);
    form.elements.to.value = this.span.out === undefined ? "" : utc(this.span.out);
  }
}

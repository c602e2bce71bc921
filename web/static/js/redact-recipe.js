// A recipe while it is drawn: subjects, their boxes by instant, and the JSON the server reads.
import { parseUtc, utc } from "./instant.js";

const LEAST = 0.004;
const DIGITS = 1e5;
const round = (value) => Math.round(value * DIGITS) / DIGITS;

// Microseconds; with another offset than UTC to the millisecond, as browsers read it.
function instant(text) {
  const us = text.endsWith("Z") ? parseUtc(text) : Date.parse(text) * 1000;
  if (!Number.isFinite(us)) throw new TypeError(text);
  return us;
}

// Inside the picture, and no smaller than something to see.
function inside([x, y, w, h]) {
  const width = Math.min(Math.max(w, LEAST), 1);
  const height = Math.min(Math.max(h, LEAST), 1);
  const left = Math.floor(Math.min(Math.max(x, 0), 1 - width) * DIGITS) / DIGITS;
  const top = Math.floor(Math.min(Math.max(y, 0), 1 - height) * DIGITS) / DIGITS;
  return [left, top, round(Math.min(width, 1 - left)), round(Math.min(height, 1 - top))];
}

class Subject {
  constructor(name, boxes = [], from = null, until = null, track = true) {
    Object.assign(this, { name, boxes, from, until, track });
  }

  isThere(us) {
    return (this.from === null || us >= this.from) && (this.until === null || us < this.until);
  }

  put(us, box) {
    this.take(us);
    this.boxes.push({ us, box: inside(box) });
    this.boxes.sort((a, b) => a.us - b.us);
    // A box says that it is there.
    if (this.from !== null && us < this.from) this.from = us;
    if (this.until !== null && us >= this.until) this.until = null;
  }

  take(us) {
    this.boxes = this.boxes.filter((one) => one.us !== us);
  }

  // Where it was drawn, or about where it is between: only to be seen while drawing.
  at(us) {
    const before = this.boxes.findLast((one) => one.us <= us);
    const after = this.boxes.find((one) => one.us > us);
    if (before?.us === us) return { box: before.box, drawn: true };
    if (!before || !after) return { box: (before ?? after)?.box ?? null, drawn: false };
    const share = (us - before.us) / (after.us - before.us);
    return { box: before.box.map((value, i) => value + (after.box[i] - value) * share), drawn: false };
  }

  document() {
    const boxes = this.boxes.filter(({ us }) => this.isThere(us));
    return {
      name: this.name.trim(),
      ...(this.from !== null && { from: utc(this.from) }),
      ...(this.until !== null && { until: utc(this.until) }),
      track: this.track,
      boxes: boxes.map(({ us, box }) => ({ at: utc(us), box })),
    };
  }
}

export class Recipe {
  constructor(hide = "boxes", fill = "blocks", subjects = []) {
    Object.assign(this, { hide, fill, subjects });
  }

  // Out of its JSON; null when that is something else.
  static from(text) {
    try {
      const read = JSON.parse(text);
      if (read?.recipe !== 1) return null;
      return new Recipe(read.hide ?? "boxes", read.fill ?? "blocks", (read.subjects ?? []).map((one) => new Subject(
        String(one.name ?? ""),
        one.boxes.map(({ at, box }) => ({ us: instant(at), box: inside(box.map(Number)) })),
        one.from ? instant(one.from) : null,
        one.until ? instant(one.until) : null,
        one.track !== false,
      )));
    } catch {
      return null;
    }
  }

  add(name) {
    const made = new Subject(name);
    this.subjects.push(made);
    return made;
  }

  remove(subject) {
    this.subjects = this.subjects.filter((one) => one !== subject);
  }

  // As the server reads it: subjects nobody drew yet are left out.
  document() {
    return { recipe: 1, hide: this.hide, fill: this.fill,
      subjects: this.subjects.filter((one) => one.boxes.length).map((one) => one.document()) };
  }

  // As it is kept in this tab.
  text() {
    return JSON.stringify({ ...this.document(), subjects: this.subjects.map((one) => one.document()) });
  }
}

// The player: opens a recording at an instant, wires the buttons, keys, day strip and marks.
import { local, utc } from "./instant.js";
import { isTyping } from "./page.js";
import { loadLibrary, Stream } from "./stream.js";
import { Stills } from "./stills.js";
import { Strips } from "./strips.js";
import { length, say } from "./words.js";

const JUMP_US = 10e6;
const BOX_US = 400_000; // a hit's box is drawn this near to its instant
const SLIP_US = 1000; // see stills.js
const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];
const CODECS = {
  h264: "avc1.640028", hevc: "hvc1.1.6.L123.B0", av1: "av01.0.08M.08", vp9: "vp09.00.40.08",
};

async function codecsPlayed() {
  if (!(await loadLibrary())) return [];
  return Object.keys(CODECS).filter((name) => (
    window.MediaSource?.isTypeSupported(`video/mp4; codecs="${CODECS[name]}"`)
  ));
}

export class Player {
  constructor(root) {
    this.root = root;
    this.parts = {};
    for (const part of root.querySelectorAll("[data-part]")) this.parts[part.dataset.part] ??= part;
    this.marks = {};
    this.back = 0; // speed backwards, 0 when not
    this.turn = 0; // counts openings, so that a late answer of an earlier one is dropped
    root.addEventListener("click", (event) => this.#clicked(event));
    root.querySelector("[data-do=speed]").addEventListener("change", (event) => {
      this.#setRate(Number(event.target.value));
    });
    document.addEventListener("keydown", (event) => this.#key(event));
    this.parts.video.muted = true;
    this.strips = new Strips(this.parts.day, {
      seek: (us) => this.seek(us),
      failed: (text) => this.#note(text),
    });
  }

  // source: {camera, tz, case?, reason?, hit?: {us, box, width, height}}
  async open(source, atUs, { play = false } = {}) {
    const turn = ++this.turn;
    this.#stopBack();
    if (source.camera !== this.source?.camera) this.#unmark();
    this.source = source;
    this.#note(say("loading"));
    const asked = new URLSearchParams({ at: Math.max(0, Math.round(atUs)) });
    asked.set("codecs", (await codecsPlayed()).join(","));
    if (source.case) asked.set("case", source.case);
    if (source.reason) asked.set("reason", source.reason);
    const answer = await this.#ask(`/media/${encodeURIComponent(source.camera)}/opening.json?${asked}`);
    if (!answer || turn !== this.turn) return;
    this.opening = answer;
    this.source = { ...source, ...{ tz: answer.camera.tz, name: answer.camera.name } };
    this.root.dataset.open = answer.streamed ? "stream" : "stills";
    this.parts.name.textContent = answer.camera.name;
    this.parts.place.textContent = answer.camera.site;
    this.#enable();
    this.#note(answer.streamed ? "" : await this.#whyStills(answer));
    const kind = answer.streamed ? Stream : Stills;
    if (!(this.engine instanceof kind)) {
      this.engine?.close();
      const screen = answer.streamed ? this.parts.video : this.parts.still;
      this.engine = new kind(screen, this.#ears());
      this.engine.rate = this.rate ?? 1;
    }
    // Where no footage was at the instant, what was found is the footage nearest to it.
    const at = atUs >= answer.segments[0].start_us && atUs <= answer.at_us ? atUs : answer.at_us;
    await this.engine.open(answer, at);
    if (turn !== this.turn) return;
    await this.strips.follow(answer.camera.slug, answer.camera.tz, at);
    if (play) this.engine.play();
  }

  seek(us, options = {}) {
    this.#stopBack();
    this.strips.released();
    const { segments } = this.opening ?? { segments: [] };
    const inside = segments.length && us >= segments[0].start_us && us < segments[segments.length - 1].end_us;
    if (inside) {
      this.#note("");
      this.engine.seek(us);
    } else if (this.source) {
      this.open({ ...this.source, hit: null }, us, { play: this.engine?.playing ?? false, ...options });
    }
  }

  toggle() {
    if (this.back) this.#stopBack();
    else if (this.engine?.playing) this.engine.pause();
    else this.engine?.play();
  }

  #ears() {
    return {
      time: (us) => this.#time(us),
      playing: (on) => this.#playing(on),
      hole: (hole) => this.#hole(hole),
      end: (direction) => this.#end(direction),
      failed: (detail) => this.#note(say("failed", { detail })),
    };
  }

  async #whyStills(answer) {
    if (!(await loadLibrary())) return say("stills_missing");
    return say("stills_codec", { codec: (answer.codec ?? "?").toUpperCase() });
  }

  async #ask(address) {
    try {
      const response = await fetch(address, { headers: { Accept: "application/json" } });
      if (response.ok) return await response.json();
      const problem = await response.json().catch(() => ({}));
      this.#note(response.status === 401 ? say("logged_out") : problem.detail ?? `HTTP ${response.status}`);
    } catch {
      this.#note(say("offline"));
    }
    return null;
  }

  #time(us) {
    this.us = us;
    const { day, clock, offset } = local(us, this.source.tz);
    const [date, bold, dim] = ["span", "b", "i"].map((name) => document.createElement(name));
    [date.textContent, bold.textContent, dim.textContent] = [day, clock, offset];
    this.parts.time.replaceChildren(date, " ", bold, " ", dim);
    this.parts.time.dateTime = utc(us);
    this.parts.time.title = `UTC ${utc(us)}`;
    this.root.dataset.us = us;
    const query = new URLSearchParams({ at: us + SLIP_US });
    if (this.source.case) query.set("case", this.source.case);
    if (this.source.reason) query.set("reason", this.source.reason);
    this.parts.snapshot.href = `${this.opening.snapshot}?${query}`;
    this.strips.head(us);
    this.#box(us);
    if (!this.engine?.playing) this.#remember();
  }

  #playing(on) {
    this.parts["play-icon"].hidden = on;
    this.parts["pause-icon"].hidden = !on;
    const button = this.root.querySelector("[data-do=play]");
    button.setAttribute("aria-label", say(on ? "pause" : "play"));
    button.title = `${say(on ? "pause" : "play")} (K)`;
    if (!on) this.#remember();
  }

  #remember() {
    this.root.dispatchEvent(new CustomEvent("instant", { detail: { us: this.us, ...this.source } }));
  }

  #hole(hole) {
    const [from, to] = [hole.start_us, hole.end_us].map((us) => local(us, this.source.tz).clock.slice(0, 8));
    const lasted = length((hole.end_us - hole.start_us) / 1e6);
    const key = hole.cause ? "gap" : "jump";
    this.#note(say(key, { from, to, length: lasted, cause: hole.cause }), 6000);
  }

  async #end(direction) {
    const next = direction > 0 ? this.opening.after_us : this.opening.before_us;
    if (next === null) {
      this.engine.pause();
      this.#note(say(direction > 0 ? "end" : "begin"), 4000);
      return;
    }
    const edge = direction > 0 ? next : this.opening.segments[0].start_us;
    const hole = this.opening.holes.find((one) => one.end_us === edge);
    // Playing on, the stream has ended and reads as paused; a step leaves it so.
    const play = direction > 0 && (this.parts.video.ended || this.engine.playing);
    await this.open({ ...this.source, hit: null }, direction > 0 ? next : edge - SLIP_US, { play });
    if (hole) this.#hole(hole);
  }

  #setRate(value) {
    this.rate = value;
    if (this.engine) this.engine.rate = value;
    this.root.querySelector("[data-do=speed]").value = String(value);
    this.parts.rate.textContent = value === 1 ? "" : say("speed", { speed: value });
  }

  // J: backwards, each press faster. Browsers do not play backwards, so pictures are sought.
  #faster(direction) {
    if (!this.engine) return;
    if (direction > 0) {
      const was = this.engine.playing && !this.back;
      this.#stopBack();
      if (was) this.#setRate(SPEEDS[Math.min(SPEEDS.indexOf(this.rate ?? 1) + 1, SPEEDS.length - 1)]);
      else this.engine.play();
      return;
    }
    if (this.engine.playing) this.engine.pause();
    const begin = this.back === 0;
    this.back = Math.min(this.back * 2 || 1, 16);
    this.parts.rate.textContent = say("backwards", { speed: this.back });
    if (begin) this.#goBack();
  }

  async #goBack() {
    let before = performance.now();
    let us = this.us;
    while (this.back) {
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      us -= (now - before) * 1000 * this.back;
      before = now;
      if (us < this.opening.segments[0].start_us) {
        this.#stopBack();
        this.#end(-1);
        return;
      }
      if (!this.parts.video.seeking) await this.engine.seek(Math.round(us));
    }
  }

  #stopBack() {
    if (!this.back) return;
    this.back = 0;
    this.parts.rate.textContent = "";
  }

  #box(us) {
    const hit = this.source.hit;
    const shown = Boolean(hit?.box) && Math.abs(us - hit.us) < BOX_US;
    this.parts.box.toggleAttribute("hidden", !shown);
    if (!shown) return;
    const segment = this.opening.segments.find((one) => us >= one.start_us && us < one.end_us);
    this.parts.box.setAttribute("viewBox", `0 0 ${segment?.width ?? 1} ${segment?.height ?? 1}`);
    for (const rect of this.parts.box.children) {
      ["x", "y", "width", "height"].forEach((name, i) => rect.setAttribute(name, hit.box[i]));
    }
  }

  #mark(which) {
    if (this.us === undefined) return;
    this.marks[which] = this.us;
    const { in: start, out: end } = this.marks;
    if (start !== undefined && end !== undefined && end <= start) {
      delete this.marks[which === "in" ? "out" : "in"];
    }
    this.parts.marks.hidden = false;
    for (const name of ["in", "out"]) {
      const us = this.marks[name];
      const text = us === undefined ? "—" : local(us, this.source.tz).clock;
      this.parts[`mark-${name}`].textContent = say(name, { time: text });
    }
    this.strips.mark(this.marks.in, this.marks.out);
    const link = this.parts.export;
    if (!link) return;
    const whole = this.marks.in !== undefined && this.marks.out !== undefined;
    link.classList.toggle("primary", whole);
    const query = new URLSearchParams({ camera: this.source.camera });
    if (this.marks.in !== undefined) query.set("from", utc(this.marks.in));
    if (this.marks.out !== undefined) query.set("to", utc(this.marks.out));
    if (this.source.case) query.set("case", this.source.case);
    if (this.source.reason) query.set("reason", this.source.reason);
    link.href = `${link.href.split("?")[0]}?${query}`;
  }

  #unmark() {
    this.marks = {};
    this.parts.marks.hidden = true;
    this.strips.mark();
  }

  #enable() {
    for (const control of this.root.querySelectorAll("[data-do]")) control.disabled = false;
    this.parts.snapshot.removeAttribute("aria-disabled");
    this.parts.sound.hidden = !this.opening.segments.some((one) => one.audio);
  }

  #sound() {
    const { video, sound } = this.parts;
    video.muted = !video.muted;
    sound.setAttribute("aria-pressed", String(!video.muted));
  }

  #note(text, fades_ms = 0) {
    clearTimeout(this.fading);
    this.parts.note.textContent = text;
    if (fades_ms) this.fading = setTimeout(() => this.#note(""), fades_ms);
  }

  #clicked(event) {
    const what = event.target.closest("[data-do]")?.dataset.do;
    if (!what || !this.engine) return;
    const act = {
      play: () => this.toggle(),
      "step-back": () => this.engine.step(-1),
      "step-on": () => this.engine.step(1),
      "jump-back": () => this.seek(this.us - JUMP_US),
      "jump-on": () => this.seek(this.us + JUMP_US),
      "mark-in": () => this.#mark("in"),
      "mark-out": () => this.#mark("out"),
      sound: () => this.#sound(),
    }[what];
    if (act && /^(step|jump)/.test(what)) this.#stopBack();
    act?.();
  }

  #key(event) {
    if (!this.engine || isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const onButton = event.target.closest?.("button, a, summary");
    const act = {
      " ": onButton ? null : () => this.toggle(),
      k: () => this.toggle(),
      j: () => this.#faster(-1),
      l: () => this.#faster(1),
      ",": () => { this.#stopBack(); this.engine.step(-1); },
      ".": () => { this.#stopBack(); this.engine.step(1); },
      i: () => this.#mark("in"),
      o: () => this.#mark("out"),
      m: () => this.#sound(),
      s: () => this.parts.snapshot.click(),
      ArrowLeft: event.shiftKey ? () => this.seek(this.us - JUMP_US) : null,
      ArrowRight: event.shiftKey ? () => this.seek(this.us + JUMP_US) : null,
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

// What the page says to play: camera and instant as data attributes of the pane.
export function sourceOf(root) {
  const { camera, tz, name, case: number, reason } = root.dataset;
  return camera ? { camera, tz, name, case: number, reason } : null;
}

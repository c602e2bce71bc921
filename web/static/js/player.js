// The player: opens a recording at an instant, wires the buttons, keys, day strip and marks.
import { local, utc } from "./instant.js";
import { codecsPlayed, openingAt } from "./opening.js";
import { Marks } from "./player-marks.js";
import { isTyping } from "./page.js";
import { loadLibrary, Stream } from "./stream.js";
import { Stills } from "./stills.js";
import { Strips } from "./strips.js";
import { Scrub } from "./scrub.js";
import { Together } from "./together.js";
import { Watermark } from "./watermark.js";
import { length, say } from "./words.js";

const JUMP_US = 10e6;
const BOX_US = 400_000; // a hit's box is drawn this near to its instant
const SLIP_US = 1000; // see stills.js
const AGAIN_MS = 2500; // until a server that does not answer is asked again
const SAME_US = 2e6; // a recording that fails twice so near is not opened a third time
const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];

export class Player {
  constructor(root) {
    this.root = root;
    this.parts = {};
    for (const part of root.querySelectorAll("[data-part]")) this.parts[part.dataset.part] ??= part;
    this.tiles = []; // further cameras on this clock
    this.refused = new Set(); // names of codecs whose exact kind the browser turned down
    this.back = 0; // speed backwards, 0 when not
    this.turn = 0; // counts openings, so that a late answer of an earlier one is dropped
    this.shows = null; // (us) → told with every picture
    root.addEventListener("click", (event) => this.#clicked(event));
    root.querySelector("[data-do=speed]").addEventListener("change", (event) => {
      this.#setRate(Number(event.target.value));
    });
    document.addEventListener("keydown", (event) => this.#key(event));
    this.parts.video.muted = true;
    const { stage } = this.parts;
    if (stage.dataset.watermark) this.watermark = new Watermark(stage, stage.dataset.watermark);
    // A browser that shows the video alone full screen would leave everything over it behind.
    document.addEventListener("fullscreenchange", async () => {
      if (document.fullscreenElement !== this.parts.video) return;
      await document.exitFullscreen();
      this.#full();
    });
    this.strips = new Strips(this.parts.day, {
      seek: (us) => this.seek(us),
      failed: (text) => this.#note(text),
      glance: (track, share) => this.scrub.at(track, share),
    });
    this.scrub = new Scrub(this.parts.day, this.parts.glance, { source: () => this.source });
    this.marks = new Marks(root, this.parts, this.strips);
  }

  // source: {camera, tz, case?, reason?, hit?: {us, box, width, height}}
  async open(source, atUs, { play = false, again = false } = {}) {
    const turn = ++this.turn;
    clearTimeout(this.waiting);
    this.#stopBack();
    if (source.camera !== this.source?.camera) this.marks.clear();
    this.source = source;
    this.watermark?.forCase(source.case);
    if (!again) this.#note(say("loading"));
    const answer = await this.opens(source.camera, atUs);
    if (turn !== this.turn) return;
    if (answer.problem) {
      this.#refuse(answer, atUs, play);
      return;
    }
    this.opening = answer;
    this.stopped = false;
    this.source = { ...source, ...{ tz: answer.camera.tz, name: answer.camera.name } };
    this.root.dataset.open = answer.streamed ? "stream" : "stills";
    this.parts.name.textContent = answer.camera.name;
    this.parts.place.textContent = answer.camera.site;
    this.#enable();
    this.#note(answer.streamed ? "" : await this.#whyStills(answer));
    this.parts.preview.hidden = answer.streamed || !(await loadLibrary());
    this.parts.transcoded.hidden = !answer.transcoded;
    const kind = answer.streamed ? Stream : Stills;
    if (this.kind !== kind) {
      this.engine?.close();
      this.kind = kind;
      const screen = answer.streamed ? this.parts.video : this.parts.still;
      const make = (on) => new kind(screen, on);
      this.engine = this.tiles.length ? new Together(make, this.tiles, this.#ears()) : make(this.#ears());
      this.engine.rate = this.rate ?? 1;
    }
    // Where no footage was at the instant, what was found is the footage nearest to it.
    const at = atUs >= answer.segments[0].start_us && atUs <= answer.at_us ? atUs : answer.at_us;
    await this.engine.open(answer, at, atUs);
    if (turn !== this.turn) return;
    const gone = again && answer.holes.find((one) => atUs >= one.start_us && atUs < one.end_us);
    if (gone) this.#hole(gone);
    await this.strips.follow(answer.camera.slug, answer.camera.tz, at);
    if (play) this.engine.play();
  }

  seek(us, options = {}) {
    this.#stopBack();
    this.strips.released();
    const { segments } = this.opening ?? { segments: [] };
    const inside = !this.stopped && segments.length && us >= segments[0].start_us && us < segments[segments.length - 1].end_us;
    if (inside || (!this.stopped && this.tiles.length && this.#holeAt(us))) {
      this.#note("");
      Promise.resolve(this.engine.seek(us)).then(() => options.play && this.engine.play());
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
      failed: (detail, code) => this.#failed(detail, code),
      gap: (text) => {
        this.parts.gap.textContent = text;
        this.parts.gap.hidden = !text;
      },
    };
  }

  async #whyStills(answer) {
    if (!(await loadLibrary())) return say("stills_missing");
    return say("preview_codec", { codec: (answer.codec ?? "?").toUpperCase() });
  }

  // The opening of a camera at an instant, or why there is none: {problem, status, request_at}.
  async opens(camera, atUs) {
    const { case: number, reason } = this.source;
    const codecs = (await codecsPlayed()).filter((name) => !this.refused.has(name));
    const asked = new URLSearchParams({ at: Math.max(0, Math.round(atUs)), codecs: codecs.join(",") });
    if (number) asked.set("case", number);
    if (reason) asked.set("reason", reason);
    if (this.preview) asked.set("preview", "1");
    const answer = await openingAt(`/media/${encodeURIComponent(camera)}/opening.json?${asked}`);
    const exact = answer.codec_string;
    if (!exact || window.MediaSource.isTypeSupported(`video/mp4; codecs="${exact}"`)) return answer;
    if (this.refused.has(answer.codec)) return answer;
    this.refused.add(answer.codec); // its name is known here, this kind of it is not
    return this.opens(camera, atUs);
  }

  // It cannot be opened (any more): who may not is told so, and a server that is away is waited for.
  #refuse({ problem, status, request_at: requestAt }, atUs, play) {
    if (status && status !== 502 && status !== 503 && status !== 504) {
      this.engine?.pause();
      this.stopped = true; // the next seek asks anew: a right may be back, somebody logged in again
      this.#note(this.opening ? say("stopped", { detail: problem }) : problem);
      if (requestAt) this.#offer(requestAt, say("approvals"));
      return;
    }
    this.#note(say("again"));
    this.waiting = setTimeout(() => this.open(this.source, atUs, { play, again: true }), AGAIN_MS);
  }

  // Bytes of it did not come. Opening anew says why not, or goes on, after a file that is gone.
  #failed(detail, code) {
    const us = this.#rather(this.us ?? this.opening.at_us);
    const same = this.failedUs !== undefined && Math.abs(us - this.failedUs) < SAME_US;
    this.failedUs = us;
    if (code === null || (same && code)) {
      this.engine.pause();
      this.stopped = true;
      this.#note(say("failed", { detail }));
      return;
    }
    this.open({ ...this.source, hit: null }, us, { play: this.engine.playing || this.playing, again: true });
  }

  // At the end of a segment it is the next one that did not come.
  #rather(us) {
    const segment = this.#segmentAt(us);
    return segment && segment.end_us - us < 100_000 ? segment.end_us : us + SLIP_US;
  }

  #time(us) {
    this.us = us;
    if (this.failedUs !== undefined && Math.abs(us - this.failedUs) > SAME_US) this.failedUs = undefined;
    const { day, clock, offset } = local(us, this.source.tz);
    const [date, bold, dim] = ["span", "b", "i"].map((name) => document.createElement(name));
    [date.textContent, bold.textContent, dim.textContent] = [day, clock, offset];
    this.parts.time.replaceChildren(date, " ", bold, " ", dim);
    this.parts.time.dateTime = utc(us);
    this.parts.time.title = `UTC ${utc(us)}`;
    Object.assign(this.root.dataset, { us, shown: this.source.camera, shownCase: this.source.case ?? "" });
    const query = new URLSearchParams({ at: us + SLIP_US });
    if (this.source.case) query.set("case", this.source.case);
    if (this.source.reason) query.set("reason", this.source.reason);
    this.parts.snapshot.href = `${this.opening.snapshot}?${query}`;
    this.strips.head(us);
    this.shows?.(us);
    this.#box(us);
    this.parts.masked.hidden = !this.#segmentAt(us)?.masked;
    if (!this.engine?.playing) this.#remember();
  }

  #playing(on) {
    this.playing = on;
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
    const segment = this.#segmentAt(us);
    this.parts.box.setAttribute("viewBox", `0 0 ${segment?.width ?? 1} ${segment?.height ?? 1}`);
    for (const rect of this.parts.box.children) {
      ["x", "y", "width", "height"].forEach((name, i) => rect.setAttribute(name, hit.box[i]));
    }
  }

  #segmentAt(us) {
    return this.opening.segments.find((one) => us >= one.start_us && us < one.end_us);
  }

  #holeAt(us) {
    return this.opening.holes.find((one) => us >= one.start_us && us < one.end_us);
  }

  #full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.parts.stage.requestFullscreen?.().catch(() => {});
  }

  #mark(which) {
    if (this.us !== undefined) this.marks.set(which, this.us, this.source);
  }

  // Plays what the browser lacks the codec for: encoded anew on the server, and marked as such.
  playPreview() {
    this.preview = true;
    this.open({ ...this.source, hit: null }, this.us ?? this.opening.at_us, { play: false });
    this.root.dispatchEvent(new CustomEvent("preview"));
  }

  // The picture on screen, for what asks about it.
  shown() {
    if (this.us === undefined || !this.opening) return null;
    const segment = this.#segmentAt(this.us);
    return { ...this.source, us: this.us, width: segment?.width, height: segment?.height };
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

  #offer(address, text) {
    this.parts.note.append(" ", Object.assign(document.createElement("a"), { href: address, textContent: text }));
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
      full: () => this.#full(),
      preview: () => this.playPreview(),
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
      f: () => this.#full(),
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

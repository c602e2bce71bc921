// Several cameras on one clock: wraps the engine of the main camera, and lets the others follow.
//
// The main camera's picture is the clock while it has one. Where it has none, the clock runs on by
// itself, so that the others play on, and the main camera joins in where its footage goes on.
import { local } from "./instant.js";
import { say } from "./words.js";

const TICK_MS = 90;
const STEP_US = 40_000; // a step while the main camera shows nothing

export class Together {
  // make(on) → the engine of the main camera; on: as of an engine, and gap(text) of the main one
  constructor(make, tiles, on) {
    this.tiles = tiles;
    this.on = on;
    this.alone = null; // {us, until, since, running} while the main camera shows nothing
    this.inner = make({
      time: (us) => { if (!this.alone) this.#time(us); },
      playing: (on_) => { if (!this.alone) this.#playing(on_); },
      hole: (hole) => this.#leave(hole.start_us, hole.end_us, true, hole.cause),
      end: (direction) => this.#end(direction),
      failed: (...said) => on.failed(...said),
    });
    this.timer = setInterval(() => this.#tick(), TICK_MS);
  }

  // `wanted`: the instant that was asked for, where the main camera may have nothing.
  async open(opening, atUs, wanted = atUs) {
    this.opening = opening;
    this.#join();
    this.#follow(wanted);
    await this.inner.open(opening, atUs);
    if (wanted !== atUs && !this.#shownAt(wanted)) this.#leave(wanted, wanted < atUs ? atUs : Infinity, false);
  }

  get nowUs() {
    return this.alone ? this.#aloneUs() : this.inner.nowUs;
  }

  get playing() {
    return this.alone ? this.alone.running : this.inner.playing;
  }

  get rate() {
    return this.inner.rate;
  }

  set rate(value) {
    if (this.alone) Object.assign(this.alone, { us: this.#aloneUs(), since: performance.now() });
    this.inner.rate = value;
  }

  play() {
    if (!this.alone) return this.inner.play();
    Object.assign(this.alone, { since: performance.now(), running: true });
    this.#playing(true);
    return Promise.resolve();
  }

  pause() {
    if (!this.alone) {
      this.inner.pause();
      return;
    }
    Object.assign(this.alone, { us: this.#aloneUs(), running: false });
    this.#playing(false);
  }

  async seek(us) {
    const running = this.playing;
    const hole = this.#holeAt(us);
    if (hole) {
      this.#leave(us, hole.end_us, running, hole.cause);
      return;
    }
    const was = Boolean(this.alone);
    this.#join();
    this.#follow(us);
    await this.inner.seek(us);
    if (was && running) this.inner.play();
  }

  step(direction) {
    if (!this.alone) return this.inner.step(direction);
    const us = this.#aloneUs() + direction * STEP_US;
    this.pause();
    if (us >= this.alone.until || us < (this.alone.from ?? 0)) return this.seek(us);
    this.alone.us = us;
    this.#time(us);
    return Promise.resolve();
  }

  close() {
    clearInterval(this.timer);
    this.inner.close();
  }

  #aloneUs() {
    const { us, since, running } = this.alone;
    return Math.round(running ? us + (performance.now() - since) * 1000 * this.rate : us);
  }

  // The main camera has nothing from `us` on; the clock goes on without it.
  #leave(us, until, running, cause) {
    this.alone = { us, until, running, since: performance.now(), from: this.#holeAt(us)?.start_us };
    this.inner.pause();
    const tz = this.opening.camera.tz;
    const [from, to] = [this.alone.from ?? us, until].map((each) => (
      Number.isFinite(each) ? local(each, tz).clock.slice(0, 8) : ""
    ));
    const why = cause ?? this.#holeAt(us)?.cause;
    this.on.gap(why && to ? say("tile_gap", { from, to, cause: why }) : say("tile_none"));
    this.#playing(running);
    this.#time(us);
  }

  #join() {
    if (!this.alone) return;
    this.alone = null;
    this.on.gap("");
  }

  #end(direction) {
    const { after_us: after, segments } = this.opening;
    if (direction < 0 || after === null) this.on.end(direction);
    else this.#leave(segments[segments.length - 1].end_us, after, this.inner.playing || this.inner.ended);
  }

  #tick() {
    if (this.alone?.running) {
      const us = this.#aloneUs();
      if (us < this.alone.until) {
        this.#time(us);
        return;
      }
      const { until } = this.alone;
      this.#join();
      if (this.#shownAt(until)) Promise.resolve(this.inner.seek(until)).then(() => this.inner.play());
      else this.on.end(1);
    } else if (!this.alone && this.opening) {
      this.#follow(this.inner.playing ? this.inner.positionUs ?? this.inner.nowUs : this.inner.nowUs);
    }
  }

  #time(us) {
    this.on.time(us);
    this.#follow(us);
  }

  #playing(on) {
    this.on.playing(on);
    this.#follow(this.nowUs);
  }

  #follow(us) {
    if (us === null || us === undefined) return;
    const moving = this.playing && !(this.inner.waiting && !this.alone);
    for (const tile of this.tiles) tile.follow(us, moving, this.rate);
  }

  #shownAt(us) {
    return this.opening.segments.some((one) => us >= one.start_us && us < one.end_us);
  }

  #holeAt(us) {
    return this.opening.holes.find((one) => us >= one.start_us && us < one.end_us);
  }
}

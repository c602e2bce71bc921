// One more camera on the clock of the player: follows an instant, playing or not, and says so
// where it has nothing to show.
import { local } from "./instant.js";
import { Stills } from "./stills.js";
import { Stream } from "./stream.js";
import { say } from "./words.js";

const FAR_S = 0.4; // of drift, at which it is sought anew; less is caught up by playing faster
const NEAR_S = 0.008;
const MOST = 0.25; // of the rate, faster or slower
const SEEK_MS = 900; // between two such seeks
const ASK_MS = 4000; // an instant that had nothing is not asked for more often
const STILL_MS = 400;

export class Tile {
  // ask(camera, us) → an opening, or {problem}
  constructor(element, ask) {
    this.root = element;
    this.ask = ask;
    this.parts = {};
    for (const part of element.querySelectorAll("[data-part]")) this.parts[part.dataset.part] = part;
    this.camera = element.dataset.camera;
    this.tz = element.dataset.tz;
    this.parts.video.muted = true;
    this.lead = 0.15; // seconds a seek takes
    [this.sought, this.asked] = [-Infinity, -Infinity];
  }

  // What the clock says now; called some times a second, and with every seek.
  follow(us, playing, rate) {
    this.now = { us, playing, rate };
    if (this.opening === undefined || this.#isOutside(us)) this.#open(us);
    else this.#follow();
  }

  // Seconds it is ahead of the clock; null while it shows nothing.
  get drift_s() {
    return this.root.dataset.shows === "stream" ? this.drift ?? null : null;
  }

  #follow() {
    const { us, playing, rate } = this.now;
    const gap = this.#gapAt(us);
    if (gap !== null) {
      this.engine?.pause();
      this.#say(gap, "gap");
      return;
    }
    if (!this.engine) return;
    this.#say(this.stillsNote ?? "", this.engine instanceof Stream ? "stream" : "stills");
    if (this.engine instanceof Stills) this.#still(us, playing);
    else if (playing) this.#play(us, rate);
    else this.#rest(us);
  }

  #play(us, rate) {
    const { engine } = this;
    const { video } = this.parts;
    const at = engine.positionUs;
    if (at === null || video.seeking) return;
    const now = performance.now();
    this.drift = (at - us) / 1e6;
    if (this.measure && now - this.sought > 250) { // how late the seek before came
      this.lead = Math.min(2, Math.max(0, this.lead - this.drift / rate));
      this.measure = false;
    }
    if (Math.abs(this.drift) > FAR_S * Math.max(1, rate / 2) && now - this.sought > SEEK_MS) {
      this.sought = now;
      this.measure = true;
      engine.seek(us + this.lead * rate * 1e6);
    } else {
      const turn = Math.abs(this.drift) < NEAR_S ? 0 : Math.max(-MOST, Math.min(MOST, -this.drift / rate));
      const wanted = Math.min(16, rate * (1 + turn));
      if (Math.abs(video.playbackRate - wanted) > 0.01 * rate) video.playbackRate = wanted;
    }
    if (video.paused) engine.play();
  }

  #rest(us) {
    const { engine } = this;
    if (engine.playing) engine.pause();
    this.drift = (engine.positionUs - us) / 1e6;
    if (this.rested === us && !engine.stale) return;
    this.rested = us;
    engine.seek(us);
  }

  async #still(us, playing) {
    if (this.drawing || (playing && performance.now() - this.sought < STILL_MS)) return;
    if (!playing && this.rested === us) return;
    this.rested = us;
    this.sought = performance.now();
    this.drawing = true;
    await this.engine.seek(us);
    this.drawing = false;
    if (!this.now.playing && this.now.us !== us) this.#follow();
  }

  async #open(us) {
    if (this.opens || performance.now() - this.asked < (this.failed ? ASK_MS : 0)) return;
    this.opens = true;
    this.asked = performance.now();
    if (!this.opening) this.#say(say("tile_loading"), "none");
    const answer = await this.ask(this.camera, us);
    this.opens = false;
    this.failed = Boolean(answer.problem);
    if (answer.problem) {
      this.engine?.pause();
      this.#say(answer.problem, "none");
      return;
    }
    this.opening = answer;
    const kind = answer.streamed ? Stream : Stills;
    this.stillsNote = answer.streamed ? ""
      : say("tile_stills", { codec: (answer.segments[0].codec ?? "?").toUpperCase() });
    if (!(this.engine instanceof kind)) {
      this.engine?.close();
      this.engine = new kind(answer.streamed ? this.parts.video : this.parts.still, {
        time: () => {}, playing: () => {}, hole: () => this.#follow(), end: () => this.#follow(),
        failed: () => this.#again(),
      });
    }
    this.parts.mark.hidden = !(answer.transcoded || answer.segments.some((one) => one.masked));
    this.rested = undefined;
    await this.engine.open(answer, Math.min(Math.max(this.now.us, answer.segments[0].start_us), this.#end() - 1));
    this.#follow();
  }

  // Its bytes did not come: the next look at the clock asks anew, and is told why not.
  #again() {
    this.opening = undefined;
    this.failed = true;
  }

  #end() {
    return this.opening.segments[this.opening.segments.length - 1].end_us;
  }

  // Whether what was opened does not say what is at `us`.
  #isOutside(us) {
    const { segments, before_us: before, after_us: after } = this.opening;
    if (us < segments[0].start_us) {
      return !(before === null || this.#holeAt(us)) || this.#old(us);
    }
    if (us < this.#end()) return false;
    if (after === null) return performance.now() - this.asked > ASK_MS; // recorded meanwhile?
    return us >= after;
  }

  #old(us) {
    return us < this.opening.segments[0].start_us && !this.#holeAt(us)
      && performance.now() - this.asked > ASK_MS;
  }

  #holeAt(us) {
    return this.opening.holes.find((one) => us >= one.start_us && us < one.end_us);
  }

  // Why it shows nothing at `us`; null where it has footage.
  #gapAt(us) {
    if (this.opening.segments.some((one) => us >= one.start_us && us < one.end_us)) return null;
    const hole = this.#holeAt(us);
    if (!hole) return us >= this.#end() || us < this.opening.segments[0].start_us ? say("tile_none") : null;
    const [from, to] = [hole.start_us, hole.end_us].map((each) => local(each, this.tz).clock.slice(0, 8));
    return hole.cause ? say("tile_gap", { from, to, cause: hole.cause }) : say("tile_none");
  }

  #say(text, shows) {
    if (this.parts.note.textContent !== text) this.parts.note.textContent = text;
    this.root.dataset.shows = shows;
  }
}

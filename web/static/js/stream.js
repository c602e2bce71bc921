// Plays the HLS of an opening and keeps the one truth the player needs: media time ↔ UTC.
//
// hls.js lays segments one after another, without the holes between them. Each segment's own
// time line is shifted by an offset that hls.js finds when it loads the first piece of it; with
// that offset an instant is exact to the microsecond, whatever the playlist's rounding.
import { parseUtc } from "./instant.js";

const SOURCE = new URL("../vendor/hls.light.min.js", import.meta.url);
const HOLE_S = 0.3; // a seam between segments that playing jumps over
const UNSEEN_MS = 200; // after a seek, until then the browser has told which picture shows
const INSIDE_S = 0.0005; // past a picture's first microsecond, so that rounding cannot miss it
let library;

export function loadLibrary() {
  library ??= new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = SOURCE;
    script.onload = () => resolve(window.Hls?.isSupported() ? window.Hls : null);
    script.onerror = () => resolve(null);
    document.head.append(script);
  });
  return library;
}
const AGAIN = [0, 200, 206, 502, 503, 504]; // HTTP codes after which hls.js asks again; 0: none

export class Stream {
  // on: {time(us), playing(bool), hole(hole), end(direction), failed(text)}
  constructor(video, on) {
    this.video = video;
    this.on = on;
    this.shown = null; // media time of the picture on screen
    this.stopped = new AbortController();
    const listen = (name, run) => video.addEventListener(name, run, { signal: this.stopped.signal });
    listen("play", () => on.playing(true));
    listen("pause", () => on.playing(false));
    listen("ended", () => on.end(1));
    listen("seeking", () => { this.seen = false; });
    listen("seeked", () => {
      this.#settle();
      clearTimeout(this.doubt);
      this.doubt = setTimeout(() => this.#reckon(), UNSEEN_MS);
    });
    this.#watch();
  }

  async open(opening, atUs) {
    const Hls = await loadLibrary();
    if (this.stopped.signal.aborted) return;
    this.hls?.destroy();
    this.opening = opening;
    this.pieces = [];
    this.offsets = new Map(); // discontinuity number → seconds to subtract from file time
    this.segmentShown = null;
    this.shown = null;
    this.target = atUs;
    this.video.hidden = false;
    const hls = new Hls({
      enableWorker: false, // workers would need blob: scripts, and there is nothing to transmux
      autoStartLoad: false, maxBufferLength: 20, backBufferLength: 30, nudgeOnVideoHole: false,
      maxFragLookUpTolerance: 0, // else the last quarter of a second before a hole is never shown
      maxBufferHole: INSIDE_S,
    });
    this.hls = hls;
    hls.on(Hls.Events.LEVEL_LOADED, (_, { details }) => {
      this.pieces = details.fragments;
      for (const piece of this.pieces) piece.us = parseUtc(piece.rawProgramDateTime);
      hls.startLoad(this.toTime(this.target));
      this.video.currentTime = this.toTime(this.target);
    });
    hls.on(Hls.Events.INIT_PTS_FOUND, (_, { frag, initPTS, timescale }) => {
      this.offsets.set(frag.cc, initPTS / timescale);
      this.#settle();
    });
    let failed = false;
    hls.on(Hls.Events.ERROR, (_, data) => {
      // What is refused or gone stays so; hls.js would ask again, and wait longer each time.
      const code = data.response?.code ?? 0;
      if (failed || (!data.fatal && AGAIN.includes(code))) return;
      failed = true;
      hls.stopLoad(); // the picture stays
      this.on.failed(code ? `HTTP ${code}` : data.details, data.type === Hls.ErrorTypes.NETWORK_ERROR ? code : null);
    });
    hls.attachMedia(this.video);
    hls.loadSource(opening.playlist);
  }

  get nowUs() {
    return this.shown === null ? this.target : this.toUs(this.shown);
  }

  // Where it is, between two pictures; null while nothing is loaded.
  get positionUs() {
    if (this.video.paused && this.target !== null && this.target !== undefined) return this.target;
    return this.pieces?.length ? this.toUs(this.video.currentTime) : null;
  }

  // It plays, but what comes next has not arrived.
  get waiting() {
    return this.video.readyState < 3;
  }

  get ended() {
    return this.video.ended;
  }

  get playing() {
    return !this.video.paused;
  }

  get rate() {
    return this.video.playbackRate;
  }

  set rate(value) {
    this.video.defaultPlaybackRate = value;
    this.video.playbackRate = value;
  }

  play() {
    this.hls.config.maxBufferHole = HOLE_S;
    return this.video.play().catch((error) => {
      if (error.name !== "AbortError") this.on.failed(error.message);
    });
  }

  pause() {
    this.video.pause();
  }

  seek(us) {
    this.target = us;
    if (this.pieces.length) this.video.currentTime = this.toTime(us);
  }

  // One picture: back is the one that ends where this begins; on is looked for, as the length of
  // a picture may vary.
  step(direction) {
    const period = this.#period();
    this.pause();
    this.steps = (this.steps ?? Promise.resolve()).then(async () => {
      const from = this.shown;
      if (from === null) return;
      if (direction < 0) {
        await this.#stepBack(from);
        return;
      }
      for (let ahead = 1.3 * period; ahead < 3; ahead += period / 2) {
        if (from + ahead >= this.#endTime()) {
          this.on.end(1);
          return;
        }
        await this.#look(from + ahead);
        if (this.shown !== from) return;
      }
    });
    return this.steps;
  }

  async #stepBack(from) {
    const number = this.#numberAt(from);
    const start = this.opening.segments[number].first_s - (this.offsets.get(number) ?? 0);
    if (from - start > INSIDE_S * 2) {
      await this.#look(from - INSIDE_S * 2);
    } else if (number === 0) {
      this.on.end(-1);
    } else {
      // Media time may have a seam here: aim at the last picture of the segment before.
      const us = this.opening.segments[number - 1].end_us - 1000;
      await this.#look(this.toTime(us));
      if (Math.abs(this.toTime(us) - this.video.currentTime) > 0.002) await this.#look(this.toTime(us));
    }
  }

  close() {
    this.stopped.abort();
    this.hls?.destroy();
    this.video.removeAttribute("src");
    this.video.load();
    this.video.hidden = true;
  }

  toUs(time) {
    const number = this.#numberAt(time);
    const offset = this.offsets.get(number);
    const segment = this.opening.segments[number];
    const piece = this.#pieceAt(time);
    const us = offset === undefined
      ? piece.us + (time - piece.start) * 1e6
      : segment.start_us + (time + offset - segment.first_s) * 1e6;
    return Math.round(us / 10) * 10; // browsers truncate media time here and there by a microsecond
  }

  toTime(us) {
    const after = this.pieces.findIndex((piece) => piece.us > us);
    const piece = this.pieces[after < 0 ? this.pieces.length - 1 : Math.max(0, after - 1)];
    const inside = us < piece.us + piece.duration * 1e6 + 50_000;
    if (!inside && after >= 0) return this.pieces[after].start + INSIDE_S; // in a hole: behind it
    const offset = this.offsets.get(piece.cc);
    const segment = this.opening.segments[piece.cc];
    const exact = offset === undefined
      ? piece.start + (us - piece.us) / 1e6
      : (us - segment.start_us) / 1e6 + segment.first_s - offset;
    return Math.max(0, exact) + INSIDE_S;
  }

  #pieceAt(time) {
    let low = 0;
    let high = this.pieces.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.pieces[middle].start <= time + 1e-4) low = middle;
      else high = middle - 1;
    }
    return this.pieces[low];
  }

  // Which segment a picture belongs to. The start hls.js gives a piece can be some pictures off;
  // the offsets know better.
  #numberAt(time) {
    const near = this.#pieceAt(time).cc;
    for (const number of [near + 1, near, near - 1]) {
      const offset = this.offsets.get(number);
      const segment = this.opening.segments[number];
      if (offset === undefined || !segment) continue;
      const start = segment.first_s - offset;
      const end = start + (segment.end_us - segment.start_us) / 1e6;
      if (time >= start - 1e-4 && time < end - 1e-4) return number;
    }
    return near;
  }

  #endTime() {
    const last = this.pieces[this.pieces.length - 1];
    return last.start + last.duration - INSIDE_S;
  }

  #period() {
    return 1 / (this.opening.segments[this.#numberAt(this.shown ?? 0)]?.fps || 25);
  }

  // Seek again once the offset of the target's segment is known, if that moves it.
  #settle() {
    if (this.target === null || !this.pieces.length) return;
    const due = this.toTime(this.target);
    if (Math.abs(due - this.video.currentTime) > 0.002) {
      if (!this.playing) this.video.currentTime = due;
    } else if (!this.video.seeking) {
      this.target = null;
    }
  }

  // Seek and wait until a picture shows, or a moment when it is the same one.
  async #look(time) {
    this.target = null;
    await this.#fetched(time);
    // Else hls.js takes the last picture of a segment not yet loaded for a seam, and jumps it.
    this.hls.config.maxBufferHole = INSIDE_S;
    await this.#sought(time);
  }

  #sought(time) {
    return new Promise((resolve) => {
      const before = this.shown;
      let waited;
      const done = () => {
        clearInterval(waited);
        resolve();
      };
      this.video.addEventListener("seeked", () => {
        const since = performance.now();
        waited = setInterval(() => {
          if (this.shown !== before || performance.now() - since > 150) done();
        }, 5);
      }, { once: true });
      this.video.currentTime = time;
    });
  }

  // Chromium takes a seek to just before what is buffered for a seek into it and shows the wrong
  // picture; a seek farther back makes it wait for the data.
  async #fetched(time) {
    const { buffered } = this.video;
    for (let i = 0; i < buffered.length; i += 1) {
      if (time >= buffered.start(i) && time < buffered.end(i)) return;
    }
    await this.#sought(Math.max(this.pieces[0].start, time - 0.5));
  }

  #watch() {
    const seen = (_, { mediaTime }) => {
      if (this.stopped.signal.aborted) return;
      this.seen = true;
      if (this.pieces?.length) {
        this.shown = mediaTime;
        this.#crossed(this.#numberAt(mediaTime)); // first: what is left may not be a time any more
        this.on.time(this.toUs(mediaTime));
      }
      this.video.requestVideoFrameCallback(seen);
    };
    this.video.requestVideoFrameCallback(seen);
  }

  // Browsers now and then do not tell, or tell late, which picture a seek has brought. The same
  // place is sought once more; what is told then is believed, and where nothing is, it is reckoned.
  #reckon() {
    const { currentTime: time, paused, seeking } = this.video;
    if (!paused || seeking || !this.pieces.length) return;
    const period = this.#period();
    const fits = this.shown !== null && time > this.shown - INSIDE_S && time < this.shown + period;
    const again = Math.abs((this.doubted ?? -1) - time) < INSIDE_S;
    this.doubted = null;
    if (fits || (again && this.seen)) return;
    if (!again) {
      this.doubted = time;
      this.video.currentTime = time;
      return;
    }
    const number = this.#numberAt(time);
    const start = this.opening.segments[number].first_s - (this.offsets.get(number) ?? 0);
    this.shown = start + Math.floor((time - start) / period) * period;
    this.on.time(this.toUs(this.shown));
  }

  #crossed(number) {
    const before = this.segmentShown;
    this.segmentShown = number;
    if (before === null || number !== before + 1 || !this.playing) return;
    const start = this.opening.segments[number].start_us;
    const hole = this.opening.holes.find((one) => one.end_us === start);
    if (hole) this.on.hole(hole);
  }
}

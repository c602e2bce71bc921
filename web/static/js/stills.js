// Shows single pictures decoded on the server, for footage the browser does not play.
const SLIP_US = 1000; // asks just inside a picture, past the rounding of its first microsecond

export class Stills {
  constructor(image, on) {
    this.image = image;
    this.on = on;
    this.speed = 1;
    this.running = false;
  }

  async open(opening, atUs) {
    this.opening = opening;
    this.image.hidden = false;
    await this.#show(atUs);
  }

  get nowUs() {
    return this.shownUs ?? this.opening.at_us;
  }

  get playing() {
    return this.running;
  }

  get rate() {
    return this.speed;
  }

  set rate(value) {
    this.speed = value;
  }

  async play() {
    this.running = true;
    this.on.playing(true);
    while (this.running) {
      const began = performance.now();
      const from = this.nowUs;
      const segment = this.#segmentAt(from);
      const period = 1e6 / (segment.fps || 25);
      await new Promise((resolve) => setTimeout(resolve, period / 1000 / this.speed));
      const due = from + Math.max(period * 1.3, (performance.now() - began) * 1000 * this.speed);
      if (this.running && !(await this.#on(due))) break;
    }
    this.pause();
  }

  pause() {
    if (this.running) this.on.playing(false);
    this.running = false;
  }

  seek(us) {
    return this.#show(us);
  }

  // One after the other: a step begins where the one before it has arrived.
  step(direction) {
    this.pause();
    this.steps = (this.steps ?? Promise.resolve()).then(() => this.#step(direction));
    return this.steps;
  }

  async #step(direction) {
    const segment = this.#segmentAt(this.nowUs);
    const period = 1e6 / (segment.fps || 25);
    if (direction > 0) {
      await this.#on(this.nowUs + period * 1.3);
      return;
    }
    if (this.nowUs - SLIP_US * 2 < this.opening.segments[0].start_us) this.on.end(-1);
    else await this.#show(this.nowUs - SLIP_US * 2);
  }

  close() {
    this.pause();
    this.closed = true;
    this.image.hidden = true;
    URL.revokeObjectURL(this.image.src);
    this.image.removeAttribute("src");
  }

  async #on(us) {
    const segments = this.opening.segments;
    const index = segments.indexOf(this.#segmentAt(this.nowUs));
    if (us < segments[index].end_us) return this.#show(us);
    const next = segments[index + 1];
    if (!next) {
      this.on.end(1);
      return false;
    }
    const hole = this.opening.holes.find((one) => one.end_us === next.start_us);
    if (hole) this.on.hole(hole);
    return this.#show(next.start_us);
  }

  #segmentAt(us) {
    const { segments } = this.opening;
    return segments.find((one) => us >= one.start_us && us < one.end_us)
      ?? segments.find((one) => one.start_us > us) ?? segments[segments.length - 1];
  }

  async #show(us) {
    const segment = this.#segmentAt(us);
    const at = Math.round(Math.min(Math.max(us, segment.start_us) + SLIP_US, segment.end_us - 1));
    const response = await fetch(`${segment.still}&at=${at}`).catch(() => null);
    if (this.closed) return false;
    if (!response) {
      this.on.failed("", 0);
      return false;
    }
    if (!response.ok) {
      const problem = await response.json().catch(() => ({}));
      this.on.failed(problem.detail ?? `HTTP ${response.status}`, response.status);
      return false;
    }
    const address = URL.createObjectURL(await response.blob());
    const old = this.image.src;
    this.image.src = address;
    await this.image.decode().catch(() => {});
    if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    this.shownUs = Number(response.headers.get("X-Picture-Time"));
    this.on.time(this.shownUs);
    return true;
  }
}

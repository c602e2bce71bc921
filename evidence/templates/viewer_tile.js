// The viewer's tiles: one camera's picture, or why there is none, and the hash of its original.
class Tile {
  constructor(camera) {
    this.camera = camera;
    this.failed = new Set(); // files this browser cannot show
    this.file = null;
    this.box = make("figure", null, { class: "tile", "data-camera": camera.slug });
    this.video = make("video", this.box, { playsinline: "", preload: "auto" });
    this.video.muted = true;
    this.note = make("p", this.box, { class: "note" });
    const caption = make("figcaption", this.box);
    this.name = make("b", caption, {}, camera.name);
    this.time = make("span", caption, { class: "time" });
    this.right = make("span", caption, { class: "right" });
    this.hash = make("code", caption, { class: "hash" });
    this.box.addEventListener("click", () => activate(this));
    this.video.addEventListener("error", () => this.fail());
    this.video.addEventListener("loadeddata", () => { if (!this.video.videoWidth) this.fail(); });
    this.watch();
  }

  watch() {
    if (!this.video.requestVideoFrameCallback) return;
    this.video.requestVideoFrameCallback((_, facts) => {
      this.mediaTime = facts.mediaTime;
      this.presented?.();
      this.watch();
    });
  }

  fail() {
    if (this.file && this.video.getAttribute("src")) this.failed.add(this.file[2]);
  }

  plays(us) {
    if (at(this.camera.gaps, us)) return null;
    const file = at(this.camera.files, us);
    return file && !this.failed.has(file[2]) ? file : null;
  }

  get ready() {
    return this.video.readyState >= 2 && !this.video.seeking;
  }

  // Show the picture of an instant, or why there is none. `exact`: the clock stands still.
  show(us, exact) {
    const file = this.plays(us);
    this.box.classList.toggle("blank", !file);
    this.box.classList.toggle("wait", Boolean(file) && !this.ready);
    this.label(us, file);
    if (!file) {
      if (!this.video.paused) this.video.pause();
      return;
    }
    if (this.file !== file) {
      this.file = file;
      this.asked = this.mediaTime = undefined;
      this.video.src = address(file[2]);
    }
    const wanted = Math.max(0, (us - file[0]) / SECOND);
    const off = Math.abs(wanted - (exact ? this.asked ?? -1 : this.video.currentTime));
    const free = !this.video.seeking || exact && off > 0.002 && this.video.readyState > 0;
    const over = !exact && this.video.ended && wanted > this.video.duration - 0.2; // its last picture stays
    if (free && !over && off > (exact ? 0.002 : 0.15 * Math.max(1, state.speed))) this.seek(wanted);
  }

  seek(seconds) {
    this.asked = seconds;
    this.video.currentTime = seconds + INSIDE_S; // never on the edge between two pictures
  }

  label(us, file) {
    const segment = at(this.camera.segments, us), gap = at(this.camera.gaps, us);
    const right = at(this.camera.corrected, us);
    this.time.textContent = local(this.camera, us);
    this.right.textContent = right ? say("corrected", { time: local(this.camera, us + right[2]) }) : "";
    this.hash.textContent = gap || !segment ? "" : segment[2];
    this.hash.title = segment ? `${say("hash")}\n${segment[3]}` : "";
    let text = "";
    if (gap) {
      text = `${say("gap", { cause: cause(gap) })}\n${say("gap_until", { time: local(this.camera, gap[1]) })}`;
    } else if (!file) text = this.#why(us, segment);
    if (this.note.textContent !== text) this.note.textContent = text;
  }

  #why(us, segment) {
    const file = at(this.camera.files, us);
    if (file) {
      const known = { hevc: 'hvc1.1.6.L93.B0', h264: "avc1.42E01E" }[file[3]];
      const other = known ? this.video.canPlayType(`video/mp4; codecs="${known}"`) === "" : file[3] !== "h264";
      return say(other || !this.video.error ? "codec" : "broken", { codec: file[3], file: file[2] });
    }
    const reason = segment && this.camera.unplayable[segment[2]];
    if (!reason) return say("outside");
    return say("no_copy", { reason: `${say(`reason.${reason[0]}`)} (${reason[1]})`, file: segment[3] });
  }

  close() {
    this.video.removeAttribute("src");
    this.video.load();
    this.box.remove();
  }
}

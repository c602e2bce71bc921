// The strips of a day and of an hour under the player: they seek, and follow what is shown.
import { local } from "./instant.js";
import { say } from "./words.js";

const RETRY_MS = 2000; // a strip that could not be had is not asked for with every picture

function ends(track) {
  return [Number(track.dataset.start), Number(track.dataset.end)];
}

// Where an instant lies on a track, in the drawing's 0…1000.
function share(us, start, end) {
  return Math.min(1000, Math.max(0, ((us - start) / (end - start)) * 1000));
}

export class Strips {
  // on: {seek(us), failed(text), glance(track, share)}; the camera is told by `follow`
  constructor(root, on) {
    this.root = root;
    this.on = on;
    this.retry = 0;
    root.addEventListener("click", (event) => {
      const day = event.target.closest("[data-day]")?.dataset.day;
      const track = event.target.closest(".track");
      if (day && this.camera) {
        this.chosen = true; // looking at another day than the one that plays
        this.#load(`day=${day}`);
      } else if (track) {
        const place = track.getBoundingClientRect();
        const [start, end] = ends(track);
        on.seek(Math.round(start + ((event.clientX - place.left) / place.width) * (end - start)));
      }
    });
    root.addEventListener("keydown", (event) => {
      const track = event.target.closest(".track");
      const steps = { ArrowLeft: -1, ArrowRight: 1, PageDown: -6, PageUp: 6 }[event.key];
      if (!track || !steps || event.shiftKey || this.us === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      const us = this.us + steps * Number(track.dataset.step) * 1e6;
      on.seek(us);
      const [start, end] = ends(track);
      if (us >= start && us < end) on.glance?.(track, (us - start) / (end - start));
    });
    this.#ready();
  }

  // The strips of `camera` around `us`, which is shown now.
  async follow(camera, tz, us) {
    [this.camera, this.tz, this.us, this.chosen] = [camera, tz, us, false];
    if (this.#tracks().some((track) => track.dataset.camera === camera)) this.head(us);
    else await this.#load(`at=${us}`);
  }

  // A seek: whatever day was chosen to look at, the strips go with the picture again.
  released() {
    this.chosen = false;
  }

  head(us) {
    this.us = us;
    let outside = false;
    for (const track of this.#tracks()) {
      const [start, end] = ends(track);
      const inside = us >= start && us < end;
      outside ||= !inside;
      track.querySelector("[data-part=head]").setAttribute("x", inside ? share(us, start, end) - 1 : -10);
      const seconds = (Math.min(Math.max(us, start), end) - start) / 1e6;
      track.setAttribute("aria-valuenow", Math.round(seconds));
      if (this.tz) track.setAttribute("aria-valuetext", local(us, this.tz).clock.slice(0, 8));
    }
    const may = this.camera && !this.loading && !this.chosen && performance.now() > this.retry;
    if (outside && may) this.#load(`at=${us}`);
  }

  // The marked span, or nothing while one of its ends is not set.
  mark(from, to) {
    this.marked = [from, to];
    for (const track of this.#tracks()) {
      const whole = from !== undefined && to !== undefined;
      const [x, end] = whole ? [from, to].map((us) => share(us, ...ends(track))) : [0, 0];
      const bar = track.querySelector("[data-part=span]");
      bar.setAttribute("x", x);
      bar.setAttribute("width", end > x ? Math.max(1.6, end - x) : 0);
    }
  }

  #tracks() {
    return [...this.root.querySelectorAll(".track")];
  }

  #ready() {
    for (const track of this.#tracks()) {
      const [start, end] = ends(track);
      track.tabIndex = 0;
      track.setAttribute("role", "slider");
      track.setAttribute("aria-label", track.querySelector("svg").getAttribute("aria-label"));
      track.setAttribute("aria-valuemin", 0);
      track.setAttribute("aria-valuemax", Math.round((end - start) / 1e6));
      track.setAttribute("aria-valuenow", 0);
    }
    if (this.us !== undefined) this.head(this.us);
    this.mark(...(this.marked ?? []));
  }

  async #load(query) {
    this.loading = true;
    this.retry = performance.now() + RETRY_MS;
    try {
      const response = await fetch(`/player/${encodeURIComponent(this.camera)}/strip?${query}`);
      if (!response.ok) return;
      this.root.innerHTML = await response.text();
    } catch {
      this.on.failed(say("offline"));
      return;
    } finally {
      this.loading = false;
    }
    this.#ready();
  }
}

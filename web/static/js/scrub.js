// Small pictures of the strips under the pointer or the key: what was there at that instant. A look
// over a strip is asked for once a minute (it is audited); its pictures a few times a second.
import { local } from "./instant.js";
import { say } from "./words.js";

const EVERY_MS = 250;

export class Scrub {
  // root: what the tracks lie in; bubble: the element with a picture and a time; on: source() → {camera, tz, case, reason}
  constructor(root, bubble, on) {
    Object.assign(this, { root, bubble, on });
    this.picture = bubble.querySelector("img");
    this.text = bubble.querySelector("figcaption");
    this.looks = new Map(); // camera, span and case → {picture, until}
    root.addEventListener("pointermove", (event) => {
      const track = event.target.closest(".track");
      if (!track) {
        this.leave();
        return;
      }
      const place = track.getBoundingClientRect();
      this.at(track, Math.min(1, Math.max(0, (event.clientX - place.left) / place.width)));
    });
    root.addEventListener("pointerleave", () => this.leave());
    root.addEventListener("focusout", () => this.leave());
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.leave();
    });
  }

  // share: where on the track, 0…1
  at(track, share) {
    const { camera, tz } = this.on.source() ?? {};
    if (!camera || track.dataset.camera !== camera) return;
    const [start, end] = [Number(track.dataset.start), Number(track.dataset.end)];
    const us = Math.min(end - 1, Math.round(start + share * (end - start)));
    this.wanted = { start, end, us, key: `${camera} ${start} ${end}` };
    this.#place(track, share);
    this.text.textContent = local(us, tz).clock.slice(0, 8);
    const wait = EVERY_MS - (performance.now() - (this.asked ?? -EVERY_MS));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#show(), Math.max(0, wait));
  }

  leave() {
    clearTimeout(this.timer);
    this.going?.abort();
    this.bubble.hidden = true;
  }

  #place(track, share) {
    this.bubble.hidden = false;
    const [inside, lane] = [this.bubble.offsetParent ?? this.root, track].map((one) => one.getBoundingClientRect());
    const { offsetWidth: width, offsetHeight: height } = this.bubble;
    const middle = lane.left - inside.left + share * lane.width;
    this.bubble.style.left = `${Math.max(4, Math.min(inside.width - width - 4, middle - width / 2))}px`;
    this.bubble.style.top = `${lane.top - inside.top - height - 6}px`;
  }

  async #show() {
    this.asked = performance.now();
    this.going?.abort();
    this.going = new AbortController();
    const { signal } = this.going;
    const wanted = this.wanted;
    try {
      const look = await this.#look(wanted, signal);
      if (!look) return;
      const response = await fetch(`${look.picture}&at=${wanted.us}`, { signal });
      if (signal.aborted) return;
      if (!response.ok || response.status === 204) {
        this.#none(wanted.us, response.status);
        return;
      }
      const address = URL.createObjectURL(await response.blob());
      if (signal.aborted) {
        URL.revokeObjectURL(address);
        return;
      }
      if (this.picture.src.startsWith("blob:")) URL.revokeObjectURL(this.picture.src);
      this.picture.src = address;
      this.picture.hidden = false;
      const us = Number(response.headers.get("X-Picture-Time"));
      this.bubble.dataset.us = us;
      this.text.textContent = local(us, this.on.source().tz).clock.slice(0, 8);
    } catch (error) {
      if (error.name !== "AbortError") this.picture.hidden = true; // the time is told all the same
    }
  }

  async #look({ start, end, key }, signal) {
    const { camera, case: number, reason } = this.on.source();
    const known = this.looks.get(`${key} ${number ?? ""}`);
    if (known && known.until > performance.now()) return known;
    const query = new URLSearchParams({ from: start, to: end });
    if (number) query.set("case", number);
    if (reason) query.set("reason", reason);
    const response = await fetch(`/player/${encodeURIComponent(camera)}/scrub.json?${query}`, {
      headers: { Accept: "application/json" }, signal,
    });
    if (!response.ok) {
      this.picture.hidden = true;
      return null;
    }
    const { picture, ms } = await response.json();
    const look = { picture, until: performance.now() + ms - 5000 };
    this.looks.set(`${key} ${number ?? ""}`, look);
    return look;
  }

  #none(us, status) {
    this.picture.hidden = true;
    if (status === 204) {
      this.text.textContent = say("scrub_none", { time: local(us, this.on.source().tz).clock.slice(0, 8) });
    }
  }
}

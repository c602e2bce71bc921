// The states of the cameras, asked again while somebody looks; a server that is silent is said.
import { ask } from "./asking.js";
import { say } from "./words.js";

const EVERY_MS = 15_000;

function clock(when) {
  const pad = (n) => String(Math.trunc(Math.abs(n))).padStart(2, "0");
  const offset = -when.getTimezoneOffset();
  return `${pad(when.getHours())}:${pad(when.getMinutes())}:${pad(when.getSeconds())}`
    + ` ${offset < 0 ? "-" : "+"}${pad(offset / 60)}:${pad(offset % 60)}`;
}

export class Live {
  // `taken(document)`: states that differ from the last; `line`: where it is said how old they are.
  constructor(address, line, taken) {
    [this.address, this.line, this.taken] = [address, line, taken];
    this.etag = "";
    this.asked = new Date();
    this.said = "";
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#rest() : this.ask()));
    this.#say("map_live");
    this.#wait();
  }

  #say(key) {
    const text = say(key, { time: clock(this.asked) });
    // Read out where the kind of news changes, not every quarter of a minute.
    this.line.setAttribute("aria-live", key === this.said ? "off" : "polite");
    this.said = key;
    this.line.textContent = text;
    this.line.dataset.kind = key;
    document.getElementById("map").classList.toggle("silent", key === "map_stale_states");
  }

  #wait() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), EVERY_MS);
  }

  #rest() {
    clearTimeout(this.timer);
    this.#say("map_paused");
  }

  async ask() {
    clearTimeout(this.timer);
    if (this.busy) return;
    this.busy = true;
    const headers = { Accept: "application/json", ...(this.etag && { "If-None-Match": this.etag }) };
    try {
      let answer = await fetch(this.address, { headers }).catch(() => null);
      if (!answer || (answer.status !== 304 && !answer.ok)) {
        this.#say("map_stale_states");
        answer = await ask(this.address, { headers }); // says why at the foot of the page, and waits
      }
      if (!answer) return; // logged out, or not any more: asked again when somebody comes back
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(String(answer.status));
        this.etag = answer.headers.get("ETag") ?? "";
        await this.taken(await answer.json());
      }
      this.asked = new Date();
      this.#say("map_live");
    } catch {
      this.#say("map_stale_states");
    } finally {
      this.busy = false;
    }
    if (!document.hidden) this.#wait();
  }
}

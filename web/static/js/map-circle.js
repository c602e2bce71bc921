// A circle on the map, drawn by hand or set around the middle, to search in.
import { counted, say } from "./words.js";

const EARTH_M = 6_371_008.8;
const { L } = window;

export function metresBetween(a, b) {
  const turn = Math.PI / 180;
  const half = Math.sin(((b.lat - a.lat) * turn) / 2) ** 2
    + Math.cos(a.lat * turn) * Math.cos(b.lat * turn) * Math.sin(((b.lon - a.lon) * turn) / 2) ** 2;
  return 2 * EARTH_M * Math.asin(Math.sqrt(Math.min(1, half)));
}

export class Circle {
  // `changed()`: the plan is to be drawn anew. `back`: the search desk's address of what is asked.
  constructor(map, box, state, button, { changed, back }) {
    Object.assign(this, { map, box, state, button, changed, back });
    this.field = box.querySelector("input");
    this.link = box.querySelector("[data-circle=search]");
    this.said = box.querySelector("#circle-said");
    button.addEventListener("click", () => (this.box.hidden ? this.open() : this.close()));
    box.querySelector("[data-circle=close]").addEventListener("click", () => this.close());
    box.querySelector("[data-circle=middle]").addEventListener("click", () => this.around(this.map.getCenter()));
    this.field.addEventListener("input", () => this.#set({ radius: this.#asked() }));
    box.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    map.getContainer().addEventListener("pointerdown", (event) => this.#draw(event), { capture: true });
    L.DomEvent.disableClickPropagation(box);
  }

  #asked() {
    return Math.min(100_000, Math.max(1, Number(this.field.value) || 500));
  }

  open(circle = null) {
    this.box.hidden = false;
    this.button.setAttribute("aria-pressed", "true");
    this.map.dragging.disable();
    this.map.getContainer().classList.add("drawing");
    if (circle) {
      this.field.value = circle.radius;
      this.state.circle = circle;
    }
    this.#tell();
    this.field.focus({ preventScroll: true });
  }

  close() {
    this.box.hidden = true;
    this.state.circle = null;
    this.button.setAttribute("aria-pressed", "false");
    this.map.dragging.enable();
    this.map.getContainer().classList.remove("drawing");
    this.changed();
    this.button.focus();
  }

  around({ lat, lng }) {
    this.#set({ lat, lon: lng, radius: this.#asked() });
  }

  #set(some) {
    if (!this.state.circle && some.lat === undefined) return;
    this.state.circle = { ...this.state.circle, ...some };
    this.#tell();
    this.changed();
  }

  // Pressed where the middle is, drawn outwards; a press alone keeps the radius of the field.
  #draw(event) {
    if (this.box.hidden || event.button || !event.isPrimary || event.target.closest(".leaflet-control, .circle")) return;
    event.preventDefault();
    event.stopPropagation();
    const at = (one) => this.map.mouseEventToLatLng(one);
    const [middle, from] = [at(event), [event.clientX, event.clientY]];
    this.around(middle);
    const moved = (one) => {
      if (Math.hypot(one.clientX - from[0], one.clientY - from[1]) < 6) return;
      const edge = at(one);
      const radius = Math.max(1, Math.round(metresBetween({ lat: middle.lat, lon: middle.lng }, { lat: edge.lat, lon: edge.lng })));
      this.field.value = radius;
      this.#set({ radius });
    };
    const done = () => {
      removeEventListener("pointermove", moved);
      removeEventListener("pointerup", done);
      removeEventListener("pointercancel", done);
    };
    addEventListener("pointermove", moved);
    addEventListener("pointerup", done);
    addEventListener("pointercancel", done);
  }

  #tell() {
    const { circle, cameras } = this.state;
    const address = new URL(this.back, location.href);
    if (circle) {
      const inside = cameras.filter((one) => one.lat !== null && one.lon !== null && metresBetween(circle, one) <= circle.radius).length;
      this.said.textContent = counted("map_inside", inside);
      address.searchParams.delete("run");
      address.searchParams.set("around", `${circle.lat.toFixed(6)},${circle.lon.toFixed(6)},${circle.radius}`);
    } else this.said.textContent = say("map_circle_hint");
    this.link.href = address.href;
    this.link.hidden = !circle;
  }
}

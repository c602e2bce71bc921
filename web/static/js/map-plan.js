// The plan: one canvas over the map that draws every camera anew when the map comes to rest, and
// moves along while it is dragged. What would overlap is drawn as one, with how many they are.
import { badge, clusterRadius, drawCluster, drawCone, drawMark, label, palette, radius, ring } from "./map-marks.js";
import { drawGround } from "./map-paper.js";

const { L } = window;
const TOGETHER_PX = 28; // nearer than that they are one
const CROWDED_PX = 48; // and that, where there are many
const CROWD = 60;
const NAMED_AT_MOST = 90; // more in view, and their names are left out
const REACH_PX = 14; // a press so near is meant

export const Plan = L.Renderer.extend({
  options: { padding: 0.25, pane: "overlayPane" },

  initialize(state) {
    L.Renderer.prototype.initialize.call(this, {});
    this.state = state; // { cameras, marks, shown, hits, weak, searching, chosen, plain, tiledFrom, circle, home }
    this.spots = [];
    this.colours = null;
  },

  _initContainer() {
    this._container = L.DomUtil.create("canvas", "plan-canvas");
    this._container.setAttribute("aria-hidden", "true");
    this._ctx = this._container.getContext("2d");
  },

  _destroyContainer() {
    this._container.remove();
    delete this._ctx;
  },

  _update() {
    if (this._map._animatingZoom && this._bounds) return;
    L.Renderer.prototype._update.call(this);
    const [size, dense] = [this._bounds.getSize(), window.devicePixelRatio || 1];
    L.DomUtil.setPosition(this._container, this._bounds.min);
    const [width, height] = [Math.round(size.x * dense), Math.round(size.y * dense)];
    if (this._container.width !== width || this._container.height !== height) {
      [this._container.width, this._container.height] = [width, height];
      [this._container.style.width, this._container.style.height] = [`${size.x}px`, `${size.y}px`];
    }
    this.draw();
    this.fire("update");
  },

  repaint() {
    this.colours = null;
    this.draw();
  },

  draw() {
    if (!this._map || !this._ctx || !this._bounds) return;
    this.colours ??= palette();
    const { _ctx: ctx, colours, state, _map: map } = this;
    const dense = window.devicePixelRatio || 1;
    ctx.setTransform(dense, 0, 0, dense, -this._bounds.min.x * dense, -this._bounds.min.y * dense);
    const { x: width, y: height } = this._bounds.getSize();
    ctx.clearRect(this._bounds.min.x, this._bounds.min.y, width, height);
    const shown = this._placed();
    const metres = metresPerPixel(map);
    const taken = [];
    if (state.plain || map.getZoom() < state.tiledFrom) drawGround(ctx, colours, map, this._bounds, state.home, shown, taken);
    this.spots = this._gathered(shown);
    const inside = this.spots.filter((spot) => this._bounds.contains(spot.point));
    const singles = inside.filter((spot) => spot.cameras.length === 1);
    for (const spot of singles) {
      if (state.searching && !spot.hits) continue;
      drawCone(ctx, colours, spot.cameras[0], state.marks.get(spot.cameras[0].slug), spot.point.x, spot.point.y, metres);
    }
    if (state.circle) this._circle(ctx, colours, metres);
    inside.sort((a, b) => (a.cameras[0].slug === state.chosen) - (b.cameras[0].slug === state.chosen)); // on top
    for (const spot of inside) this._spot(ctx, colours, spot);
    const named = singles.length <= NAMED_AT_MOST && map.getZoom() >= 12.5;
    for (const spot of inside) taken.push([spot.point.x - 14, spot.point.y - 12, spot.point.x + 14, spot.point.y + 13]);
    for (const spot of named ? singles : []) {
      label(ctx, colours, taken, spot.point.x, spot.point.y + radius(spot.cameras[0]) + 15, spot.cameras[0].name, { size: 12 });
    }
  },

  // What the pointer is over: a spot, or nothing.
  at(point) {
    let [best, least] = [null, Infinity];
    for (const spot of this.spots) {
      const far = Math.hypot(spot.point.x - point.x, spot.point.y - point.y) - (spot.cameras.length > 1 ? 6 : 0);
      if (far < least) [best, least] = [spot, far];
    }
    return least <= REACH_PX ? best : null;
  },

  _placed() {
    const { cameras, shown } = this.state;
    const found = [];
    for (const camera of cameras) {
      if (camera.lat === null || camera.lon === null || !shown.has(camera.slug)) continue;
      found.push({ camera, point: this._map.latLngToLayerPoint([camera.lat, camera.lon]) });
    }
    return found;
  },

  // Greedy, over a grid of cells as wide as the least distance: every spot has room around it.
  _gathered(placed) {
    const { marks, hits, chosen } = this.state;
    const crowd = placed.filter(({ point }) => this._bounds.contains(point)).length > CROWD;
    const apart = crowd ? CROWDED_PX : TOGETHER_PX;
    const [cells, spots] = [new Map(), []];
    for (const { camera, point } of placed) {
      const [cx, cy] = [Math.floor(point.x / apart), Math.floor(point.y / apart)];
      let near = null;
      for (let dx = -1; dx <= 1 && !near && camera.slug !== chosen; dx += 1) {
        for (let dy = -1; dy <= 1 && !near; dy += 1) {
          for (const spot of cells.get(`${cx + dx} ${cy + dy}`) ?? []) {
            if (Math.hypot(spot.point.x - point.x, spot.point.y - point.y) < apart) near = spot;
          }
        }
      }
      if (!near) {
        near = { point, cameras: [], on: 0, off: 0, lost: 0, hits: 0 };
        spots.push(near);
        const key = camera.slug === chosen ? "chosen" : `${cx} ${cy}`; // it stays for itself
        if (cells.has(key)) cells.get(key).push(near);
        else cells.set(key, [near]);
      }
      const mark = marks.get(camera.slug);
      near.cameras.push(camera);
      near.on += mark === "on";
      near.off += mark === "off";
      near.lost += mark === "lost";
      near.hits += hits[camera.slug] ?? 0;
    }
    return spots;
  },

  _spot(ctx, colours, spot) {
    const { marks, searching, weak, chosen } = this.state;
    const { x, y } = spot.point;
    const many = spot.cameras.length > 1;
    ctx.globalAlpha = searching && !spot.hits ? 0.35 : 1;
    if (many) drawCluster(ctx, colours, spot, x, y);
    else drawMark(ctx, colours, spot.cameras[0], marks.get(spot.cameras[0].slug), x, y);
    ctx.globalAlpha = 1;
    const r = many ? clusterRadius(spot.cameras.length) : radius(spot.cameras[0]);
    if (spot.cameras[0].slug === chosen) ring(ctx, colours, x, y, r + 5);
    if (spot.hits) badge(ctx, colours, x + r + 5, y - r - 2, String(spot.hits), colours.accent, weak);
  },

  _circle(ctx, colours, metres) {
    const { lat, lon, radius: reach } = this.state.circle;
    const { x, y } = this._map.latLngToLayerPoint([lat, lon]);
    ctx.beginPath();
    ctx.arc(x, y, Math.max(1, reach / metres), 0, 7);
    ctx.globalAlpha = 0.12;
    ctx.fillStyle = colours.accent;
    ctx.fill();
    ctx.globalAlpha = 1;
    ctx.lineWidth = 2;
    ctx.setLineDash([6, 4]);
    ctx.strokeStyle = colours.accent;
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(x - 6, y);
    ctx.lineTo(x + 6, y);
    ctx.moveTo(x, y - 6);
    ctx.lineTo(x, y + 6);
    ctx.stroke();
  },
});

export function metresPerPixel(map, lat = map.getCenter().lat) {
  return (40_075_016.686 * Math.cos((lat * Math.PI) / 180)) / (256 * 2 ** map.getZoom());
}

// Plain ground: a metre grid, and each place as a soft patch under its cameras with its name.
import { label } from "./map-marks.js";
import { metresPerPixel } from "./map-plan.js";

const LINE_EVERY_PX = 120; // at least
const PATCH_PX = 46;

// A round length of 1, 2 or 5 with zeros.
export function gridMetres(perPixel) {
  const least = LINE_EVERY_PX * perPixel;
  const ten = 10 ** Math.floor(Math.log10(least));
  return ten * [1, 2, 5, 10].find((step) => step * ten >= least);
}

// `home`: a fixed point, which the lines go through.
export function drawGround(ctx, colours, map, bounds, home, placed, taken) {
  grid(ctx, colours, map, bounds, home);
  const places = grouped(placed);
  for (const place of places) patch(ctx, colours, place);
  for (const place of places) {
    const xs = place.points.map((point) => point.x);
    const top = Math.min(...place.points.map((point) => point.y));
    label(ctx, colours, taken, (Math.min(...xs) + Math.max(...xs)) / 2, top - 40, place.name,
      { size: 14, weight: 650, tone: "dim" });
  }
}

function grid(ctx, colours, map, bounds, home) {
  const metres = metresPerPixel(map, home.lat);
  const step = gridMetres(metres) / metres;
  const origin = map.latLngToLayerPoint(home); // the lines go with what lies on them
  ctx.lineWidth = 1;
  for (const [part, alpha] of [[5, 0.35], [1, 0.9]]) {
    ctx.beginPath();
    const every = step / part;
    for (let x = first(origin.x, every, bounds.min.x); x <= bounds.max.x; x += every) {
      ctx.moveTo(Math.round(x) + 0.5, bounds.min.y);
      ctx.lineTo(Math.round(x) + 0.5, bounds.max.y);
    }
    for (let y = first(origin.y, every, bounds.min.y); y <= bounds.max.y; y += every) {
      ctx.moveTo(bounds.min.x, Math.round(y) + 0.5);
      ctx.lineTo(bounds.max.x, Math.round(y) + 0.5);
    }
    ctx.globalAlpha = alpha;
    ctx.strokeStyle = colours.line;
    ctx.stroke();
  }
  ctx.globalAlpha = 1;
}

function first(origin, every, least) {
  return origin + Math.ceil((least - origin) / every) * every;
}

// The first level of places at which there is more than one: districts of a city, sites of a yard.
function grouped(placed) {
  const parts = placed.map(({ camera, point }) => ({ path: camera.site.split("/").filter(Boolean), point }));
  const deepest = Math.max(0, ...parts.map((one) => one.path.length));
  for (let depth = 1; depth <= deepest; depth += 1) {
    const groups = new Map();
    for (const { path, point } of parts) {
      if (!path.length) continue;
      const key = path.slice(0, depth).join("/");
      if (!groups.has(key)) groups.set(key, { name: path[Math.min(depth, path.length) - 1], points: [] });
      groups.get(key).points.push(point);
    }
    if (groups.size > 1 || depth === deepest) return [...groups.values()].sort((a, b) => b.points.length - a.points.length);
  }
  return [];
}

function patch(ctx, colours, place) {
  const around = hull(place.points);
  ctx.beginPath();
  for (const { x, y } of around) ctx.lineTo(x, y);
  if (around.length === 1) ctx.lineTo(around[0].x + 0.1, around[0].y);
  ctx.closePath();
  ctx.lineJoin = ctx.lineCap = "round";
  for (const [wide, tone] of [[PATCH_PX + 2, colours.line], [PATCH_PX, colours.surface]]) {
    ctx.lineWidth = wide;
    ctx.strokeStyle = ctx.fillStyle = tone;
    ctx.stroke();
    ctx.fill();
  }
}

// Andrew's monotone chain.
function hull(points) {
  const sorted = [...points].sort((a, b) => a.x - b.x || a.y - b.y);
  const half = (list) => {
    const kept = [];
    for (const point of list) {
      while (kept.length > 1 && turn(kept.at(-2), kept.at(-1), point) <= 0) kept.pop();
      kept.push(point);
    }
    kept.pop();
    return kept;
  };
  return sorted.length < 3 ? sorted : [...half(sorted), ...half(sorted.reverse())];
}

function turn(a, b, c) {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

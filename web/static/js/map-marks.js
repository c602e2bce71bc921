// How cameras look on the map's canvas: shape and colour by state, size and figure by class, a cone
// where the view direction is known, a badge where something was found. Colours are the tokens'.
const TOKENS = ["ground", "surface", "raised", "sunken", "line", "line-strong", "text", "dim", "accent",
  "accent-soft", "on-accent", "danger", "caution", "recorded"];
const RADIUS = { 1: 10, 2: 8.5, 3: 7 };
const CONE_DEG = 60; // of a lens nobody measured: it tells the direction, not the reach
const CONE_M = 40;
const TURN = Math.PI / 180;
const FIGURES = { zh: ["一", "二", "三"] };

// A canvas does not know custom properties: an element is asked what they come to.
export function palette() {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const found = {};
  for (const name of TOKENS) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  found.font = getComputedStyle(document.body).fontFamily;
  probe.remove();
  return found;
}

export function radius(camera) {
  return RADIUS[camera.class] ?? 7;
}

function outline(ctx, mark, x, y, r) {
  ctx.beginPath();
  if (mark === "wait") {
    ctx.moveTo(x, y - r * 1.1);
    ctx.lineTo(x + r * 1.1, y + r * 0.9);
    ctx.lineTo(x - r * 1.1, y + r * 0.9);
    ctx.closePath();
  } else if (mark === "lost") {
    ctx.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  } else if (mark === "stale") {
    ctx.moveTo(x, y - r * 1.2);
    ctx.lineTo(x + r * 1.2, y);
    ctx.lineTo(x, y + r * 1.2);
    ctx.lineTo(x - r * 1.2, y);
    ctx.closePath();
  } else {
    ctx.arc(x, y, r, 0, 7);
  }
}

export function colour(colours, mark) {
  return { on: colours.accent, wait: colours.caution, lost: colours.danger, stale: colours.caution }[mark] ?? colours.dim;
}

export function drawMark(ctx, colours, camera, mark, x, y) {
  const r = radius(camera);
  const filled = mark === "on" || mark === "wait" || mark === "lost" || mark === "stale";
  outline(ctx, mark, x, y, r);
  ctx.setLineDash([]);
  ctx.lineWidth = filled ? 3 : 5;
  ctx.strokeStyle = colours.surface; // a rim, so that neighbours stay apart
  ctx.stroke();
  ctx.fillStyle = filled ? colour(colours, mark) : colours.surface;
  ctx.fill();
  if (!filled) {
    ctx.lineWidth = 2;
    ctx.setLineDash(mark === "unknown" ? [2, 2] : []);
    ctx.strokeStyle = colours.dim;
    ctx.stroke();
    ctx.setLineDash([]);
  }
  const figures = FIGURES[document.documentElement.lang.slice(0, 2)] ?? ["1", "2", "3"];
  ctx.font = `700 ${r > 8 ? 11 : 10}px ${colours.font}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillStyle = filled ? colours["on-accent"] : colours.text;
  ctx.fillText(figures[camera.class - 1] ?? "", x, y + (mark === "wait" ? 2 : 0.5));
}

export function drawCone(ctx, colours, camera, mark, x, y, metresPerPixel) {
  if (camera.view === null) return;
  const reach = Math.min(160, Math.max(26, CONE_M / metresPerPixel));
  const middle = (camera.view - 90) * TURN;
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.arc(x, y, reach, middle - (CONE_DEG / 2) * TURN, middle + (CONE_DEG / 2) * TURN);
  ctx.closePath();
  const tone = mark === "on" ? colours.accent : colours.dim;
  ctx.globalAlpha = 0.2;
  ctx.fillStyle = tone;
  ctx.fill();
  ctx.globalAlpha = 0.55;
  ctx.lineWidth = 1;
  ctx.strokeStyle = tone;
  ctx.stroke();
  ctx.globalAlpha = 1;
}

export function drawCluster(ctx, colours, spot, x, y) {
  const many = spot.cameras.length;
  const r = clusterRadius(many);
  ctx.beginPath();
  ctx.arc(x, y, r, 0, 7);
  ctx.fillStyle = colours.raised;
  ctx.strokeStyle = colours["line-strong"];
  ctx.lineWidth = 1.5;
  ctx.fill();
  ctx.stroke();
  const due = many - spot.off;
  if (due) { // the rim, as far round as it records
    ctx.beginPath();
    ctx.arc(x, y, r - 2.5, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * (spot.on / due));
    ctx.lineWidth = 3;
    ctx.strokeStyle = colours.accent;
    ctx.stroke();
  }
  ctx.font = `600 13px ${colours.font}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillStyle = colours.text;
  ctx.fillText(String(many), x, y + 0.5);
  if (spot.lost) badge(ctx, colours, x + r * 0.75, y + r * 0.75, `■ ${spot.lost}`, colours.danger);
}

export function clusterRadius(many) {
  return 15 + Math.min(10, Math.log2(many) * 1.6);
}

export function badge(ctx, colours, x, y, text, fill, weak = false) {
  ctx.font = `700 11px ${colours.font}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  const width = Math.max(18, ctx.measureText(text).width + 10);
  ctx.beginPath();
  ctx.roundRect(x - width / 2, y - 9, width, 18, 9);
  ctx.fillStyle = weak ? colours.surface : fill;
  ctx.fill();
  ctx.lineWidth = 1.5;
  ctx.strokeStyle = weak ? colours.dim : colours.surface;
  ctx.stroke();
  ctx.fillStyle = weak ? colours.text : colours["on-accent"];
  ctx.fillText(text, x, y + 0.5);
}

export function ring(ctx, colours, x, y, r) {
  ctx.beginPath();
  ctx.arc(x, y, r, 0, 7);
  ctx.lineWidth = 3;
  ctx.strokeStyle = colours.text;
  ctx.stroke();
}

// Words on the canvas; `taken` keeps them from lying on one another.
export function label(ctx, colours, taken, x, y, text, { size = 12, weight = 500, tone = "text" } = {}) {
  ctx.font = `${weight} ${size}px ${colours.font}`;
  const width = ctx.measureText(text).width;
  const box = [x - width / 2 - 3, y - size * 0.7, x + width / 2 + 3, y + size * 0.7];
  if (taken.some((one) => box[0] < one[2] && box[2] > one[0] && box[1] < one[3] && box[3] > one[1])) return false;
  taken.push(box);
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  ctx.lineWidth = 4;
  ctx.strokeStyle = colours.ground;
  ctx.strokeText(text, x, y);
  ctx.fillStyle = colours[tone];
  ctx.fillText(text, x, y);
  return true;
}

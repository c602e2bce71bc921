// The map page: the plan, the tree beside it, what is narrowed, chosen and found; all in the address.
import { ask, problem } from "./asking.js";
import { Circle } from "./map-circle.js";
import { layGround, MOST_ZOOM } from "./map-ground.js";
import { Live } from "./map-live.js";
import { gridMetres } from "./map-paper.js";
import { metresPerPixel, Plan } from "./map-plan.js";
import { restate, Tree } from "./map-tree.js";
import { counted, locale, say } from "./words.js";

const { L } = window;
const config = JSON.parse(document.getElementById("map-config").textContent);
const box = document.getElementById("map");
const card = document.getElementById("card");
const CARD_PX = 340;
const CARD_EVERY_MS = 60_000; // each showing of a picture is an audited look
const narrowedBy = new URL(location.href).searchParams;
const state = {
  cameras: [], marks: new Map(), shown: new Set(), hits: config.hits, weak: config.weak, searching: config.searching,
  chosen: null, circle: null, plain: config.ground.kind === "plain", tiledFrom: config.ground.min, home: { lat: 0, lng: 0 },
};
const asked = { place: narrowedBy.get("place") ?? "", states: new Set(narrowedBy.getAll("state")), words: "" };

let [map, plan, tree, register, circle, hover] = [];

function keep() {
  const address = new URL(location.href);
  const put = (name, values) => {
    address.searchParams.delete(name);
    for (const value of values) if (value) address.searchParams.append(name, value);
  };
  put("place", [asked.place]);
  put("state", asked.states);
  put("show", [state.chosen]);
  const { lat, lng } = map.getCenter();
  put("circle", state.circle ? [`${state.circle.lat.toFixed(6)},${state.circle.lon.toFixed(6)},${state.circle.radius}`] : []);
  address.hash = `${Number(map.getZoom().toFixed(2))}/${lat.toFixed(5)}/${lng.toFixed(5)}`;
  history.replaceState(null, "", address);
}

function inPlace(camera) {
  return !asked.place || camera.site === asked.place || camera.site.startsWith(`${asked.place}/`);
}

function narrow() {
  const words = asked.words.toLowerCase();
  const fits = (one) => inPlace(one) && (!asked.states.size || asked.states.has(state.marks.get(one.slug)))
    && (!words || `${one.name} ${one.site} ${one.slug}`.toLowerCase().includes(words));
  state.shown = new Set(state.cameras.filter(fits).map((one) => one.slug));
  const narrowed = state.shown.size < state.cameras.length;
  tree.narrow(state.shown, Boolean(words || asked.states.size));
  tree.place(asked.place);
  for (const one of document.querySelectorAll("[data-state]")) {
    one.removeAttribute("aria-current"); // a link without scripts, a button that stays pressed with them
    one.setAttribute("aria-pressed", String(asked.states.has(one.dataset.state)));
  }
  const line = document.querySelector(".narrowed");
  line.hidden = !narrowed;
  line.querySelector("span").textContent = counted("map_shown", state.cameras.length, { shown: state.shown.size.toLocaleString(locale) });
  plan.draw();
  keep();
}

function zoomTo(cameras, { padding = 48 } = {}) {
  const known = cameras.filter((one) => one.lat !== null && one.lon !== null);
  if (!known.length) return;
  const bounds = L.latLngBounds(known.map((one) => [one.lat, one.lon]));
  map.fitBounds(bounds, { padding: [padding, padding], maxZoom: 17, animate: calm() });
}

function calm() {
  return !matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function setStates(document_) {
  const fresh = new Map(Object.entries(document_.states).flatMap(([mark, slugs]) => slugs.map((slug) => [slug, mark])));
  const changed = [...fresh].filter(([slug, mark]) => state.marks.get(slug) !== mark).map(([slug]) => slug);
  state.marks = fresh;
  for (const one of document.querySelectorAll("[data-state]")) {
    one.querySelector("b").textContent = document_.states[one.dataset.state].length;
  }
  return changed;
}

async function facts() {
  const answer = await ask(config.facts);
  if (!answer?.ok) throw new Error(answer ? (await problem(answer)).detail : "");
  const found = await answer.json();
  state.cameras = found.cameras;
  register = found.register;
  return found;
}

async function taken(document_) {
  if (document_.register !== register) { // a camera came, went or moved: the page itself is another
    location.reload();
    return;
  }
  const changed = setStates(document_);
  if (!changed.length) return;
  tree.states(state.marks, changed);
  for (const item of document.querySelectorAll(".unplaced [data-camera]")) restate(item, state.marks.get(item.dataset.camera));
  narrow();
  if (changed.includes(state.chosen)) showCard(state.chosen, { again: true });
}

// What is chosen.
let timer = null;

async function showCard(slug, { again = false } = {}) {
  clearTimeout(timer);
  const address = new URL(config.card.replace("CAMERA", encodeURIComponent(slug)), location.href);
  if (config.case) address.searchParams.set("case", config.case);
  if (config.reason) address.searchParams.set("reason", config.reason);
  const answer = await ask(address, { headers: { Accept: "text/html" } });
  if (state.chosen !== slug) return;
  if (answer?.ok) {
    const fresh = document.createElement("div");
    fresh.innerHTML = await answer.text(); // a template of ours, which escapes what is in it
    card.replaceChildren(...fresh.childNodes);
  } else if (answer) card.textContent = say("map_no_card", { detail: `HTTP ${answer.status}` });
  card.hidden = false;
  card.classList.remove("waiting");
  if (getComputedStyle(card).position === "static" && !again) card.scrollIntoView({ block: "nearest" });
  timer = setTimeout(() => (document.hidden ? null : showCard(slug, { again: true })), CARD_EVERY_MS);
}

function choose(slug, { move = true, reveal = true } = {}) {
  const camera = state.cameras.find((one) => one.slug === slug);
  if (!camera) return;
  state.chosen = slug;
  if (!state.shown.has(slug)) {
    [asked.place, asked.words] = ["", ""];
    asked.states.clear();
    document.getElementById("find").value = "";
    narrow();
  }
  tree.current(slug, { reveal });
  if (move && camera.lat !== null && camera.lon !== null) {
    const zoom = Math.max(map.getZoom(), 16);
    const beside = box.clientWidth > 800 ? CARD_PX / 2 : 0; // the card lies over the right edge
    const middle = map.project([camera.lat, camera.lon], zoom).add([beside, 0]);
    map.setView(map.unproject(middle, zoom), zoom, { animate: calm() });
  }
  plan.draw();
  keep();
  card.hidden = false;
  card.classList.add("waiting");
  showCard(slug);
}

function dismiss() {
  clearTimeout(timer);
  const slug = state.chosen;
  state.chosen = null;
  card.hidden = true;
  card.replaceChildren();
  tree.current(null);
  plan.draw();
  keep();
  if (slug) tree.focus(slug);
}

// Cameras on one pole: no zoom parts them, so a list does.
function listed(cameras) {
  clearTimeout(timer);
  state.chosen = null;
  const title = document.createElement("h2");
  title.textContent = say("map_here");
  const list = document.createElement("ul");
  for (const camera of cameras) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = say("map_camera", { name: camera.name, state: say(`map_${state.marks.get(camera.slug)}`) });
    button.addEventListener("click", () => choose(camera.slug, { move: false }));
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
  }
  card.replaceChildren(title, list);
  card.hidden = false;
  card.classList.remove("waiting");
  card.focus();
}

function pressed(event) {
  const spot = plan.at(event.layerPoint);
  if (!spot || !circle.box.hidden) return;
  if (spot.cameras.length === 1) choose(spot.cameras[0].slug, { move: false });
  else if (map.getZoom() >= MOST_ZOOM || together(spot.cameras)) listed(spot.cameras);
  else zoomTo(spot.cameras, { padding: 120 });
}

function together(cameras) {
  const points = cameras.map((one) => map.project([one.lat, one.lon], MOST_ZOOM));
  return points.every((one) => one.distanceTo(points[0]) < 30);
}

function told(spot) {
  const many = spot.cameras.length;
  const moments = spot.hits ? counted("map_moments", spot.hits) : "";
  if (many === 1) {
    const [one] = spot.cameras;
    const fields = { name: one.name, state: say(`map_${state.marks.get(one.slug)}`), moments };
    return `${say(spot.hits ? "map_camera_hits" : "map_camera", fields)} · ${say("map_class", { n: one.class })}`;
  }
  if (spot.hits) return counted("map_many_hits", many, { moments });
  return counted(spot.lost ? "map_many_lost" : "map_many", many, { lost: spot.lost.toLocaleString(locale) });
}

function moved(event) {
  if (map.dragging.moving()) return;
  const spot = plan.at(event.layerPoint);
  box.classList.toggle("over", Boolean(spot));
  if (!spot) {
    hover.remove();
    return;
  }
  const text = document.createElement("span");
  text.textContent = told(spot);
  hover.setLatLng(map.layerPointToLatLng(spot.point)).setContent(text).addTo(map);
}

function isPlain() {
  return state.plain || map.getZoom() < state.tiledFrom;
}

function scale() {
  const metres = gridMetres(metresPerPixel(map, state.home.lat));
  const length = metres >= 1000 ? say("map_kilometres", { n: metres / 1000 }) : say("map_metres", { n: metres });
  document.getElementById("grid").textContent = isPlain() ? say("map_grid", { length }) : "";
}

function button(text, glyph, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.title = text;
  made.setAttribute("aria-label", text);
  made.textContent = glyph;
  made.addEventListener("click", act);
  return made;
}

function controls() {
  const Control = L.Control.extend({
    options: { position: "topleft" },
    onAdd() {
      const group = L.DomUtil.create("div", "leaflet-bar tools");
      this.circle = button(say("map_circle"), "◎", () => {});
      this.circle.setAttribute("aria-pressed", "false");
      group.append(
        button(say("map_in"), "+", () => map.zoomIn()), button(say("map_out"), "−", () => map.zoomOut()),
        button(say("map_whole"), "⤢", () => zoomTo(state.cameras.filter((one) => state.shown.has(one.slug)))),
      );
      if (config.searches) group.append(this.circle);
      L.DomEvent.disableClickPropagation(group);
      return group;
    },
  });
  const made = new Control();
  made.addTo(map);
  L.control.scale({ imperial: false, position: "bottomleft", maxWidth: 140 }).addTo(map);
  return made.circle;
}

function start() {
  const known = state.cameras.filter((one) => one.lat !== null && one.lon !== null);
  box.replaceChildren();
  map = L.map(box, {
    zoomControl: false, attributionControl: false, maxZoom: MOST_ZOOM, minZoom: 2, zoomAnimation: calm(),
    fadeAnimation: false, inertia: calm(), boxZoom: false, keyboardPanDelta: 96, worldCopyJump: true,
    zoomSnap: state.plain ? 0.25 : 1,
  });
  L.control.attribution({ prefix: false }).addTo(map);
  box.setAttribute("role", "application");
  box.setAttribute("aria-label", document.querySelector("h1").textContent);
  box.setAttribute("aria-describedby", "map-keys");
  if (known.length) state.home = L.latLngBounds(known.map((one) => [one.lat, one.lon])).getCenter();
  const [, zoom, lat, lon] = location.hash.match(/^#([\d.]+)\/(-?[\d.]+)\/(-?[\d.]+)$/) ?? [];
  tree = new Tree(document.getElementById("tree"), {
    choose,
    place: (path) => {
      asked.place = asked.place === path ? "" : path;
      narrow();
      zoomTo(state.cameras.filter((one) => state.shown.has(one.slug)));
    },
  });
  plan = new Plan(state);
  state.shown = new Set(state.cameras.map((one) => one.slug));
  const found = state.cameras.filter((one) => config.hits[one.slug]);
  map.setView(state.home, known.length ? 15 : 2, { animate: false });
  if (lat) map.setView([Number(lat), Number(lon)], Number(zoom), { animate: false });
  else if (known.length) zoomTo(found.length ? found : state.cameras.filter(inPlace));
  plan.addTo(map);
  hover = L.tooltip({ direction: "top", offset: [0, -10], opacity: 1 });
  circle = new Circle(map, document.getElementById("circle"), state, controls(), {
    changed: () => { plan.draw(); keep(); }, back: config.back,
  });
  layGround(map, config.ground, (why) => {
    state.plain = true;
    box.dataset.ground = "plain";
    const line = document.createElement("p");
    line.className = "notice caution";
    line.setAttribute("role", "alert");
    line.textContent = why;
    box.before(line);
    map.invalidateSize();
    plan.draw();
    scale();
  });
  map.on("click", pressed).on("mousemove", moved).on("mouseout", () => hover.remove());
  map.on("moveend", () => { keep(); scale(); });
  narrow();
  scale();
}

function listen() {
  document.getElementById("find").addEventListener("input", (event) => {
    asked.words = event.target.value.trim();
    narrow();
  });
  document.querySelector(".legend").addEventListener("click", (event) => {
    const pressed_ = event.target.closest("[data-state]");
    if (!pressed_) return;
    event.preventDefault();
    if (!asked.states.delete(pressed_.dataset.state)) asked.states.add(pressed_.dataset.state);
    narrow();
  });
  for (const one of document.querySelectorAll("[data-state]")) one.setAttribute("role", "button");
  document.querySelector(".legend").addEventListener("keydown", (event) => {
    if (event.key === " " && event.target.dataset.state) { event.preventDefault(); event.target.click(); }
  });
  document.querySelector("[data-all]").addEventListener("click", (event) => {
    event.preventDefault();
    [asked.place, asked.words] = ["", ""];
    asked.states.clear();
    document.getElementById("find").value = "";
    narrow();
    zoomTo(state.cameras);
  });
  for (const item of document.querySelectorAll(".unplaced [data-camera], [data-found]")) {
    item.querySelector("a").addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || (item.dataset.found && event.detail === 0)) return;
      event.preventDefault();
      choose(item.dataset.camera ?? item.dataset.found);
    });
  }
  card.addEventListener("click", (event) => event.target.closest("[data-dismiss]") && dismiss());
  card.addEventListener("keydown", (event) => event.key === "Escape" && dismiss());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plan.repaint());
  new ResizeObserver(() => map.invalidateSize({ animate: false })).observe(box);
}

// A search that still looks: the page comes back with what it found.
async function waitFor(running) {
  for (;;) {
    const answer = await ask(`${running}?wait_s=20`);
    if (!answer?.ok) return;
    if (!["waiting", "running"].includes((await answer.json()).state)) break;
  }
  location.reload();
}

async function begin() {
  const live = document.getElementById("live");
  try {
    setStates(await facts());
  } catch (error) {
    live.textContent = say("map_no_data", { detail: error.message });
    live.setAttribute("role", "alert");
    return;
  }
  start();
  listen();
  tree.states(state.marks, []);
  new Live(config.states, live, taken);
  const [, ...where] = (narrowedBy.get("circle") ?? "").match(/^(-?[\d.]+),(-?[\d.]+),([\d.]+)$/) ?? [];
  if (where.length && config.searches) {
    const [lat, lon, radius] = where.map(Number);
    circle.open({ lat, lon, radius });
    plan.draw();
  }
  const show = narrowedBy.get("show");
  if (show) choose(show, { move: !location.hash });
  const running = document.querySelector("[data-running]")?.dataset.running;
  if (running) waitFor(running);
  document.documentElement.dataset.map = "ready";
}

if (box) begin();

// The viewer's page: header, controls, strips, keys.
const parts = {};

function build() {
  const body = document.body;
  const head = make("header", body);
  parts.title = make("h1", head);
  parts.about = make("p", head);
  parts.report = make("a", head, { href: "report.html" });
  parts.lang = make("button", head, { type: "button", "data-do": "lang" });
  parts.stage = make("main", body, { class: "stage" });
  parts.empty = make("p", parts.stage, { class: "empty" });
  parts.toast = make("p", parts.stage, { class: "toast", role: "status" });
  const bar = make("div", body, { class: "bar" });
  const clock = make("div", bar, { class: "clock" });
  parts.local = make("b", clock, { "data-part": "local" });
  parts.utc = make("span", clock, { "data-part": "utc" });
  const transport = make("div", bar, { class: "transport" });
  for (const [what, sign] of [["jump_back", "−10"], ["step_back", "◂|"], ["play", "▶"], ["step_on", "|▸"], ["jump_on", "+10"]]) {
    parts[what] = make("button", transport, { type: "button", "data-do": what }, sign);
  }
  parts.speedLabel = make("label", bar);
  parts.speedWord = make("span", parts.speedLabel);
  parts.speed = make("select", parts.speedLabel, { "data-do": "speed" });
  for (const speed of SPEEDS) make("option", parts.speed, { value: speed }, `${speed}×`);
  parts.speed.value = "1";
  parts.skip = check(bar, "skip", true);
  parts.sound = check(bar, "sound", false);
  const zoom = make("div", bar, { class: "zoom" });
  for (const [what, sign] of [["zoom_out", "−"], ["zoom_in", "+"], ["whole", "↔"]]) {
    parts[what] = make("button", zoom, { type: "button", "data-do": what }, sign);
  }
  const foot = make("footer", body);
  parts.pick = make("p", foot, { class: "pick" });
  parts.strips = make("div", foot, { class: "strips" });
  rows = bundle.cameras.map((camera, i) => strip(camera, i));
  parts.ticks = make("div", foot, { class: "ticks" });
  parts.keys = make("p", foot, { class: "keys" });
  body.addEventListener("click", (event) => acts[event.target.closest("[data-do]")?.dataset.do]?.());
  parts.speed.addEventListener("change", () => setSpeed(Number(parts.speed.value)));
  parts.skip.box.addEventListener("change", () => { state.skip = parts.skip.box.checked; });
  parts.sound.box.addEventListener("change", () => { state.sound = parts.sound.box.checked; activate(state.active); });
  document.addEventListener("keydown", key);
  addEventListener("resize", draw);
  bundle.cameras.slice(0, MOST_SHOWN).forEach((camera) => choose(camera, true));
  speak(state.lang);
}

function check(parent, name, on) {
  const label = make("label", parent);
  const box = make("input", label, { type: "checkbox", name });
  box.checked = on;
  return { box, text: make("span", label) };
}

function strip(camera, i) {
  const row = make("div", parts.strips, { class: "row" });
  const label = make("label", row);
  const box = make("input", label, { type: "checkbox", value: i });
  make("span", label, { title: `${camera.name} · ${camera.site}` }, camera.name);
  const track = make("div", row, { class: "track", "data-strip": camera.slug });
  const canvas = make("canvas", track), head = make("i", track);
  box.addEventListener("change", () => choose(camera, box.checked));
  const instant = (event) => {
    const { left, width } = track.getBoundingClientRect();
    const [from, to] = state.view;
    return clamp(from + (to - from) * Math.min(1, Math.max(0, (event.clientX - left) / width)));
  };
  track.addEventListener("pointerdown", (event) => { track.setPointerCapture(event.pointerId); seek(instant(event)); });
  track.addEventListener("pointermove", (event) => {
    const us = instant(event), gap = at(camera.gaps, us);
    track.title = [local(camera, us), `${iso(us, 0)} UTC`, gap ? say("gap", { cause: cause(gap) }) : ""].join("\n").trim();
    if (event.buttons) seek(us);
  });
  track.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(event.deltaY > 0 ? 1.5 : 1 / 1.5, instant(event));
  }, { passive: false });
  return { camera, box, canvas, head };
}

function choose(camera, on) {
  const row = rows.find((one) => one.camera === camera), i = tiles.findIndex((tile) => tile.camera === camera);
  if (on && tiles.length >= MOST_SHOWN) {
    row.box.checked = false;
    tell(say("four"));
    return;
  }
  row.box.checked = on;
  if (on && i < 0) {
    tiles.push(new Tile(camera));
    parts.stage.append(tiles[tiles.length - 1].box);
  } else if (!on && i >= 0) tiles.splice(i, 1)[0].close();
  parts.stage.dataset.count = tiles.length;
  activate(tiles.includes(state.active) ? state.active : tiles[0] ?? null);
  draw();
}

function speak(lang) {
  state.lang = lang;
  document.documentElement.lang = lang;
  document.title = `${say("title")} · ${bundle.export}`;
  parts.title.textContent = say("title");
  parts.about.textContent = [bundle.case && `${say("case")} ${bundle.case}`, `${say("export")} ${bundle.export}`].filter(Boolean).join("   ");
  parts.about.title = parts.about.textContent;
  parts.report.textContent = say("report");
  parts.lang.textContent = say("language");
  parts.empty.textContent = say("none");
  parts.pick.textContent = say("cameras");
  parts.keys.textContent = say("keys");
  parts.speedWord.textContent = say("speed");
  parts.skip.text.textContent = say("skip");
  parts.sound.text.textContent = say("sound");
  for (const what of ["jump_back", "step_back", "step_on", "jump_on", "zoom_in", "zoom_out", "whole"]) {
    parts[what].title = say(what);
    parts[what].setAttribute("aria-label", say(what));
  }
  draw();
}

let quiet = 0;
function tell(text) {
  parts.toast.textContent = text;
  clearTimeout(quiet);
  quiet = setTimeout(() => { parts.toast.textContent = ""; }, 3500);
}

// --- strips

function look(us, width) {
  const whole = Math.min(Math.max(width, Math.min(SHORTEST_VIEW_US, END - START)), END - START);
  const from = Math.min(Math.max(us - whole / 2, START), END - whole);
  state.view = [from, from + whole];
  draw();
}

function zoomBy(factor, us = state.us) {
  const [from, to] = state.view, width = (to - from) * factor;
  look(us + (0.5 - (us - from) / (to - from)) * width, width);
}

function draw() {
  const [from, to] = state.view, style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  for (const { camera, canvas } of rows) {
    const width = canvas.clientWidth * devicePixelRatio, height = canvas.clientHeight * devicePixelRatio;
    Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    const fill = (list, name) => {
      pen.fillStyle = colour(name);
      for (const [start, end] of list) {
        if (end < from || start > to) continue;
        const x = Math.floor(((start - from) / (to - from)) * width);
        pen.fillRect(x, 0, Math.max(Math.ceil(((end - from) / (to - from)) * width) - x, 1), height);
      }
    };
    fill(camera.segments.filter((one) => !(one[2] in camera.unplayable)), "recorded");
    fill(camera.segments.filter((one) => one[2] in camera.unplayable), "caution");
    fill(camera.gaps, "gap");
  }
  const camera = state.active?.camera ?? bundle.cameras[0];
  parts.ticks.replaceChildren();
  for (let i = 0; i < 5; i += 1) {
    const us = from + ((to - from) * i) / 4, text = local(camera, us);
    make("span", parts.ticks, {}, to - from < 60 * SECOND ? text.slice(11, 23) : text.slice(5, 19));
  }
}

function paint() {
  const camera = state.active?.camera ?? bundle.cameras[0], [from, to] = state.view;
  parts.local.textContent = `${local(camera, state.us)}`;
  parts.local.title = camera.tz;
  parts.utc.textContent = `${iso(state.us, 0)} UTC`;
  const going = state.playing || state.back > 0;
  parts.play.textContent = going ? "❚❚" : "▶";
  parts.play.title = say(going ? "pause" : "play");
  parts.play.setAttribute("aria-label", parts.play.title);
  document.body.dataset.us = Math.round(state.us);
  document.body.dataset.playing = state.playing;
  if (state.playing && state.us > to) look(state.us + (to - from) / 2, to - from);
  for (const row of rows) row.head.style.left = `${(100 * (state.us - from)) / (to - from)}%`;
}

const acts = {
  lang: () => speak(state.lang === "zh" ? "en" : "zh"),
  play: toggle,
  step_back: () => step(-1),
  step_on: () => step(1),
  jump_back: () => seek(state.us - JUMP_US),
  jump_on: () => seek(state.us + JUMP_US),
  zoom_in: () => zoomBy(0.5),
  zoom_out: () => zoomBy(2),
  whole: () => look((START + END) / 2, END - START),
};

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select")) return;
  const act = {
    " ": toggle, k: toggle, j: () => faster(-1), l: () => faster(1),
    ArrowLeft: event.shiftKey ? acts.jump_back : acts.step_back,
    ArrowRight: event.shiftKey ? acts.jump_on : acts.step_on,
    ArrowUp: () => setSpeed(SPEEDS[SPEEDS.indexOf(state.speed) + 1] ?? state.speed),
    ArrowDown: () => setSpeed(SPEEDS[SPEEDS.indexOf(state.speed) - 1] ?? state.speed),
    Home: () => seek(START), End: () => seek(END),
  }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault(); // also keeps a focused button or box from answering the space bar
  act();
}

build();
requestAnimationFrame(tick);

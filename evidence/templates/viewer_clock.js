// The viewer's clock: playing, waiting, going backwards, stepping picture by picture.
function tick(now) {
  const passed = Math.min(now - last, 250) * 1000;
  last = now;
  if (!state.stepping) {
    if (state.back) runBack(passed);
    else if (state.playing) run(passed);
    for (const tile of tiles) tile.show(state.us, !state.playing);
  }
  paint();
  requestAnimationFrame(tick);
}

function run(passed) {
  const live = tiles.filter((tile) => tile.plays(state.us));
  for (const tile of live) tile.show(state.us, false);
  const ready = live.every((tile) => tile.ready);
  for (const tile of live) {
    const { video } = tile;
    if (video.playbackRate !== state.speed) video.playbackRate = state.speed;
    if (ready && video.paused && !video.ended) video.play().catch(() => {});
    if (!ready && !video.paused) video.pause(); // one waits for all: it is one clock
  }
  if (live.length === 0) return wait(passed);
  if (!ready) return undefined;
  const lead = live.find((tile) => !tile.video.ended) ?? live[0];
  const shown = lead.file[0] + lead.video.currentTime * SECOND;
  const near = Math.abs(shown - state.us) < SECOND * Math.max(1, state.speed);
  const next = lead.video.ended ? lead.file[1] : near ? shown : state.us;
  const gap = lead.camera.gaps.find((one) => one[0] > state.us && one[0] < next);
  return move(Math.max(state.us, gap ? gap[0] : next));
}

// No shown camera has a picture: wait through it, or go where one has.
function wait(passed) {
  if (!state.skip || tiles.length === 0) return move(state.us + passed * state.speed);
  const starts = tiles.flatMap(({ camera }) => [
    ...camera.files.map((file) => file[0]), ...camera.gaps.map((gap) => gap[1]),
  ]).filter((us) => us > state.us && us < END && tiles.some((tile) => tile.plays(us)));
  const next = starts.length ? starts.reduce((a, b) => Math.min(a, b)) : END;
  const gap = tiles.map((tile) => at(tile.camera.gaps, state.us)).find(Boolean);
  tell(say("skipped", { span: length(next - state.us), cause: gap ? cause(gap) : say("outside") }));
  return move(next);
}

function move(us) {
  state.us = clamp(us);
  if (state.us >= END) pause();
}

// Backwards no browser plays: picture after picture is sought.
function runBack(passed) {
  const live = tiles.filter((tile) => tile.plays(state.us));
  if (live.some((tile) => !tile.ready)) return;
  state.us = clamp(state.us - passed * state.back);
  if (state.us <= START) state.back = 0;
}

function play() {
  if (state.us >= END) state.us = START;
  state.back = 0;
  state.playing = true;
}

function pause() {
  state.playing = false;
  state.back = 0;
  for (const tile of tiles) {
    tile.video.pause();
    tile.asked = undefined;
  }
}

const toggle = () => (state.playing || state.back ? pause() : play());

function seek(us) {
  state.us = clamp(us);
  for (const tile of tiles) tile.asked = undefined;
  if (state.us < state.view[0] || state.us > state.view[1]) look(state.us, state.view[1] - state.view[0]);
}

function faster(by) {
  if (by < 0 && !state.playing) state.back = Math.min(8, state.back * 2 || 1);
  else if (by > 0 && state.back) state.back = 0;
  else if (!state.playing) play();
  else setSpeed(SPEEDS[SPEEDS.indexOf(state.speed) + by] ?? state.speed);
}

function setSpeed(speed) {
  state.speed = speed;
  parts.speed.value = String(speed);
}

// One picture of the active camera, whatever its rate: until another one is on screen.
async function step(by) {
  if (state.stepping) return;
  pause();
  const tile = state.active, file = tile?.plays(state.us);
  if (!file || tile.mediaTime === undefined || file !== tile.file) {
    seek(state.us + by * (tile ? pictureOf(tile) : 0.04) * SECOND);
    return;
  }
  state.stepping = true;
  const from = tile.mediaTime;
  try {
    for (let i = 1; i <= 8 && Math.abs(tile.mediaTime - from) < 1e-6; i += 1) {
      const wanted = by > 0 ? from + i * 0.55 * pictureOf(tile) : from - 2 * INSIDE_S * i;
      if (wanted < 0 || file[0] + wanted * SECOND >= file[1]) {
        seek(by > 0 ? file[1] : file[0] - 1);
        return;
      }
      await presented(tile, wanted);
    }
    state.us = clamp(Math.round(file[0] + tile.mediaTime * SECOND));
    tile.asked = (state.us - file[0]) / SECOND; // the picture is there: no second seek
    for (const other of tiles) if (other !== tile) other.asked = undefined;
  } finally {
    state.stepping = false;
  }
}

function presented(tile, seconds) {
  return new Promise((done) => {
    const late = setTimeout(done, 400); // the same picture is not always shown again
    tile.presented = () => { clearTimeout(late); tile.presented = null; done(); };
    tile.seek(seconds);
  });
}

function pictureOf(tile) {
  return at(tile.camera.segments, state.us)?.[4] || 0.04;
}

function activate(tile) {
  state.active = tile;
  for (const one of tiles) {
    one.box.classList.toggle("active", one === tile && tiles.length > 1);
    one.video.muted = !state.sound || one !== tile;
  }
}

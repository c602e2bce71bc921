// The viewer: plays a bundle offline, up to four cameras on one wall clock. Here: its state, times,
// words. Text from the bundle is only ever put in as text. Instants are UTC microseconds; what
// `bundle` holds is described in evidence/viewer.py, which joins these files into one script.
const bundle = JSON.parse(document.getElementById("bundle").textContent);
const [START, END] = bundle.span;
const MOST_SHOWN = 4, SECOND = 1e6, JUMP_US = 10 * SECOND, INSIDE_S = 0.0005, SHORTEST_VIEW_US = 2 * SECOND;
const SPEEDS = [0.5, 1, 2, 4, 8, 16];
const state = {
  us: START, playing: false, speed: 1, back: 0, skip: true, sound: false, view: [START, END],
  lang: (navigator.language || "").toLowerCase().startsWith("zh") ? "zh" : "en",
  active: null, stepping: false,
};
const tiles = []; // shown cameras, in order
let rows = []; // one strip a camera
let last = performance.now();

const say = (key, fields = {}) => {
  const text = bundle.words[state.lang][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => fields[name] ?? whole);
};
const clamp = (us) => Math.min(Math.max(us, START), END);

// The entry [start, end, …] that covers an instant, of a list sorted by start; the latest if several do.
function at(list, us) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle][0] <= us) low = middle + 1; else high = middle;
  }
  for (let i = low - 1; i >= 0 && i >= low - 4; i -= 1) if (us < list[i][1]) return list[i];
  return null;
}

function offsetAt(camera, us) {
  let offset = camera.offsets[0][1];
  for (const [from, seconds] of camera.offsets) if (from <= us) offset = seconds;
  return offset;
}

function iso(us, offset) {
  return new Date(Math.floor(us / 1000) + offset * 1000).toISOString().replace("T", " ").slice(0, 23);
}

function local(camera, us) {
  const offset = offsetAt(camera, us), minutes = Math.abs(offset) / 60;
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  return `${iso(us, offset)} ${offset < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

function length(us) {
  const seconds = us / SECOND;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const whole = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

function make(tag, parent, facts = {}, text = "") {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) made.setAttribute(name, value);
  made.textContent = text;
  parent?.append(made);
  return made;
}

const address = (file) => file.split("/").map(encodeURIComponent).join("/");
const cause = (gap) => [say(`cause.${gap[2]}`), gap[3]].filter(Boolean).join(" · ");

// The search desk: cards by keyboard, playing beside them; its parts are modules of their own.
import "./answer.js";
import { showHits } from "./density.js";
import { close as closeFilm } from "./film.js";
import "./marking.js";
import { isTyping } from "./page.js";
import { Player } from "./player.js";
import "./query-picture.js";
import "./running.js";

const pane = document.querySelector("[data-player]");
const player = pane && new Player(pane);
const cards = () => [...document.querySelectorAll("#results .card[data-us]")];

function choose(card, play, us = Number(card.dataset.us)) {
  for (const other of cards()) other.removeAttribute("aria-current");
  card.setAttribute("aria-current", "true");
  const { camera, tz, box, case: number, reason } = card.dataset;
  const hit = { us: Number(card.dataset.us), box: box ? box.split(",").map(Number) : null };
  pane.querySelector("[data-part=page]").href = card.href;
  player.open({ camera, tz, case: number, reason, hit }, us, { play });
  history.replaceState(null, "", `#${encodeURIComponent(camera)}@${card.dataset.us}`);
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return; // a new tab is meant
  const still = event.target.closest?.(".film a");
  const card = still ? still.closest("li").querySelector(".card") : event.target.closest?.("a.card[data-us]");
  if (!card || !pane) return;
  event.preventDefault();
  if (still) closeFilm();
  choose(card, true, still ? Number(still.dataset.at) : undefined);
});

// The card that lies beyond this one in a direction, also across headings.
function beyond(here, key, all) {
  const at = all.indexOf(here);
  if (key === "ArrowLeft") return all[Math.max(0, at - 1)];
  if (key === "ArrowRight") return all[Math.min(all.length - 1, at + 1)];
  const own = here.getBoundingClientRect();
  const way = key === "ArrowDown" ? 1 : -1;
  const measured = all.map((card) => [card, card.getBoundingClientRect()]);
  const rows = measured.filter(([, box]) => (box.top - own.top) * way > 4);
  if (!rows.length) return here;
  const nearest = Math.min(...rows.map(([, box]) => Math.abs(box.top - own.top)));
  const row = rows.filter(([, box]) => Math.abs(Math.abs(box.top - own.top) - nearest) < 4);
  row.sort((a, b) => Math.abs(a[1].left - own.left) - Math.abs(b[1].left - own.left));
  return row[0][0];
}

document.addEventListener("keydown", (event) => {
  if (!/^Arrow/.test(event.key) || isTyping(event.target)) return;
  if (event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target.closest?.(".track, dialog, .menu, .density, [data-keys]")) return;
  const all = cards();
  if (!all.length) return;
  event.preventDefault();
  const here = document.activeElement.closest?.(".moments > li")?.querySelector(".card");
  (here ? beyond(here, event.key, all) : all[0]).focus();
});

// A chip's menu is opened to fill in its first field; on a touch screen the keyboard would cover it.
document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!menu.open || !menu.matches?.(".filters .menu") || !matchMedia("(hover: hover)").matches) return;
  menu.querySelector(".panel input:not([type=hidden]), .panel select")?.focus();
}, true);

// A long list of places is sifted by what is typed.
document.addEventListener("input", (event) => {
  const sieve = event.target.dataset?.sift;
  if (!sieve) return;
  const wanted = event.target.value.trim().toLowerCase();
  for (const item of event.target.closest(".panel").querySelectorAll(`${sieve} li`)) {
    item.hidden = !item.textContent.toLowerCase().includes(wanted);
  }
});

// A reload, and another grouping, find the chosen card again.
function again(open) {
  const [, slug, us] = location.hash.match(/^#(.+)@(\d+)$/) ?? [];
  const card = cards().find((one) => one.dataset.us === us && one.dataset.camera === decodeURIComponent(slug ?? ""));
  if (card && open) choose(card, false);
  else card?.setAttribute("aria-current", "true");
}

again(true);
document.addEventListener("answer", () => {
  const strip = document.querySelector("#about [data-density]");
  if (strip) showHits(strip, cards().map((card) => Number(card.dataset.us)));
  again(!player?.source);
});

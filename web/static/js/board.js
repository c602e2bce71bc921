// Keeps the board of cameras fresh: states often, pictures once a minute (each is an audited look).
import { say } from "./words.js";

const board = document.getElementById("board");
const EVERY_MS = 5000;
const PICTURES_EVERY = 12;
let turn = 0;

async function refresh() {
  if (document.hidden) return;
  turn += 1;
  const pictures = turn % PICTURES_EVERY === 0;
  try {
    const response = await fetch(`${board.dataset.fresh}?pictures=${pictures ? 1 : 0}`);
    if (!response.ok) return;
    const fresh = document.createElement("div");
    fresh.innerHTML = await response.text();
    if (!pictures) keepPictures(fresh);
    board.replaceChildren(...fresh.childNodes);
    board.removeAttribute("title");
  } catch {
    board.title = say("offline");
  }
}

function keepPictures(fresh) {
  for (const item of fresh.querySelectorAll("[data-camera]")) {
    const shown = board.querySelector(`[data-camera="${CSS.escape(item.dataset.camera)}"] .last`);
    const blank = item.querySelector(".last");
    if (!shown?.querySelector("img")) continue;
    shown.className = blank.className;
    blank.replaceWith(shown);
  }
}

setInterval(refresh, EVERY_MS);

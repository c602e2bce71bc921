// Keeps the board of cameras fresh: states often, pictures once a minute (each is an audited look).
// While the server does not answer, the board says of when it is, and looks it.
import { say } from "./words.js";

const board = document.getElementById("board");
const EVERY_MS = 5000;
const PICTURES_EVERY = 12;
let turn = 0;
let asOf = board.querySelector(".as-of time")?.textContent.replace(/\s+/g, " ");

async function refresh() {
  if (document.hidden) return;
  turn += 1;
  const pictures = turn % PICTURES_EVERY === 0;
  const address = new URL(board.dataset.fresh, location.href);
  address.searchParams.set("pictures", pictures ? "1" : "0");
  try {
    const response = await fetch(address);
    if (!response.ok || response.redirected) throw new Error(String(response.status));
    const fresh = document.createElement("div");
    fresh.innerHTML = await response.text();
    if (!pictures) keepPictures(fresh);
    keepFocus(() => board.replaceChildren(...fresh.childNodes));
    asOf = board.querySelector(".as-of time")?.textContent.replace(/\s+/g, " ");
    board.classList.remove("lost");
  } catch {
    lose();
  }
}

// It stays, greyed, under a line that says of when it is.
function lose() {
  if (board.classList.contains("lost")) return;
  board.classList.add("lost");
  const line = Object.assign(document.createElement("p"), {
    className: "notice error", textContent: say("board_stale", { time: asOf ?? "" }),
  });
  line.setAttribute("role", "status");
  board.prepend(line);
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

// What was focused stays so, where the same link is there again.
function keepFocus(change) {
  const focused = board.contains(document.activeElement) ? document.activeElement : null;
  const [address, kind] = [focused?.getAttribute("href"), focused?.className];
  change();
  if (!address) return;
  const again = [...board.querySelectorAll(`a[href="${CSS.escape(address)}"]`)];
  (again.find((one) => one.className === kind) ?? again[0])?.focus({ preventScroll: true });
}

setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);

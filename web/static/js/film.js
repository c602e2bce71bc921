// Neighbours in time: a card that is looked at for a moment shows what was before and after it.
// The panel floats, so nothing moves; it can be entered, and Escape closes it.
import { ask, problem } from "./asking.js";
import { local } from "./instant.js";
import { isTyping } from "./page.js";
import { say } from "./words.js";

const DWELL_MS = 450;
const address = document.querySelector(".desk")?.dataset.neighbours;
const STEPS = 4;
const known = new Map(); // camera@us → pictures
let panel = null;
let waiting = 0;

async function pictures(card) {
  const { camera, us, case: number, reason } = card.dataset;
  const key = `${camera}@${us}`;
  if (!known.has(key)) {
    const asked = new URLSearchParams({ camera, at: us });
    if (number) asked.set("case", number);
    if (reason) asked.set("reason", reason);
    const response = await ask(`${address}?${asked}`, { refused: true });
    if (!response?.ok) return { failed: response ? (await problem(response)).detail : "" };
    known.set(key, await response.json());
  }
  return known.get(key);
}

function still(card, one) {
  const link = document.createElement("a");
  const href = new URL(card.href);
  href.searchParams.set("at", one.us);
  Object.assign(link, { href, tabIndex: -1, className: "still" });
  Object.assign(link.dataset, { at: one.us });
  const { clock } = local(one.us, card.dataset.tz);
  const step = `${one.step_s < 0 ? "−" : "+"}${say("seconds", { s: Math.abs(one.step_s) })}`;
  const frame = document.createElement("span");
  frame.className = "frame";
  if (one.picture) {
    const image = document.createElement("img");
    image.addEventListener("error", () => { frame.textContent = say("search_no_picture"); });
    Object.assign(image, { src: one.picture, alt: `${step}, ${clock}`, width: 320, height: 180 });
    frame.append(image);
  } else {
    frame.textContent = one.missing;
  }
  const [b, time] = [document.createElement("b"), document.createElement("span")];
  [b.textContent, time.textContent] = [step, clock];
  link.append(frame, b, " ", time);
  return link;
}

function blank() {
  const box = document.createElement("span");
  box.className = "still";
  const frame = document.createElement("span");
  frame.className = "frame";
  box.append(frame, "\u00a0");
  return box;
}

export function close() {
  clearTimeout(waiting);
  panel?.closest("li")?.querySelector("[data-film]")?.removeAttribute("aria-expanded");
  panel?.remove();
  panel = null;
}

async function open(item, pinned) {
  if (panel?.parentElement === item) return;
  close();
  const card = item.querySelector(".card");
  const mine = document.createElement("div");
  panel = mine;
  mine.className = "film";
  mine.setAttribute("role", "group");
  mine.setAttribute("aria-label", say("search_film"));
  mine.dataset.pinned = pinned ? "yes" : "";
  mine.append(...Array.from({ length: STEPS }, blank));
  item.append(mine);
  item.querySelector("[data-film]")?.setAttribute("aria-expanded", "true");
  const [outer, own] = [item.closest("#results").getBoundingClientRect(), item.getBoundingClientRect()];
  const wanted = own.left + own.width / 2 - mine.offsetWidth / 2;
  const left = Math.max(outer.left, Math.min(wanted, outer.right - mine.offsetWidth));
  mine.style.left = `${left - own.left}px`;
  if (own.bottom + mine.offsetHeight > innerHeight) mine.classList.add("above");
  const found = await pictures(card);
  if (panel !== mine) return;
  if ("failed" in found) mine.replaceChildren(found.failed);
  else mine.replaceChildren(...found.map((one) => still(card, one)));
}

function soon(item) {
  clearTimeout(waiting);
  if (item) waiting = setTimeout(() => open(item, false), DWELL_MS);
}

const itemOf = (target) => target.closest?.("#results .moments > li:not(.skeleton)");

let pointed = null;
// Moved onto it: a card that came to lie under a resting pointer was not pointed at.
document.addEventListener("pointermove", (event) => {
  if (event.pointerType !== "mouse") return;
  const item = event.target.closest?.(".card") && itemOf(event.target); // its tools are for pressing
  if (item === pointed) return;
  pointed = item;
  soon(item && panel?.parentElement !== item ? item : null);
});
document.addEventListener("pointerover", (event) => {
  if (event.pointerType !== "mouse" || !panel || panel.dataset.pinned) return;
  if (panel.parentElement !== itemOf(event.target)) close();
});
document.addEventListener("focusin", (event) => {
  const item = itemOf(event.target);
  if (panel && panel.parentElement !== item) close();
  if (item && event.target.matches(".card:focus-visible")) soon(item);
});
document.addEventListener("pointerdown", (event) => {
  clearTimeout(waiting);
  if (panel && !panel.parentElement.contains(event.target)) close();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-film]");
  if (!button) return;
  const item = itemOf(button);
  if (panel?.parentElement === item) close();
  else open(item, true);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") close();
  if (event.key.toLowerCase() !== "b" || isTyping(event.target)) return;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const item = itemOf(document.activeElement);
  item?.querySelector("[data-film]").click();
});
document.addEventListener("answer", close);

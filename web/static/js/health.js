// Keeps the upper part of the health desk fresh while somebody can see it, and prints.
import { say } from "./words.js";

const EVERY_MS = 15000;
const part = document.getElementById("now");
let tag;

async function refresh() {
  if (document.hidden || part.contains(document.activeElement)) return; // nobody loses their place
  try {
    const response = await fetch(part.dataset.fresh, { headers: tag ? { "If-None-Match": tag } : {} });
    if (!response.ok || response.redirected) return; // as it was, or the page to log in at
    tag = response.headers.get("ETag");
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const open = part.querySelector(".beats")?.open;
    part.replaceChildren(...fresh.body.childNodes);
    const beats = part.querySelector(".beats");
    if (beats && open) beats.open = true;
    part.removeAttribute("title");
  } catch {
    part.title = say("offline");
  }
}

if (part) {
  setInterval(refresh, EVERY_MS);
  document.addEventListener("visibilitychange", refresh);
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

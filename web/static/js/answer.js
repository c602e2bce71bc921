// The answer's parts, taken out of the page at an address: another grouping, the end of a search.
import { ask } from "./asking.js";
import { settled } from "./marking.js";
import { tell } from "./said.js";
import { counted } from "./words.js";

const PARTS = ["about", "results"];

// The document at an address, or null where the bar has said why.
export async function page(address) {
  const response = await ask(address, { headers: { Accept: "text/html" }, refused: true });
  if (!response) return null;
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

// Whether it could be shown. Who listens to "answer" finds the new parts in the document.
export async function show(address) {
  const whole = await page(address);
  if (!whole) return false;
  for (const id of PARTS) {
    const [old, fresh] = [document.getElementById(id), whole.getElementById(id)];
    if (old && fresh) old.replaceWith(document.adoptNode(fresh));
    else if (old) old.replaceChildren();
  }
  document.dispatchEvent(new CustomEvent("answer"));
  return true;
}

function addressOf(link) {
  return new URL(link.href, location.href);
}

async function regroup(link) {
  const address = addressOf(link);
  await settled(); // what is marked is drawn as it was kept
  if (!(await show(address))) return;
  history.pushState(null, "", address);
  shown = location.search;
  document.querySelector(".group [aria-current]")?.focus();
}

// "n more at X": they open under it, and the page stays where it is.
async function unfold(link) {
  const held = link.closest(".held");
  link.setAttribute("aria-busy", "true");
  const whole = await page(addressOf(link));
  link.removeAttribute("aria-busy");
  if (!whole) return;
  const fresh = [...whole.querySelectorAll(".held")].find((one) => one.dataset.held === held.dataset.held);
  if (!fresh) {
    location.assign(link.href);
    return;
  }
  const unfolded = new URLSearchParams(location.search);
  unfolded.set("run", addressOf(link).searchParams.get("run") ?? "");
  unfolded.append("unfold", held.dataset.held);
  history.replaceState(null, "", `?${unfolded}${location.hash}`);
  shown = location.search;
  held.replaceWith(document.adoptNode(fresh));
  const cards = fresh.querySelectorAll(".card");
  tell(counted("search_unfolded", cards.length));
  cards[0]?.focus();
  document.dispatchEvent(new CustomEvent("answer"));
}

let shown = location.search;

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const link = event.target.closest?.(".group a, a[data-unfold]");
  if (!link) return;
  event.preventDefault();
  if (link.dataset.unfold === undefined) regroup(link);
  else unfold(link);
});

window.addEventListener("popstate", () => {
  if (location.search === shown) return; // only the chosen card is another
  shown = location.search;
  show(location.href).then((done) => done || location.reload());
});

export function moved() {
  shown = location.search;
}

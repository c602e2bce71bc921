// A search that takes longer than its page waits: how far it is, what it has found so far,
// cancelling it, and its end.
import { moved, pageAt, show } from "./answer.js";
import { ask, problem } from "./asking.js";
import { tell } from "./said.js";
import { counted, say } from "./words.js";

const WAIT_S = 5; // the server answers sooner when it ends
const SOON_MS = 400;
const ENDED = new Set(["done", "failed", "cancelled"]);
const searches = document.querySelector(".desk")?.dataset.searches;

async function watch(results) {
  const token = results.dataset.waitsFor;
  const address = new URL(location.href);
  address.searchParams.set("run", token);
  history.replaceState(null, "", address); // a reload finds this search, and begins no other
  moved();
  const part = (name) => results.querySelector(`[data-part=${name}]`);
  const cancel = part("cancel");
  cancel.hidden = false;
  cancel.addEventListener("click", async () => {
    cancel.disabled = true;
    const answer = await ask(`${searches}/${token}`, { method: "DELETE", again: true });
    if (answer?.ok) return;
    cancel.disabled = false;
    if (answer) tell((await problem(answer)).detail);
  });
  for (;;) {
    const begun = performance.now();
    const known = part("so-far").querySelectorAll(".card[data-us]").length;
    const response = await ask(`${searches}/${token}?wait_s=${WAIT_S}&known=${known}`, { refused: true });
    if (!response) { // the session has ended; the search goes on, and its address is here
      results.removeAttribute("aria-busy");
      return;
    }
    if (!response.ok) break; // it is gone: the page says so, and asks anew
    const run = await response.json();
    if (ENDED.has(run.state)) break;
    results.querySelector("progress").value = run.progress;
    const percent = Math.round(run.progress * 100);
    part("state").textContent = say(`search_${run.state}`, { percent });
    if (run.so_far) {
      part("days").textContent = counted("search_days", run.so_far.days, { done: run.so_far.days_done });
      if (run.so_far.moments > known) await showMore(part("so-far"), address, known);
    }
    // A busy server lets nobody wait: then the pause is here.
    if (performance.now() - begun < SOON_MS) await new Promise((go) => setTimeout(go, SOON_MS));
  }
  const used = isUsed(part("so-far"));
  if (used) await wanted(part);
  if (!(await show(address))) results.removeAttribute("aria-busy"); // the bar has said why
  else if (used) document.querySelector("#results .card[data-us]")?.focus();
}

// More comes after what is there, in the places that were held free: nothing moves.
async function showMore(list, address, known) {
  const page = await pageAt(address);
  const fresh = [...(page?.querySelectorAll("[data-part=so-far] > li:not(.skeleton)") ?? [])];
  for (const item of fresh.slice(known)) {
    const free = list.querySelector(".skeleton");
    if (free) free.replaceWith(document.adoptNode(item));
    else list.append(document.adoptNode(item));
  }
}

// Whether somebody looks at what was found so far: its order is not changed under their hands.
const isUsed = (list) =>
  list.querySelector(".card[aria-current=true]") || list.matches(":focus-within, :hover");

function wanted(part) {
  part("state").textContent = say("search_whole");
  part("days").textContent = "";
  part("cancel").hidden = true;
  for (const free of part("so-far").querySelectorAll(".skeleton")) free.remove();
  const whole = part("whole");
  whole.hidden = false;
  return new Promise((go) => whole.addEventListener("click", go, { once: true }));
}

const results = document.getElementById("results");
if (results?.dataset.waitsFor) watch(results);

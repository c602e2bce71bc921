// A search that takes longer than its page waits: how far it is, what it has found so far,
// cancelling it, and its end.
import { moved, page, show } from "./answer.js";
import { ask, problem } from "./asking.js";
import { tell } from "./said.js";
import { counted, locale, say } from "./words.js";

const WAIT_S = 5; // the server answers sooner when there is more, or the end
const SOON_MS = 400;
const ENDED = new Set(["done", "failed", "cancelled"]);
const { searches, soFar } = document.querySelector(".desk")?.dataset ?? {};

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
  let ended = null; // its last state; none where it is gone: the page says so, and asks anew
  for (let known = 0; ;) {
    const begun = performance.now();
    const response = await ask(`${searches}/${token}?wait_s=${WAIT_S}&known=${known}`, { refused: true });
    if (!response) { // the session has ended; the search goes on, and its address is here
      part("so-far").removeAttribute("aria-busy");
      return;
    }
    if (!response.ok) break;
    const run = await response.json();
    if (ENDED.has(run.state)) {
      ended = run.state;
      break;
    }
    known = run.so_far?.days_done ?? 0;
    results.querySelector("progress").value = run.progress;
    part("state").textContent = said(run);
    const shown = part("so-far").querySelectorAll("li[data-frame]").length;
    if (run.so_far?.moments > shown) await showMore(part("so-far"), address);
    // A busy server lets nobody wait: then the pause is here.
    if (performance.now() - begun < SOON_MS) await new Promise((go) => setTimeout(go, SOON_MS));
  }
  const used = ended === "done" && isUsed(part("so-far"));
  if (used) await wanted(part);
  if (!(await show(address))) { // the bar has said why
    part("so-far").removeAttribute("aria-busy");
    return;
  }
  if (used) document.querySelector("#results .card[data-us]")?.focus();
  begin(); // where the page had to ask anew
}

function said(run) {
  const percent = Math.round(run.progress * 100);
  const state = say(`search_${run.state}`, { percent });
  if (!run.so_far) return state;
  const done = run.so_far.days_done.toLocaleString(locale);
  const days = counted("search_days", run.so_far.days, { done });
  return `${state} ${days} ${counted("search_so_far", run.so_far.moments)}`;
}

const freed = (list) => list.querySelectorAll(".skeleton");

// More comes after what is there, in the places that were held free: nothing moves.
async function showMore(list, address) {
  const query = new URLSearchParams(address.searchParams);
  const fresh = await page(`${soFar}?${query}`);
  for (const item of fresh?.querySelectorAll("li[data-frame]") ?? []) {
    if (list.querySelector(`li[data-frame="${item.dataset.frame}"]`)) continue;
    const free = freed(list)[0];
    if (free) free.replaceWith(document.adoptNode(item));
    else list.append(document.adoptNode(item));
    list.removeAttribute("aria-busy");
  }
}

// Whether somebody looks at what was found so far: its order is not changed under their hands.
const isUsed = (list) => list.querySelector(".card[aria-current=true]")
  || list.matches(":focus-within, :hover") || document.querySelector("dialog[open]");

function wanted(part) {
  const whole = part("whole");
  const had = document.activeElement === part("cancel");
  part("state").textContent = say("search_whole");
  part("cancel").hidden = true;
  whole.hidden = false;
  if (had) whole.focus();
  for (const free of freed(part("so-far"))) free.remove();
  return new Promise((go) => whole.addEventListener("click", go, { once: true }));
}

function begin() {
  const results = document.getElementById("results");
  if (results?.dataset.waitsFor && results.children.length) watch(results); // it is empty where nothing came of it
}

begin();

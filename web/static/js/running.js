// A search that takes longer than its page waits: how far it is, cancelling it, and its end.
import { moved, show } from "./answer.js";
import { ask, problem } from "./asking.js";
import { tell } from "./said.js";
import { say } from "./words.js";

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
    const response = await ask(`${searches}/${token}?wait_s=${WAIT_S}`, { refused: true });
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
    // A busy server lets nobody wait: then the pause is here.
    if (performance.now() - begun < SOON_MS) await new Promise((go) => setTimeout(go, SOON_MS));
  }
  if (!(await show(address))) results.removeAttribute("aria-busy"); // the bar has said why
}

const results = document.getElementById("results");
if (results?.dataset.waitsFor) watch(results);

// Exports that are being made: the part of the page that shows them is fetched anew until they end.
import { ask } from "./asking.js";
import { length, say } from "./words.js";

const PERIOD_MS = 2000;
const SURE_MS = 5000; // so long is looked at before a time left is said
const begun = new Map(); // address of an export → {at, share} when it was seen first
let wanted = location.hash === "#fetch"; // asked for a moment ago: fetch it when it is done

async function look() {
  const shown = document.getElementById("exports");
  if (!document.hidden && !shown.contains(document.activeElement)) {
    const answer = await ask(location.pathname, { headers: { Accept: "text/html" } });
    if (!answer) return; // logged out, and said so: the export goes on all the same
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("exports");
    if (fresh) shown.replaceWith(document.adoptNode(fresh));
  }
  follow();
}

// How long it takes yet, at the pace it had while this page looked.
function sayLeft(one) {
  const [share, at, key] = [Number(one.dataset.share), performance.now(), one.dataset.export];
  if (!begun.has(key)) begun.set(key, { at, share });
  const first = begun.get(key);
  if (at - first.at < SURE_MS || share <= first.share) return;
  const seconds = ((1 - share) / (share - first.share)) * ((at - first.at) / 1000);
  one.textContent = say("time_left", { length: length(seconds) });
}

function follow() {
  const shown = document.getElementById("exports");
  for (const one of shown?.querySelectorAll("[data-share]") ?? []) sayLeft(one);
  if (shown?.matches("[data-unfinished]")) {
    setTimeout(look, PERIOD_MS);
  } else if (wanted) {
    wanted = false;
    history.replaceState(null, "", location.pathname);
    shown?.querySelector("[data-part=fetch]")?.click();
  }
}

follow();

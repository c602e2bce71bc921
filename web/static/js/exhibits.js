// One click or E: what is shown, or the result in focus, becomes an exhibit; the page stays.
import { ask, problem } from "./asking.js";
import { utc } from "./instant.js";
import { isTyping } from "./page.js";
import { say } from "./words.js";

const KEPT = "hindsight-case"; // the case chosen last in this tab
const SHOWN_MS = 12_000;
const dialog = document.getElementById("collect");
const line = document.getElementById("collected");
const form = dialog.querySelector("form");
const known = [...form.elements.case.options].map((option) => option.value);
let fading = 0;
let waiting = null; // what the dialog is about

// What a pin or the key means: the card it is on, the card in focus, else what the player shows.
function momentAt(element) {
  const card = element?.closest?.(".moments > li")?.querySelector(".card");
  if (card) {
    const { camera, us, box, case: number } = card.dataset;
    const search = card.closest("[data-search]")?.dataset.search;
    return {
      camera, at: utc(Number(us)), ...(box ? { box: box.split(",").map(Number) } : {}),
      ...(search ? { search } : {}), case: number,
    };
  }
  const pane = document.querySelector("[data-player][data-us]");
  if (!pane) return null;
  const { shown, us, span, shownCase } = pane.dataset;
  const [start, end] = (span ?? "-").split("-");
  const marked = start && end ? { from: utc(Number(start)), to: utc(Number(end)) } : {};
  const inside = !marked.from || (Number(us) >= Number(start) && Number(us) < Number(end));
  return { camera: shown, case: shownCase, ...marked, ...(inside ? { at: utc(Number(us)) } : {}) };
}

function tell(text, link) {
  clearTimeout(fading);
  line.replaceChildren(text);
  if (link) line.append(" ", Object.assign(document.createElement("a"), link));
  line.hidden = false;
  fading = setTimeout(() => { line.hidden = true; }, SHOWN_MS);
}

async function send(moment) {
  tell(say("collecting", { case: moment.case }));
  const response = await ask(dialog.dataset.address, {
    method: "POST", body: JSON.stringify(moment), refused: true,
    headers: { "Content-Type": "application/json" },
  });
  if (!response?.ok) {
    if (response) tell((await problem(response)).detail);
    else line.hidden = true; // why is said at the foot of the page
    return;
  }
  const answer = await response.json();
  const said = [say("collected", { exhibit: answer.id, case: answer.case }), ...answer.said];
  const href = `${dialog.dataset.cases}/${encodeURIComponent(answer.case)}#exhibit-${answer.id}`;
  tell(said.join(" "), { href, textContent: say("collect_show") });
}

function collect(moment, choose) {
  if (!moment) return tell(say("collect_none"));
  if (!known.length) return tell(say("collect_no_case"));
  // The case of the address counts alone: what was chosen under another one is not meant here.
  const asked = moment.case || sessionStorage.getItem(KEPT);
  const number = known.includes(asked) ? asked : undefined;
  if (number && !choose) return send({ ...moment, case: number });
  waiting = moment;
  form.elements.case.value = number ?? known[0];
  form.elements.note.value = "";
  return dialog.showModal();
}

form.addEventListener("submit", () => {
  const { case: number, note, hold } = form.elements;
  sessionStorage.setItem(KEPT, number.value);
  send({ ...waiting, case: number.value, note: note.value, ...(hold.checked ? {} : { hold: false }) });
});

document.addEventListener("click", (event) => {
  const pin = event.target.closest?.("[data-collect]");
  if (!pin) return;
  event.preventDefault();
  collect(momentAt(pin), event.shiftKey);
});

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "e" || isTyping(event.target)) return;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  collect(momentAt(document.activeElement), event.shiftKey);
});

// The search desk: cards by keyboard, playing beside them, pictures pasted or dropped.
import { isTyping } from "./page.js";
import { Player } from "./player.js";
import { say } from "./words.js";

const cards = [...document.querySelectorAll(".card[data-us]")];
const pane = document.querySelector("[data-player]");
const player = pane && new Player(pane);
const form = document.getElementById("ask");

function choose(card, play) {
  for (const other of cards) other.removeAttribute("aria-current");
  card.setAttribute("aria-current", "true");
  const { camera, tz, us, box, case: number, reason } = card.dataset;
  const hit = { us: Number(us), box: box ? box.split(",").map(Number) : null };
  pane.querySelector("[data-part=page]").href = card.href;
  player.open({ camera, tz, case: number, reason, hit }, hit.us, { play });
  history.replaceState(null, "", `#${encodeURIComponent(camera)}@${us}`);
}

for (const card of cards) {
  card.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return; // a new tab is meant
    event.preventDefault();
    choose(card, true);
  });
}

document.addEventListener("keydown", (event) => {
  if (!cards.length || isTyping(event.target) || event.shiftKey || event.altKey || event.ctrlKey) return;
  if (event.target.closest?.(".track, dialog, .menu")) return;
  const columns = getComputedStyle(cards[0].closest("ul")).gridTemplateColumns.split(" ").length;
  const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (!by) return;
  event.preventDefault();
  const here = cards.indexOf(document.activeElement.closest?.(".card"));
  const next = here < 0 ? 0 : Math.min(cards.length - 1, Math.max(0, here + by));
  cards[next].focus();
});

// A reload finds the chosen card again.
const [, slug, us] = location.hash.match(/^#(.+)@(\d+)$/) ?? [];
const again = cards.find((card) => card.dataset.camera === decodeURIComponent(slug ?? "") && card.dataset.us === us);
if (again) choose(again, false);

// Pictures: chosen, pasted or dropped; sent at once, so that the address can name them.
const chooser = document.getElementById("picture");
const box = form?.querySelector(".ask-box");

async function send(file) {
  const status = document.getElementById("picture-status");
  if (!file?.type.startsWith("image/")) {
    status.textContent = say("not_picture");
    return;
  }
  status.textContent = say("uploading");
  const body = new FormData();
  body.append("picture", file);
  const token = document.querySelector("meta[name=csrf-token]").content;
  try {
    const response = await fetch(form.dataset.upload, {
      method: "POST", body, headers: { "X-CSRF-Token": token, Accept: "application/json" },
    });
    const answer = await response.json();
    if (!response.ok) {
      status.textContent = answer.detail;
      return;
    }
    form.elements.image.value = answer.token;
    form.requestSubmit();
  } catch {
    status.textContent = say("offline");
  }
}

chooser?.addEventListener("change", () => chooser.files[0] && send(chooser.files[0]));
document.querySelector("[data-choose]")?.addEventListener("click", () => chooser.click());
document.addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
  if (file) {
    event.preventDefault();
    send(file);
  }
});
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    box?.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => event.relatedTarget ?? box?.classList.remove("over"));
document.addEventListener("drop", (event) => {
  box?.classList.remove("over");
  if (!event.dataTransfer?.files.length) return;
  event.preventDefault();
  send(event.dataTransfer.files[0]);
});

// Right or wrong, said of a moment: by its buttons, or by V and X on the card in focus.
import { ask, problem } from "./asking.js";
import { isTyping } from "./page.js";
import { tell } from "./said.js";
import { say } from "./words.js";

const searches = document.querySelector(".desk")?.dataset.searches;

const count = (kind) => document.querySelectorAll(`.moments > li[data-mark=${kind}]`).length;
const elsewhere = new WeakMap(); // marks of moments that this page does not show, by its form

function notice() {
  const form = document.getElementById("refine");
  if (!form || elsewhere.has(form)) return;
  const { right, wrong } = form.dataset;
  elsewhere.set(form, { right: right - count("right"), wrong: wrong - count("wrong") });
}

notice();
document.addEventListener("answer", notice);

function drawn(item, mark) {
  if (mark) item.dataset.mark = mark;
  else delete item.dataset.mark;
  for (const kind of ["right", "wrong"]) {
    const button = item.querySelector(`.tools .${kind}`);
    button.setAttribute("aria-pressed", String(kind === mark));
    button.name = kind === mark ? "undo" : kind; // as the form without scripts has it
  }
  const beside = elsewhere.get(document.getElementById("refine"));
  if (!beside) return; // another answer took its place
  const [right, wrong] = [count("right") + beside.right, count("wrong") + beside.wrong];
  const part = (name) => document.querySelector(`#refine [data-part=${name}]`);
  part("marked").textContent = right || wrong ? say("search_marked", { right, wrong }) : "";
  part("refine").disabled = !(right || wrong);
}

const sending = new Map(); // card → what is on its way; two at once might arrive crosswise

function mark(button) {
  const item = button.closest("li");
  const kind = button.classList.contains("right") ? "right" : "wrong";
  const kept = item.dataset.mark;
  drawn(item, kept === kind ? undefined : kind);
  if (sending.has(item)) return; // goes on with what is wanted then
  const [token, frame] = button.value.split(":");
  const way = { address: `${searches}/${token}/marks/${frame}`, said: kept };
  way.done = keep(item, way).finally(() => sending.delete(item));
  sending.set(item, way);
}

// Sends what the card shows, one after the other, until the server has the same.
async function keep(item, way) {
  for (let kept = way.said; item.dataset.mark !== kept; kept = way.said) {
    const answer = await send(item, way);
    if (answer?.ok) continue;
    drawn(item, kept);
    if (answer) tell((await problem(answer)).detail);
    return;
  }
}

// `keepalive`: also of a page that is being left.
function send(item, way) {
  way.said = item.dataset.mark;
  if (!way.said) return ask(way.address, { method: "DELETE", again: true, keepalive: true });
  return ask(way.address, {
    method: "PUT", again: true, keepalive: true, body: JSON.stringify({ right: way.said === "right" }),
    headers: { "Content-Type": "application/json" },
  });
}

// When all that was marked has been kept, or refused.
export async function settled() {
  while (sending.size) await Promise.allSettled([...sending.values()].map((way) => way.done));
}

addEventListener("pagehide", () => {
  for (const [item, way] of sending) if (item.dataset.mark !== way.said) send(item, way);
});

// What is refined is what the server has: marks on their way come first.
let refining = false;

document.addEventListener("submit", async (event) => {
  if (event.target.id !== "refine" || !sending.size) return;
  event.preventDefault();
  if (refining) return;
  refining = true;
  await settled();
  refining = false;
  if (!event.submitter?.disabled) event.target.requestSubmit(event.submitter);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[form=marks]");
  if (!button) return;
  event.preventDefault();
  mark(button);
});

document.addEventListener("keydown", (event) => {
  if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  const key = event.key.toLowerCase();
  if (key === "r") document.querySelector("#refine [data-part=refine]:enabled")?.click();
  const kind = { v: "right", x: "wrong" }[key];
  if (!kind) return;
  const item = document.activeElement.closest?.(".moments > li")
    ?? document.querySelector(".card[aria-current=true]")?.closest("li");
  item?.querySelector(`.tools .${kind}`)?.click();
});

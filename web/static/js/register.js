// Tests a source without leaving the form: what came of it, and the picture, beside what was typed.
import { say } from "./words.js";

const form = document.querySelector("[data-register]");
const part = (name) => form.querySelector(`[data-part="${name}"]`);
const button = form.querySelector('[data-do="try"]');
let shown = null;

function line(text, kind) {
  const bold = Object.assign(document.createElement("b"), { textContent: text });
  const made = Object.assign(document.createElement("p"), { className: kind });
  made.append(bold);
  return made;
}

function facts(pairs) {
  const list = Object.assign(document.createElement("dl"), { className: "details" });
  for (const [name, value] of pairs) {
    list.append(
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: value }),
    );
  }
  return list;
}

function picture(told) {
  if (shown) URL.revokeObjectURL(shown);
  shown = null;
  if (!told.picture) {
    part("stage").replaceChildren(Object.assign(document.createElement("span"), { textContent: say("try_no_picture") }));
    return;
  }
  const bytes = Uint8Array.from(atob(told.picture), (one) => one.charCodeAt(0));
  shown = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  const image = new Image();
  image.src = shown;
  image.alt = say("try_picture", { time: told.at });
  part("stage").replaceChildren(image);
}

function tell(told) {
  const warnings = (told.warnings ?? []).map((text) => (
    Object.assign(document.createElement("p"), { className: "notice caution", textContent: text })
  ));
  part("told").replaceChildren(
    line(told.said, told.connected ? "came" : "failed"),
    ...(told.connected ? [line(say("try_at", { time: told.at }), "dim at")] : []),
    ...(told.facts?.length ? [facts(told.facts)] : []),
    ...warnings,
  );
}

async function attempt() {
  button.disabled = true;
  part("told").replaceChildren(line(say("try_going"), "dim"));
  try {
    const body = new FormData(form);
    const response = await fetch(form.dataset.try, {
      method: "POST", body, headers: { Accept: "application/json" },
    });
    const told = await response.json().catch(() => ({}));
    if (response.ok) {
      picture(told);
      tell(told);
    } else {
      tell({ connected: false, said: told.detail ?? say("offline") });
    }
  } catch {
    tell({ connected: false, said: say("offline") });
  } finally {
    button.disabled = false;
  }
}

button.addEventListener("click", (event) => {
  event.preventDefault();
  attempt();
});

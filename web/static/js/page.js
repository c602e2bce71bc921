// What every page does: help on "?", menus that close, forms that leave empty fields out.
export function isTyping(target) {
  return target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

const help = document.getElementById("help");

// Keys of one letter can be turned off (WCAG 2.1.4); what stops them stands before all that listen.
const letters = document.getElementById("one-letter");
const OFF = "hindsight one-letter keys off";
const kept = (() => {
  try {
    return localStorage;
  } catch {
    return null; // a browser that keeps nothing: as long as this page, then
  }
})();
if (letters) {
  letters.checked = !kept?.getItem(OFF);
  letters.addEventListener("change", () => (
    letters.checked ? kept?.removeItem(OFF) : kept?.setItem(OFF, "1")
  ));
  window.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const letter = event.key.length === 1 && event.key !== " ";
    if (!letters.checked && plain && letter && !isTyping(event.target)) event.stopImmediatePropagation();
  }, true);
}

// The keys that work on this page, as it is now.
function openHelp() {
  for (const part of help.querySelectorAll("[data-where]")) {
    part.hidden = !document.querySelector(`main :is(${part.dataset.where})`);
  }
  help.showModal();
}

// From desk to desk: the first shown one, then on; Enter opens it.
function nextDesk() {
  const shown = [...document.querySelectorAll(".desks > a, .desks > .more > summary")].filter((one) => one.checkVisibility());
  shown[(shown.indexOf(document.activeElement) + 1) % shown.length]?.focus();
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-open]");
  if (opener?.dataset.open === "help") openHelp();
  else if (opener) document.getElementById(opener.dataset.open)?.showModal();
  if (event.target.closest?.("[data-close]") || event.target instanceof HTMLDialogElement) {
    event.target.closest("dialog").close();
  }
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "?" && help) {
    event.preventDefault();
    if (help.open) help.close();
    else openHelp();
  }
  if (event.key === "g" && !document.querySelector("dialog[open]")) nextDesk();
  if (event.key === "/") {
    const box = document.querySelector("input[type=search]");
    if (box) {
      event.preventDefault();
      box.focus();
      box.select();
    }
  }
});

// A menu that the focus has left is in the way.
document.addEventListener("focusout", (event) => {
  const menu = event.target.closest?.("details.menu[open]");
  if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
});

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-prune]")) return;
  for (const field of event.target.elements) {
    if (field.name && field.value === "" && field.type !== "submit") field.disabled = true;
  }
  for (const field of event.target.querySelectorAll("[data-only-with]")) {
    const others = field.dataset.onlyWith.split(" ").map((name) => event.target.elements[name]);
    if (others.every((other) => other.value === "")) field.disabled = true;
  }
});

// A page taken back from the history must not keep its fields disabled.
window.addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("[data-prune] :disabled")) field.disabled = false;
});

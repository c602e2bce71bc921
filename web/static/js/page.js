// What every page does: help on "?", menus that close, forms that leave empty fields out.
export function isTyping(target) {
  return target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

const help = document.getElementById("help");

document.addEventListener("click", (event) => {
  const opener = event.target.closest?.("[data-open]");
  if (opener) document.getElementById(opener.dataset.open)?.showModal();
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
    else help.showModal();
  }
  if (event.key === "/") {
    const box = document.querySelector("input[type=search]");
    if (box) {
      event.preventDefault();
      box.focus();
      box.select();
    }
  }
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

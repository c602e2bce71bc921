// The tree beside the map: places and cameras as an ARIA tree, narrowed by words, states and place.
import { say } from "./words.js";

const FOLDED_FROM = 60; // so many cameras, and only the upper places begin open

export class Tree {
  // `choose(slug)`, `place(path)`: what the person wants to see.
  constructor(list, { choose, place }) {
    this.list = list;
    this.wants = { choose, place };
    this.items = [...list.querySelectorAll("li")];
    this.rows = new Map(this.items.map((item) => [item, item.firstElementChild]));
    this.ofCamera = new Map(this.items.filter((one) => one.dataset.camera).map((one) => [one.dataset.camera, one]));
    const many = this.ofCamera.size > FOLDED_FROM;
    list.setAttribute("role", "tree");
    for (const [item, row] of this.rows) {
      item.setAttribute("role", "none");
      row.setAttribute("role", "treeitem");
      row.tabIndex = -1;
      const group = item.children[1];
      if (!group) continue;
      group.setAttribute("role", "group");
      this.#fold(item, !(many && group.querySelector(":scope > [data-camera]")));
    }
    this.#roam(this.items.find((one) => !one.hidden));
    list.addEventListener("click", (event) => this.#pressed(event));
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  #fold(item, open) {
    const group = item.querySelector(":scope > ul");
    if (!group) return;
    group.hidden = !open;
    this.rows.get(item).setAttribute("aria-expanded", String(open));
  }

  #isOpen(item) {
    return this.rows.get(item).getAttribute("aria-expanded") === "true";
  }

  #roam(item) {
    if (!item) return;
    if (this.here) this.rows.get(this.here).tabIndex = -1;
    this.here = item;
    this.rows.get(item).tabIndex = 0;
  }

  #pressed(event) {
    const row = event.target.closest("a");
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const item = row.parentElement;
    this.#roam(item);
    if (event.target.closest(".twig")) this.#fold(item, !this.#isOpen(item));
    else this.#enter(item);
  }

  #enter(item) {
    if (item.dataset.camera) this.wants.choose(item.dataset.camera);
    else {
      this.#fold(item, true);
      this.wants.place(item.dataset.place);
    }
  }

  #visible() {
    return this.items.filter((one) => !one.hidden && !one.parentElement.closest("[hidden]"));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const item = event.target.closest("li");
    const seen = this.#visible();
    const at = seen.indexOf(item);
    const parent = item.parentElement.closest("li");
    const go = {
      ArrowDown: () => seen[at + 1], ArrowUp: () => seen[at - 1], Home: () => seen[0], End: () => seen.at(-1),
      ArrowRight: () => {
        if (!item.dataset.place) return null;
        if (this.#isOpen(item)) return seen[at + 1];
        this.#fold(item, true);
        return null;
      },
      ArrowLeft: () => {
        if (item.dataset.place && this.#isOpen(item)) return this.#fold(item, false);
        return parent;
      },
      Enter: () => this.#enter(item), " ": () => this.#enter(item),
    }[event.key] ?? (event.key.length === 1 ? () => this.#typed(seen, at, event.key) : null);
    if (!go || (event.key.length === 1 && event.key !== " " && !/[\p{L}\p{N}]/u.test(event.key))) return;
    event.preventDefault();
    event.stopPropagation();
    const next = go();
    if (!next) return;
    this.#roam(next);
    this.rows.get(next).focus();
  }

  #typed(seen, at, letter) {
    const begins = (one) => this.rows.get(one).querySelector(".name").textContent.toLowerCase().startsWith(letter.toLowerCase());
    return [...seen.slice(at + 1), ...seen.slice(0, at)].find(begins);
  }

  // Show these cameras only, and the places that hold some of them; `open`: unfold what is left.
  narrow(shown, open) {
    for (const [slug, item] of this.ofCamera) item.hidden = !shown.has(slug);
    for (const item of [...this.items].reverse()) {
      if (!item.dataset.place) continue;
      const some = [...item.querySelector(":scope > ul").children].some((one) => !one.hidden);
      item.hidden = !some;
      if (open && some) this.#fold(item, true);
    }
    if (!this.here || this.here.hidden || this.here.parentElement.closest("[hidden]")) this.#roam(this.#visible()[0]);
  }

  current(slug, { reveal = false } = {}) {
    for (const row of this.list.querySelectorAll("[aria-selected]")) row.removeAttribute("aria-selected");
    const item = this.ofCamera.get(slug);
    if (!item) return;
    this.rows.get(item).setAttribute("aria-selected", "true");
    if (!reveal) return;
    for (let up = item.parentElement.closest("li"); up; up = up.parentElement.closest("li")) this.#fold(up, true);
    this.#roam(item);
    this.rows.get(item).scrollIntoView({ block: "nearest" });
  }

  place(path) {
    for (const [item, row] of this.rows) {
      if (item.dataset.place === path && path) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  focus(slug) {
    const row = this.rows.get(this.ofCamera.get(slug));
    row?.focus();
  }

  // New states: shapes, words and sums.
  states(marks, changed) {
    for (const slug of changed) {
      const item = this.ofCamera.get(slug);
      if (item) restate(item, marks.get(slug));
    }
    if (!changed.length) return;
    for (const item of this.items) {
      if (!item.dataset.place) continue;
      const inside = [...item.querySelectorAll("[data-camera]")].map((one) => marks.get(one.dataset.camera));
      const [on, due] = [inside.filter((one) => one === "on").length, inside.filter((one) => one !== "off").length];
      const sums = item.querySelector(":scope > a .sums");
      sums.title = sums.querySelector(".sr").textContent = say("map_share", { on, due });
      sums.querySelector(".now").setAttribute("width", due ? (40 * on) / due : 0);
    }
  }
}

export function restate(item, mark) {
  item.querySelector(".mark").className = `mark ${mark}`;
  item.querySelector(".sr").textContent = say(`map_${mark}`);
}

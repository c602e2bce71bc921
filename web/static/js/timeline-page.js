// The timeline's page: the address follows the view, and what is marked is what the buttons are about.
import { local, utc } from "./instant.js";
import { Timeline } from "./timeline.js";
import { length, say } from "./words.js";

const MOST_PLAYED = 4; // cameras on one clock
const root = document.querySelector("[data-timeline]");

// '2026-11-18T21:04:07.240', as the fields of forms take it
function typed(us, tz) {
  const { day, clock } = local(us, tz);
  return `${day}T${clock.replace(".000", "")}`;
}

function moment(us, tz) {
  const { day, clock, offset } = local(us, tz);
  const time = document.createElement("time");
  time.className = "moment";
  time.dateTime = utc(us);
  time.title = `UTC ${utc(us)}`;
  for (const [name, text] of [["span", day], ["b", clock], ["i", offset]]) {
    time.append(Object.assign(document.createElement(name), { textContent: text }), " ");
  }
  return time;
}

// A length; from two days on in days.
function long(seconds) {
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? length(seconds) : say("timeline_days", { d: Math.floor(hours / 24), h: hours % 24 });
}

// The case that is looked under goes along.
function purposed(query) {
  const here = new URL(location.href).searchParams;
  for (const name of ["case", "reason"]) if (here.get(name)) query.set(name, here.get(name));
  return query;
}

class Page {
  constructor() {
    root.dataset.lists = "1";
    this.line = new Timeline(root);
    this.form = document.querySelector(".tl-form");
    root.addEventListener("view", () => this.#settled());
    root.addEventListener("span", () => this.#about());
    root.addEventListener("drawn", ({ detail }) => this.#below(detail.fresh));
    root.addEventListener("open", ({ detail }) => this.#play(detail));
    document.querySelector(".timeline-desk").addEventListener("click", (event) => this.#click(event));
    this.#about();
  }

  get slugs() {
    return this.line.rows.map((row) => row.dataset.camera);
  }

  // The buttons are links, for who has no scripts: here they move the view that is there.
  #click(event) {
    const link = event.target.closest("[data-do], .tl-spans a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const deeds = {
      in: () => this.line.zoom(0.25), out: () => this.line.zoom(4),
      earlier: () => this.line.pan(-0.5), later: () => this.line.pan(0.5), now: () => this.line.now(),
      unmark: () => this.line.mark(),
    };
    if (link.dataset.do) deeds[link.dataset.do]();
    else this.line.look(Number(link.dataset.start), Number(link.dataset.end));
    if (link.dataset.do === "unmark") this.#about();
  }

  #settled() {
    const { tz, us, view } = this.line;
    const address = new URL(location.href);
    const put = (name, at) => {
      const { day, clock, offset } = local(at, tz);
      address.searchParams.set(name, `${day}T${clock}${offset}`);
    };
    put("from", view[0]);
    put("to", view[1]);
    address.searchParams.set("tz", tz);
    if (us === undefined) address.searchParams.delete("at");
    else put("at", us);
    history.replaceState(null, "", address);
    for (const [name, at] of [["from", view[0]], ["to", view[1]]]) {
      this.form.elements[name].value = typed(at, tz).replace("T", " ");
    }
    this.#about();
  }

  // What the deeds are about: the marked span, or all that is shown.
  #about() {
    const { marked, tz, view } = this.line;
    const [from, to] = marked ?? view;
    const bar = document.querySelector("[data-part=chosen]");
    const part = (name) => bar.querySelector(`[data-part=chosen-${name}]`);
    part("what").textContent = say(marked ? "timeline_marked" : "timeline_shown");
    part("from").replaceChildren(moment(from, tz));
    part("to").replaceChildren(moment(to, tz));
    part("length").textContent = long((to - from) / 1e6);
    bar.querySelector("[data-do=unmark]").hidden = !marked;
    for (const link of bar.querySelectorAll("[data-deed]")) {
      const query = new URLSearchParams();
      const slugs = this.slugs;
      for (const slug of link.dataset.deed === "play" ? slugs.slice(0, MOST_PLAYED) : slugs) query.append("camera", slug);
      if (link.dataset.deed === "play") query.set("at", utc(from));
      else {
        query.set("from", typed(from, tz));
        query.set("to", typed(to, tz));
        query.set("tz", tz);
      }
      link.href = `${link.dataset.base}?${purposed(query)}`;
    }
  }

  #below(fresh) {
    const lists = fresh.querySelector("[data-part=lists]");
    const before = document.querySelector("[data-part=lists]");
    if (!lists || !before) return;
    for (const one of before.querySelectorAll("details")) {
      lists.querySelector(`#${one.id}`).open = one.open;
    }
    before.replaceWith(lists);
  }

  // To the player at that instant: all that are shown, when they fit on one clock.
  #play({ us, camera }) {
    const may = this.line.rows.filter((row) => row.dataset.plays === "yes").map((row) => row.dataset.camera);
    if (!may.includes(camera)) {
      this.line.note.textContent = say("timeline_not_played");
      return;
    }
    const others = may.length <= MOST_PLAYED ? may.filter((slug) => slug !== camera) : [];
    const query = new URLSearchParams();
    for (const slug of [camera, ...others]) query.append("camera", slug);
    query.set("at", utc(us));
    location.assign(`/player?${purposed(query)}`);
  }
}

if (root) new Page();

// The redaction desk: boxes drawn over paused pictures become a recipe, the recipe a copy.
import { ask, problem, trouble } from "./asking.js";
import { local, parseUtc, utc } from "./instant.js";
import { isTyping } from "./page.js";
import { Recipe } from "./redact-recipe.js";
import { say } from "./words.js";

const SLIP_US = 1000; // asks just inside a picture, past the rounding of its first microsecond
const LEAST = 0.004; // of the picture: a click is not a box
const POLL_MS = 700;
const COLOURS = ["#35cdbb", "#ffb454", "#7aa2ff", "#ff7a9c", "#b4e05a", "#d08bff"];
const CONTROLS = "button, input";
const SVG = "http://www.w3.org/2000/svg";
const address = { copies: "/api/v1/redactions", picture: "/api/v1/redactions/picture" };

class Desk {
  constructor(root) {
    this.root = root;
    this.data = root.dataset;
    this.start = Number(this.data.start);
    this.end = Number(this.data.end);
    this.us = this.start;
    this.asHidden = false;
    this.parts = {};
    for (const one of root.querySelectorAll("[data-part]")) this.parts[one.dataset.part] = one;
    const { width, height } = this.parts.stage.querySelector(".sizer").viewBox.baseVal;
    this.parts.stage.style.setProperty("--ratio", width / height); // before its picture has come
    this.key = `redact ${this.data.camera} ${this.data.from} ${this.data.to}`;
    this.recipe = Recipe.from(sessionStorage.getItem(this.key)) ?? new Recipe();
    if (!this.recipe.subjects.length) this.recipe.add(say("subject", { n: 1 }));
    this.chosen = this.recipe.subjects[0];
    this.parts.slider.max = String(Math.round((this.end - this.start) / 1000) - 1);
    this.#listen();
    this.#options();
    this.#draw();
    this.seek(this.start);
    this.#again();
  }

  seek(us) {
    this.wanted = Math.min(Math.max(us, this.start), this.end - 1);
    this.parts.slider.value = String(Math.round((this.wanted - this.start) / 1000));
    if (!this.loading) {
      this.parts.stage.classList.add("loading");
      this.loading = this.#load().finally(() => {
        this.loading = null;
        this.parts.stage.classList.remove("loading");
      });
    }
    return this.loading;
  }

  // One picture after the other; of those asked for meanwhile only the last.
  async #load() {
    while (this.wanted !== null) {
      const at = this.wanted;
      this.wanted = null;
      if (this.asHidden) this.#note(say("redact_preview"));
      const body = { ...this.#span(), at: utc(Math.min(at + SLIP_US, this.end - 1)) };
      if (this.asHidden) body.recipe = this.recipe.document(this.end);
      const response = await send(address.picture, body);
      if (response.problem) {
        this.us = at;
        this.#note(response.problem);
      } else {
        await this.#show(response);
        this.#note("");
      }
      this.#clock();
      this.#draw();
    }
  }

  async #show(response) {
    const { picture } = this.parts;
    const old = picture.src;
    picture.src = URL.createObjectURL(await response.blob());
    await picture.decode().catch(() => {});
    this.parts.stage.style.setProperty("--ratio", picture.naturalWidth / picture.naturalHeight || 1.78);
    if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    this.us = Math.min(Math.max(Number(response.headers.get("X-Picture-Time")), this.start), this.end - 1);
    const rough = JSON.parse(response.headers.get("X-Rough") ?? "[]");
    this.parts.rough.textContent = rough.length && this.asHidden ? say("redact_rough", { names: rough.join(", ") }) : "";
  }

  #span() {
    const { camera, from, to, case: of, reason } = this.data;
    return { camera, from, to, ...(of && { case: of }), ...(reason && { reason }) };
  }

  #clock() {
    const { day, clock, offset } = local(this.us, this.data.tz);
    const [a, b, c] = [["span", day], ["b", clock], ["i", offset]].map(([tag, text]) =>
      Object.assign(document.createElement(tag), { textContent: text }));
    this.parts.clock.replaceChildren(a, " ", b, " ", c);
  }

  #note(text) {
    this.parts.note.textContent = text;
  }

  #changed() {
    sessionStorage.setItem(this.key, this.recipe.text());
    this.#draw();
    if (this.asHidden) this.seek(this.us);
  }

  #draw() {
    this.parts.overlay.replaceChildren(...this.recipe.subjects.flatMap((one, i) => this.#rects(one, i)));
    const row = document.getElementById("subject-row").content;
    const { subjects } = this.parts;
    const active = document.activeElement;
    if (subjects.contains(active) && active.matches(".name")) return; // while a name is typed
    const place = [...subjects.querySelectorAll(CONTROLS)].indexOf(active);
    subjects.replaceChildren(...this.recipe.subjects.map((one, i) => this.#row(row, one, i)));
    const controls = subjects.querySelectorAll(CONTROLS);
    if (place >= 0) controls[Math.min(place, controls.length - 1)]?.focus({ preventScroll: true });
  }

  #rects(subject, i) {
    const { box, drawn } = this.dragging?.subject === subject
      ? { box: this.dragging.box, drawn: true } : subject.at(this.us);
    if (!box || !subject.isThere(this.us)) return [];
    return ["under", drawn ? "" : "away"].map((css) => {
      const rect = document.createElementNS(SVG, "rect");
      ["x", "y", "width", "height"].forEach((name, k) => rect.setAttribute(name, box[k]));
      rect.setAttribute("class", css);
      if (css !== "under") rect.setAttribute("stroke", COLOURS[i % COLOURS.length]);
      return rect;
    });
  }

  #row(template, subject, i) {
    const row = template.cloneNode(true).querySelector("li");
    row.toggleAttribute("data-chosen", subject === this.chosen);
    const radio = row.querySelector("[type=radio]");
    radio.checked = subject === this.chosen;
    radio.addEventListener("change", () => this.#choose(subject));
    row.addEventListener("click", (event) => {
      if (subject !== this.chosen && !event.target.closest("button, input, label")) this.#choose(subject);
    });
    const swatch = document.createElementNS(SVG, "svg");
    swatch.setAttribute("class", "swatch");
    swatch.setAttribute("aria-hidden", "true");
    const fill = document.createElementNS(SVG, "rect");
    for (const [name, value] of [["width", 14], ["height", 14], ["fill", COLOURS[i % COLOURS.length]]]) {
      fill.setAttribute(name, value);
    }
    swatch.append(fill);
    row.querySelector(".swatch").replaceWith(swatch);
    const name = row.querySelector(".name");
    name.value = subject.name;
    name.addEventListener("focus", () => { this.chosen = subject; });
    name.addEventListener("input", () => {
      subject.name = name.value;
      sessionStorage.setItem(this.key, this.recipe.text());
    });
    const track = row.querySelector('[data-row="track"]');
    track.checked = subject.track;
    track.addEventListener("change", () => { subject.track = track.checked; this.#changed(); });
    row.querySelector('[data-row="remove"]').addEventListener("click", () => this.#remove(subject));
    for (const end of ["from", "until"]) {
      const button = row.querySelector(`[data-row="${end}"]`);
      const known = subject[end];
      button.setAttribute("aria-pressed", String(known !== null));
      if (known !== null) button.textContent = say(`redact_${end}`, { time: local(known, this.data.tz).clock });
      button.addEventListener("click", () => {
        if (subject[end] !== null) subject[end] = null;
        // Drawn in this picture, it is still there: gone with the next.
        else subject[end] = end === "until" && subject.at(this.us).drawn ? this.us + 1 : this.us;
        this.#changed();
      });
    }
    row.querySelector(".instants").replaceChildren(...this.#instants(subject));
    return row;
  }

  #instants(subject) {
    if (!subject.boxes.length) {
      return [Object.assign(document.createElement("li"), { className: "none", textContent: say("redact_none") })];
    }
    return subject.boxes.map(({ us }) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: local(us, this.data.tz).clock });
      if (us === this.us) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => { this.chosen = subject; this.seek(us); });
      const item = document.createElement("li");
      item.append(button);
      return item;
    });
  }

  #choose(subject) {
    this.chosen = subject;
    this.#draw();
  }

  #remove(subject) {
    this.recipe.remove(subject);
    if (this.chosen === subject) this.chosen = this.recipe.subjects[0] ?? null;
    this.#changed();
  }

  #add() {
    this.chosen = this.recipe.add(say("subject", { n: this.recipe.subjects.length + 1 }));
    this.#changed();
  }

  #options() {
    for (const one of this.root.querySelectorAll("[data-option]")) one.checked = this.recipe[one.name] === one.value;
  }

  #listen() {
    const { stage, slider, load } = this.parts;
    this.root.addEventListener("click", (event) => {
      const does = event.target.closest("[data-do]")?.dataset.do;
      if (does) this.#do(does);
    });
    this.root.addEventListener("change", (event) => {
      if (!event.target.matches("[data-option]")) return;
      this.recipe[event.target.name] = event.target.value;
      this.#changed();
    });
    slider.addEventListener("input", () => this.seek(this.start + Number(slider.value) * 1000));
    load.addEventListener("change", () => this.#load_recipe(load));
    stage.addEventListener("pointerdown", (event) => this.#drag(event));
    stage.addEventListener("keydown", (event) => this.#keys(event));
    document.addEventListener("keydown", (event) => {
      if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      const does = { ",": "step-back", ".": "step-on", h: "hidden" }[event.key];
      if (does) {
        event.preventDefault();
        this.#do(does);
      }
    });
  }

  #do(what) {
    const step = 1e6 / (Number(this.data.fps) || 25);
    ({
      "second-back": () => this.seek(this.us - 1e6),
      "second-on": () => this.seek(this.us + 1e6),
      "step-back": () => this.seek(this.us - SLIP_US * 3),
      "step-on": () => this.seek(this.us + step * 1.1),
      hidden: () => this.#turn(!this.asHidden),
      add: () => this.#add(),
      make: () => this.#make(),
      save: () => this.#save(),
      stop: () => this.#stop(),
    })[what]?.();
  }

  #turn(asHidden) {
    this.asHidden = asHidden;
    this.parts.hidden.setAttribute("aria-pressed", String(asHidden));
    this.parts.stage.classList.toggle("hidden-view", asHidden);
    this.parts.rough.textContent = "";
    this.seek(this.us);
  }

  #drag(event) {
    if (event.button !== 0) return;
    if (this.asHidden) this.#turn(false); // back to drawing
    if (this.loading) return;
    const { stage } = this.parts;
    stage.focus({ preventScroll: true });
    if (!this.chosen) this.#add();
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    const place = (one) => {
      const area = this.parts.picture.getBoundingClientRect();
      return [(one.clientX - area.left) / area.width, (one.clientY - area.top) / area.height]
        .map((value) => Math.min(Math.max(value, 0), 1));
    };
    const [x, y] = place(event);
    this.dragging = { subject: this.chosen, box: [x, y, 0, 0] };
    const move = (one) => {
      const [a, b] = place(one);
      this.dragging.box = [Math.min(x, a), Math.min(y, b), Math.abs(a - x), Math.abs(b - y)];
      this.parts.overlay.replaceChildren(...this.recipe.subjects.flatMap((each, i) => this.#rects(each, i)));
    };
    const end = (one) => {
      stage.removeEventListener("pointermove", move);
      stage.removeEventListener("pointerup", end);
      stage.removeEventListener("pointercancel", end);
      const { subject, box } = this.dragging;
      this.dragging = null;
      if (one.type === "pointerup" && box[2] > LEAST && box[3] > LEAST) {
        subject.put(this.us, box);
        this.#changed();
      } else this.#draw();
    };
    stage.addEventListener("pointermove", move);
    stage.addEventListener("pointerup", end);
    stage.addEventListener("pointercancel", end);
  }

  #keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.asHidden || this.loading) return;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const makes = event.key.toLowerCase() === "n";
    const removes = event.key === "Delete" || event.key === "Backspace";
    if (!arrow && !makes && !removes) return;
    event.preventDefault();
    if (!this.chosen) this.#add();
    const { box } = this.chosen.at(this.us);
    if (makes) this.chosen.put(this.us, [0.4, 0.4, 0.2, 0.2]);
    else if (removes) this.chosen.take(this.us);
    else if (box) {
      const [dx, dy] = arrow.map((one) => one / 100);
      this.chosen.put(this.us, event.shiftKey
        ? [box[0], box[1], box[2] + dx, box[3] + dy] : [box[0] + dx, box[1] + dy, box[2], box[3]]);
    }
    this.#changed();
  }

  async #load_recipe(input) {
    const [file] = input.files;
    input.value = "";
    const read = file && Recipe.from(await file.text());
    if (!read) {
      this.#note(say("redact_no_recipe"));
      return;
    }
    this.recipe = read;
    this.chosen = read.subjects[0] ?? null;
    this.#options();
    this.#changed();
  }

  #save() {
    const text = JSON.stringify(this.recipe.document(this.end), null, 1);
    const link = Object.assign(document.createElement("a"), {
      href: URL.createObjectURL(new Blob([text], { type: "application/json" })),
      download: `${this.data.camera}_recipe.json`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async #make() {
    if (this.job) return;
    const { bar, said, fetch: link, stop, job } = this.parts;
    job.hidden = false;
    link.hidden = true;
    stop.hidden = false;
    bar.value = 0;
    said.textContent = say("redact_begins");
    const body = { ...this.#span(), recipe: this.recipe.document(this.end), time: this.parts.time.checked };
    const response = await send(address.copies, body);
    if (response.problem) {
      this.#ended(response.problem);
      return;
    }
    this.#going((await response.json()).redaction);
    await this.#watch();
  }

  // Known to this tab, so that a reload finds it again.
  #going(job) {
    this.job = job;
    if (job) sessionStorage.setItem(`${this.key} job`, job);
    else sessionStorage.removeItem(`${this.key} job`);
  }

  #again() {
    const job = sessionStorage.getItem(`${this.key} job`);
    if (!job) return;
    this.parts.job.hidden = false;
    this.job = job;
    this.#watch();
  }

  async #watch() {
    const { bar, said, fetch: link } = this.parts;
    while (this.job) {
      const response = await send(`${address.copies}/${this.job}`);
      if (response.problem) {
        this.#ended(response.problem);
        return;
      }
      const told = await response.json();
      bar.value = told.share;
      if (told.state === "done") {
        const unsure = told.unsure.length ? ` ${say("redact_unsure", { names: this.#spans(told.unsure) })}` : "";
        link.href = `${address.copies}/${this.job}/copy`;
        link.hidden = false;
        bar.value = 1;
        this.#ended(say("redact_done") + unsure);
        return;
      }
      if (told.state === "failed") {
        this.#ended(told.error);
        return;
      }
      said.textContent = say("redact_making", { percent: Math.floor(told.share * 100) });
      await new Promise((resolve) => { setTimeout(resolve, POLL_MS); });
    }
  }

  // 'Subject 1 21:00:04.733–21:00:06.467'
  #spans(unsure) {
    const clock = (text) => local(parseUtc(text), this.data.tz).clock;
    return unsure.map(({ subject, start, end }) => `${subject} ${clock(start)}–${clock(end)}`).join(", ");
  }

  #ended(text) {
    this.#going(null);
    this.parts.said.textContent = text;
    this.parts.stop.hidden = true;
  }

  async #stop() {
    const { job } = this;
    if (!job) return;
    await send(`${address.copies}/${job}`, null, "DELETE");
    this.#ended(say("redact_stopped"));
  }
}

// A response, or {problem: why not}.
async function send(to, body = null, method = body ? "POST" : "GET") {
  const headers = { Accept: "application/json, image/jpeg" };
  if (body) headers["Content-Type"] = "application/json";
  const response = await ask(to, { method, headers, body: body && JSON.stringify(body), refused: true });
  if (response === null) return { problem: say(trouble() === "session" ? "logged_out" : "offline") };
  if (response.ok) return response;
  return { problem: (await problem(response)).detail };
}

for (const root of document.querySelectorAll("[data-redact]")) new Desk(root);


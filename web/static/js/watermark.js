// A layer over the picture that says who looks, when and for which case, again and again: whoever
// photographs the screen photographs it too. It is no lock: who controls the browser can remove it.
const SLANT = -Math.PI / 9;
const EVERY_MS = 20_000; // the time in it is told to the minute
const FILL = "rgb(255 255 255 / 20%)"; // seen on dark footage …
const EDGE = "rgb(0 0 0 / 24%)"; // … and on light

export class Watermark {
  // stage: what the picture lies in, and what is shown full screen; who: the name of the user
  constructor(stage, who) {
    this.stage = stage;
    this.who = who;
    this.case = "";
    this.canvas = document.createElement("canvas");
    this.canvas.className = "watermark";
    this.canvas.setAttribute("aria-hidden", "true");
    this.#keep();
    new ResizeObserver(() => this.draw()).observe(stage);
    // Put back when a script or an extension takes it away or hides it.
    new MutationObserver(() => this.#keep()).observe(stage, {
      childList: true, subtree: true, attributes: true, attributeFilter: ["style", "class", "hidden"],
    });
    setInterval(() => this.draw(), EVERY_MS);
  }

  forCase(number) {
    this.case = number ?? "";
    this.draw();
  }

  #keep() {
    const { canvas, stage } = this;
    if (canvas.className !== "watermark") canvas.className = "watermark";
    if (canvas.hidden) canvas.hidden = false;
    if (canvas.hasAttribute("style")) canvas.removeAttribute("style");
    if (canvas.parentNode === stage) return;
    stage.append(canvas);
    this.draw();
  }

  #text() {
    const now = new Date();
    const two = (value) => String(value).padStart(2, "0");
    const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
    const clock = `${two(now.getHours())}:${two(now.getMinutes())}`;
    return [this.who, `${day} ${clock}`, this.case].filter(Boolean).join("  ·  ");
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const ratio = window.devicePixelRatio || 1;
    const { canvas } = this;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    if (!pen || !width) return;
    pen.scale(ratio, ratio);
    const size = Math.max(13, Math.min(28, width / 54));
    pen.font = `600 ${size}px ${getComputedStyle(this.stage).fontFamily}`;
    pen.textBaseline = "middle";
    pen.lineWidth = size / 9;
    pen.lineJoin = "round";
    [pen.fillStyle, pen.strokeStyle] = [FILL, EDGE];
    const text = this.#text();
    const across = pen.measureText(text).width + 3 * size;
    const down = 5 * size;
    const reach = Math.hypot(width, height) / 2 + across;
    pen.translate(width / 2, height / 2);
    pen.rotate(SLANT);
    for (let row = -Math.ceil(reach / down); row * down < reach; row += 1) {
      const shift = row % 2 ? across / 2 : 0; // so that no column of the picture stays free
      for (let x = -reach - across + shift; x < reach; x += across) {
        pen.strokeText(text, x, row * down);
        pen.fillText(text, x, row * down);
      }
    }
  }
}

// Drawing a privacy zone: corners by clicks on the picture; the text field holds the same corners,
// so that whoever uses the keyboard types them.
const desk = document.querySelector("[data-zones]");
const parts = {};
for (const part of desk.querySelectorAll("[data-part]")) parts[part.dataset.part] = part;

function corners() {
  const values = parts.points.value.split(/[\s,]+/).filter(Boolean).map(Number);
  const found = [];
  for (let i = 0; i + 1 < values.length; i += 2) found.push([values[i], values[i + 1]]);
  return found.filter((corner) => corner.every((value) => value >= 0 && value <= 1));
}

function write(found) {
  parts.points.value = found.map(([x, y]) => `${x.toFixed(4)},${y.toFixed(4)}`).join(" ");
  show();
}

function show() {
  const found = corners();
  parts.shape.setAttribute("points", found.map((corner) => corner.join(",")).join(" "));
  parts.corners.replaceChildren(...found.map(([x, y]) => {
    const dot = document.createElement("i");
    dot.style.left = `${x * 100}%`;
    dot.style.top = `${y * 100}%`;
    return dot;
  }));
}

parts.drawing.addEventListener("click", (event) => {
  const box = parts.drawing.getBoundingClientRect();
  const inside = (value) => Math.min(1, Math.max(0, value));
  write([...corners(), [
    inside((event.clientX - box.left) / box.width),
    inside((event.clientY - box.top) / box.height),
  ]]);
});
parts.points.addEventListener("input", show);
desk.querySelector("[data-do=back]").addEventListener("click", () => write(corners().slice(0, -1)));
desk.querySelector("[data-do=clear]").addEventListener("click", () => write([]));
show();

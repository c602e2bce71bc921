// The full player and the camera page: open what the address names, keep the address true.
import { local } from "./instant.js";
import { Player, sourceOf } from "./player.js";

const root = document.querySelector("[data-player]");
if (root) {
  const player = new Player(root);
  const source = sourceOf(root);
  if (source) player.source = source;
  if (source && root.dataset.at) player.open(source, Number(root.dataset.at));

  const field = document.querySelector("input[name=at]");
  let last = 0;
  root.addEventListener("instant", ({ detail }) => {
    if (detail.us === undefined || location.pathname !== "/player") return;
    const { day, clock, offset } = local(detail.us, detail.tz);
    const at = `${day}T${clock}${offset}`;
    if (field && field !== document.activeElement) field.value = at;
    clearTimeout(last);
    last = setTimeout(() => {
      const address = new URL(location.href);
      address.searchParams.set("camera", detail.camera);
      address.searchParams.set("at", at);
      history.replaceState(null, "", address);
    }, 250);
  });
}

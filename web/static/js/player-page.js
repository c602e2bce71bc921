// The full player and the camera page: open what the address names, keep the address true.
import { ask, problem } from "./asking.js";
import { BoxSearch } from "./box-search.js";
import { local } from "./instant.js";
import { neighbours } from "./near.js";
import { isTyping } from "./page.js";
import { Player, sourceOf } from "./player.js";
import { Tile } from "./player-tile.js";
import { timelineUnder } from "./player-timeline.js";

const root = document.querySelector("[data-player]");
if (root) {
  const player = new Player(root);
  const source = sourceOf(root);
  if (source) player.source = source;
  player.preview = root.dataset.preview === "1";
  player.tiles = [...root.querySelectorAll("[data-tile]")].map(
    (one) => new Tile(one, (camera, us) => player.opens(camera, us)),
  );
  const under = document.querySelector("[data-timeline]");
  if (under) timelineUnder(player, under);
  if (source && root.dataset.at) player.open(source, Number(root.dataset.at));

  const stage = root.querySelector("[data-part=stage]");
  const bar = root.querySelector("[data-part=cutting]");
  const cutting = bar && new BoxSearch({
    stage, bar, address: bar.dataset.address, shown: () => player.shown(),
  });
  const cut = () => {
    player.engine?.pause();
    cutting.open();
  };
  root.addEventListener("click", (event) => {
    if (cutting && event.target.closest("[data-do=cut]")) cut();
  });
  document.addEventListener("keydown", (event) => {
    if (!cutting || event.key !== "b" || isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (player.us !== undefined && !document.querySelector("dialog[open]")) cut();
  });

  const button = root.querySelector("[data-do=near]");
  const panel = document.querySelector("[data-part=near]");
  const beside = () => player.tiles.map((tile) => tile.camera);
  if (button && panel) neighbours(button, panel, () => player.shown(), beside);

  // Links and forms that keep the instant: they know it only when they are used.
  const at = () => {
    const { day, clock, offset } = local(player.us, player.source.tz);
    return `${day}T${clock}${offset}`;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-keeps-at]");
    if (!link || player.us === undefined) return;
    const address = new URL(link.href);
    address.searchParams.set("at", at());
    link.href = address;
  }, true);
  document.querySelector("[data-beside-form]")?.addEventListener("submit", (event) => {
    if (player.us !== undefined) event.target.elements.at.value = at();
  });

  root.addEventListener("preview", () => {
    const address = new URL(location.href);
    address.searchParams.set("preview", "1");
    history.replaceState(null, "", address);
  });

  const field = document.querySelector("input[name=at]");
  let last = 0;
  root.addEventListener("instant", ({ detail }) => {
    if (detail.us === undefined || location.pathname !== "/player") return;
    if (field && field !== document.activeElement) field.value = at();
    clearTimeout(last);
    last = setTimeout(() => {
      const address = new URL(location.href);
      const others = player.tiles.map((tile) => tile.camera);
      address.searchParams.set("camera", detail.camera);
      for (const one of others) address.searchParams.append("camera", one);
      address.searchParams.set("at", at());
      history.replaceState(null, "", address);
    }, 250);
  });

  const hold = root.querySelector("form[data-part=hold]");
  hold?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = hold.querySelector("[role=status]");
    said.textContent = "";
    const answer = await ask(hold.action, { method: "POST", body: new FormData(hold), refused: true });
    if (!answer) return; // the bar at the foot has said why
    said.textContent = answer.ok ? hold.dataset.done : (await problem(answer)).detail;
    if (answer.ok) hold.elements.reason.value = "";
  });
}
